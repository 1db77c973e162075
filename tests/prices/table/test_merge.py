import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import InputError, OptionError
from cryptodask.prices.schema import TABLE_COLUMNS, empty_prices
from cryptodask.prices.table.merge import check_rows, keep_last, merge_rows

NAN = float("nan")


def rows(*known: tuple[str, str, float], **columns: object) -> pd.DataFrame:
    """Rows of (coin, day, close), the other values missing."""
    frame = pd.DataFrame(known, columns=["coin", "date", "close"])
    frame["date"] = pd.to_datetime(frame["date"]).astype("datetime64[s]")
    return empty_prices().merge(frame, how="right").assign(**columns)


OLD = check_rows(rows(("A", "2026-01-01", 1.0), ("A", "2026-01-02", 2.0), ("B", "2026-01-01", 5.0)))


def closes(frame: pd.DataFrame) -> list[tuple[str, str, float]]:
    days = frame["date"].dt.strftime("%Y-%m-%d")
    return list(zip(frame["coin"], days, frame["close"], strict=True))


def test_rows_are_sorted_and_get_the_dtypes_of_the_schema() -> None:
    shuffled = rows(("B", "2026-01-01", 5), ("A", "2026-01-02", 2), ("A", "2026-01-01", 1))
    given = shuffled.astype({"coin": "object", "date": "datetime64[ns]", "close": "int32"})
    pd.testing.assert_frame_equal(check_rows(given[reversed(TABLE_COLUMNS)]), OLD)


def test_no_rows_are_rows() -> None:
    pd.testing.assert_frame_equal(check_rows(empty_prices()), empty_prices())


ONE = rows(("A", "2026-01-01", 1.0))
BAD: dict[str, tuple[object, str]] = {
    "no frame": ([1], "rows: must be a pandas dataframe, got list"),
    "no close": (ONE.drop(columns="close"), "no column close; give coin, date, open"),
    "other columns": (ONE.assign(price=1), "unknown column price; leave it out"),
    "a column twice": (pd.concat([ONE, ONE[["close"]]], axis=1), "two columns of one name"),
    "texts for numbers": (ONE.assign(close="1"), "close: must be numbers, got str"),
    "truths for numbers": (ONE.assign(volume=True), "volume: must be numbers, got bool"),
    "texts for days": (ONE.assign(date="2026-01-01"), "date: must be datetime64 without a time"),
    "days of a zone": (
        ONE.assign(date=ONE["date"].dt.tz_localize("UTC")),
        "without a time zone, got datetime64.* convert it to the UTC day",
    ),
    "no day": (ONE.assign(date=pd.NaT), "date NaT: no day"),
    "an hour": (
        ONE.assign(date=pd.Timestamp("2026-01-01 12:00")),
        "A, 2026-01-01: date 2026-01-01 12:00:00: no day",
    ),
    "no coin": (ONE.assign(coin=None), "no name of a coin"),
    "a coin of no letter": (ONE.assign(coin=""), "no name of a coin"),
    "a coin of spaces": (ONE.assign(coin=" A"), "no name of a coin"),
    "a coin of control characters": (ONE.assign(coin="A\x1b[2J"), "no name of a coin"),
    "a coin of loose accents": (ONE.assign(coin="e\u0301"), "no name of a coin"),
    "a number for a coin": (ONE.assign(coin=5), "5, 2026-01-01: coin 5: no name of a coin"),
    "a close of nothing": (ONE.assign(close=NAN), "A, 2026-01-01: close nan: must be above 0"),
    "a close of zero": (ONE.assign(close=0.0), "close 0.0: must be above 0; leave the row out"),
    "a close below zero": (ONE.assign(close=-1.0), "close -1.0: must be above 0"),
    "a close without end": (ONE.assign(close=np.inf), "close inf: must be finite"),
    "an open of zero": (ONE.assign(open=0.0), "open 0.0: must be above 0; set it to NaN"),
    "a volume below zero": (ONE.assign(volume=-1.0), "volume -1.0: must not be below 0"),
    "a volume without end": (ONE.assign(volume=np.inf), "volume inf: must be finite"),
    "a day twice": (pd.concat([ONE, ONE]), "A, 2026-01-01: date .*: another row has this day"),
    "two wrong": (
        rows(("A", "2026-01-01", 0.0), ("B", "2026-01-01", 0.0)),
        r"A, 2026-01-01: close 0.0: must be above 0; leave the row out \(2 such rows\)",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_are_no_rows_of_prices_is_refused_with_coin_rule_and_value(what: str) -> None:
    frame, message = BAD[what]
    with pytest.raises(InputError, match=message):
        check_rows(frame)  # type: ignore[arg-type]


def hours(step: int, n: int, coin: str = "A", start: str = "2026-01-01") -> pd.DataFrame:
    """Rows of a coin so many hours apart."""
    stamps = pd.date_range(start, periods=n, freq=f"{step}h")
    return rows(*[(coin, str(stamp), 1.0 + i) for i, stamp in enumerate(stamps)])


@pytest.mark.parametrize(("freq", "step"), [("1h", 1), ("4h", 4), ("1d", 24)])
def test_bars_of_the_frequency_are_rows_and_so_are_those_with_gaps(freq: str, step: int) -> None:
    frame = hours(step, 9)
    pd.testing.assert_frame_equal(check_rows(frame[::-1], freq), frame)
    some = frame.drop(index=[2, 3, 4, 7]).reset_index(drop=True)
    pd.testing.assert_frame_equal(check_rows(some, freq), some)
    for n in (1, 2):  # so few do not tell
        assert len(check_rows(hours(24, n), freq)) == n


OFF: dict[str, tuple[str, pd.DataFrame, str]] = {
    "half an hour": (
        "1h", hours(1, 3, start="2026-01-01 12:30"),
        "A, 2026-01-01: date 2026-01-01 12:30:00: no hour begins then; give the moment in UTC "
        "at which the bar opens (3 such rows)",
    ),
    "one hour among fours": (
        "4h", pd.concat([hours(4, 4), hours(1, 1, start="2026-01-02 01:00")]),
        "A, 2026-01-02: date 2026-01-02 01:00:00: no bar of 4h begins then; give the moment in UTC "
        "at which the bar opens",
    ),
    "hours for days": (
        "1d", hours(1, 2),
        "A, 2026-01-01: date 2026-01-01 01:00:00: no day; give the UTC day that the close ends, "
        "without an hour",
    ),
    "no moment": (
        "1h", ONE.assign(date=pd.NaT),
        "A: date NaT: no hour begins then; give the moment in UTC at which the bar opens",
    ),
    "days for hours": (
        "1h", hours(24, 3),
        "A: date: all rows are daily bars, and this table has hourly bars; append them to a "
        "separate table",
    ),
    "days for fours": (
        "4h", pd.concat([hours(4, 3), hours(24, 5, "B")]),
        "B: date: all rows are daily bars, and this table has bars of 4h; append them to a "
        "separate table",
    ),
    "fours for hours": (
        "1h", hours(4, 3)[::-1],
        "A: date: all rows are bars of 4h, and this table has hourly bars; append them to a "
        "separate table",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", OFF)
def test_bars_of_another_length_are_refused_with_coin_date_and_rule(what: str) -> None:
    freq, frame, message = OFF[what]
    with pytest.raises(InputError) as caught:
        check_rows(frame, freq)
    assert str(caught.value) == message


def test_two_rows_of_one_hour_are_refused_and_two_of_one_day_are_not() -> None:
    frame = hours(1, 3)
    assert check_rows(frame, "1h")["date"].dt.day.tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="date 2026-01-01 01:00:00: another row has this day"):
        check_rows(pd.concat([frame, frame[1:2]]), "1h")


def test_hours_are_compared_hour_by_hour() -> None:
    old = check_rows(hours(1, 3), "1h")
    new = check_rows(hours(1, 4).assign(close=[1.0, 2.5, 3.0, 4.0]), "1h")
    merged = merge_rows(old, new, "replace")
    assert merged.added["date"].tolist() == [pd.Timestamp("2026-01-01 03:00")]
    assert merged.corrected["date"].tolist() == [pd.Timestamp("2026-01-01 01:00")]
    assert merged.findings["date"].tolist() == [pd.Timestamp("2026-01-01 01:00")]
    assert merged.unchanged == 2


def test_new_same_and_other_rows_are_told_apart() -> None:
    new = rows(
        ("A", "2026-01-02", 2.5), ("A", "2026-01-03", 3.0), ("B", "2026-01-01", 5.0),
        ("C", "2026-01-01", 7.0), file="day.csv", line=[2, 3, 4, 5],
    )  # fmt: skip
    merged = merge_rows(OLD, check_rows(new), "replace")
    assert closes(merged.added) == [("A", "2026-01-03", 3.0), ("C", "2026-01-01", 7.0)]
    assert closes(merged.corrected) == [("A", "2026-01-02", 2.5)]
    assert (merged.unchanged, merged.kept) == (1, 0)
    [told] = merged.findings.itertuples(index=False, name=None)
    day = pd.Timestamp("2026-01-02")
    assert told == ("corrected_row", "A", "day.csv", 2, day, "2.5", "close 2 -> 2.5", "")


def test_rows_that_differ_may_be_left_out_and_are_told() -> None:
    merged = merge_rows(OLD, check_rows(rows(("A", "2026-01-02", 2.5))), "keep")
    assert (len(merged.added), len(merged.corrected), merged.kept) == (0, 0, 1)
    assert merged.findings["kind"].tolist() == ["kept_old_row"]
    assert merged.findings["file"].tolist() == [""]


def test_rows_that_differ_may_be_refused() -> None:
    new = check_rows(rows(("A", "2026-01-02", 2.5), ("B", "2026-01-01", 6.0)))
    with pytest.raises(
        InputError, match=r"A, 2026-01-02: close 2 -> 2.5.*differ from the table's: 2;"
    ):
        merge_rows(OLD, new, "fail")
    assert merge_rows(OLD, OLD, "fail").unchanged == 3


def test_a_missing_value_says_nothing_and_a_value_fills_a_missing_one() -> None:
    old = check_rows(ONE.assign(volume=4.0))
    assert merge_rows(old, check_rows(ONE), "fail").unchanged == 1
    merged = merge_rows(old, check_rows(ONE.assign(open=3.0)), "replace")
    [row] = merged.corrected[["open", "volume"]].itertuples(index=False, name=None)
    assert row == (3.0, 4.0)
    assert merged.findings["message"].tolist() == ["open missing -> 3"]


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="one of replace, keep, fail, got 'ask'"):
        merge_rows(OLD, OLD, "ask")  # type: ignore[arg-type]


def test_neither_frame_is_changed() -> None:
    old, new = OLD.copy(), check_rows(rows(("A", "2026-01-02", 2.5)))
    before = new.copy()
    merge_rows(old, new, "replace")
    pd.testing.assert_frame_equal(old, OLD)
    pd.testing.assert_frame_equal(new, before)


def test_of_rows_laid_over_each_other_the_last_of_a_day_stays() -> None:
    over = rows(("0", "2026-01-01", 9.0), ("A", "2026-01-02", 2.5), ("A", "2026-01-03", 3.0))
    last = rows(("A", "2026-01-02", 2.75))
    rows_in_order = pd.concat([OLD, over, last], ignore_index=True)
    assert closes(keep_last(rows_in_order)) == [
        ("0", "2026-01-01", 9.0), ("A", "2026-01-01", 1.0), ("A", "2026-01-02", 2.75),
        ("A", "2026-01-03", 3.0), ("B", "2026-01-01", 5.0),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(keep_last(OLD), OLD)
    pd.testing.assert_frame_equal(keep_last(empty_prices()), empty_prices())

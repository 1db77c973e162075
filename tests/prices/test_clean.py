from datetime import date

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.prices.clean import STALE_RUN, describe_series, keep_one_row_a_day
from cryptodask.prices.schema import NUMBER_COLUMNS, PRICE_COLUMNS
from tests.prices.conftest import the_finding, told

few = settings(max_examples=40, deadline=None)

Row = tuple[str, str, int, int, float]


def rows(*cells: Row, **columns: object) -> pd.DataFrame:
    """Rows of coin, file, line, day of January 2017 and close; a day has one price, amounts 1."""
    frame = pd.DataFrame(cells, columns=["coin", "file", "line", "day", "close"])
    days = frame.pop("day").to_numpy(dtype=np.int64) - 1
    frame["date"] = (np.datetime64("2017-01-01") + days).astype("datetime64[s]")
    for name in NUMBER_COLUMNS:
        if name != "close":
            frame[name] = frame["close"] if name in PRICE_COLUMNS else 1.0
    types = {"coin": "str", "file": "str", "line": "int64", "close": "float64"}
    return frame.astype(types).assign(**columns)


def kept(frame: pd.DataFrame) -> list[tuple[str, str, int, float]]:
    return list(frame[["coin", "file", "line", "close"]].itertuples(index=False, name=None))


def test_rows_come_out_by_coin_and_date_whatever_their_order() -> None:
    frame = rows(("B", "B.csv", 2, 3, 3.0), ("A", "A.csv", 2, 9, 9.0), ("A", "A.csv", 3, 8, 8.0))
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "A.csv", 3, 8.0), ("A", "A.csv", 2, 9.0), ("B", "B.csv", 2, 3.0)]
    assert found.empty


def test_a_day_told_twice_with_the_same_values_is_kept_once() -> None:
    clean, found = keep_one_row_a_day(rows(("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 9, 1, 5.0)))
    assert kept(clean) == [("A", "A.csv", 2, 5.0)]
    assert told(found, "kind", "line", "value") == [("repeated_row", 9, "5")]


def test_a_missing_value_equals_a_missing_value() -> None:
    frame = rows(("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 9, 1, 5.0), volume=np.nan)
    assert told(keep_one_row_a_day(frame)[1]) == [("repeated_row", "A.csv", 9)]


def test_of_a_day_told_twice_with_other_values_the_first_line_is_kept_and_the_other_named() -> None:
    clean, found = keep_one_row_a_day(rows(("A", "A.csv", 9, 1, 7.0), ("A", "A.csv", 2, 1, 5.0)))
    assert kept(clean) == [("A", "A.csv", 2, 5.0)]
    row = the_finding(found, "conflicting_row")
    assert (row.file, row.line, row.value, f"{row.date:%Y-%m-%d}") == (
        "A.csv", 9, "7", "2017-01-01",
    )  # fmt: skip


def test_a_second_file_that_agrees_is_merged_and_adds_its_days() -> None:
    frame = rows(
        ("A", "A.csv", 2, 1, 5.0), ("A", "a.csv", 2, 1, 5.0), ("A", "a.csv", 3, 2, 6.0)
    )  # fmt: skip
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "A.csv", 2, 5.0), ("A", "a.csv", 3, 6.0)]
    row = the_finding(found, "merged_file")
    assert (row.file, row.message) == ("a.csv", "merged with A.csv: 1 days are new")
    assert len(found) == 1


def test_the_first_file_by_name_is_the_one_merged_with_whichever_begins_earlier() -> None:
    frame = rows(
        ("A", "A.csv", 2, 2, 5.0), ("A", "a.csv", 2, 1, 4.0), ("A", "a.csv", 3, 2, 5.0)
    )  # fmt: skip
    row = the_finding(keep_one_row_a_day(frame)[1], "merged_file")
    assert (row.file, row.message) == ("a.csv", "merged with A.csv: 1 days are new")


def test_a_second_file_that_contradicts_is_left_out_whole_and_the_values_are_told() -> None:
    frame = rows(
        ("A", "A.csv", 2, 1, 5.0), ("A", "a.csv", 2, 1, 5.5), ("A", "a.csv", 3, 2, 6.0),
        ("B", "a.csv", 4, 2, 8.0),
    )  # fmt: skip
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "A.csv", 2, 5.0), ("B", "a.csv", 4, 8.0)]
    row = the_finding(found, "contradicting_file")
    assert (row.coin, row.file, row.line) == ("A", "a.csv", 2)
    assert "A.csv, which tells a close of 5 on 2017-01-01; this file tells 5.5" in row.message
    assert "rename or remove" in row.message
    assert len(found) == 1


def test_a_contradiction_in_another_column_names_that_column() -> None:
    frame = rows(("A", "A.csv", 2, 1, 5.0), ("A", "a.csv", 2, 1, 5.0), volume=[3.0, 4.0])
    message = the_finding(keep_one_row_a_day(frame)[1], "contradicting_file").message
    assert "tells a volume of 3 on 2017-01-01; this file tells 4" in message


def test_a_file_that_contradicts_only_a_file_that_is_left_out_is_kept() -> None:
    frame = rows(
        ("A", "1.csv", 2, 1, 5.0),
        ("A", "2.csv", 2, 1, 9.0), ("A", "2.csv", 3, 2, 9.0),
        ("A", "3.csv", 2, 1, 5.0), ("A", "3.csv", 3, 2, 6.0),
    )  # fmt: skip
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "1.csv", 2, 5.0), ("A", "3.csv", 3, 6.0)]
    assert told(found, "kind", "file") == [
        ("contradicting_file", "2.csv"),
        ("merged_file", "3.csv"),
    ]


def test_every_file_that_contradicts_the_first_is_left_out() -> None:
    frame = rows(*[("A", f"{i}.csv", 2, 1, float(i)) for i in range(1, 6)])
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "1.csv", 2, 1.0)]
    assert told(found, "kind", "file") == [("contradicting_file", f"{i}.csv") for i in range(2, 6)]


messy = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.sampled_from(["1.csv", "2.csv", "3.csv"]),
        st.integers(1, 5),
        st.sampled_from([1.0, 2.0]),
    ),
    max_size=25,
)


@few
@given(messy)
def test_every_row_is_kept_once_or_accounted_for(cells: list[tuple[str, str, int, float]]) -> None:
    frame = rows(*[(coin, file, i, day, close) for i, (coin, file, day, close) in enumerate(cells)])
    clean, found = keep_one_row_a_day(frame)
    keys = clean[["coin", "date"]]
    assert not keys.duplicated().any()
    pd.testing.assert_frame_equal(keys, keys.sort_values(["coin", "date"], ignore_index=True))

    out = set(told(found, "coin", "file", kind="contradicting_file"))
    single = {
        *told(found, "line", kind="repeated_row"),
        *told(found, "line", kind="conflicting_row"),
    }
    merged = set(told(found, "coin", "file", kind="merged_file"))
    values = {(row.coin, row.date): row.close for row in clean.itertuples()}
    lines = set(clean["line"])
    for row in frame.itertuples():
        if row.line in lines:
            assert (row.coin, row.file) not in out
        elif (row.coin, row.file) not in out and (row.line,) not in single:
            assert (row.coin, row.file) in merged
            assert values[row.coin, row.date] == row.close


@few
@given(messy, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(
    cells: list[tuple[str, str, int, float]], random
) -> None:
    frame = rows(*[(coin, file, i, day, close) for i, (coin, file, day, close) in enumerate(cells)])
    order = random.sample(range(len(frame)), len(frame))
    pairs = zip(keep_one_row_a_day(frame), keep_one_row_a_day(frame.iloc[order]), strict=True)
    for one, other in pairs:
        pd.testing.assert_frame_equal(one, other)


def test_a_gap_is_told_at_the_row_before_it_with_its_days() -> None:
    frame = rows(("A", "A.csv", 5, 1, 1.0), ("A", "A.csv", 4, 2, 2.0), ("A", "A.csv", 3, 6, 3.0))
    row = the_finding(describe_series(frame), "gap")
    assert (row.file, row.line, row.value) == ("A.csv", 4, "3")
    assert row.date.date() == date(2017, 1, 2)


def test_equal_closes_are_told_from_five_on_and_never_across_coins() -> None:
    four, five = STALE_RUN - 1, STALE_RUN
    frame = rows(
        *[("A", "A.csv", 2 + i, 1 + i, 7.0) for i in range(four)],
        *[("B", "B.csv", 2 + i, 1 + i, 7.0) for i in range(five)],
        *[("C", "C.csv", 2 + i, 1 + i, 7.0 + i) for i in range(five)],
    )
    found = describe_series(frame)
    assert told(found, "kind", "coin", "line", "value") == [("stale_run", "B", 2, "5")]


def test_a_volume_of_zero_is_told_and_a_missing_one_is_not() -> None:
    frame = rows(
        ("A", "A.csv", 2, 1, 1.0), ("A", "A.csv", 3, 2, 1.2), volume=[0.0, np.nan]
    )  # fmt: skip
    assert told(describe_series(frame), "kind", "line", "value") == [("zero_volume", 2, "0")]


@few
@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(1, 40), st.sampled_from([1.0, 2.0])),
        unique_by=lambda row: row[:2],
        max_size=40,
    )
)
def test_gaps_and_runs_are_those_of_a_plain_loop(cells: list[tuple[str, int, float]]) -> None:
    cells = sorted(cells)
    frame = rows(*[(c, f"{c}.csv", i, day, close) for i, (c, day, close) in enumerate(cells)])
    gaps, runs = [], []
    for i, (coin, day, close) in enumerate(cells):
        before = cells[i - 1] if i and cells[i - 1][0] == coin else None
        if before and day - before[1] > 1:
            gaps.append((i - 1, str(day - before[1] - 1)))
        if before and before[2] == close:
            runs[-1][1] += 1
        else:
            runs.append([i, 1])
    found = describe_series(frame)
    assert told(found, "line", "value", kind="gap") == gaps
    long = [(start, str(length)) for start, length in runs if length >= STALE_RUN]
    assert told(found, "line", "value", kind="stale_run") == long


def test_prices_of_a_day_that_disagree_are_told_with_both_ends() -> None:
    frame = rows(("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 3, 2, 5.0), ("A", "A.csv", 4, 3, 5.0))
    frame = frame.assign(high=[4.0, 6.0, 6.0], low=[4.5, 4.0, 4.0], open=[5.0, 7.0, 5.0])
    found = describe_series(frame)
    assert told(found, "kind", "line", "value", "message") == [
        ("high_under_low", 2, "4", "low is 4.5"),
        ("outside_range", 3, "7", "open; low to high is 4 to 6"),
    ]


def test_a_missing_high_or_low_disagrees_with_nothing() -> None:
    frame = rows(("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 3, 2, 5.1))
    assert describe_series(frame.assign(high=np.nan, low=np.nan)).empty


def test_a_move_beyond_the_coins_own_habits_is_told_and_one_that_is_undone_by_its_name() -> None:
    closes = [100 + (i % 2) for i in range(20)]
    closes[9] = 300  # there and back
    closes[15:] = [250 + (i % 2) for i in range(5)]  # there, and it stays
    cells: list[Row] = [("A", "A.csv", 2 + i, 1 + i, float(c)) for i, c in enumerate(closes)]
    found = describe_series(rows(*cells))
    assert told(found, "kind", "line", "value") == [
        ("reverting_jump", 11, "+200%"),
        ("large_move", 12, "-67%"),
        ("large_move", 17, "+150%"),
    ]


def test_a_coin_that_always_moves_much_and_a_gap_are_no_large_moves() -> None:
    wild: list[Row] = [("A", "A.csv", i, i, 4.0 ** (i % 2)) for i in range(1, 20)]
    assert "large_move" not in set(describe_series(rows(*wild))["kind"])
    gap = rows(("A", "A.csv", 1, 1, 1.0), ("A", "A.csv", 2, 2, 1.0), ("A", "A.csv", 3, 9, 50.0))
    assert told(describe_series(gap), "kind") == [("gap",)]


def test_a_day_that_has_not_come_is_told() -> None:
    frame = rows(("A", "A.csv", 2, 1, 1.0), ("A", "A.csv", 3, 2, 1.0))
    assert told(describe_series(frame, date(2017, 1, 1)), "kind", "line") == [("future_date", 3)]


def test_rows_against_the_order_of_their_file_are_told_and_either_order_is_one() -> None:
    up: list[Row] = [("A", "A.csv", 2 + i, d, 1.0 + i) for i, d in enumerate([1, 2, 9, 3, 4])]
    down: list[Row] = [("B", "B.csv", 2 + i, d, 1.0 + i) for i, d in enumerate([9, 8, 7, 6])]
    found = keep_one_row_a_day(rows(*up, *down))[1]
    assert told(found, "kind", "coin", "line") == [("out_of_order", "A", 5)]

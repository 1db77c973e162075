from datetime import date, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import PolicyError
from cryptodask.prices.clean.findings import FINDING_KINDS, empty_findings
from cryptodask.prices.clean.policies import Policies, action_of, check_policies
from cryptodask.prices.clean.series import STALE_ROWS, describe_series
from cryptodask.prices.freq import step_of
from cryptodask.prices.schema import NUMBER_COLUMNS
from tests.prices.conftest import Row, clean_frame, kept, rows, the_finding, told

few = settings(max_examples=40, deadline=None)


def test_a_gap_is_told_at_the_row_before_it_with_its_days() -> None:
    frame = rows(("A", "A.csv", 5, 1, 1.0), ("A", "A.csv", 4, 2, 2.0), ("A", "A.csv", 3, 6, 3.0))
    row = the_finding(describe_series(frame), "gap")
    assert (row.file, row.line, row.value) == ("A.csv", 4, "3")
    assert row.date.date() == date(2017, 1, 2)


def test_equal_closes_are_told_from_five_on_and_never_across_coins() -> None:
    four, five = STALE_ROWS - 1, STALE_ROWS
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
    long = [(start, str(length)) for start, length in runs if length >= STALE_ROWS]
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
        ("large_move", 17, "+150%"),
    ]


def test_a_coin_that_always_moves_much_and_a_gap_are_no_large_moves() -> None:
    wild: list[Row] = [("A", "A.csv", i, i, 4.0 ** (i % 2)) for i in range(1, 20)]
    assert "large_move" not in set(describe_series(rows(*wild))["kind"])
    gap = rows(("A", "A.csv", 1, 1, 1.0), ("A", "A.csv", 2, 2, 1.0), ("A", "A.csv", 3, 9, 50.0))
    assert told(describe_series(gap), "kind") == [("gap",)]


def test_a_day_that_has_not_come_is_told() -> None:
    frame = rows(("A", "A.csv", 2, 1, 1.0), ("A", "A.csv", 3, 2, 1.0))
    found = describe_series(frame, date(2017, 1, 1))
    assert told(found, "kind", "line") == [("unended_bar", 2), ("future_date", 3)]


def test_a_day_has_not_ended_until_its_last_second_has() -> None:
    frame = rows(("A", "A.csv", 2, 1, 1.0))
    early = describe_series(frame, datetime(2017, 1, 1, 23, 59, 59))
    row = the_finding(early, "unended_bar")
    assert (row.line, row.action, row.message) == (2, "drop", "read at 2017-01-01 23:59 UTC")
    assert describe_series(frame, datetime(2017, 1, 2)).empty


# What is done about what is odd. Of a coin that moves by a hundredth and back, some cells are odd.
NOW = date(2017, 1, 18)
QUIET = [100.0 + i % 2 for i in range(17)]
NAN = float("nan")


def odd(closes: dict[int, float], **others: dict[int, float]) -> pd.DataFrame:
    """Rows of lines 2 to 18, which are of days 1 to 17, with these cells (by line) changed."""
    changed = {i: closes.get(i + 2, close) for i, close in enumerate(QUIET)}
    frame = rows(*[("A", "A.csv", 2 + i, 1 + i, close) for i, close in changed.items()])
    for name, cells in others.items():
        for line, value in cells.items():
            frame.loc[frame["line"] == line, name] = value
    return frame


def of_bars(frame: pd.DataFrame, freq: str) -> pd.DataFrame:
    """The same rows with bars of another length, the first of which opens where it did."""
    days = (frame["date"].to_numpy() - np.datetime64("2017-01-01")) // np.timedelta64(1, "D")
    return frame.assign(date=np.datetime64("2017-01-01", "s") + days * step_of(freq))


def clean(
    frame: pd.DataFrame, policies: Policies, freq: str = "1d", now: date = NOW
) -> tuple[pd.DataFrame, pd.DataFrame]:
    return clean_frame(frame, policies, freq, now)


# Kind -> rows, the lines where it is told, and the lines that to drop it leaves out.
ODD: dict[str, tuple[pd.DataFrame, list[int], list[int]]] = {
    "stale_run": (odd(dict.fromkeys(range(4, 9), 100.0)), [4], [5, 6, 7, 8]),
    "zero_volume": (odd({}, volume={5: 0.0, 7: 0.0}), [5, 7], [5, 7]),
    "high_under_low": (odd({}, high={5: 90.0}), [5], [5]),
    "outside_range": (odd({}, open={5: 200.0, 6: 1.0}), [5, 6], [5, 6]),
    "future_date": (
        odd({}).assign(date=lambda f: f["date"] + np.timedelta64(3, "D")), [17, 18], [17, 18],
    ),
    "unended_bar": (
        odd({}).assign(date=lambda f: f["date"] + np.timedelta64(1, "D")), [18], [18],
    ),
    "large_move": (odd({line: 250.0 + line % 2 for line in range(12, 19)}), [12], [12]),
    "reverting_jump": (odd({11: 300.0}), [11], [11]),
}  # fmt: skip


DROPPED = ("future_date", "unended_bar")
# The bar before one in the future has not ended.
STILL: Policies = {"unended_bar": "keep"}


def without_unended(found: pd.DataFrame, kind: str) -> pd.DataFrame:
    return found[(found["kind"] != "unended_bar") | (kind == "unended_bar")]


def test_every_kind_that_is_odd_in_a_series_is_tried() -> None:
    every = {kind for frame, _, _ in ODD.values() for kind in clean(frame, {})[1]["kind"]}
    assert every == set(ODD)


@pytest.mark.parametrize("freq", ["1d", "4h"])
@pytest.mark.parametrize("kind", ODD)
def test_what_is_to_be_dropped_is_left_out_and_the_gap_that_it_leaves_is_told(
    kind: str, freq: str
) -> None:
    frame, at, lines = ODD[kind]
    frame, now = of_bars(frame, freq), NOW
    if freq != "1d":  # days 19 and 20 are the bars of a morning
        now = datetime(2017, 1, 3, 20)
    prices, found = clean(frame, {**STILL, kind: "drop"}, freq, now)
    found = without_unended(found, kind)
    left = frame[~frame["line"].isin(lines)].reset_index(drop=True)
    pd.testing.assert_frame_equal(prices, left)
    assert told(found, "line", "action", kind=kind) == [(line, "drop") for line in at]
    missing = left["line"].diff() - 1
    before = left["line"].shift()
    gaps = [(int(b), f"{n:.0f}") for b, n in zip(before, missing, strict=True) if n > 0]
    assert told(found, "line", "value", kind="gap") == gaps
    assert bool(gaps) == (kind not in DROPPED)
    assert set(found["kind"]) == {kind, *(["gap"] if gaps else [])}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_to_be_kept_is_told_and_stays_as_it_is(kind: str) -> None:
    frame, at, _ = ODD[kind]
    prices, found = clean(frame, {**STILL, kind: "keep"})
    found = without_unended(found, kind)
    pd.testing.assert_frame_equal(prices, frame)
    assert told(found, "kind", "line", "action") == [(kind, line, "keep") for line in at]


@pytest.mark.parametrize("kind", ODD)
def test_by_default_only_a_day_that_has_not_come_or_ended_is_left_out(kind: str) -> None:
    frame, at, lines = ODD[kind]
    prices, found = clean(frame, {} if kind == "unended_bar" else STILL)
    found = without_unended(found, kind)
    default = "drop" if kind in DROPPED else "keep"
    assert action_of({}, kind) == default
    assert told(found, "kind", "line", "action") == [(kind, line, default) for line in at]
    assert len(prices) == len(frame) - (len(lines) if default == "drop" else 0)


@pytest.mark.parametrize("kind", ODD)
def test_what_is_not_to_pass_is_an_error_that_names_its_row(kind: str) -> None:
    frame, at, _ = ODD[kind]
    day = frame["date"][at[0] - 2]
    with pytest.raises(PolicyError) as caught:
        clean(frame, {kind: "fail"})
    assert str(caught.value).startswith(f"A.csv, line {at[0]}, A, {day:%Y-%m-%d}: {kind}")
    assert f"; {len(at)} found in these rows" in str(caught.value)
    for other in ODD:
        if other != kind and {other, kind} != set(DROPPED):
            clean(frame, {other: "fail"})


def test_a_gap_that_is_not_to_pass_is_an_error_even_if_a_drop_made_it() -> None:
    with pytest.raises(
        PolicyError, match=r"A\.csv, line 4, A, 2017-01-03: gap: '4' \(days missing"
    ):
        clean(ODD["stale_run"][0], {"gap": "fail", "stale_run": "drop"})
    clean(ODD["stale_run"][0], {"gap": "fail"})


def test_a_high_under_its_low_is_swapped_with_it_and_nothing_else_is() -> None:
    frame = odd({}, high={5: 90.0, 6: NAN}, low={5: 110.0})
    prices, found = clean(frame, {"high_under_low": "repair"})
    assert told(found, "kind", "line", "value", "message", "action") == [
        ("high_under_low", 5, "90", "low is 110", "repair:swap")
    ]
    wanted = odd({}, high={5: 110.0, 6: NAN}, low={5: 90.0})
    pd.testing.assert_frame_equal(prices, wanted)
    assert describe_series(prices, NOW).empty


def test_a_low_and_a_high_are_moved_to_hold_open_and_close_and_a_missing_one_stays_missing() -> (
    None
):
    frame = odd(
        {}, open={5: 200.0, 7: 50.0, 9: 200.0}, high={6: 100.5, 7: NAN, 9: NAN}, low={6: NAN}
    )
    frame.loc[frame["line"] == 6, "close"] = 102.0
    before = frame.copy()
    prices, found = clean(frame, {"outside_range": "repair"})
    assert told(found, "kind", "line", "value", "action") == [
        ("outside_range", 5, "200", "repair:widen"), ("outside_range", 6, "102", "repair:widen"),
        ("outside_range", 7, "50", "repair:widen"),
    ]  # fmt: skip
    wanted = frame.copy()
    wanted.loc[frame["line"] == 5, "high"] = 200.0
    wanted.loc[frame["line"] == 6, "high"] = 102.0
    wanted.loc[frame["line"] == 7, "low"] = 50.0
    pd.testing.assert_frame_equal(prices, wanted)
    pd.testing.assert_frame_equal(frame, before)
    assert describe_series(prices, NOW).empty


def test_an_open_and_a_close_beyond_either_end_move_both() -> None:
    frame = odd({}, open={5: 50.0}, close={5: 200.0}, low={5: 99.0}, high={5: 102.0})
    prices, found = clean(frame, {"outside_range": "repair", "reverting_jump": "keep"})
    assert told(found, "line", "message", kind="outside_range") == [
        (5, "open; low to high is 99 to 102"), (5, "close; low to high is 99 to 102"),
    ]  # fmt: skip
    assert told(prices[prices["line"] == 5], "open", "low", "high", "close") == [(50, 50, 200, 200)]


def test_a_jump_is_set_between_its_neighbours_and_the_rest_of_its_bar_to_missing() -> None:
    frame = odd({11: 300.0, 12: 121.0, 10: 100.0})
    prices, found = clean(frame, {"reverting_jump": "repair"})
    assert told(found, "kind", "line", "value", "action") == [
        ("reverting_jump", 11, "+200%", "repair:between")
    ]
    [row] = prices[prices["line"] == 11].itertuples()
    assert row.close == pytest.approx(110.0)
    assert np.isnan([row.open, row.high, row.low]).all()
    assert (row.volume, row.market_cap) == (1.0, 1.0)
    others = prices["line"] != 11
    pd.testing.assert_frame_equal(prices[others], frame[others])


def test_a_volume_of_zero_is_set_to_missing() -> None:
    frame = ODD["zero_volume"][0]
    prices, found = clean(frame, {"zero_volume": "repair"})
    assert told(found, "line", "action") == [(5, "repair:missing"), (7, "repair:missing")]
    pd.testing.assert_frame_equal(prices, odd({}, volume={5: NAN, 7: NAN}))


def test_a_row_that_one_policy_repairs_and_another_drops_is_left_out() -> None:
    frame = odd({11: 300.0}, volume={11: 0.0})
    prices, found = clean(frame, {"reverting_jump": "repair", "zero_volume": "drop"})
    assert 11 not in set(prices["line"])
    assert told(found, "kind", "action") == [
        ("gap", "keep"), ("zero_volume", "drop"), ("reverting_jump", "repair:between"),
    ]  # fmt: skip


def test_a_row_that_several_policies_repair_gets_every_repair() -> None:
    frame = odd({}, volume={5: 0.0}, high={5: 90.0})
    prices, _ = clean(frame, {"zero_volume": "repair", "high_under_low": "repair"})
    pd.testing.assert_frame_equal(prices, odd({}, volume={5: NAN}, low={5: 90.0}, high={5: 101.0}))


def test_the_way_back_from_a_jump_is_no_large_move_and_no_jump_of_its_own() -> None:
    for closes in ({11: 300.0}, {11: 30.0}, {2: 300.0}, {11: 300.0, 14: 20.0}):
        found = clean(odd(closes), {"large_move": "drop"})[1]
        jumps = [line for line in closes if line != 2]  # nothing comes before the first row
        assert told(found, "line", kind="reverting_jump") == [(line,) for line in jumps]
        assert told(found, "line", kind="large_move") == [(3,)] * (2 in closes)


def test_bars_missing_are_counted_in_bars_and_named() -> None:
    frame = rows(("A", "A.csv", 2, 1, 1.0), ("A", "A.csv", 3, 2, 2.0), ("A", "A.csv", 4, 6, 3.0))
    for freq, bars in (("1h", "hours"), ("4h", "bars of 4h"), ("1d", "days")):
        row = the_finding(clean(of_bars(frame, freq), {}, freq)[1], "gap")
        assert (row.line, row.value, row.action) == (3, "3", "keep")
        assert row.message == f"{bars} missing after this one"
    # As hours, bars of a day are far apart.
    gaps = clean(frame, {}, "1h")[1]
    assert told(gaps, "value", kind="gap") == [("23",), ("95",)]


def test_an_hour_is_in_the_future_until_it_has_begun() -> None:
    frame = of_bars(rows(*[("A", "A.csv", 1 + i, i, 1.0 * i) for i in range(1, 5)]), "1h")
    prices, found = clean(frame, {}, "1h", datetime(2017, 1, 1, 2, 30))
    assert kept(prices) == [("A", "A.csv", 2, 1.0), ("A", "A.csv", 3, 2.0)]
    assert told(found, "kind", "line", "action") == [
        ("unended_bar", 4, "drop"), ("future_date", 5, "drop"),
    ]  # fmt: skip


def test_large_moves_of_hours_are_those_from_one_hour_to_the_next() -> None:
    frame = of_bars(ODD["large_move"][0], "1h")
    assert told(clean(frame, {}, "1h")[1], "kind", "line") == [("large_move", 12)]
    later = frame.assign(date=frame["date"].mask(frame["line"] > 11, frame["date"] + step_of("1h")))
    assert told(clean(later, {}, "1h")[1], "kind", "line") == [("gap", 11)]


def test_no_rows_are_clean() -> None:
    nothing = rows(("A", "A.csv", 2, 1, 1.0))[:0]
    for action in ("keep", "drop"):
        prices, found = clean(nothing, {"stale_run": action, "zero_volume": action}, "1h")
        pd.testing.assert_frame_equal(prices, nothing)
        pd.testing.assert_frame_equal(found, empty_findings())


several = st.lists(
    st.tuples(
        st.sampled_from("AB"), st.integers(1, 30), st.sampled_from([1.0, 2.0, 9.0]),
        st.sampled_from([0.0, 1.0, NAN]), st.sampled_from([1.0, 2.0, NAN]),
    ),
    unique_by=lambda row: row[:2],
    max_size=40,
)  # fmt: skip
any_policies = st.fixed_dictionaries(
    {}, optional={
        kind: st.sampled_from([a for a in FINDING_KINDS[kind].actions if a != "fail"])
        for kind in ODD
    },
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(several, any_policies, st.sampled_from(["1h", "4h", "1d"]), st.integers(1, 31))
def test_whatever_the_policies_every_row_is_as_it_was_or_a_finding_says_what_was_done(
    cells: list[tuple[str, int, float, float, float]], policies: dict[str, str], freq: str, now: int
) -> None:
    cells = sorted(cells, key=lambda cell: cell[:2])
    frame = rows(*[(c, f"{c}.csv", i, day, close) for i, (c, day, close, *_) in enumerate(cells)])
    volumes, lows = ([cell[i] for cell in cells] for i in (3, 4))
    frame = of_bars(frame.assign(volume=volumes, low=lows).astype({"low": float}), freq)
    frame = frame.astype(dict.fromkeys(NUMBER_COLUMNS, "float64"))
    before = frame.copy()
    moment = pd.Timestamp("2017-01-01") + (now - 1) * pd.Timedelta(step_of(freq))
    prices, found = clean(frame, policies, freq, moment.to_pydatetime())
    pd.testing.assert_frame_equal(frame, before)

    # The same is told whatever is done about it, save for the gaps that rows leave.
    plain = clean(frame, {}, freq, moment.to_pydatetime())[1]
    what = ["kind", "coin", "line", "value", "message"]
    assert told(found[found["kind"] != "gap"], *what) == told(plain[plain["kind"] != "gap"], *what)

    touched: dict[str, set[int]] = {"drop": set(), "repair": set()}
    for row in found.itertuples():
        assert row.action == action_of(check_policies(policies), row.kind)
        first = row.line
        run = range(first + 1, first + int(row.value)) if row.kind == "stale_run" else [first]
        touched.setdefault(row.action.partition(":")[0], set()).update(run)
    assert set(prices["line"]) == set(frame["line"]) - touched["drop"]
    same = ~prices["line"].isin(touched["repair"])
    wanted = frame[frame["line"].isin(prices["line"][same])]
    pd.testing.assert_frame_equal(
        prices[same].reset_index(drop=True), wanted.reset_index(drop=True)
    )
    gaps = []
    for one, other in pairwise(prices.itertuples()):
        missing = (other.date - one.date) // pd.Timedelta(step_of(freq)) - 1
        if one.coin == other.coin and missing:
            gaps.append((one.line, str(missing)))
    assert told(found, "line", "value", kind="gap") == gaps


def test_two_jumps_with_one_good_bar_between_are_two_and_the_good_bar_stays() -> None:
    frame = odd({9: 300.0, 11: 300.0})
    prices, found = clean(frame, {"reverting_jump": "repair"})
    assert told(found, "line", kind="reverting_jump") == [(9,), (11,)]
    assert prices["close"].max() < 110
    left, _ = clean(frame, {"reverting_jump": "drop"})
    assert sorted(set(frame["line"]) - set(left["line"])) == [9, 11]


def test_a_swapped_bar_that_does_not_hold_its_close_is_mended_too() -> None:
    frame = odd({}, high={5: 90.0}, low={5: 95.0})
    prices, _ = clean(frame, {"high_under_low": "repair", "outside_range": "repair"})
    assert describe_series(prices, NOW).empty

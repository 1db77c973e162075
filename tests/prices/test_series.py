from datetime import date

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.prices.series import STALE_RUN, describe_series
from tests.prices.conftest import Row, rows, the_finding, told

few = settings(max_examples=40, deadline=None)


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

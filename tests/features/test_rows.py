"""Rows by date of all coins at once, against a plain search coin by coin."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.features.rows import last_segment, rows_at
from cryptodask.records import DAY, Panel
from tests.models.conftest import START, make_panel, panels


@settings(deadline=None)
@given(panel=panels(1), shifts=st.lists(st.integers(-700, 10), min_size=1, max_size=5))
def test_the_row_of_a_date_is_the_last_one_at_or_before_it(panel: Panel, shifts: list[int]) -> None:
    dates = panel.last_dates[:, None] + np.array(shifts) * DAY
    rows = rows_at(panel, dates)
    for i, (_, _, own) in enumerate(panel):
        for j, date in enumerate(dates[i]):
            before = np.flatnonzero(own <= date)
            assert rows[i, j] == (panel.indptr[i] + before[-1] if len(before) else -1)


@settings(deadline=None)
@given(panel=panels(1))
def test_the_last_run_begins_after_the_last_gap(panel: Panel) -> None:
    for i, (_, _, own) in enumerate(panel):
        holes = np.flatnonzero(np.diff(own) != DAY)
        expected = panel.indptr[i] + (holes[-1] + 1 if len(holes) else 0)
        assert last_segment(panel)[i] == expected


def test_a_coin_does_not_see_the_rows_of_the_one_before() -> None:
    panel = make_panel([5, 5])
    early = np.full((2, 1), START - 100 * DAY)
    late = np.full((2, 1), START + 100 * DAY)
    assert rows_at(panel, early).tolist() == [[-1], [-1]]
    assert rows_at(panel, late).tolist() == [[4], [9]]

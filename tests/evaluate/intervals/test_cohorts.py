"""Past dates for coins that end on any date: enough of them, few in all, and none in the future."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.evaluate.intervals.cohorts import Intervals, choose_cohorts, find_cohorts
from cryptodask.records import DAY, DateArray
from tests.models.conftest import START

BAR = np.timedelta64(86_400, "s")


def days(*numbers: int) -> DateArray:
    return START + np.array(numbers) * DAY


def test_where_all_coins_end_on_one_date_it_is_the_last_origin() -> None:
    [grid] = choose_cohorts(START, days(60, 60), BAR, Intervals(5, 20))
    assert grid.origins.tolist() == days(40, 45, 50, 55, 60).tolist()
    assert grid.end == days(60)[0]


def test_origins_go_back_as_far_as_prices_do() -> None:
    [grid] = choose_cohorts(START, days(12), BAR, Intervals(5, 200))
    assert grid.origins.tolist() == days(2, 7, 12).tolist()


def test_most_coins_end_on_an_origin_and_a_few_that_are_late_or_early_have_others() -> None:
    [grid] = choose_cohorts(START, days(60, 60, 60, 61, 66, 66, 57), BAR, Intervals(5, 20))
    assert grid.origins.tolist() == days(40, 45, 50, 55, 60, 65).tolist()
    assert grid.end == days(66)[0]


def test_coins_that_ended_long_before_have_the_dates_before_their_own_end() -> None:
    late, early = choose_cohorts(START, days(200, 200, 60, 58), BAR, Intervals(10, 30))
    assert late.origins.tolist() == days(170, 180, 190, 200).tolist()
    assert early.origins.tolist() == days(30, 40, 50, 60).tolist()
    cohorts = find_cohorts([late.end, early.end], days(201, 200, 61, 60, 58, 1))
    assert cohorts.tolist() == [-1, 0, 0, 1, 1, 1]


@settings(max_examples=60, deadline=None)
@given(
    lasts=st.lists(st.integers(0, 1_500), min_size=1, max_size=60),
    calibrate=st.integers(1, 9),
    times=st.integers(1, 30),
)
def test_every_coin_has_a_cohort_and_cohorts_are_few(
    lasts: list[int], calibrate: int, times: int
) -> None:
    how, ends = Intervals(calibrate, calibrate * times), days(*lasts)
    grids = choose_cohorts(START, ends, BAR, how)
    cohorts = find_cohorts([grid.end for grid in grids], ends)
    covered = max(how.warmup // 2, how.calibrate)
    assert len(grids) <= 1 + 1_500 // covered
    for number, grid in enumerate(grids):
        assert (np.diff(grid.origins) == calibrate * BAR).all()
        assert grid.origins[-1] <= grid.end
        mine = ends[cohorts == number]
        assert grid.end in mine
        dates, counts = np.unique(mine, return_counts=True)
        assert counts[np.isin(dates, grid.origins)].max() == counts.max()
    assert (cohorts >= 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibrate": 0}, "calibrate: must be at least 1, got 0"),
        ({"refit": -1}, "refit: must be at least 1, got -1"),
        ({"warmup": 4}, "warmup: must be at least calibrate, 5 bars, got 4"),
    ],
)
def test_what_gives_no_intervals_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Intervals(**options)

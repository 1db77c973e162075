"""The line in closed form against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from cryptodask.models.regression.linear import EXACT, Linear
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import START, join, make_panel, one_coin, panels


def scikit_learn(closes: FloatArray, days: FloatArray, horizon: int) -> FloatArray:
    """Forecast one coin the slow way."""
    line = LinearRegression().fit(days[:, None], closes)
    forecast: FloatArray = line.predict(days[-1] + np.arange(1, horizon + 1)[:, None])
    return forecast


def assert_as_scikit_learn(panel: Panel, horizon: int) -> None:
    forecast = Linear().forecast(panel, horizon, seed=0)
    for row, (_, closes, dates) in zip(forecast, panel, strict=True):
        days = dates.astype("datetime64[D]").astype(float)
        expected = scikit_learn(closes, days, horizon)
        # Where rise and level cancel out, the digits are those of the closes.
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-9 * closes.max())


@settings(max_examples=60, deadline=None)
@given(panel=panels(2, 400), horizon=st.integers(1, 30))
def test_it_is_the_line_of_scikit_learn(panel: Panel, horizon: int) -> None:
    assert_as_scikit_learn(panel, horizon)


closes = st.lists(st.floats(1e-8, 1e6), min_size=2, max_size=30)


@settings(deadline=None)
@given(closes=closes, steps=st.lists(st.integers(1, 400), min_size=30, max_size=30))
def test_it_is_the_line_of_scikit_learn_on_any_prices(
    closes: list[float], steps: list[int]
) -> None:
    dates = START + np.cumsum(steps)[: len(closes)] * DAY
    assert_as_scikit_learn(Panel.from_series([("coin", closes, dates)]), 10)


def test_a_gap_counts_as_the_days_it_lasted() -> None:
    dates = START + np.array([0, 1, 2, 12]) * DAY
    panel = Panel.from_series([("gap", [10.0, 11.0, 12.0, 22.0], dates)])
    assert Linear().forecast(panel, 3, seed=0)[0] == pytest.approx([23, 24, 25], rel=1e-12)


def test_a_line_is_continued_through_centuries_of_days() -> None:
    days = np.arange(100_000)
    forecast = Linear().forecast(one_coin(5.0 + 0.25 * days), 2, seed=0)[0]
    assert forecast == pytest.approx([25_005.0, 25_005.25], rel=1e-12)


def test_a_long_coin_without_gaps_is_the_same_beside_one_with_gaps() -> None:
    for length in (2, 3, 10_000, EXACT - 1, EXACT + 1):
        long, gapped = make_panel([length]), make_panel([60], gaps=True)
        alone, beside = (Linear().forecast(p, 3, seed=0) for p in (long, join([long, gapped])))
        assert np.array_equal(alone[0], beside[0])


def test_two_rows_are_enough() -> None:
    assert Linear().min_length(30) == 2
    assert Linear().forecast(one_coin(np.array([1.0, 3.0])), 2, seed=0)[0] == pytest.approx([5, 7])


def test_lengths_far_apart_do_not_disturb_each_other() -> None:
    assert_as_scikit_learn(make_panel([2, 3_000, 2, 17], gaps=True), 10)


@pytest.mark.parametrize("hours", [1, 4])
def test_hours_are_a_line_as_the_same_numbers_of_days_are(hours: int) -> None:
    days = make_panel([2, 90, 40], gaps=True)
    step = np.timedelta64(hours, "h")
    dates = START + (days.dates - START) // DAY * step
    bars = Panel(days.coins, days.values, dates, days.indptr, step)
    one, other = (Linear().forecast(panel, 5, seed=0) for panel in (days, bars))
    assert np.array_equal(one, other)
    for row, (_, closes, when) in zip(other, bars, strict=True):
        number = (when - START) / step
        expected = scikit_learn(closes, number, 5)
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-9 * closes.max())

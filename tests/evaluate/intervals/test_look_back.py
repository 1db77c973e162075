"""Intervals of a panel's next forecasts: those of a backtest, from nothing that came later."""

from collections.abc import Sequence

import numpy as np
import pytest

from cryptodask.evaluate.intervals.bounds import forecast_bounds
from cryptodask.evaluate.intervals.cohorts import Intervals, choose_cohorts
from cryptodask.evaluate.intervals.look_back import Cohort, look_back
from cryptodask.evaluate.intervals.pooling import (
    count_errors,
    error_quantiles,
    join_pools,
    summarise,
)
from cryptodask.models import Model, create_model, run_model
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import QUICK, START, walk

BAR = np.timedelta64(86_400, "s")
HOW = Intervals(5, 40)
ENDS = [150, 150, 150, 152, 149, 143, 80, 70, 12]
"""Last day of each coin: most on one, some beside it, two long before, and one of few rows."""


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.from_series(
        (f"coin-{i}", walk(200, i)[0][: day + 1], START + np.arange(day + 1) * DAY)
        for i, day in enumerate(ENDS)
    )


def bounds_of(
    parts: Sequence[Panel], model: Model, how: Intervals = HOW, window: int | None = None
) -> dict[str, FloatArray]:
    """Do by hand what a cluster does: the bounds of each coin, ``(horizon, 4)``."""
    lasts = np.concatenate([part.last_dates for part in parts])
    grids = choose_cohorts(START, lasts, BAR, how)
    cohorts = [Cohort(grid, model, grid.origins) for grid in grids]
    forecasts = [run_model(model, p if window is None else p.tail(window), 4) for p in parts]
    past = [
        look_back(part, forecast, cohorts, 0, window=window, refit=how.refit)
        for part, forecast in zip(parts, forecasts, strict=True)
    ]
    summaries = summarise(join_pools(count_errors(errors, None) for errors in past))
    quantiles = error_quantiles(join_pools(count_errors(errors, summaries) for errors in past))
    return {
        coin: rows
        for forecast, errors in zip(forecasts, past, strict=True)
        for coin, rows in zip(
            forecast.coins, forecast_bounds(forecast, errors, summaries, quantiles), strict=True
        )
    }


def assert_same(bounds: dict[str, FloatArray], other: dict[str, FloatArray]) -> None:
    assert bounds.keys() == other.keys()
    for coin in bounds:
        np.testing.assert_array_equal(bounds[coin], other[coin])


@pytest.mark.parametrize("name", ["naive", "drift", "ridge", "lstm"])
def test_prices_are_positive_in_order_and_the_same_for_any_division(
    panel: Panel, name: str
) -> None:
    model, how = create_model(name, **QUICK.get(name, {})), Intervals(5, 40, refit=4)
    together = bounds_of([panel], model, how)
    lower_80, upper_80, lower_95, upper_95 = (
        np.array([rows[:, i] for rows in together.values()]) for i in range(4)
    )
    known = np.isfinite(lower_80).all(axis=1)
    assert known.sum() >= len(ENDS) - 2
    for low, high in ((lower_95, lower_80), (lower_80, upper_80), (upper_80, upper_95)):
        assert (low[known] <= high[known]).all()
    assert (lower_95[known] > 0).all()
    assert_same(
        bounds_of([panel.take([8, 1, 6]), panel.take([0, 2, 3, 4, 5, 7])], model, how), together
    )


def test_a_coin_alone_has_about_the_bounds_that_it_has_among_others(panel: Panel) -> None:
    together = bounds_of([panel], create_model("naive"))
    for place in (0, 6, 8):
        coin = panel.coins[place]
        alone = bounds_of([panel.take([place])], create_model("naive"))[coin]
        lower_80, upper_80, lower_95, upper_95 = np.log(together[coin]).T
        widths = np.array([upper_80 - lower_80, upper_95 - lower_95])
        assert np.isfinite(widths).all()
        other = np.log(alone)
        assert pytest.approx(widths, rel=0.12) == other[:, [1, 3]].T - other[:, [0, 2]].T


def test_no_bound_knows_what_came_after_its_coins_last_row(panel: Panel) -> None:
    before = bounds_of([panel], create_model("drift"))
    for day in (70, 80, 143, 149, 150):
        later = panel.dates > START + day * DAY
        values = np.where(later, panel.values * 3 ** (1 + np.arange(len(later)) % 5), panel.values)
        changed = Panel(panel.coins, values, panel.dates, panel.indptr)
        after = bounds_of([changed], create_model("drift"))
        for coin, end in zip(panel.coins, ENDS, strict=True):
            same = np.array_equal(before[coin], after[coin], equal_nan=True)
            assert same == (end <= day), (coin, day)


def test_models_see_a_window_at_past_dates_too(panel: Panel) -> None:
    """Errors of a line through many rows are larger than of one through few, and so are bounds."""
    model = create_model("linear")
    lower, upper, *_ = np.log(bounds_of([panel], model, window=20)["coin-0"]).T
    wide_lower, wide_upper, *_ = np.log(bounds_of([panel], model)["coin-0"]).T
    assert (upper - lower < wide_upper - wide_lower).all()

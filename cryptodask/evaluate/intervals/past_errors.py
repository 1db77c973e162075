"""Intervals of the next forecasts of a panel, from what its past ones came to.

`look_back` forecasts a panel as of past dates; what it returns is small, and stays where it is
while `count` is joined over all panels (see `cryptodask.evaluate.intervals.conformal`), twice. `price_bounds`
then puts intervals around the forecasts. As of one date for all coins, they are those which a
backtest with that origin has, bit for bit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.intervals.bounds import IN_ORDER, LEVELS, history_of
from cryptodask.evaluate.intervals.cohorts import Grid, own_cohorts
from cryptodask.evaluate.intervals.conformal import Conformal, intervals
from cryptodask.evaluate.intervals.error_counts import ErrorCounts, History, PoolSummary
from cryptodask.evaluate.intervals.volatility import latest_volatility
from cryptodask.models import Model
from cryptodask.models.base import PanelForecast
from cryptodask.records import DateArray, FloatArray, Panel

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Cohort:
    """The past dates of coins that end at about one time, and who forecasts there.

    Attributes
    ----------
    grid : Grid
    models : Model or list of Model
        The model, or one for each date of `at`, as of one that is trained on all coins.
    at : ndarray of datetime64[s]
        Origins of the grid at which it forecasts.
    """

    grid: Grid
    models: Model | list[Model]
    at: DateArray


@dataclass(frozen=True)
class PastErrors:
    """What past forecasts of a panel's coins came to, by the origins of one cohort.

    Attributes
    ----------
    cohort : int
    history : History
        Of all coins that had rows at its origins.
    coins, places : ndarray of int64, ``(n_members,)``
        Which of these are members of the cohort with a forecast to put intervals around, and at
        which origin the pool is as they may know it.
    rows : ndarray of int64, ``(n_members,)``
        Where their forecasts are.
    volatility : ndarray of float64, ``(n_members,)``
        At their own last rows.
    """

    cohort: int
    history: History
    coins: IntArray
    places: IntArray
    rows: IntArray
    volatility: FloatArray


def look_back(
    panel: Panel,
    made: PanelForecast,
    cohorts: Sequence[Cohort],
    seed: int,
    *,
    window: int | None,
    refit: int,
    splits: bool = False,
) -> list[PastErrors]:
    """Forecast a panel as of past dates.

    Parameters
    ----------
    panel : Panel
        All rows of its coins.
    made : PanelForecast
        What the model forecasts from the last rows on.
    cohorts : sequence of Cohort
    seed, window, refit, splits
        See `cryptodask.evaluate.backtest.backtest_panel`.
    """
    if not len(panel):
        return []
    lasts, moves = panel.last_dates, latest_volatility(panel)
    own = own_cohorts([cohort.grid.end for cohort in cohorts], lasts)
    place = {coin: row for row, coin in enumerate(made.coins)}
    rows = np.array([place.get(coin, -1) for coin in panel.coins], dtype=np.int64)
    found = []
    for number, cohort in enumerate(cohorts):
        origins, horizon = cohort.grid.origins, made.values.shape[1]
        inside = np.flatnonzero((lasts >= origins[0]) & (lasts <= cohort.grid.end))
        if not len(inside):
            continue
        part = panel.take(inside)
        past = backtest_panel(
            part, cohort.models, cohort.at, horizon, seed,
            window=window, refit=refit, splits=splits,
        )  # fmt: skip
        history, _ = history_of(past.table, (origins, horizon, panel.step), part.coins)
        members = inside[(own[inside] == number) & (rows[inside] >= 0)]
        places = np.searchsorted(origins, lasts[members], side="right") - 1
        at = np.searchsorted(inside, members)
        found.append(PastErrors(number, history, at, places, rows[members], moves[members]))
    return found


Pools = dict[int, ErrorCounts]
"""Counts by cohort."""


def count(seen: Iterable[PastErrors], typical: dict[int, PoolSummary] | None = None) -> Pools:
    """Count the errors of several panels; see `Conformal.count`."""
    known = typical or {}
    return join_pools(
        {one.cohort: Conformal().count(one.history, known.get(one.cohort))} for one in seen
    )


def join_pools(parts: Iterable[Pools]) -> Pools:
    """Add counts up, cohort by cohort, in any order."""
    pools: Pools = {}
    for part in parts:
        for cohort, counts in part.items():
            pools[cohort] = pools[cohort] + counts if cohort in pools else counts
    return pools


def typicals(first: Pools) -> dict[int, PoolSummary]:
    """Summarise counts of all panels that were made without a summary."""
    return {cohort: Conformal().typical(counts) for cohort, counts in first.items()}


def quantiles(pools: Pools) -> dict[int, FloatArray]:
    """Return the quantiles of each cohort's errors; see `Conformal.quantiles`."""
    return {
        cohort: Conformal().quantiles(counts, list(LEVELS.values()))
        for cohort, counts in pools.items()
    }


def price_bounds(
    made: PanelForecast,
    seen: Sequence[PastErrors],
    typical: dict[int, PoolSummary],
    found: dict[int, FloatArray],
) -> FloatArray:
    """Return the intervals of forecasts.

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon, 4)``
        Prices, in the order of `cryptodask.evaluate.rows.BOUNDS`; NaN where no error was known.
    """
    bounds: FloatArray = np.full((*made.values.shape, len(LEVELS)), np.nan)
    for one in seen:
        at = one.coins, one.places
        volatility = one.history.volatility.copy()
        volatility[at] = one.volatility
        scale = Conformal().scale(replace(one.history, volatility=volatility), typical[one.cohort])
        forecasts = np.full(scale.shape, np.nan)
        forecasts[at] = made.values[one.rows]
        bounds[one.rows] = intervals(forecasts, scale, found[one.cohort])[at]
    return bounds[:, :, IN_ORDER]

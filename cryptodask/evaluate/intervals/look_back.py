"""Past forecasts of a panel, from whose errors the intervals of its next forecasts are made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.intervals.cohorts import Grid, find_cohorts
from cryptodask.evaluate.intervals.past_errors import PastErrors, place_errors
from cryptodask.evaluate.intervals.volatility import latest_spreads
from cryptodask.models import Model
from cryptodask.models.base import PanelForecast
from cryptodask.records import DateArray, Panel


@dataclass(frozen=True)
class Cohort:
    """Coins that end at about one time: their past dates, and the models that forecast there.

    Attributes
    ----------
    grid : Grid
        The past dates.
    models : Model or list of Model
        The model; or one for each date of `at`, if it is trained on all coins.
    at : ndarray of datetime64[s], ``(n_dates,)``
        Origins of the grid at which the model forecasts.
    """

    grid: Grid
    models: Model | list[Model]
    at: DateArray


def look_back(
    panel: Panel,
    forecast: PanelForecast,
    cohorts: Sequence[Cohort],
    seed: int,
    *,
    window: int | None,
    refit: int,
    splits: bool = False,
) -> list[PastErrors]:
    """Forecast a panel as of past dates, and return the errors.

    Parameters
    ----------
    panel : Panel
        All rows of its coins.
    forecast : PanelForecast
        Next forecasts of the model, from the last rows on; values ``(n_forecast, horizon)``.
    cohorts : sequence of Cohort
        The latest first.
    seed, window, refit, splits
        As for `cryptodask.evaluate.backtest.backtest_panel`.

    Returns
    -------
    list of PastErrors
        One for each cohort that has rows of the panel at its origins.
    """
    if not len(panel):
        return []
    horizon = forecast.values.shape[1]
    lasts, latest = panel.last_dates, latest_spreads(panel, horizon)
    cohort_of = find_cohorts([cohort.grid.end for cohort in cohorts], lasts)
    row_of = {coin: row for row, coin in enumerate(forecast.coins)}
    rows = np.array([row_of.get(coin, -1) for coin in panel.coins], dtype=np.int64)
    past = []
    for number, cohort in enumerate(cohorts):
        origins = cohort.grid.origins
        inside = np.flatnonzero((lasts >= origins[0]) & (lasts <= cohort.grid.end))
        if not len(inside):
            continue
        part = panel.take(inside)
        backtest = backtest_panel(
            part, cohort.models, cohort.at, horizon, seed,
            window=window, refit=refit, splits=splits,
        )  # fmt: skip
        history, _ = place_errors(backtest.table, origins, horizon, panel.step, part.coins)
        members = inside[(cohort_of[inside] == number) & (rows[inside] >= 0)]
        places = np.searchsorted(origins, lasts[members], side="right") - 1
        coins = np.searchsorted(inside, members)
        past.append(PastErrors(number, history, coins, places, rows[members], latest[members]))
    return past

"""Bounds of intervals around forecasts, from the pooled errors of all coins."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cryptodask.evaluate.intervals.conformal import Conformal, price_quantiles
from cryptodask.evaluate.intervals.error_counts import PoolSummary
from cryptodask.evaluate.intervals.past_errors import PastErrors, place_errors
from cryptodask.evaluate.rows import BOUND_QUANTILES, BOUNDS
from cryptodask.models.base import PanelForecast
from cryptodask.records import DateArray, FloatArray

IN_ORDER = [list(BOUND_QUANTILES).index(name) for name in BOUNDS]
"""Place of each bound among the quantiles, which rise."""


def forecast_bounds(
    forecast: PanelForecast,
    past: Sequence[PastErrors],
    summaries: Mapping[int, PoolSummary],
    quantiles: Mapping[int, FloatArray],
) -> FloatArray:
    """Return the intervals of a panel's next forecasts.

    As of one date for all coins, these are those of a backtest with that origin, bit for bit.

    Parameters
    ----------
    forecast : PanelForecast
    past : sequence of PastErrors
        Past errors of the panel, from `cryptodask.evaluate.intervals.look_back.look_back`.
    summaries : mapping of int to PoolSummary
        By cohort, over all coins.
    quantiles : mapping of int to ndarray of float64, ``(n_origins, horizon, n_levels)``
        By cohort, scaled errors of all coins.

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon, 4)``
        Prices, in the order of `cryptodask.evaluate.rows.BOUNDS`; NaN where no error was known.
    """
    bounds: FloatArray = np.full((*forecast.values.shape, len(BOUNDS)), np.nan)
    for errors in past:
        members = errors.coins, errors.places
        volatility = errors.history.volatility.copy()
        volatility[members] = errors.volatility
        history = replace(errors.history, volatility=volatility)
        scale = Conformal().scale(history, summaries[errors.cohort])
        prices = np.full(scale.shape, np.nan)
        prices[members] = forecast.values[errors.rows]
        bounds[errors.rows] = price_quantiles(prices, scale, quantiles[errors.cohort])[members]
    return bounds[:, :, IN_ORDER]


def table_bounds(
    table: pd.DataFrame,
    origins: DateArray,
    horizon: int,
    step: np.timedelta64,
    summaries: Mapping[int, PoolSummary],
    quantiles: Mapping[int, FloatArray],
) -> pd.DataFrame:
    """Return a backtest table of one model with the intervals of its forecasts.

    Parameters
    ----------
    table, horizon, step
        As for `cryptodask.evaluate.intervals.past_errors.table_errors`.
    origins : ndarray of datetime64[s], ``(n_origins,)``
        All origins of the backtest, rising.
    summaries, quantiles
        As for `forecast_bounds`; of the one cohort of a backtest, 0.

    Returns
    -------
    DataFrame
        The table, with prices in the columns `cryptodask.evaluate.rows.BOUNDS`; NaN where no error
        was known.
    """
    if table.empty:
        return table
    history, places = place_errors(table, origins, horizon, step)
    prices = np.full(history.errors.shape, np.nan)
    prices[places] = table["forecast"]
    scale = Conformal().scale(history, summaries[0])
    bounds = price_quantiles(prices, scale, quantiles[0])[places][:, IN_ORDER]
    return table.assign(**{name: bounds[:, i] for i, name in enumerate(BOUNDS)})

"""Bounds of intervals around forecasts, from the pooled errors of all coins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cryptodask.evaluate.intervals.conformal import Conformal
from cryptodask.evaluate.intervals.error_counts import PoolSummary, find_origins
from cryptodask.evaluate.intervals.past_errors import PastErrors, place_errors
from cryptodask.evaluate.intervals.widths import price_quantiles, scales
from cryptodask.evaluate.rows import BOUNDS, KEPT_LEVELS
from cryptodask.models.base import PanelForecast
from cryptodask.records import DateArray, FloatArray

IN_ORDER = [list(KEPT_LEVELS).index(name) for name in BOUNDS]
"""Place of each bound among the quantiles, which rise."""

MIDDLE = list(KEPT_LEVELS).index("middle")
"""Place of the median among them."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What is known of the errors of coins' forecasts, from which intervals are made.

    Attributes
    ----------
    ratio : ndarray of float64, ``(n_coins,)``
        Size of each coin's past errors over the pool's; NaN where no date was looked back from.
    market : ndarray of float64, ``(n_coins,)``
        Expected absolute log return of a bar, of the middle coin: for those that have none.
    quantiles : ndarray of float64, ``(n_coins, horizon, n_levels)``
        Scaled errors of all coins, at the levels of `cryptodask.evaluate.rows.KEPT_LEVELS`.
    """

    ratio: FloatArray
    market: FloatArray
    quantiles: FloatArray

    @classmethod
    def nothing(cls, n_coins: int, horizon: int) -> "Calibration":
        """Return what is known where no date was looked back from."""
        levels = np.full((n_coins, horizon, len(KEPT_LEVELS)), np.nan)
        return cls(np.full(n_coins, np.nan), np.full(n_coins, np.nan), levels)

    def bounds(self, prices: FloatArray, spreads: FloatArray) -> FloatArray:
        """Return the intervals around forecasts.

        Parameters
        ----------
        prices : ndarray of float64, ``(n_coins, horizon)``
            Forecasts, in the quote currency.
        spreads : ndarray of float64, ``(n_coins, horizon)``
            Expected absolute log returns, as of each coin's last row.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon, 4)``
            Prices, in the order of `cryptodask.evaluate.rows.BOUNDS`; NaN where no spread was
            known.
        """
        middle = self.quantiles[..., MIDDLE]
        scale = self.scale(spreads)
        return price_quantiles(prices, scale, self.quantiles, middle)[..., IN_ORDER]

    def scale(self, spreads: FloatArray) -> FloatArray:
        """Return the factors of the pool's quantiles.

        Parameters
        ----------
        spreads : ndarray of float64, ``(n_coins, horizon)``
            Expected absolute log returns, as of each coin's last row.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Log returns. A coin without a spread gets that of the market.
        """
        return scales(spreads, self.market, self.ratio)


def calibrate(
    n_coins: int,
    horizon: int,
    past: Sequence[PastErrors],
    summaries: Mapping[int, PoolSummary],
    quantiles: Mapping[int, FloatArray],
) -> Calibration:
    """Return what is known of the errors of a panel's forecasts, as of its last rows.

    Parameters
    ----------
    n_coins, horizon : int
        Of the panel's next forecasts, ``(n_coins, horizon)``.
    past, summaries, quantiles
        See `forecast_bounds`.
    """
    known = Calibration.nothing(n_coins, horizon)
    for errors in past:
        history, summary = errors.history, summaries[errors.cohort]
        ratio = Conformal().coin_ratio(history, summary)
        known.ratio[errors.rows] = ratio[errors.coins, errors.places]
        market = summary.moves[find_origins(summary.cutoffs, history.cutoffs)]
        known.market[errors.rows] = market[errors.places]
        known.quantiles[errors.rows] = quantiles[errors.cohort][errors.places]
    return known


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
        Prices, in the order of `cryptodask.evaluate.rows.BOUNDS`; NaN where no spread was known.
    """
    n_coins, horizon = forecast.values.shape
    spreads = np.full((n_coins, horizon), np.nan)
    for errors in past:
        spreads[errors.rows] = errors.spreads
    known = calibrate(n_coins, horizon, past, summaries, quantiles)
    return known.bounds(forecast.values, spreads)


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
        The table, with prices in the columns `cryptodask.evaluate.rows.BOUNDS`; NaN where no spread
        was known.
    """
    if table.empty:
        return table
    history, places = place_errors(table, origins, horizon, step)
    prices = np.full(history.errors.shape, np.nan)
    prices[places] = table["forecast"]
    scale = Conformal().scale(history, summaries[0])
    middle = quantiles[0][..., MIDDLE]
    bounds = price_quantiles(prices, scale, quantiles[0], middle)[places][:, IN_ORDER]
    return table.assign(**{name: bounds[:, i] for i, name in enumerate(BOUNDS)})

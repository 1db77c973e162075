"""What past forecasts missed by: the errors of a panel or of a backtest table, coin by coin."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DAY, DateArray, FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ErrorHistory:
    """Errors of one model's past forecasts, and what was known of the coins at the time.

    Attributes
    ----------
    cutoffs : ndarray of datetime64[s], ``(n_origins,)``
        Dates of the forecasts, rising.
    errors : ndarray of float64, ``(n_coins, n_origins, horizon)``
        ``log(actual / forecast)``, log returns; NaN without a forecast or without an actual (yet).
    moves : ndarray of float64, ``(n_coins, n_origins, horizon)``
        ``log(actual / close)``, log returns from the close at the origin: the errors of naive.
    spreads : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Expected absolute log returns, see `cryptodask.evaluate.intervals.volatility`; NaN or 0
        where a coin has none.
    step : timedelta64
        Time from one bar to the next.

    Raises
    ------
    OptionError
        Shapes do not fit together, or the cutoffs do not rise.
    """

    cutoffs: DateArray
    errors: FloatArray
    moves: FloatArray
    spreads: FloatArray
    step: np.timedelta64 = DAY

    def __post_init__(self) -> None:
        n_origins = len(self.cutoffs)
        if self.errors.ndim != 3 or self.errors.shape[1] != n_origins:
            raise OptionError(
                f"errors: must be (n_coins, {n_origins}, horizon), got {self.errors.shape}"
            )
        for name, values in (("moves", self.moves), ("spreads", self.spreads)):
            if values.shape != self.errors.shape:
                raise OptionError(f"{name}: must be {self.errors.shape}, got {values.shape}")
        if (np.diff(self.cutoffs) <= np.timedelta64(0)).any():
            raise OptionError("cutoffs: must rise from origin to origin; sort and deduplicate")


@dataclass(frozen=True)
class PastErrors:
    """Past errors of one part of the coins, at the origins of one cohort.

    Attributes
    ----------
    cohort : int
        Number of the cohort; a backtest is one cohort, 0.
    history : ErrorHistory
        Errors of all coins of the part that have rows at the origins of the cohort.
    coins, places : ndarray of int64, ``(n_members,)``
        Coins of `history` that get intervals around their next forecasts, and for each the latest
        origin that is not after its last row. None for a backtest, whose intervals are around the
        past forecasts.
    rows : ndarray of int64, ``(n_members,)``
        Places of their next forecasts among all forecasts of the part.
    spreads : ndarray of float64, ``(n_members, horizon)``
        Expected absolute log returns from their last rows.
    """

    cohort: int
    history: ErrorHistory
    coins: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    places: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    rows: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    spreads: FloatArray = field(default_factory=lambda: np.empty((0, 0)))


def table_errors(
    table: pd.DataFrame, origins: DateArray, horizon: int, step: np.timedelta64
) -> PastErrors:
    """Return the errors of a backtest table of one model.

    Parameters
    ----------
    table : DataFrame
        Rows of whole coins, in the columns of `cryptodask.evaluate.backtest.empty_backtest`; it
        may have no rows.
    origins : ndarray of datetime64[s], ``(n_origins,)``
        All origins of the backtest, rising, also those without a row in this table.
    horizon : int
        Bars ahead.
    step : timedelta64
        Time from one bar to the next.
    """
    return PastErrors(0, place_errors(table, origins, horizon, step)[0])


def place_errors(
    table: pd.DataFrame,
    origins: DateArray,
    horizon: int,
    step: np.timedelta64,
    coins: Sequence[str] | None = None,
) -> tuple[ErrorHistory, tuple[Any, Any, Any]]:
    """Return the errors of a backtest table, and the place of each row among them.

    Parameters
    ----------
    table, origins, horizon, step
        As for `table_errors`.
    coins : sequence of str, optional
        Coins of the history, in this order, among them those of the table; by default the coins
        of the table, as they come.

    Returns
    -------
    history : ErrorHistory
    places : tuple of ndarray of int64, three times ``(n_rows,)``
        Coin, origin and step of each row: an index into ``history.errors``.
    """
    coin, names = pd.factorize(table["coin"])
    if coins is not None:
        positions = pd.Index(coins).get_indexer(names)
        coin, names = positions[coin], pd.Index(coins)
    origin = np.searchsorted(origins, table["cutoff"].to_numpy().astype("datetime64[s]"))
    places = coin, origin, table["step"].to_numpy() - 1
    errors, moves, spreads = np.full((3, len(names), len(origins), horizon), np.nan)
    actual = table["actual"].to_numpy()
    errors[places] = log_errors(actual, table["forecast"].to_numpy())
    moves[places] = log_errors(actual, table["last"].to_numpy())
    spreads[places] = table["volatility"]
    return ErrorHistory(origins, errors, moves, spreads, step), places


def log_errors(actual: FloatArray, forecasts: FloatArray) -> FloatArray:
    """Return the errors of forecasts, ``log(actual / forecast)``.

    Parameters
    ----------
    actual, forecasts : ndarray of float64, ``(n_rows,)`` or any other shape
        Prices in the quote currency.

    Returns
    -------
    ndarray of float64, in the shape of both
        Log returns; NaN where a price is missing or not above 0.
    """
    sound = (actual > 0) & (forecasts > 0)
    ratio = np.divide(actual, forecasts, out=np.full(sound.shape, np.nan), where=sound)
    errors: FloatArray = np.log(ratio)
    return np.where(np.isfinite(errors), errors, np.nan)

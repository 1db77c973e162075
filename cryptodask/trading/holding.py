"""Targets that hold: what there is for good, and positions for some bars or until a loss."""

import numpy as np

from cryptodask.records import DateArray, FloatArray
from cryptodask.trading.simulation import Market


def held_targets(market: Market, origins: DateArray, shared: bool) -> FloatArray:
    """Return weights that buy each coin at its first bar; of shared cash, those there at first.

    Parameters
    ----------
    market : Market
    origins : ndarray of datetime64, ``(n_origins,)``
    shared : bool
        Whether coins share cash.

    Returns
    -------
    ndarray of float64, ``(n_dates, n_coins)``
    """
    targets = np.full(market.close.shape, np.nan)
    start = int(np.searchsorted(market.dates, origins.min()))
    known = np.isfinite(market.close[start:])
    if shared:
        targets[start, known[0]] = 1.0 / max(1, int(known[0].sum()))
        return targets
    coins = np.flatnonzero(known.any(axis=0))
    targets[start + known[:, coins].argmax(axis=0), coins] = 1.0
    return targets


def hold_and_stop(
    targets: FloatArray, close: FloatArray, hold: int, stop: float | None
) -> FloatArray:
    """Return targets in which positions are kept for some bars, and sold at a loss.

    Parameters
    ----------
    targets, close : ndarray of float64, ``(n_dates, n_coins)``
        Weights, NaN where nothing is decided; closes, in the quote currency.
    hold : int
        Bars. A sale that is decided earlier waits for them.
    stop : float or None
        Share below the close at which the position was decided. A stop does not wait.

    Returns
    -------
    ndarray of float64, ``(n_dates, n_coins)``
        A decision counts where a coin has a bar; a new one may buy again after a stop.
    """
    if not hold and stop is None:
        return targets
    adjusted = np.full_like(targets, np.nan)
    n_dates, n_coins = targets.shape
    wanted, current = np.zeros(n_coins), np.zeros(n_coins)
    began, entry = np.zeros(n_coins, dtype=int), np.full(n_coins, np.nan)
    for date in range(n_dates):
        bar = np.isfinite(close[date])
        decided = bar & np.isfinite(targets[date])
        wanted[decided] = targets[date, decided]
        stopped = np.zeros(n_coins, dtype=bool)
        if stop is not None:
            with np.errstate(invalid="ignore"):
                stopped = bar & (current > 0) & (close[date] <= entry * (1.0 - stop))
            wanted[stopped] = 0.0
        opens = decided & (wanted > 0) & (current == 0)
        entry[opens], began[opens] = close[date, opens], date
        # A sale in whole or in part that came too early is made when the bars are over.
        waits = (wanted < current) & (date - began < hold) & ~stopped
        changes = bar & ~waits & ((wanted != current) | decided)
        adjusted[date, changes] = wanted[changes]
        current[changes] = wanted[changes]
    return adjusted

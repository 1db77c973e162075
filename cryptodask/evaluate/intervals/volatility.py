"""How much each coin moves from bar to bar, as it was known at each of many origins."""

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.features.lags import log_returns
from cryptodask.features.rows import rows_on
from cryptodask.records import DateArray, FloatArray, Panel

HALF_LIFE = 10.0
"""Bars after which a move counts half. Volatility of coins changes within weeks; from 5 to 20 the
intervals are about as good."""

PRIOR = 5.0
"""How many recent bars the coin's whole history counts for, towards which volatility returns."""

LEAST = 10
"""Returns below which a coin has no volatility of its own: the mean of ten is off by a quarter."""


def volatility(
    panel: Panel, cutoffs: DateArray, half_life: float = HALF_LIFE, prior: float = PRIOR
) -> FloatArray:
    """Return the mean absolute log return of a bar at each origin, the recent bars counting more.

    Absolute returns and not squared ones, so that a single jump does not rule for weeks. Of the
    coin's rows up to the origin, with weights that halve every ``half_life`` rows, drawn towards
    the mean of all of them, as the forecasts of a GARCH are. Returns over a gap do not count.

    Parameters
    ----------
    panel : Panel
    cutoffs : ndarray of datetime64, ``(n_origins,)``
    half_life : float
        Bars.
    prior : float
        Weight of the mean of all returns, in bars.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_origins)``
        NaN where a coin has no row at that very date, or fewer than ten returns up to it.

    Raises
    ------
    OptionError
        A half-life or prior that is no weight.
    """
    if not half_life > 0 or not prior >= 0:
        raise OptionError(
            f"half_life, prior: must be above 0 and at least 0, got {half_life} and {prior}"
        )
    return _at(panel, rows_at(panel, cutoffs), 0.5 ** (1.0 / half_life), prior)


def latest_volatility(panel: Panel) -> FloatArray:
    """Return the same at each coin's last row, ``(n_coins,)``; every coin has at least one."""
    return _at(panel, panel.indptr[1:, None] - 1, 0.5 ** (1.0 / HALF_LIFE), PRIOR)[:, 0]


def rows_at(panel: Panel, dates: DateArray) -> NDArray[np.int64]:
    """Return the row of each coin at each date, ``(n_coins, n_dates)``; -1 where there is none."""
    wanted = np.asarray(dates, dtype="datetime64[s]")
    return rows_on(panel, np.broadcast_to(wanted, (len(panel), len(wanted))))


def _at(panel: Panel, rows: NDArray[np.int64], decay: float, prior: float) -> FloatArray:
    """Return the volatility at rows of each coin, ``(n_coins, n)``; -1 is none."""
    if not len(panel.values):
        return np.full(rows.shape, np.nan)
    returns, linked = log_returns(panel)
    seen = np.zeros(len(returns), dtype=np.bool_)
    seen[1:] = linked[:-1] & np.isfinite(returns[:-1])
    moves = np.abs(returns[np.flatnonzero(seen) - 1])
    total = np.concatenate([[0], np.cumsum(seen)])
    known = np.where(rows >= 0, total[rows + 1] - total[panel.indptr[:-1], None], 0)
    counts = np.diff(total[panel.indptr])
    return _from_moves(moves, counts, known, decay, prior)


def _from_moves(
    moves: FloatArray,
    counts: NDArray[np.int64],
    known: NDArray[np.int64],
    decay: float,
    prior: float,
) -> FloatArray:
    """Return the volatility from the first so many moves of each coin.

    Move by move for all coins at once: such a sum does not depend on moves that come later, nor on
    the coins beside it, to the last bit.

    Parameters
    ----------
    moves : ndarray of float64
        Absolute returns, coin after coin.
    counts : ndarray of int64, ``(n_coins,)``
        How many each coin has.
    known : ndarray of int64, ``(n_coins, n)``
        How many of them count.
    """
    order = np.argsort(-counts, kind="stable")
    rank = np.argsort(order)
    # All first moves, of the coins with the most moves first, then all second ones, …
    going = np.searchsorted(-counts[order], -np.arange(int(counts.max(initial=0))))
    begins = np.concatenate([[0], np.cumsum(going)]).astype(np.int64)
    number = np.arange(len(moves)) - np.repeat(np.cumsum(counts) - counts, counts)
    recent = np.empty(len(moves))
    recent[begins[number] + np.repeat(rank, counts)] = moves
    total = recent.copy()
    weights = np.zeros(len(going) + 1)
    last = 0
    for i, (start, n) in enumerate(zip(begins[:-1].tolist(), going.tolist(), strict=True)):
        weights[i + 1] = weights[i] * decay + 1.0
        if i:
            recent[start : start + n] += recent[last : last + n] * decay
            total[start : start + n] += total[last : last + n]
        last = start
    enough = known >= LEAST
    at = (begins[np.maximum(known - 1, 0)] + rank[:, None])[enough]
    n = known[enough]
    result = np.full(known.shape, np.nan)
    result[enough] = (recent[at] + prior * total[at] / n) / (weights[n] + prior)
    return result

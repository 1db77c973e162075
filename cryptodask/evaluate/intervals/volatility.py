"""How much each coin moves from bar to bar, as it was known at each of many origins."""

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.features.lags import log_returns
from cryptodask.features.rows import rows_on
from cryptodask.records import DateArray, FloatArray, Panel

HALF_LIFE = 10.0
"""Bars after which a move counts half. Volatility of coins changes within weeks; intervals are
about as good with 5 to 20."""

PRIOR = 5.0
"""Weight, in recent bars, of the mean over a coin's whole history, to which volatility returns."""

LEAST = 10
"""Returns that a coin needs for a volatility: the mean of ten is off by a quarter."""


def volatility(
    panel: Panel, cutoffs: DateArray, half_life: float = HALF_LIFE, prior: float = PRIOR
) -> FloatArray:
    """Return the mean absolute log return of a bar at each origin; recent bars count more.

    A mean of absolute returns, not of squared ones: a single jump must not rule for weeks. Over
    the coin's rows up to the origin, with weights that halve every `half_life` rows, drawn towards
    the mean of all of them, as forecasts of a GARCH are. Returns over a gap do not count.

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
        Log returns; NaN where a coin has no row on that very date, or fewer than ten returns up
        to it.

    Raises
    ------
    OptionError
        The half-life is not above 0, or the prior below 0.
    """
    if not half_life > 0 or not prior >= 0:
        raise OptionError(
            f"half_life, prior: must be above 0 and at least 0, got {half_life} and {prior}"
        )
    dates = np.asarray(cutoffs, dtype="datetime64[s]")
    rows = rows_on(panel, np.broadcast_to(dates, (len(panel), len(dates))))
    return _volatility_at(panel, rows, 0.5 ** (1.0 / half_life), prior)


def latest_volatility(panel: Panel) -> FloatArray:
    """Return the volatility at each coin's last row.

    Parameters
    ----------
    panel : Panel
        Every coin has at least one row.

    Returns
    -------
    ndarray of float64, ``(n_coins,)``
        Mean absolute log return of a bar.
    """
    return _volatility_at(panel, panel.indptr[1:, None] - 1, 0.5 ** (1.0 / HALF_LIFE), PRIOR)[:, 0]


def _volatility_at(panel: Panel, rows: NDArray[np.int64], decay: float, prior: float) -> FloatArray:
    """Return the volatility at rows of each coin, ``(n_coins, n)``; NaN at a row of -1."""
    if not len(panel.values):
        return np.full(rows.shape, np.nan)
    returns, linked = log_returns(panel)
    usable = np.zeros(len(returns), dtype=np.bool_)
    usable[1:] = linked[:-1] & np.isfinite(returns[:-1])
    moves = np.abs(returns[np.flatnonzero(usable) - 1])
    total = np.concatenate([[0], np.cumsum(usable)])
    known = np.where(rows >= 0, total[rows + 1] - total[panel.indptr[:-1], None], 0)
    counts = np.diff(total[panel.indptr])
    return _weighted_means(moves, counts, known, decay, prior)


def _weighted_means(
    moves: FloatArray,
    counts: NDArray[np.int64],
    known: NDArray[np.int64],
    decay: float,
    prior: float,
) -> FloatArray:
    """Return the volatility from the first moves of each coin.

    Sums run move by move over all coins at once. To the last bit, they do not depend on later
    moves nor on the coins beside.

    Parameters
    ----------
    moves : ndarray of float64, ``(n_moves,)``
        Absolute log returns, coin after coin.
    counts : ndarray of int64, ``(n_coins,)``
        Moves of each coin.
    known : ndarray of int64, ``(n_coins, n)``
        How many of the first moves count.
    decay : float
        Weight of a move over that of the next one.
    prior : float
        Weight of the mean of all moves, in bars.

    Returns
    -------
    ndarray of float64, ``(n_coins, n)``
        Log returns; NaN below `LEAST` moves.
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

"""How far each coin is expected to move within some bars, as it was known at each of many origins.

The expected absolute log return over ``h`` bars is ``sqrt(h)`` times a weighted mean of moving
averages of past absolute returns, over a few days to all of the past; of the longer ones the more,
the further ahead (a heterogeneous autoregression). Averages of absolute returns, not of squared
ones: a single jump must not rule for weeks. A trend adds to it: coins that went one way for two
weeks move further in the next ten days, either way.

The weights are the same for all coins and sources. Fitted by non-negative least squares to daily
prices of 100 coins to 2017 and of 19 coins to 2020, of 20 stocks of the S&P 500 from 1998 to 2022,
and to simulated GARCH(1,1) series with t errors, they differ by less than one coin can show,
and those of any of these forecast the others about as well as their own. So nothing is fitted, a
coin's spread does not depend on which coins are beside it, and `cryptodask.evaluate.intervals.
conformal` learns from past errors only what the distribution of moves over spreads is.

Source: Corsi, A simple approximate long-memory model of realized volatility, Journal of Financial
Econometrics 2009.
"""

import numpy as np
from numpy.typing import NDArray

from cryptodask.features.lags import log_returns
from cryptodask.features.rows import rows_on
from cryptodask.records import DateArray, FloatArray, Panel

HALF_LIVES = (2.0, 8.0, 30.0, 120.0, np.inf)
"""Bars after which a move counts half, of each average; the last is the mean of all moves."""

STEPS = (1, 2, 5, 10, 20, 40, 80)

WEIGHTS = (
    (0.330, 0.250, 0.210, 0.085, 0.125),
    (0.250, 0.310, 0.190, 0.110, 0.140),
    (0.165, 0.350, 0.170, 0.135, 0.180),
    (0.125, 0.315, 0.185, 0.170, 0.205),
    (0.105, 0.240, 0.175, 0.210, 0.270),
    (0.080, 0.175, 0.160, 0.240, 0.345),
    (0.060, 0.130, 0.150, 0.290, 0.370),
)
"""Weight of each average at each of `STEPS`; in between by the logarithm of the step. From each of
these to the next, it falls by less than the square root of the step rises."""

TREND_HALF_LIFE, TREND = 10.0, 0.15
"""Bars of the moving average of returns, and how much of its square over its variance adds to the
squared spread."""

LONGEST_TREND = 4.0
"""Standard deviations of that average beyond which a trend counts for no more."""

SD = 1.25
"""Standard deviation over mean absolute value, of a normal distribution."""

LARGEST, TAIL = np.log(10.0), 4.2
"""A coin that never moved by a factor of ten within ten bars is not expected to: no spread times
`TAIL`, above the 97.5% quantiles of moves over spreads that pools have, goes beyond that, or beyond
the largest move of the coin over as many bars or fewer, whichever is more."""

LEAST = 10
"""Returns that a coin needs: the mean of ten is off by a quarter."""

_DECAYS = 0.5 ** (1.0 / np.array([*HALF_LIVES, TREND_HALF_LIFE]))


def spreads(panel: Panel, cutoffs: DateArray, horizon: int) -> FloatArray:
    """Return the expected absolute log return over each number of bars from each origin.

    Over the coin's rows up to the origin. Returns over a gap do not count.

    Parameters
    ----------
    panel : Panel
    cutoffs : ndarray of datetime64, ``(n_origins,)``
    horizon : int
        Bars.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_origins, horizon)``
        Log returns, from 1 bar to the horizon; NaN where a coin has no row on that very date, or
        fewer than ten returns up to it.
    """
    dates = np.asarray(cutoffs, dtype="datetime64[s]")
    rows = rows_on(panel, np.broadcast_to(dates, (len(panel), len(dates))))
    return _spreads_at(panel, rows, horizon)


def latest_spreads(panel: Panel, horizon: int) -> FloatArray:
    """Return the spreads from each coin's last row.

    Parameters
    ----------
    panel : Panel
        Every coin has at least one row.
    horizon : int
        Bars.

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon)``
        As `spreads` returns them.
    """
    return _spreads_at(panel, panel.indptr[1:, None] - 1, horizon)[:, 0]


def average_weights(horizon: int) -> FloatArray:
    """Return the weight of each moving average for each step, ``(n_averages, horizon)``.

    Parameters
    ----------
    horizon : int
        Bars.
    """
    ahead = np.log(np.arange(1, horizon + 1))
    return np.array([np.interp(ahead, np.log(STEPS), w) for w in np.transpose(WEIGHTS)])


def _spreads_at(panel: Panel, rows: NDArray[np.int64], horizon: int) -> FloatArray:
    """Return the spreads at rows of each coin, ``(n_coins, n, horizon)``; NaN at a row of -1."""
    result = np.full((*rows.shape, horizon), np.nan)
    if not len(panel.values):
        return result
    returns, linked = log_returns(panel)
    usable = np.zeros(len(returns), dtype=np.bool_)
    usable[1:] = linked[:-1] & np.isfinite(returns[:-1])
    moves = returns[np.flatnonzero(usable) - 1]
    total = np.concatenate([[0], np.cumsum(usable)])
    known = np.where(rows >= 0, total[rows + 1] - total[panel.indptr[:-1], None], 0)
    counts = np.diff(total[panel.indptr])
    enough = known >= LEAST
    absolute, trend = _averages(moves, counts, known, enough)
    weights = average_weights(horizon)
    # Summed in a fixed order, so that the bits don't depend on the coins beside.
    level = np.zeros((len(absolute), horizon))
    for average, weight in zip(absolute.T, weights, strict=True):
        level += average[:, None] * weight
    roots = np.sqrt(np.arange(1, horizon + 1))
    result[enough] = level * roots * np.sqrt(1.0 + TREND * _trend(trend, level[:, 0]) ** 2)[:, None]
    return _within_reach(panel, rows, result)


def _trend(trend: FloatArray, level: FloatArray) -> FloatArray:
    """Return the standard deviations by which averages of returns differ from 0, ``(n,)``."""
    decay = _DECAYS[-1]
    usual = SD * level * np.sqrt((1.0 - decay) / (1.0 + decay))
    size = np.divide(np.abs(trend), usual, out=np.zeros_like(trend), where=usual > 0)
    trends: FloatArray = np.minimum(size, LONGEST_TREND)
    return trends


def _averages(
    moves: FloatArray,
    counts: NDArray[np.int64],
    known: NDArray[np.int64],
    enough: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """Return the moving averages of the first moves of each coin.

    Sums run move by move over all coins at once. To the last bit, they do not depend on later
    moves nor on the coins beside.

    Parameters
    ----------
    moves : ndarray of float64, ``(n_moves,)``
        Log returns, coin after coin.
    counts : ndarray of int64, ``(n_coins,)``
        Moves of each coin.
    known : ndarray of int64, ``(n_coins, n)``
        How many of the first moves count.
    enough : ndarray of bool, ``(n_coins, n)``
        Where averages are wanted.

    Returns
    -------
    absolute : ndarray of float64, ``(n_wanted, len(HALF_LIVES))``
        Of absolute returns, in the order of ``np.nonzero(enough)``.
    trend : ndarray of float64, ``(n_wanted,)``
        Of returns.
    """
    order = np.argsort(-counts, kind="stable")
    rank = np.argsort(order)
    # All first moves, of the coins with the most moves first, then all second ones, …
    coins_left = np.searchsorted(-counts[order], -np.arange(int(counts.max(initial=0))))
    begins = np.concatenate([[0], np.cumsum(coins_left)]).astype(np.int64)
    number = np.arange(len(moves)) - np.repeat(np.cumsum(counts) - counts, counts)
    sums = np.empty((len(moves), len(_DECAYS)))
    sums[begins[number] + np.repeat(rank, counts)] = np.abs(moves)[:, None]
    sums[begins[number] + np.repeat(rank, counts), -1] = moves
    weights = np.zeros((len(coins_left) + 1, len(_DECAYS)))
    last = 0
    for i, (start, n) in enumerate(zip(begins[:-1].tolist(), coins_left.tolist(), strict=True)):
        weights[i + 1] = weights[i] * _DECAYS + 1.0
        if i:
            sums[start : start + n] += sums[last : last + n] * _DECAYS
        last = start
    at = (begins[np.maximum(known - 1, 0)] + rank[:, None])[enough]
    means = sums[at] / weights[known[enough]]
    return means[:, :-1], means[:, -1]


def _within_reach(panel: Panel, rows: NDArray[np.int64], result: FloatArray) -> FloatArray:
    """Return spreads, those of the wildest coins no larger than `LARGEST` and their past say."""
    ahead = np.arange(1, result.shape[-1] + 1)
    usual = LARGEST * np.sqrt(ahead / 10.0) / TAIL
    with np.errstate(invalid="ignore"):
        beyond = np.flatnonzero((result > usual).any(axis=(1, 2)))
    for coin in beyond:
        start, stop = panel.indptr[coin : coin + 2]
        logs = np.log(panel.values[start:stop])
        for h in ahead.tolist():
            moved = np.zeros(stop - start)
            moved[h:] = np.abs(logs[h:] - logs[:-h])
            record = np.maximum.accumulate(moved)[np.maximum(rows[coin] - start, 0)]
            limit = np.maximum(usual[h - 1], record / TAIL)
            result[coin, :, h - 1] = np.minimum(result[coin, :, h - 1], limit)
    # A limit may bind at one step and not at the next.
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        rising: FloatArray = np.maximum.accumulate(result, axis=-1)
    return rising

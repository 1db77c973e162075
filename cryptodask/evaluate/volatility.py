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
    rows = rows_at(panel, cutoffs)
    smooth = _at_each_row(panel, 0.5 ** (1.0 / half_life), prior)
    return np.where(rows >= 0, smooth[rows], np.nan) if len(smooth) else np.full(rows.shape, np.nan)


def latest_volatility(panel: Panel) -> FloatArray:
    """Return the same at each coin's last row, ``(n_coins,)``; every coin has at least one."""
    return _at_each_row(panel, 0.5 ** (1.0 / HALF_LIFE), PRIOR)[panel.indptr[1:] - 1]


def rows_at(panel: Panel, dates: DateArray) -> NDArray[np.int64]:
    """Return the row of each coin at each date, ``(n_coins, n_dates)``; -1 where there is none."""
    wanted = np.asarray(dates, dtype="datetime64[s]")
    return rows_on(panel, np.broadcast_to(wanted, (len(panel), len(wanted))))


def _at_each_row(panel: Panel, decay: float, prior: float) -> FloatArray:
    """Return the volatility at every row from those up to it, ``(n_rows,)``.

    Row by row for all coins at once: such a sum does not depend on rows that come later, nor on
    the coins beside it, to the last bit.
    """
    returns, linked = log_returns(panel)
    moves = np.zeros(len(returns))
    seen = np.zeros(len(returns), dtype=np.bool_)
    moves[1:] = np.abs(returns[:-1])
    seen[1:] = linked[:-1] & np.isfinite(returns[:-1])
    moves[~seen] = 0.0
    result = np.full(len(moves), np.nan)
    order = np.argsort(-panel.lengths, kind="stable")
    starts, lengths = panel.indptr[:-1][order], panel.lengths[order]
    recent, weight, total, count = np.zeros((4, len(panel)))
    for place in range(int(lengths[0]) if len(lengths) else 0):
        going = int(np.searchsorted(-lengths, -place))
        rows = starts[:going] + place
        new, move = seen[rows], moves[rows]
        fade = np.where(new, decay, 1.0)
        recent[:going] = recent[:going] * fade + move
        weight[:going] = weight[:going] * fade + new
        total[:going] += move
        count[:going] += new
        enough = count[:going] >= LEAST
        rows = rows[enough]
        recent_, weight_, total_, count_ = (
            a[:going][enough] for a in (recent, weight, total, count)
        )
        result[rows] = (recent_ + prior * total_ / count_) / (weight_ + prior)
    return result

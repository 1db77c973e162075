"""The distribution of what coins may move by, and what follows from it.

The log move of a coin over some bars is distributed as the pooled errors of naive, which are moves
over the spreads expected of them, times the coin's spread and ratio; see
`cryptodask.evaluate.intervals.conformal`. At 10, 90, 2.5 and 97.5% these are the intervals of naive
to the last bit. Between the levels of a fine grid, quantiles are on lines, so that integrals are
sums; beyond its ends, a 100-millionth, they are those of the ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cryptodask.evaluate.intervals.widths import price_quantiles
from cryptodask.records import DateArray, FloatArray, IntArray

FAR = 1e-3
"""Share of moves on either side that count for volatilities as the least of them: the variance of
tails as heavy as Student's hangs on a few moves that nobody has seen, and intervals have wider
tails than the moves that they are from, as few moves say little about the rarest."""

GRID: FloatArray = 1.0 / (1.0 + np.exp(-np.linspace(-18.42, 18.42, 737)))
"""Levels of quantiles: 20 in each factor of e of the odds, from 1e-8 on; the middle one is 1/2."""


def all_levels(wanted: Iterable[float]) -> FloatArray:
    """Return the levels of the grid and other ones, rising, ``(n_levels,)``.

    Parameters
    ----------
    wanted : iterable of float
        Shares, between 0 and 1; none of them may be next to one of the grid.
    """
    exact = np.array(sorted({FAR, 0.5, 1.0 - FAR, *wanted}))
    nearest = np.abs(GRID[:, None] - exact).min(axis=1)
    return np.union1d(GRID[nearest > 1e-3 * np.minimum(GRID, 1.0 - GRID)], exact)


@dataclass(frozen=True, eq=False)
class MoveDistribution:
    """How far coins may move from their last closes.

    Attributes
    ----------
    coins : tuple of str
        Names, ``(n_coins,)``.
    cutoffs : ndarray of datetime64[s], ``(n_coins,)``
        Date of each coin's last row.
    closes : ndarray of float64, ``(n_coins,)``
        On these dates, in the quote currency.
    scale : ndarray of float64, ``(n_coins, horizon)``
        Log returns by which scaled quantiles are multiplied.
    pools : ndarray of int64, ``(n_coins,)``
        Which of the pools each coin belongs to.
    levels : ndarray of float64, ``(n_levels,)``
        Of moves, the share below each quantile, rising.
    quantiles : ndarray of float64, ``(n_pools, horizon, n_levels)``
        Of moves over spreads.
    step : timedelta64
        From one bar to the next.
    """

    coins: tuple[str, ...]
    cutoffs: DateArray
    closes: FloatArray
    scale: FloatArray
    pools: IntArray
    levels: FloatArray
    quantiles: FloatArray
    step: np.timedelta64

    @property
    def horizon(self) -> int:
        """Bars ahead."""
        return int(self.scale.shape[1])

    @property
    def dates(self) -> DateArray:
        """Dates of the bars ahead, ``(n_coins, horizon)``."""
        ahead = np.arange(1, self.horizon + 1) * self.step
        return (self.cutoffs[:, None] + ahead).astype("datetime64[s]")

    def prices(self, level: float) -> FloatArray:
        """Return the quantiles of closes.

        Parameters
        ----------
        level : float
            One of `levels`, a share.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            In the quote currency.
        """
        at = self.place(level)
        forecasts = np.repeat(self.closes[:, None], self.horizon, axis=1)
        quantiles = self.quantiles[:, :, [at]][self.pools]
        return price_quantiles(forecasts, self.scale, quantiles, self._middle)[..., 0]

    def growths(self, coins: slice) -> FloatArray:
        """Return the quantiles of closes over last closes.

        Parameters
        ----------
        coins : slice
            Coins, ``(n,)``: all of very many take memory.

        Returns
        -------
        ndarray of float64, ``(n, horizon, n_levels)``
        """
        scale = self.scale[coins]
        quantiles = self.quantiles[self.pools[coins]]
        return price_quantiles(np.ones(scale.shape), scale, quantiles, self._middle[coins])

    def place(self, level: float) -> int:
        """Return the place of a level among `levels`.

        Parameters
        ----------
        level : float
            A share.
        """
        at = int(np.searchsorted(self.levels, level))
        assert self.levels[at] == level, f"{level} is not a level of this distribution"
        return at

    @property
    def _middle(self) -> FloatArray:
        middle: FloatArray = self.quantiles[:, :, self.place(0.5)][self.pools]
        return middle


def deviation(logs: FloatArray, levels: FloatArray) -> FloatArray:
    """Return the standard deviation of a distribution by its quantiles, winsorised at `FAR`.

    Parameters
    ----------
    logs : ndarray of float64, ``(..., n_levels)``
        Quantiles, log returns.
    levels : ndarray of float64, ``(n_levels,)``
        Of cases, the share below each quantile, rising.

    Returns
    -------
    ndarray of float64, ``(...,)``
    """
    inside = np.flatnonzero((levels >= FAR) & (levels <= 1.0 - FAR))
    levels, logs = levels[inside], logs[..., inside]
    width = np.diff(levels)
    low, high, ends = levels[0], 1.0 - levels[-1], logs[..., [0, -1]]
    before, after = logs[..., :-1], logs[..., 1:]
    beyond = np.array([low, high])
    # Summed row by row: a product of matrices has other bits for other coins beside.
    mean = ((before + after) / 2 * width).sum(axis=-1) + (ends * beyond).sum(axis=-1)
    square = ((before**2 + before * after + after**2) / 3 * width).sum(axis=-1)
    square += (ends**2 * beyond).sum(axis=-1)
    result: FloatArray = np.sqrt(np.maximum(square - mean**2, 0.0))
    return result


def shortfall(growths: FloatArray, levels: FloatArray, place: int) -> FloatArray:
    """Return the mean loss in the cases below a quantile: the expected shortfall.

    Source: Acerbi and Tasche, On the coherence of expected shortfall, Journal of Banking and
    Finance 2002.

    Parameters
    ----------
    growths : ndarray of float64, ``(..., n_levels)``
        Quantiles of closes over last closes.
    levels : ndarray of float64, ``(n_levels,)``
        Of cases, the share below each quantile, rising.
    place : int
        Of the quantile.

    Returns
    -------
    ndarray of float64, ``(...,)``
        Share of the last close that is lost; below 0 it is gained.
    """
    inside = growths[..., : place + 1]
    width = np.diff(levels[: place + 1])
    total = ((inside[..., :-1] + inside[..., 1:]) / 2 * width).sum(axis=-1)
    total += inside[..., 0] * levels[0]
    result: FloatArray = 1.0 - total / levels[place]
    return result


def share_above(growths: FloatArray, levels: FloatArray, threshold: float) -> float:
    """Return the probability of a close above a threshold.

    Parameters
    ----------
    growths : ndarray of float64, ``(n_levels,)``
        Quantiles of the close over the last close.
    levels : ndarray of float64, ``(n_levels,)``
        Of cases, the share below each quantile, rising.
    threshold : float
        Of the close over the last close.
    """
    return 1.0 - float(np.interp(np.log(threshold), np.log(growths), levels))

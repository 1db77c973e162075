"""Prediction intervals of any model: conformal, from the errors that its forecasts had before.

An error is ``log(actual / forecast)``. Divided by what the coin moves at the time
(`volatility`), the errors of calm and of wild coins and times are alike, and those of all coins
are pooled: quantiles of the pool times a coin's volatility are its interval, per step. Four
things make that adapt: volatility itself; newer errors weigh more; intervals that missed too often
make the next ones wider; and a coin's own errors, once it has many, scale its own.

Counts in fixed bins are all that is pooled, so that it is the same for any partitioning. Three
passes over the panels give intervals at every origin, none of which knows an error before the bar
in which it showed::

    typical = conformal.typical(ErrorCounts.join(map(conformal.count, histories)))
    pool = ErrorCounts.join(conformal.count(history, typical) for history in histories)
    quantiles = conformal.quantiles(pool, levels, history.cutoffs)
    prices = intervals(forecasts, conformal.scale(history, typical), quantiles)

Sources: Lei et al., Distribution-free predictive inference for regression, JASA 2018 (errors
scaled by an estimate of their spread); Barber et al., Conformal prediction beyond
exchangeability, Annals of Statistics 2023 (weights by age); Gibbs and Candès, Adaptive conformal
inference under distribution shift, NeurIPS 2021, and Angelopoulos et al., Conformal PID control
for time series prediction, NeurIPS 2023 (misses widen what follows).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.evaluate.intervals.error_counts import (
    EDGES,
    MOVES,
    ErrorCounts,
    PoolSummary,
    binned_quantiles,
    bins,
    check_levels,
    find_origins,
    share_below,
)
from cryptodask.evaluate.intervals.past_errors import ErrorHistory
from cryptodask.records import DateArray, FloatArray

CAP = 5.0
"""A coin's own error counts for at most so many medians of the pool: beyond, it is a jump."""

MOST_APART = 5.0
"""Bars between origins for which misses count in full: at longer ones, what was missed is old."""

FEW = 10
"""So many coins' misses count half: of fewer, they are chance."""


@dataclass(frozen=True)
class Conformal:
    """How past errors become intervals.

    Attributes
    ----------
    half_life : float
        Bars after which an error counts half, in the pool; but never less than two horizons of
        the step in question nor three origins, since an interval must not hang on one origin:
        coins move together, and so do their errors.
    mirror : float
        With what weight every error counts with the other sign too, from 0 to 1. A pool of few
        origins leans with the market of the last weeks, which says little about the next: at 1/2
        a third of that lean stays, enough for a model that errs to one side.
    own : float
        How many errors, of times that do not overlap, a coin must have for its own spread to count
        as much as the pool's. Infinite: the coin's own never count.
    speed : float
        How fast intervals widen after origins whose 80% intervals missed more than 20%, and narrow
        after others: where twice as many miss, by a fifth of this a bar. 0: never.
    """

    half_life: float = 20.0
    mirror: float = 0.5
    own: float = 10.0
    speed: float = 0.05

    def __post_init__(self) -> None:
        if not self.half_life > 0 or not 0 <= self.mirror <= 1 or not self.own > 0:
            raise OptionError(
                "half_life and own must be above 0 and mirror from 0 to 1, got "
                f"{self.half_life}, {self.own} and {self.mirror}"
            )
        if not 0 <= self.speed < 1:
            raise OptionError(f"speed: must be at least 0 and below 1, got {self.speed}")

    def count(self, history: ErrorHistory, typical: PoolSummary | None = None) -> ErrorCounts:
        """Count the scaled errors of the coins of one panel.

        Parameters
        ----------
        history : ErrorHistory
            The origins must include those at which intervals are wanted, with NaN for errors.
        typical : PoolSummary, optional
            Of the counts of all panels that were made without it. With it, coins' own errors
            scale theirs.
        """
        shape = history.errors.shape[1:]
        usable = history.volatility > 0
        spread = history.volatility[:, :, None] * np.sqrt(np.arange(1, shape[1] + 1))
        if typical is not None:
            spread = spread * self._own_share(history, typical)
        errors = np.zeros((*shape, len(EDGES) - 1), dtype=np.int64)
        scaled = np.divide(
            history.errors, spread, out=np.full(spread.shape, np.nan), where=usable[:, :, None]
        )
        _, origin, ahead = np.nonzero(~np.isnan(scaled))
        np.add.at(errors, (origin, ahead, bins(EDGES, scaled[~np.isnan(scaled)])), 1)
        moves = np.zeros((shape[0], len(MOVES) - 1), dtype=np.int64)
        _, origin = np.nonzero(usable)
        np.add.at(moves, (origin, bins(MOVES, history.volatility[usable])), 1)
        return ErrorCounts(history.cutoffs, errors, moves, history.step)

    def typical(self, first: ErrorCounts) -> PoolSummary:
        """Summarise counts of all panels that were made without a summary."""
        counts, _ = self._known(first)
        half = len(EDGES) // 2
        folded = counts[:, :, half:] + counts[:, :, half - 1 :: -1]
        below = np.cumsum(folded, axis=2)
        middle = np.argmax(2 * below >= below[:, :, -1:], axis=2)
        centres = (EDGES[half:-1] + EDGES[half + 1 :]) / 2
        cap = CAP * centres[middle]
        total = (folded * np.minimum(centres, cap[:, :, None])).sum(axis=2)
        mean = np.divide(total, below[:, :, -1], out=np.zeros_like(total), where=total > 0)
        return PoolSummary(first.cutoffs, first.market, cap, mean)

    def scale(self, history: ErrorHistory, typical: PoolSummary) -> FloatArray:
        """Return what the pool's quantiles are to be multiplied by.

        Parameters
        ----------
        history : ErrorHistory
        typical : PoolSummary

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins, horizon)``
            Log return. A coin without a volatility of its own has the market's.
        """
        market = typical.moves[find_origins(typical.cutoffs, history.cutoffs)]
        moves = np.where(history.volatility > 0, history.volatility, market)
        roots = np.sqrt(np.arange(1, history.errors.shape[2] + 1))
        share: FloatArray = self._own_share(history, typical)
        return moves[:, :, None] * roots * share

    def quantiles(
        self, pool: ErrorCounts, levels: Sequence[float], cutoffs: DateArray | None = None
    ) -> FloatArray:
        """Return quantiles of the pooled errors as they were known at each origin.

        Parameters
        ----------
        pool : ErrorCounts
        levels : sequence of float
            Rising, between 0 and 1.
        cutoffs : ndarray of datetime64[s], optional
            Some of the pool's origins; by default all.

        Returns
        -------
        ndarray of float64, ``(n_origins, horizon, n_levels)``
            Scaled errors; NaN where none was known.

        Raises
        ------
        OptionError
            Levels that are none, or an origin that the pool has not.
        """
        wanted = check_levels(levels)
        places = find_origins(pool.cutoffs, pool.cutoffs if cutoffs is None else cutoffs)
        counts, size = self._known(pool)
        wider = self._wider(pool, binned_quantiles(counts, size, np.array([0.1, 0.5, 0.9])))
        counts, size = counts[places], size[places]
        middle = binned_quantiles(counts, size, np.array([0.5]))
        found = binned_quantiles(counts, size, wanted)
        return middle + (found - middle) * wider[places][:, None, None]

    def _wider(self, pool: ErrorCounts, quantiles: FloatArray) -> FloatArray:
        """Return by how much each origin's intervals are wider than the pool, ``(n_origins,)``.

        What the intervals of an origin missed counts once it has shown, and all steps together,
        since those of an origin miss together.

        Parameters
        ----------
        pool : ErrorCounts
        quantiles : ndarray of float64, ``(n_origins, horizon, 3)``
            Of 10, 50 and 90% as the pool gives them.
        """
        n_origins, horizon, _ = pool.errors.shape
        bars = (pool.cutoffs - pool.cutoffs[:1]) / pool.step
        shown = bars[:, None] + np.arange(1, horizon + 1)
        total = pool.errors.sum(axis=2)
        apart = np.minimum(np.diff(bars, prepend=bars[:1]), MOST_APART)[:, None]
        gain = self.speed * apart * total / (total + FEW) / horizon
        wider, excess = np.ones(n_origins), np.zeros(total.shape)
        for origin in range(1, n_origins):
            since = (shown > bars[origin - 1]) & (shown <= bars[origin])
            grown = np.log(wider[origin - 1]) + (gain * excess)[since].sum()
            wider[origin] = np.exp(np.clip(grown, -np.log(2), np.log(2)))
            low, middle, high = np.moveaxis(quantiles[origin], -1, 0)
            for ahead in np.flatnonzero((total[origin] > 0) & ~np.isnan(middle)):
                ends = middle[ahead] + wider[origin] * (
                    np.array([low[ahead], high[ahead]]) - middle[ahead]
                )
                inside = np.diff(share_below(pool.errors[origin, ahead], ends))[0]
                excess[origin, ahead] = (1 - inside) - 0.2
        return wider

    def _known(self, pool: ErrorCounts) -> tuple[FloatArray, FloatArray]:
        """Return what was known at each origin: weighted counts, and how many errors they equal.

        Added origin by origin, so that later ones, which weigh nothing, change no bit.
        """
        n_origins, horizon, _ = pool.errors.shape
        bars = (pool.cutoffs - pool.cutoffs[:1]) / pool.step
        apart = np.array(
            [np.median(np.diff(bars[: i + 1])) if i else 0.0 for i in range(n_origins)]
        )
        counts = np.zeros(pool.errors.shape)
        squares = np.zeros((n_origins, horizon))
        for ahead in range(1, horizon + 1):
            half_life = np.maximum(max(self.half_life, 2.0 * ahead), 3.0 * apart)
            for origin in range(n_origins):
                then = slice(int(np.searchsorted(bars, bars[origin] + ahead)), None)
                weight = 0.5 ** ((bars[then] - bars[origin] - ahead) / half_life[then])
                seen = pool.errors[origin, ahead - 1]
                filled = np.flatnonzero(seen)
                counts[then, ahead - 1, filled] += weight[:, None] * seen[filled]
                squares[then, ahead - 1] += weight**2 * seen.sum()
        size = np.divide(
            counts.sum(axis=2) ** 2, squares, out=np.zeros_like(squares), where=squares > 0
        )
        return counts + self.mirror * counts[:, :, ::-1], size

    def _own_share(self, history: ErrorHistory, typical: PoolSummary) -> FloatArray:
        """Return the spread of each coin's own errors over the pool's, as known at each origin.

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins, horizon)``
            1 for a coin without errors so far.
        """
        horizon = history.errors.shape[2]
        steps = np.arange(1, horizon + 1)
        bars = (history.cutoffs - history.cutoffs[:1]) / history.step
        places = find_origins(typical.cutoffs, history.cutoffs)
        cap, mean = typical.cap[places], typical.mean[places]
        usable = (history.volatility > 0)[:, :, None] & (mean > 0) & ~np.isnan(history.errors)
        spread = history.volatility[:, :, None] * np.sqrt(steps)
        scaled = np.divide(np.abs(history.errors), spread, out=np.zeros(spread.shape), where=usable)
        ratio = np.divide(np.minimum(scaled, cap), mean, out=np.zeros(spread.shape), where=usable)
        # Errors over times that overlap tell little new: together they count as one.
        apart = np.diff(bars, prepend=-np.inf)[:, None]
        weight = np.minimum(1.0, apart / steps) * usable
        share = np.ones(spread.shape)
        for ahead in range(1, horizon + 1):
            known = np.searchsorted(bars + ahead, bars, side="right")
            total, count = (
                np.pad(np.cumsum(a[:, :, ahead - 1], axis=1), ((0, 0), (1, 0)))[:, known]
                for a in (weight * ratio, weight)
            )
            if np.isfinite(self.own):
                share[:, :, ahead - 1] = (self.own + total) / (self.own + count)
        return share


def intervals(forecasts: FloatArray, scale: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Return the quantiles of prices around point forecasts.

    Parameters
    ----------
    forecasts : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Prices.
    scale : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Of `Conformal.scale`.
    quantiles : ndarray of float64, ``(n_origins, horizon, n_levels)``
        Of `Conformal.quantiles`.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_origins, horizon, n_levels)``
        Prices above 0 that do not fall with the level; NaN where a forecast is none or not above
        0, or where nothing was known to make an interval of.
    """
    centre = np.full(forecasts.shape, np.nan)
    np.log(forecasts, out=centre, where=forecasts > 0)
    limits = np.log([np.finfo(np.float64).tiny, np.finfo(np.float64).max / 2])
    logs = centre[..., None] + scale[..., None] * quantiles
    return np.exp(np.clip(logs, *limits))

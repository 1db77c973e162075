"""Prediction intervals of any model: conformal, from the errors of its past forecasts.

An error is ``log(actual / forecast)``. Divided by the spread that was expected of the coin over as
many bars (`cryptodask.evaluate.intervals.volatility`), errors of calm and of wild coins and times
are alike, so those of all coins are pooled. Quantiles of the pool times a coin's spread are its
interval, step by step. With a few hundred errors the pool says more than any one coin can; with
few, a prior does: on coins and on stocks of many years, moves over spreads have Student's
distribution with four degrees of freedom, as wide as the spread says. It counts as 100 errors,
and its width follows that of a model's errors beside the moves themselves, which are the errors of
naive. So intervals of one coin alone are about those that it has among thousands.

Three things make intervals adapt: spreads; intervals that missed too often widen the next ones;
and a coin's past errors, once it has many, scale its intervals. Widths are made to rise with the
step (by isotonic regression), as spreads do, so that no interval is narrower than the one before.

Only counts in fixed bins are pooled, so any partitioning gives the same pool. Three passes over
the panels give intervals at every origin, and none knows an error before the bar that shows it::

    summary = conformal.summarise(ErrorCounts.join(map(conformal.count, histories)))
    counts = ErrorCounts.join(conformal.count(history, summary) for history in histories)
    quantiles = conformal.quantiles(counts, levels, history.cutoffs)
    prices = price_quantiles(forecasts, conformal.scale(history, summary), quantiles)

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
    UNIT,
    ErrorCounts,
    PoolSummary,
    binned_quantiles,
    bins,
    check_levels,
    find_origins,
    share_below,
)
from cryptodask.evaluate.intervals.past_errors import ErrorHistory
from cryptodask.evaluate.intervals.prior import error_weights, prior_shares, sum_sizes
from cryptodask.evaluate.intervals.widths import rising, scales
from cryptodask.records import DateArray, FloatArray

JUMP = 5.0
"""Medians of the pool beyond which an error is a jump, and counts for no more than that."""

FULL_SPACING = 5.0
"""Bars between origins up to which misses count in full: at longer ones, a miss is old news."""

FEW_COINS = 50
"""Number of coins whose misses count half: the misses of fewer are chance."""


@dataclass(frozen=True)
class Conformal:
    """How past errors become intervals.

    Attributes
    ----------
    half_life : float
        Bars after which an error of the pool counts half; at least three times the spacing of
        origins. An interval must not hang on a few origins, at which all coins miss together.
    mirror : float
        Weight, 0 to 1, with which every error counts with the other sign, too. A pool of few
        origins leans with the market of the last weeks, which says little about the next: at 1/2
        a third of that lean stays, enough for a model that errs to one side.
    prior : float
        Errors, over times that do not overlap, as which the prior counts. Infinite: only the prior.
    coin_prior : float
        The same of the pool beside a coin's own errors: a coin with that number of errors counts as
        much as the pool. Infinite: only the pool counts.
    speed : float
        How fast intervals widen after origins whose 80% intervals missed more than 20%, and narrow
        after others: where twice as many miss, by a fifth of this a bar. 0: never.

    Raises
    ------
    OptionError
        One is out of its range.
    """

    half_life: float = 150.0
    mirror: float = 0.5
    prior: float = 100.0
    coin_prior: float = 60.0
    speed: float = 0.04

    def __post_init__(self) -> None:
        if not self.half_life > 0 or not 0 <= self.mirror <= 1 or not self.coin_prior > 0:
            raise OptionError(
                "half_life and coin_prior must be above 0 and mirror from 0 to 1, got "
                f"{self.half_life}, {self.coin_prior} and {self.mirror}"
            )
        if not 0 < self.prior < np.inf:
            raise OptionError(f"prior: must be above 0 and finite, got {self.prior}")
        if not 0 <= self.speed < 1:
            raise OptionError(f"speed: must be at least 0 and below 1, got {self.speed}")

    def count(self, history: ErrorHistory, summary: PoolSummary | None = None) -> ErrorCounts:
        """Count the scaled errors of the coins of one panel.

        Parameters
        ----------
        history : ErrorHistory
            Its origins must include all those that get intervals, with NaN for unknown errors.
        summary : PoolSummary, optional
            Of the counts of all panels without a summary. With it, a coin's errors are also
            scaled by its past ones.
        """
        n_origins, horizon = history.errors.shape[1:]
        scale = np.where(history.spreads > 0, history.spreads, np.nan)
        sizes = sum_sizes(history, scale)
        if summary is not None:
            scale = scale * self.coin_ratio(history, summary)[:, :, None]
        scaled = history.errors / scale
        known = ~np.isnan(scaled)
        _, origin, ahead = np.nonzero(known)
        errors = np.zeros((n_origins, horizon, len(EDGES) - 1), dtype=np.int64)
        np.add.at(errors, (origin, ahead, bins(EDGES, scaled[known])), 1)
        of_one_bar = history.spreads[:, :, 0]
        _, origin = np.nonzero(of_one_bar > 0)
        moves = np.zeros((n_origins, len(MOVES) - 1), dtype=np.int64)
        np.add.at(moves, (origin, bins(MOVES, of_one_bar[of_one_bar > 0])), 1)
        return ErrorCounts(history.cutoffs, errors, sizes, moves, history.step)

    def summarise(self, counts: ErrorCounts, by: np.datetime64 | None = None) -> PoolSummary:
        """Summarise the errors of all coins.

        Parameters
        ----------
        counts : ErrorCounts
            Of all panels, made without a summary.
        by : datetime64, optional
            The first origin whose intervals are wanted; by default the last one.
        """
        known, _ = self._known(counts)
        half = len(EDGES) // 2
        folded = known[:, :, half:] + known[:, :, half - 1 :: -1]
        below = np.cumsum(folded, axis=2)
        middle = np.argmax(2 * below >= below[:, :, -1:], axis=2)
        centres = (EDGES[half:-1] + EDGES[half + 1 :]) / 2
        cap = JUMP * centres[middle]
        mean = (folded * np.minimum(centres, cap[:, :, None])).sum(axis=2) / below[:, :, -1]
        shown = counts.cutoffs + counts.step <= (counts.cutoffs[-1:] if by is None else by)
        coins = counts.errors[shown, 0].sum(axis=1)
        errors, most = int(coins.sum()), int(coins.max(initial=0))
        return PoolSummary(counts.cutoffs, counts.market, cap, mean, errors, most)

    def scale(self, history: ErrorHistory, summary: PoolSummary) -> FloatArray:
        """Return the factors of the pool's quantiles.

        Parameters
        ----------
        history : ErrorHistory
        summary : PoolSummary

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins, horizon)``
            Log returns. A coin without a spread gets that of the market.
        """
        market = summary.moves[find_origins(summary.cutoffs, history.cutoffs)]
        return scales(history.spreads, market, self.coin_ratio(history, summary))

    def quantiles(
        self, counts: ErrorCounts, levels: Sequence[float], cutoffs: DateArray | None = None
    ) -> FloatArray:
        """Return quantiles of the pooled errors, as they were known at each origin.

        Parameters
        ----------
        counts : ErrorCounts
            Of all panels, made with a summary.
        levels : sequence of float
            Shares of errors below each quantile, rising, between 0 and 1.
        cutoffs : ndarray of datetime64[s], ``(n_origins,)``, optional
            Some origins of the counts; by default all.

        Returns
        -------
        ndarray of float64, ``(n_origins, horizon, n_levels)``
            Scaled errors.

        Raises
        ------
        OptionError
            Levels are out of range, or the counts lack an origin.
        """
        wanted = check_levels(levels)
        places = find_origins(counts.cutoffs, counts.cutoffs if cutoffs is None else cutoffs)
        known, size = self._known(counts)
        wider = self._wider(counts, binned_quantiles(known, size, np.array([0.1, 0.5, 0.9])))
        known, size = known[places], size[places]
        middle = binned_quantiles(known, size, np.array([0.5]))
        quantiles = binned_quantiles(known, size, wanted)
        return middle + rising(quantiles - middle) * wider[places][:, None, None]

    def _wider(self, counts: ErrorCounts, quantiles: FloatArray) -> FloatArray:
        """Return how much wider than the pool the intervals of each origin are.

        Misses of an origin's intervals count once they have shown. All steps count together,
        since those of one origin miss together.

        Parameters
        ----------
        counts : ErrorCounts
        quantiles : ndarray of float64, ``(n_origins, horizon, 3)``
            10, 50 and 90% quantiles of the pool.

        Returns
        -------
        ndarray of float64, ``(n_origins,)``
            Factors.
        """
        n_origins, horizon, _ = counts.errors.shape
        bars = (counts.cutoffs - counts.cutoffs[:1]) / counts.step
        shown = bars[:, None] + np.arange(1, horizon + 1)
        total = counts.errors.sum(axis=2)
        apart = np.minimum(np.diff(bars, prepend=bars[:1]), FULL_SPACING)[:, None]
        gain = self.speed * apart * total / (total + FEW_COINS) / horizon
        wider, excess = np.ones(n_origins), np.zeros(total.shape)
        for origin in range(1, n_origins):
            since = (shown > bars[origin - 1]) & (shown <= bars[origin])
            grown = np.log(wider[origin - 1]) + (gain * excess)[since].sum()
            wider[origin] = np.exp(np.clip(grown, -np.log(2), np.log(2)))
            low, middle, high = np.moveaxis(quantiles[origin], -1, 0)
            for ahead in np.flatnonzero(total[origin] > 0):
                ends = middle[ahead] + wider[origin] * (
                    np.array([low[ahead], high[ahead]]) - middle[ahead]
                )
                inside = np.diff(share_below(counts.errors[origin, ahead], ends))[0]
                excess[origin, ahead] = (1 - inside) - 0.2
        return wider

    def _known(self, counts: ErrorCounts) -> tuple[FloatArray, FloatArray]:
        """Return the errors known at each origin, weighted by age, and those of the prior.

        Added origin by origin: later ones, which weigh nothing, change no bit.

        Returns
        -------
        known : ndarray of float64, ``(n_origins, horizon, n_bins)``
            Weighted counts.
        size : ndarray of float64, ``(n_origins, horizon)``
            Their sums: errors that have nothing in common.
        """
        n_origins, horizon, n_bins = counts.errors.shape
        bars = (counts.cutoffs - counts.cutoffs[:1]) / counts.step
        apart = np.array(
            [np.median(np.diff(bars[: i + 1])) if i else 0.0 for i in range(n_origins)]
        )
        known = np.zeros((n_origins, horizon, n_bins + 2))
        weights = error_weights(counts, bars)
        content = np.concatenate([counts.errors, counts.sizes / UNIT], axis=2)
        half_life = np.maximum(self.half_life, 3.0 * apart)
        for ahead in range(1, horizon + 1):
            for origin in range(n_origins):
                then = slice(int(np.searchsorted(bars, bars[origin] + ahead)), None)
                age = 0.5 ** ((bars[then] - bars[origin] - ahead) / half_life[then])
                filled = np.flatnonzero(content[origin, ahead - 1])
                errors = weights[origin, ahead - 1] * content[origin, ahead - 1, filled]
                known[then, ahead - 1, filled] += age[:, None] * errors
        known, sizes = known[:, :, :n_bins], known[:, :, n_bins:]
        mirrored = (known + self.mirror * known[:, :, ::-1]) / (1.0 + self.mirror)
        mirrored += self.prior * prior_shares(sizes)
        return mirrored, mirrored.sum(axis=2)

    def coin_ratio(self, history: ErrorHistory, summary: PoolSummary) -> FloatArray:
        """Return the size of each coin's errors over that of the pool, as known at each origin.

        Parameters
        ----------
        history : ErrorHistory
        summary : PoolSummary

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins)``
            Over all steps, so that a coin's intervals widen evenly; 1 for a coin without errors
            so far.
        """
        n_coins, n_origins, horizon = history.errors.shape
        if not np.isfinite(self.coin_prior):
            return np.ones((n_coins, n_origins))
        steps = np.arange(1, horizon + 1)
        bars = (history.cutoffs - history.cutoffs[:1]) / history.step
        places = find_origins(summary.cutoffs, history.cutoffs)
        cap, mean = summary.cap[places], summary.mean[places]
        usable = (history.spreads > 0) & ~np.isnan(history.errors)
        scaled = np.zeros(usable.shape)
        np.divide(np.abs(history.errors), history.spreads, out=scaled, where=usable)
        ratio = np.minimum(scaled, cap) / mean
        # Errors over times that overlap say little new: together they count as one.
        weight = np.minimum(1.0, np.diff(bars, prepend=-np.inf)[:, None] / steps) * usable / horizon
        total, count = np.zeros((2, n_coins, n_origins))
        for ahead in range(1, horizon + 1):
            known = np.searchsorted(bars + ahead, bars, side="right")
            for sums, of in ((total, weight * ratio), (count, weight)):
                sums += np.pad(np.cumsum(of[:, :, ahead - 1], axis=1), ((0, 0), (1, 0)))[:, known]
        result: FloatArray = (self.coin_prior + total) / (self.coin_prior + count)
        return result

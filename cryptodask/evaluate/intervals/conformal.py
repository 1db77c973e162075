"""Prediction intervals of any model: conformal, from the errors of its past forecasts.

An error is ``log(actual / forecast)``. Divided by the volatility of the coin at the time, errors
of calm and of wild coins and times are alike, so those of all coins are pooled. Quantiles of the
pool times a coin's volatility are its interval, step by step. Four things make intervals adapt:

- volatility itself;
- newer errors weigh more;
- intervals that missed too often widen the next ones;
- a coin's past errors, once it has many, scale its intervals.

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

JUMP = 5.0
"""Medians of the pool beyond which an error is a jump, and counts for no more than that."""

FULL_SPACING = 5.0
"""Bars between origins up to which misses count in full: at longer ones, a miss is old news."""

FEW_COINS = 10
"""Number of coins whose misses count half: the misses of fewer are chance."""


@dataclass(frozen=True)
class Conformal:
    """How past errors become intervals.

    Attributes
    ----------
    half_life : float
        Bars after which an error of the pool counts half; at least twice the step in question and
        three times the spacing of origins. An interval must not hang on one origin: coins move
        together, and so do their errors.
    mirror : float
        Weight, 0 to 1, with which every error counts with the other sign, too. A pool of few
        origins leans with the market of the last weeks, which says little about the next: at 1/2
        a third of that lean stays, enough for a model that errs to one side.
    prior : float
        Weight of the pool's spread, in errors over times that do not overlap: a coin with that
        number of errors counts as much as the pool. Infinite: only the pool counts.
    speed : float
        How fast intervals widen after origins whose 80% intervals missed more than 20%, and narrow
        after others: where twice as many miss, by a fifth of this a bar. 0: never.

    Raises
    ------
    OptionError
        One is out of its range.
    """

    half_life: float = 20.0
    mirror: float = 0.5
    prior: float = 10.0
    speed: float = 0.05

    def __post_init__(self) -> None:
        if not self.half_life > 0 or not 0 <= self.mirror <= 1 or not self.prior > 0:
            raise OptionError(
                "half_life and prior must be above 0 and mirror from 0 to 1, got "
                f"{self.half_life}, {self.prior} and {self.mirror}"
            )
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
        shape = history.errors.shape[1:]
        usable = history.volatility > 0
        spread = history.volatility[:, :, None] * np.sqrt(np.arange(1, shape[1] + 1))
        if summary is not None:
            spread = spread * self.coin_spread(history, summary)
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

    def summarise(self, counts: ErrorCounts) -> PoolSummary:
        """Summarise the errors of all coins.

        Parameters
        ----------
        counts : ErrorCounts
            Of all panels, made without a summary.
        """
        known, _ = self._known(counts)
        half = len(EDGES) // 2
        folded = known[:, :, half:] + known[:, :, half - 1 :: -1]
        below = np.cumsum(folded, axis=2)
        middle = np.argmax(2 * below >= below[:, :, -1:], axis=2)
        centres = (EDGES[half:-1] + EDGES[half + 1 :]) / 2
        cap = JUMP * centres[middle]
        total = (folded * np.minimum(centres, cap[:, :, None])).sum(axis=2)
        mean = np.divide(total, below[:, :, -1], out=np.zeros_like(total), where=total > 0)
        return PoolSummary(counts.cutoffs, counts.market, cap, mean)

    def scale(self, history: ErrorHistory, summary: PoolSummary) -> FloatArray:
        """Return the factors of the pool's quantiles.

        Parameters
        ----------
        history : ErrorHistory
        summary : PoolSummary

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins, horizon)``
            Log returns. A coin without volatility gets that of the market.
        """
        market = summary.moves[find_origins(summary.cutoffs, history.cutoffs)]
        moves = np.where(history.volatility > 0, history.volatility, market)
        roots = np.sqrt(np.arange(1, history.errors.shape[2] + 1))
        spread: FloatArray = self.coin_spread(history, summary)
        return moves[:, :, None] * roots * spread

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
            Scaled errors; NaN where no error was known.

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
        return middle + (quantiles - middle) * wider[places][:, None, None]

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
            for ahead in np.flatnonzero((total[origin] > 0) & ~np.isnan(middle)):
                ends = middle[ahead] + wider[origin] * (
                    np.array([low[ahead], high[ahead]]) - middle[ahead]
                )
                inside = np.diff(share_below(counts.errors[origin, ahead], ends))[0]
                excess[origin, ahead] = (1 - inside) - 0.2
        return wider

    def _known(self, counts: ErrorCounts) -> tuple[FloatArray, FloatArray]:
        """Return the errors known at each origin, weighted by age.

        Added origin by origin: later ones, which weigh nothing, change no bit.

        Returns
        -------
        known : ndarray of float64, ``(n_origins, horizon, n_bins)``
            Weighted counts.
        size : ndarray of float64, ``(n_origins, horizon)``
            Number of unweighted errors worth as much.
        """
        n_origins, horizon, _ = counts.errors.shape
        bars = (counts.cutoffs - counts.cutoffs[:1]) / counts.step
        apart = np.array(
            [np.median(np.diff(bars[: i + 1])) if i else 0.0 for i in range(n_origins)]
        )
        known = np.zeros(counts.errors.shape)
        squares = np.zeros((n_origins, horizon))
        for ahead in range(1, horizon + 1):
            half_life = np.maximum(max(self.half_life, 2.0 * ahead), 3.0 * apart)
            for origin in range(n_origins):
                then = slice(int(np.searchsorted(bars, bars[origin] + ahead)), None)
                weight = 0.5 ** ((bars[then] - bars[origin] - ahead) / half_life[then])
                errors = counts.errors[origin, ahead - 1]
                filled = np.flatnonzero(errors)
                known[then, ahead - 1, filled] += weight[:, None] * errors[filled]
                squares[then, ahead - 1] += weight**2 * errors.sum()
        size = np.divide(
            known.sum(axis=2) ** 2, squares, out=np.zeros_like(squares), where=squares > 0
        )
        return known + self.mirror * known[:, :, ::-1], size

    def coin_spread(self, history: ErrorHistory, summary: PoolSummary) -> FloatArray:
        """Return the spread of each coin's errors over that of the pool, as known at each origin.

        Parameters
        ----------
        history : ErrorHistory
        summary : PoolSummary

        Returns
        -------
        ndarray of float64, ``(n_coins, n_origins, horizon)``
            1 for a coin without errors so far.
        """
        horizon = history.errors.shape[2]
        steps = np.arange(1, horizon + 1)
        bars = (history.cutoffs - history.cutoffs[:1]) / history.step
        places = find_origins(summary.cutoffs, history.cutoffs)
        cap, mean = summary.cap[places], summary.mean[places]
        usable = (history.volatility > 0)[:, :, None] & (mean > 0) & ~np.isnan(history.errors)
        spread = history.volatility[:, :, None] * np.sqrt(steps)
        scaled = np.divide(np.abs(history.errors), spread, out=np.zeros(spread.shape), where=usable)
        ratio = np.divide(np.minimum(scaled, cap), mean, out=np.zeros(spread.shape), where=usable)
        # Errors over times that overlap say little new: together they count as one.
        apart = np.diff(bars, prepend=-np.inf)[:, None]
        weight = np.minimum(1.0, apart / steps) * usable
        result = np.ones(spread.shape)
        for ahead in range(1, horizon + 1):
            known = np.searchsorted(bars + ahead, bars, side="right")
            total, count = (
                np.pad(np.cumsum(a[:, :, ahead - 1], axis=1), ((0, 0), (1, 0)))[:, known]
                for a in (weight * ratio, weight)
            )
            if np.isfinite(self.prior):
                result[:, :, ahead - 1] = (self.prior + total) / (self.prior + count)
        return result


def price_quantiles(forecasts: FloatArray, scale: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Return the quantiles of prices around point forecasts.

    Parameters
    ----------
    forecasts : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Prices in the quote currency.
    scale : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Log returns, from `Conformal.scale`.
    quantiles : ndarray of float64, ``(n_origins, horizon, n_levels)``
        Scaled errors, from `Conformal.quantiles`.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_origins, horizon, n_levels)``
        Prices above 0 that do not fall with the level; NaN where a forecast is missing or not
        above 0, or where no error was known.
    """
    centre = np.full(forecasts.shape, np.nan)
    np.log(forecasts, out=centre, where=forecasts > 0)
    limits = np.log([np.finfo(np.float64).tiny, np.finfo(np.float64).max / 2])
    logs = centre[..., None] + scale[..., None] * quantiles
    return np.exp(np.clip(logs, *limits))

"""Statistics of histories, and limits that few undisturbed histories exceed.

All limits share one rate of false alarms: resampled days keep the numbers of a day together, and
the rate is that of histories in which any statistic exceeds its limit. Each replicate resamples
the reference too, as its mean and spread are not known better than its days allow: Gandy and
Kvaløy (2013), Guaranteed conditional performance of control charts via bootstrap methods,
Scandinavian Journal of Statistics 40. Long blocks keep what lasts, but none
of their histories is much worse than the worst weeks of the reference; short ones join bad days
anew. A limit is the largest that any length of blocks gives.
"""

from collections.abc import Iterator

import attrs
import numpy as np

from cryptodask.pipeline.monitor.daily import DRIFTS, FEATURES, GROWING, SMALLEST, Days
from cryptodask.pipeline.monitor.resampling import block_length, slowness, stationary_bootstrap
from cryptodask.records import FloatArray, IntArray

HISTORY = 400
"""Days of a history; a CUSUM begins that many days before the day that it is of."""

RATE = 0.025
"""Share of undisturbed histories with an alarm. Half of the 5% that are promised, as resampled
days know nothing of what a reference has not seen."""

SLACK = 0.4
"""What a CUSUM forgives each day, in standard deviations: about half of the shift that a doubled
volatility is, as what finds a shift fastest forgives half of it, Page (1954)."""

LARGEST = 2.0
"""Standard deviations that a day counts for, at most, lest a single day be a shift."""

CAP = 1.5
"""What a CUSUM is held below, in limits, so that it is back soon after a disturbance."""

WINDOW = 60
"""Days whose distribution is compared with the reference."""

BLOCKS = (1.0, 10.0)
"""Mean lengths of blocks, in days, beside the one that suits the reference."""

FLOOR = 5.0
"""Least limit of a CUSUM, in standard deviations: no three days are a shift."""

SPARE = 1.05
"""What limits of a CUSUM are multiplied by: a reference is one of many that could have been."""

MARGIN = 1.5
"""What limits of stability are multiplied by: of windows of two months a reference has few, and the
next year's worst is often worse than its own."""

REPLICATES = 2_000
AT_ONCE = 100
"""Replicates in memory at a time."""


@attrs.frozen
class Drift:
    """What is usual of a daily number, and how far its CUSUM goes by chance.

    Attributes
    ----------
    mean, sd : float
        The standard deviation is that of independent days whose sums vary as much.
    limit : float
        Of the CUSUM, in standard deviations.
    """

    mean: float
    sd: float
    limit: float


@attrs.frozen
class Stability:
    """How a feature is distributed, and how far from it `WINDOW` days are by chance.

    Attributes
    ----------
    edges : list of float
        Inner edges of the bins.
    shares : list of float
        Of all values in each bin, 0 to 1.
    limit : float
        Of the population stability index.
    """

    edges: list[float]
    shares: list[float]
    limit: float


@attrs.frozen
class Limits:
    """Limits of all statistics.

    Attributes
    ----------
    drifts : dict of str to Drift
    features : dict of str to Stability
    block : float
        Mean length of blocks that suits the reference, in days.
    """

    drifts: dict[str, Drift]
    features: dict[str, Stability]
    block: float


def cusum(scores: FloatArray, cap: float = np.inf) -> tuple[FloatArray, FloatArray]:
    """Return the sums of a two-sided CUSUM: of shifts upwards, and of shifts downwards.

    Page (1954), Continuous inspection schemes, Biometrika 41. A day counts for `LARGEST` at most,
    and a day without a number for nothing.

    Parameters
    ----------
    scores : ndarray of float64, ``(n_histories, n_days)`` or ``(n_days,)``
        Standard deviations from the mean.
    cap : float
        What sums are held below.

    Returns
    -------
    (ndarray, ndarray) of float64, ``(n_histories, n_days)`` or ``(n_days,)``
    """
    sums = np.zeros((2, *scores.shape))
    steps = np.clip(np.stack([scores, -scores]), -LARGEST, LARGEST) - SLACK
    steps = np.where(np.isnan(steps), 0.0, steps)
    state = np.zeros((2, *scores.shape[:-1]))
    for day in range(scores.shape[-1]):
        state = np.clip(state + steps[..., day], 0.0, cap)
        sums[..., day] = state
    return sums[0], sums[1]


def stability_index(counts: FloatArray | IntArray, shares: FloatArray) -> FloatArray:
    """Return the population stability index of counts against shares.

    The sum over bins of (p - q) log(p / q); half a value is added to each bin, so that an empty one
    has a logarithm. The textbook's limit of 0.2 is not one: it depends on how many days there are,
    and on how much coins move together.

    Parameters
    ----------
    counts : ndarray, ``(n_histories, n_bins)`` or ``(n_bins,)``
    shares : ndarray of float64, ``(n_histories, n_bins)`` or ``(n_bins,)``
        Of the reference, 0 to 1.

    Returns
    -------
    ndarray of float64, ``(n_histories,)`` or one number
        NaN where there is nothing to count.
    """
    total = counts.sum(axis=-1, keepdims=True)
    now = (counts + 0.5) / (total + 0.5 * counts.shape[-1])
    before = np.maximum(shares, 1e-4)
    index: FloatArray = ((now - before) * np.log(now / before)).sum(axis=-1)
    return np.where(total[..., 0] > 0, index, np.nan)


def rolling_index(counts: IntArray, shares: FloatArray, window: int = WINDOW) -> FloatArray:
    """Return the stability index of the last `window` days, for each day that has these.

    Parameters
    ----------
    counts : ndarray of int64, ``(n_histories, n_days, n_bins)`` or ``(n_days, n_bins)``
    shares : ndarray of float64, ``(n_histories, n_bins)`` or ``(n_bins,)``
        Of the reference, 0 to 1.
    window : int
        Days.

    Returns
    -------
    ndarray of float64, ``(n_histories, n_days)`` or ``(n_days,)``
        NaN on the first ``window - 1`` days.
    """
    index = np.full(counts.shape[:-1], np.nan)
    if counts.shape[-2] < window:
        return index
    total = np.cumsum(counts, axis=-2)
    total[..., window:, :] -= total[..., :-window, :].copy()
    full = total[..., window - 1 :, :]
    index[..., window - 1 :] = stability_index(full, shares[..., None, :])
    return index


def shares_of(counts: IntArray) -> FloatArray:
    """Return the share of each bin.

    Parameters
    ----------
    counts : ndarray of int64, ``(n_histories, n_days, n_bins)`` or ``(n_days, n_bins)``

    Returns
    -------
    ndarray of float64, ``(n_histories, n_bins)`` or ``(n_bins,)``
    """
    total = counts.sum(axis=-2)
    shares: FloatArray = total / np.maximum(total.sum(axis=-1, keepdims=True), 1)
    return shares


def find_limits(
    days: Days,
    edges: dict[str, list[float]],
    seed: int = 0,
    rate: float = RATE,
    replicates: int = REPLICATES,
) -> Limits:
    """Return limits that a share `rate` of undisturbed histories exceeds anywhere.

    Parameters
    ----------
    days : Days
        Of the reference; those with too few coins are left out.
    edges : dict of str to list of float
        Of the bins of features.
    seed : int
    rate : float
        Share of histories of `HISTORY` days, 0 to 1.
    replicates : int
        Histories that are resampled, for each length of blocks.
    """
    kept = np.isfinite(days.numbers["coverage_80"])
    numbers = {name: days.numbers[name][kept] for name in DRIFTS}
    # A model that is naive has no error over naive's.
    numbers = {name: series for name, series in numbers.items() if np.ptp(series) > 1e-9}
    counts = {name: days.counts[name][kept] for name in FEATURES}
    moves = np.log(np.maximum(days.numbers["move"][kept], SMALLEST))
    block = max(map(block_length, [*numbers.values(), moves]))
    slow = {name: slowness(series, block) for name, series in numbers.items()}
    rng = np.random.default_rng(seed)
    blocks = sorted({*BLOCKS, block})
    by_block = [
        _quantiles(numbers, counts, slow, length, rng, rate, replicates) for length in blocks
    ]
    limits = {name: max(limit[name] for limit in by_block) for name in by_block[0]}
    return Limits(
        {
            n: Drift(float(s.mean()), float(s.std()) * slow[n], max(FLOOR, SPARE * limits[n]))
            for n, s in numbers.items()
        },
        {
            n: Stability(edges[n], shares_of(c).tolist(), MARGIN * limits[n])
            for n, c in counts.items()
        },
        block,
    )


def _quantiles(
    numbers: dict[str, FloatArray],
    counts: dict[str, IntArray],
    slow: dict[str, float],
    block: float,
    rng: np.random.Generator,
    rate: float,
    replicates: int,
) -> dict[str, float]:
    """Return the limit of each statistic, by blocks of one length."""
    batches = [
        _largest(numbers, counts, slow, block, rng, min(AT_ONCE, replicates - start))
        for start in range(0, replicates, AT_ONCE)
    ]
    largest = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    quantile = common_quantile(np.stack(list(largest.values())), rate)
    return {name: float(np.quantile(values, quantile)) for name, values in largest.items()}


def _largest(
    numbers: dict[str, FloatArray],
    counts: dict[str, IntArray],
    slow: dict[str, float],
    block: float,
    rng: np.random.Generator,
    n: int,
) -> dict[str, FloatArray]:
    """Return the largest value of each statistic in `n` resampled histories, ``(n,)`` each."""
    n_days = len(next(iter(numbers.values())))
    reference = stationary_bootstrap(n_days, (n, n_days), block, rng)
    history = stationary_bootstrap(n_days, (n, HISTORY), block, rng)
    return dict(_statistics(numbers, counts, slow, reference, history))


def _statistics(
    numbers: dict[str, FloatArray],
    counts: dict[str, IntArray],
    slow: dict[str, float],
    reference: IntArray,
    history: IntArray,
) -> Iterator[tuple[str, FloatArray]]:
    for name, series in numbers.items():
        known = series[reference]
        mean, sd = known.mean(axis=1, keepdims=True), known.std(axis=1, keepdims=True)
        sd = sd * slow[name]
        sums = cusum((series[history] - mean) / np.maximum(sd, 1e-9))
        yield name, (sums[0] if name in GROWING else np.maximum(*sums)).max(axis=1)
    for name, table in counts.items():
        index = rolling_index(table[history], shares_of(table[reference]))
        yield name, np.nanmax(index, axis=1)


def common_quantile(largest: FloatArray, rate: float) -> float:
    """Return the quantile of each statistic that a share `rate` of histories exceeds in any.

    Parameters
    ----------
    largest : ndarray of float64, ``(n_statistics, n_histories)``
    rate : float
        Share, 0 to 1.
    """
    n = largest.shape[1]
    ranks = largest.argsort(axis=1).argsort(axis=1)
    rank = float(np.quantile(ranks.max(axis=0), 1 - rate))
    return rank / float(max(n - 1, 1))

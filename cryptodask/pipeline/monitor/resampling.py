"""Histories that are like a given one, by resampling blocks of its days."""

import math

import numpy as np
from numpy.typing import NDArray

from cryptodask.records import FloatArray, IntArray

LEAST_BLOCK = 40.0
"""Days of a block that suits a reference, at least: volatility changes over weeks."""


def stationary_bootstrap(
    n_days: int, shape: tuple[int, int], block: float, rng: np.random.Generator
) -> IntArray:
    """Return places of days in resampled histories.

    Blocks of consecutive days begin anywhere, and their lengths are geometric; after the last day
    comes the first. Politis and Romano (1994), The stationary bootstrap, JASA 89.

    Parameters
    ----------
    n_days : int
        Of the history.
    shape : (int, int)
        Number of resampled histories, and days of each.
    block : float
        Mean length of a block, in days.
    rng : Generator

    Returns
    -------
    ndarray of int64, ``(n_histories, n_days)``
        From 0 to `n_days` - 1.
    """
    fresh = rng.random(shape) < 1.0 / block
    fresh[:, 0] = True
    starts = rng.integers(n_days, size=shape)
    columns = np.arange(shape[1])
    began = np.maximum.accumulate(np.where(fresh, columns, 0), axis=1)
    places: IntArray = (np.take_along_axis(starts, began, axis=1) + columns - began) % n_days
    return places


def block_length(series: FloatArray) -> float:
    """Return the mean length of blocks that suits a series, in days.

    Politis and White (2004), Automatic block-length selection for the dependent bootstrap,
    Econometric Reviews 23, with the correction of Patton, Politis and White (2009).

    Parameters
    ----------
    series : ndarray of float64, ``(n_days,)``
        Finite.
    """
    n = len(series)
    centred = series - series.mean()
    longest = math.ceil(3 * math.sqrt(n))
    if n < 20 or not centred.any():
        return LEAST_BLOCK
    size = int(2 ** np.ceil(np.log2(2 * n)))
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    covariance = np.fft.irfft(spectrum, size)[:n] / n
    correlation = covariance / covariance[0]
    lag = _last_lag(correlation, n)
    lags = np.arange(-min(2 * lag, n - 1), min(2 * lag, n - 1) + 1)
    window = np.clip(2 * (1 - np.abs(lags) / max(2 * lag, 1)), 0, 1)
    around = covariance[np.abs(lags)]
    slope = float(np.sum(window * np.abs(lags) * around))
    spread = 2 * float(np.sum(window * around)) ** 2
    length = (2 * slope**2 / spread) ** (1 / 3) * n ** (1 / 3) if spread > 0 else 1.0
    return float(np.clip(length, LEAST_BLOCK, max(longest, LEAST_BLOCK)))


def _last_lag(correlation: FloatArray, n: int) -> int:
    """Return the lag after which correlations are those of noise, several after one another."""
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(math.ceil(math.sqrt(n)) + run, n - 1)
    noise = 2 * math.sqrt(math.log10(n) / n)
    small: NDArray[np.bool_] = np.abs(correlation[1 : most + 1]) < noise
    for lag in range(len(small) - run + 1):
        if small[lag : lag + run].all():
            return max(lag, 1)
    large = np.flatnonzero(~small)
    return int(large[-1]) + 1 if len(large) else 1


def slowness(series: FloatArray, block: float) -> float:
    """Return how much more sums of a series vary than if its days were independent, at least 1.

    The root of the long-run variance over the variance, by Bartlett's weights: Newey and West
    (1987), Econometrica 55.

    Parameters
    ----------
    series : ndarray of float64, ``(n_days,)``
        Finite.
    block : float
        Days over which its values may depend on each other.
    """
    centred = series - series.mean()
    variance = float(centred @ centred)
    if variance == 0:
        return 1.0
    lags = range(1, min(round(block), len(series) - 1) + 1)
    sums = (float(centred[lag:] @ centred[:-lag]) * (1 - lag / (block + 1)) for lag in lags)
    return math.sqrt(max(1.0, 1 + 2 * sum(sums) / variance))

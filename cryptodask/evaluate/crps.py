"""The continuous ranked probability score of forecasts by five quantiles."""

import functools

import numpy as np

from cryptodask.evaluate.rows import QUANTILES
from cryptodask.records import FloatArray

LEVELS = (np.arange(32) + 0.5) / 32
"""Levels of the quantiles whose losses are averaged, ``(32,)``."""


def crps(actual: FloatArray, quantiles: FloatArray) -> FloatArray:
    """Return the continuous ranked probability score of each forecast.

    It is twice the mean quantile loss over all levels (Gneiting and Ranjan, Comparing density
    forecasts using threshold- and quantile-weighted scoring rules, 2011). Quantiles between the
    known ones, and beyond them, lie on lines over those of Student's distribution with four degrees
    of freedom, as the errors of prices have it. On normal, Student's and Laplace's distributions
    the score is within 1% of the exact one; the plain mean over five levels is a third too low.

    Parameters
    ----------
    actual : ndarray of float64, ``(n,)``
        In the quote currency, or in any unit.
    quantiles : ndarray of float64, ``(n, 5)``
        Of the levels of `cryptodask.evaluate.rows.QUANTILES`, in the same unit.

    Returns
    -------
    ndarray of float64, ``(n,)``
        In that unit; 0 is a forecast that was sure and right.

    Examples
    --------
    >>> crps(np.array([1.0, 3.0]), np.full((2, 5), 1.0)).round(9)
    array([0., 2.])
    """
    added = np.zeros(len(actual))
    for level, weights in zip(LEVELS, _weights(), strict=True):
        # Not by a matrix product, whose last bits depend on the number of rows.
        quantile = sum(quantiles[:, i] * weights[i] for i in np.flatnonzero(weights))
        above = actual - quantile
        added += np.maximum(level * above, (level - 1) * above)
    return 2 * added / len(LEVELS)


@functools.cache
def _weights() -> FloatArray:
    """Return how quantiles of `LEVELS` are made of the known ones, ``(32, 5)``."""
    from scipy.special import stdtrit

    known, wanted = stdtrit(4.0, list(QUANTILES.values())), stdtrit(4.0, LEVELS)
    left = np.clip(np.searchsorted(known, wanted) - 1, 0, len(known) - 2)
    share = (wanted - known[left]) / (known[left + 1] - known[left])
    weights: FloatArray = np.zeros((len(LEVELS), len(known)))
    rows = np.arange(len(LEVELS))
    weights[rows, left], weights[rows, left + 1] = 1 - share, share
    return weights

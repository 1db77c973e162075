"""Least squares from exact sums of products."""

import numpy as np

from cryptodask.models.pooled.exact import UNIT, BigIntArray
from cryptodask.records import FloatArray

STILL = 1e-8
"""A feature that deviates by less does not vary: it was rounded to `UNIT`."""


def least_squares(inner: BigIntArray, outer: BigIntArray, alpha: float) -> tuple[float, FloatArray]:
    """Return intercept and weights from exact sums of products.

    Parameters
    ----------
    inner : ndarray of int, ``(1 + n_columns, 1 + n_columns)``
    outer : ndarray of int, ``(1 + n_columns,)``
    alpha : float
        Penalty on the squared weights of the features standardised; the intercept has none. Of 0,
        of features that depend on one another, those weights that are least.

    Returns
    -------
    intercept : float
    weights : ndarray of float64, ``(n_columns,)``
    """
    count = inner[0, 0]
    # Less their means before anything is rounded.
    scatter = _ratio(inner[1:, 1:] * count - np.outer(inner[1:, 0], inner[0, 1:]), count * count)
    relation = _ratio(outer[1:] * count - inner[1:, 0] * outer[0], count * count)
    mean, target_mean = _ratio(inner[1:, 0], count), float(outer[0] / count)
    deviation = np.sqrt(np.diag(scatter))
    varies = deviation > STILL
    deviation = np.where(varies, deviation, 1.0)
    correlation = np.where(np.outer(varies, varies), scatter / np.outer(deviation, deviation), 0.0)
    relation = np.where(varies, relation / deviation, 0.0)
    rows = float(count * UNIT**2)
    if alpha > 0:
        weights = np.linalg.solve(correlation + np.eye(len(mean)) * (alpha / rows), relation)
    else:
        weights = np.linalg.lstsq(correlation, relation, rcond=1e-12)[0]
    weights = weights / deviation
    return target_mean - float((weights * mean).sum()), weights


def _ratio(numbers: BigIntArray, by: int) -> FloatArray:
    """Return integers over another, each rounded once."""
    ratio: FloatArray = (numbers / by).astype(np.float64)
    return ratio

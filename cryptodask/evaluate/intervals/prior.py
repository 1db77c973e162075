"""What is known of errors before any: how they are distributed, and how much each of them says."""

import numpy as np

from cryptodask.evaluate.intervals.error_counts import EDGES, UNIT, CountArray, ErrorCounts
from cryptodask.evaluate.intervals.past_errors import ErrorHistory
from cryptodask.records import FloatArray

FREEDOM, WIDTH = 4.0, 0.98
"""Degrees of freedom, and the scale, of Student's distribution of moves over spreads."""

MEAN = 0.98
"""Mean of the absolute value of that distribution."""

OWN_WIDTH = 2.0
"""Errors as which it counts that a model errs as much as naive."""

TOGETHER = 0.5
"""Correlation of the sizes of errors of two coins at one origin: the more coins, the more is known,
but never more than from two that have nothing in common."""

LARGEST_SIZE = 30.0
"""Scaled errors beyond which a model and naive count as equally wrong. Lines through whole
histories err by 10 to 20 a bar ahead, and the prior must be as wide."""


def sum_sizes(history: ErrorHistory, scale: FloatArray) -> CountArray:
    """Return sums of absolute scaled errors and of naive's, ``(n_origins, horizon, 2)``."""
    both = np.abs(np.stack([history.errors, history.moves], axis=-1)) / scale[..., None]
    both[np.isnan(both).any(axis=-1)] = 0.0
    units = np.rint(np.minimum(both, LARGEST_SIZE) * UNIT).astype(np.int64)
    return np.asarray(units.sum(axis=0))


def error_weights(counts: ErrorCounts, bars: FloatArray) -> FloatArray:
    """Return what an error of each origin and step counts, ``(n_origins, horizon)``.

    Those of many coins on one day, and of times that overlap, have much in common.
    """
    n_coins = counts.errors.sum(axis=2)
    steps = np.arange(1, n_coins.shape[1] + 1)
    apart = np.minimum(1.0, np.diff(bars, prepend=-np.inf)[:, None] / steps)
    weights: FloatArray = apart / (1.0 + TOGETHER * np.maximum(n_coins - 1, 0))
    return weights


def prior_shares(sizes: FloatArray) -> FloatArray:
    """Return the share of the prior's errors in each bin, ``(n_origins, horizon, n_bins)``.

    Parameters
    ----------
    sizes : ndarray of float64, ``(n_origins, horizon, 2)``
        Weighted sums of a model's absolute scaled errors and of naive's.
    """
    from scipy.special import stdtr

    of_model, of_naive = np.moveaxis(sizes + OWN_WIDTH * MEAN, -1, 0)
    below = stdtr(FREEDOM, EDGES / (WIDTH * of_model / of_naive)[..., None])
    below[..., 0], below[..., -1] = 0.0, 1.0
    shares: FloatArray = np.diff(below, axis=-1)
    return shares

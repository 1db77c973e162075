"""Quantiles of counts in bins."""

import numpy as np
import pytest

from cryptodask.evaluate.intervals.error_counts import EDGES, binned_quantiles
from cryptodask.records import FloatArray


def normal_counts(size: float) -> FloatArray:
    """Return shares of a normal distribution in each bin, of that size together."""
    from scipy.special import ndtr

    return np.asarray(size * np.diff(ndtr(EDGES)))[None, None, :]


def quantiles(size: float, *levels: float) -> FloatArray:
    counts = normal_counts(size)
    return binned_quantiles(counts, np.array([[size]]), np.array(levels))[0, 0]


def test_levels_move_outwards_as_far_as_a_sample_falls_short() -> None:
    from scipy.special import ndtri

    low, high = quantiles(200.0, 0.025, 0.975)
    assert low == pytest.approx(ndtri(0.025 - 0.475 / 200), abs=0.02)
    assert high == pytest.approx(-low)


@pytest.mark.parametrize("size", [1.0, 1.7, 3.0, 40.0, 200.0, 1e6])
def test_levels_beyond_one_in_the_size_have_quantiles_that_still_rise(size: float) -> None:
    levels = np.concatenate([np.logspace(-6, -0.31, 60), [0.5]])
    low = quantiles(size, *levels)
    assert (np.diff(low) > 0).all()
    # A level moves to half of it at most, so that none is beyond all errors.
    assert (low >= quantiles(1e9, *(levels / 2)) - 0.02).all()
    np.testing.assert_allclose(quantiles(size, *(1.0 - levels[::-1])), -low[::-1], atol=1e-6)

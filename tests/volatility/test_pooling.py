"""Pools: the same bits in any order, the distribution that coins were drawn from, better fits."""

from functools import reduce

import numpy as np
import pytest

from cryptodask.errors import OptionError
from cryptodask.volatility import (
    Fits,
    Parameters,
    PoolSums,
    Prior,
    Returns,
    VolatilityModel,
    fit,
    forecast_variance,
    pool,
    simulate_returns,
)
from cryptodask.volatility.transforms import to_natural

MODEL = VolatilityModel("garch")
MEAN, DEVIATION = np.array([-3.5, 3.0, -2.0, -0.4]), np.array([0.5, 0.4, 0.4, 0.5])


@pytest.fixture(scope="module")
def drawn() -> tuple[Parameters, Returns, Fits]:
    """300 coins, whose parameters vary."""
    free = MEAN + DEVIATION * np.random.default_rng(1).standard_normal((300, 4))
    natural, jacobian = np.empty((300, 6)), np.empty((6, 4))
    for theta, row in zip(free, natural, strict=True):
        to_natural(theta, *MODEL.code, row, jacobian)
    truth = Parameters(MODEL, MODEL.params_of(natural, np.full(300, 0.05)))
    returns = simulate_returns(truth, 1_000, seed=2)
    return truth, returns, fit(MODEL, returns)


def test_sums_of_parts_are_those_of_all_in_any_order(drawn: tuple[Parameters, Returns, Fits]):
    fits = drawn[2]
    parts = [fits.take(slice(a, b)) for a, b in ((200, 300), (0, 7), (7, 200))]
    joined = pool(*parts)
    assert np.array_equal(joined.mean, pool(fits).mean)
    assert np.array_equal(joined.precision, pool(fits).precision)
    sums = [PoolSums.of(part) for part in parts]
    assert np.array_equal(reduce(PoolSums.__add__, sums[::-1]).sums, PoolSums.of(fits).sums)


def test_a_pool_is_the_distribution_that_coins_were_drawn_from(
    drawn: tuple[Parameters, Returns, Fits],
):
    fits, prior = drawn[2], pool(drawn[2])
    deviation = np.sqrt(np.diag(np.linalg.inv(prior.precision)))
    # Of shares and degrees of freedom: constants are of returns that were scaled.
    np.testing.assert_allclose(prior.mean[1:], MEAN[1:], atol=0.25)
    np.testing.assert_allclose(deviation[1:], DEVIATION[1:], atol=0.15)
    # Fits vary by more, since they have errors.
    assert (deviation < fits.free.std(axis=0)).all()


def test_a_pool_brings_forecasts_of_short_coins_closer_to_the_truth(
    drawn: tuple[Parameters, Returns, Fits],
):
    truth, returns, fits = drawn
    prior, ends = pool(fits.take(slice(0, 150))), np.full((300, 1), 120)
    known = Parameters(MODEL, truth.values, truth.long_run)
    true = forecast_variance(known, returns, 5, ends[:, 0]).cumulated[:, -1]
    errors = []
    for given in (None, prior):
        short = fit(MODEL, returns, ends, given)
        ahead = forecast_variance(short.parameters, returns, 5, short.ends).cumulated[:, -1]
        errors.append(np.sqrt(np.mean(np.log(ahead / true)[150:] ** 2)))
    assert errors[1] < 0.8 * errors[0]


def test_coins_that_are_alike_have_a_narrow_pool():
    truth = Parameters(MODEL, np.repeat([[1e-4, 0.1, 0.85, 5.0]], 200, axis=0))
    prior = pool(fit(MODEL, simulate_returns(truth, 1_000, seed=3)))
    deviation = np.sqrt(np.diag(np.linalg.inv(prior.precision)))
    assert deviation[1:].max() < 0.25  # constants vary with the sample's variance


def test_what_cannot_be_pooled_is_refused(drawn: tuple[Parameters, Returns, Fits]):
    fits = drawn[2]
    with pytest.raises(OptionError, match=r"at least 6 converged fits, for 4 parameters; .* 5"):
        pool(fits.take(slice(0, 5)))
    other = fit(VolatilityModel("gjr"), drawn[1], np.full((300, 1), 60))
    with pytest.raises(OptionError, match="fits of one model; they are of 2"):
        pool(fits, other)
    with pytest.raises(OptionError, match="sums of one model; they are of 4 and 5"):
        PoolSums.of(fits) + PoolSums.of(other)
    with pytest.raises(OptionError, match="symmetric without a negative eigenvalue"):
        Prior(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(OptionError, match=r"the shapes are \(2,\) and \(3,\)"):
        Prior(np.zeros(2), np.ones(3))
    with pytest.raises(OptionError, match="finite"):
        Prior(np.array([np.nan]), np.ones(1))

"""Filters see nothing later, forecasts revert to the long-run variance, paths have their seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptodask.errors import OptionError
from cryptodask.records import FloatArray
from cryptodask.volatility import (
    Parameters,
    Returns,
    VolatilityModel,
    backcasts,
    filter_variance,
    fit,
    forecast_variance,
    loglikelihood,
    simulate_returns,
    standardised,
)
from tests.volatility.paths import garch_paths, ragged

VALUES = {
    "ewma": (0.001, 0.94, 6.0), "garch": (0.001, 1e-4, 0.1, 0.85, 6.0),
    "gjr": (0.001, 1e-4, 0.05, 0.1, 0.8, 6.0), "harch": (0.001, 4e-4, 0.2, 0.3, 0.25, 6.0),
}  # fmt: skip
KINDS = sorted(VALUES)


def parameters_of(kind: str, n: int = 1) -> Parameters:
    model = VolatilityModel(kind, "t", "constant")
    return Parameters(model, np.repeat([VALUES[kind]], n, axis=0), np.full(n, 2e-3))


def with_holes(n_rows: int, seed: int) -> FloatArray:
    path = garch_paths(1, n_rows, seed)[0]
    path[np.random.default_rng(seed).random(n_rows) < 0.1] = np.nan
    return path


@given(
    kind=st.sampled_from(KINDS), n=st.integers(2, 120), seed=st.integers(0, 10**6), data=st.data()
)
@settings(max_examples=60, deadline=None)
def test_no_later_row_changes_a_bit(kind: str, n: int, seed: int, data: st.DataObject):
    path, parameters = with_holes(n, seed), parameters_of(kind)
    end = data.draw(st.integers(0, n - 1))
    full = filter_variance(parameters, ragged(path[None]))
    early = filter_variance(parameters, ragged(path[None]), np.array([end]))
    changed = path.copy()
    changed[end:] = 7.0
    later = filter_variance(parameters, ragged(changed[None]))
    cut = filter_variance(parameters, ragged(path[None, :end]))
    for other in (early, later, cut):
        assert np.array_equal(other.variance[:end], full.variance[:end])
    assert early.after[0] == cut.after[0] == full.variance[end]
    ahead = forecast_variance(parameters, ragged(path[None]), 3, np.array([end]))
    assert np.array_equal(
        ahead.steps, forecast_variance(parameters, ragged(path[None, :end]), 3).steps
    )
    assert ahead.steps[0, 0] == early.after[0]


@pytest.mark.parametrize("kind", KINDS)
def test_other_coins_change_no_bit(kind: str):
    rows = np.stack([with_holes(90, seed) for seed in range(4)])
    together = filter_variance(parameters_of(kind, 4), ragged(rows))
    residuals = standardised(parameters_of(kind, 4), ragged(rows)).reshape(4, -1)
    for i in range(4):
        alone = filter_variance(parameters_of(kind), ragged(rows[[i]]))
        assert np.array_equal(alone.variance, together.variance.reshape(4, -1)[i])
        assert alone.after[0] == together.after[i]
        expected = (rows[i] - 0.001) / np.sqrt(alone.variance)
        assert np.array_equal(residuals[i], expected, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_variance_is_carried_over_a_missing_return(kind: str):
    path, parameters = garch_paths(1, 60, seed=1), parameters_of(kind)
    holes = np.insert(path[0], [20, 20, 20, 60], np.nan)
    plain = filter_variance(parameters, ragged(path))
    carried = filter_variance(parameters, ragged(holes[None]))
    assert np.array_equal(carried.variance[~np.isnan(holes)], plain.variance)
    assert (carried.variance[20:23] == plain.variance[20]).all()
    assert carried.after[0] == plain.after[0]


@pytest.mark.parametrize("kind", ["garch", "gjr"])
def test_forecasts_are_the_closed_form(kind: str):
    parameters, returns = parameters_of(kind), ragged(garch_paths(1, 100, seed=2))
    ahead = forecast_variance(parameters, returns, 2_000)
    long_run, kept = parameters.long_run[0], parameters.persistence[0]
    powers = kept ** np.arange(2_000)
    first = filter_variance(parameters, returns).after[0]
    np.testing.assert_allclose(ahead.steps[0], long_run + powers * (first - long_run), rtol=1e-9)
    sums = long_run * np.arange(1, 2_001) + (first - long_run) * (1 - kept * powers) / (1 - kept)
    np.testing.assert_allclose(ahead.cumulated[0], sums, rtol=1e-9)
    assert ahead.steps[0, -1] == pytest.approx(long_run)


def test_an_ewma_reverts_to_nothing_and_a_harch_model_to_its_mean():
    returns = ragged(garch_paths(1, 100, seed=2))
    steps = forecast_variance(parameters_of("ewma"), returns, 50).steps[0]
    np.testing.assert_allclose(steps, steps[0])
    assert np.isinf(parameters_of("ewma").long_run[0])
    harch = parameters_of("harch")
    steps = forecast_variance(harch, returns, 3_000).steps[0]
    assert steps[-1] == pytest.approx(harch.long_run[0])


@pytest.mark.parametrize("kind", ["garch", "gjr", "harch"])
def test_simulated_returns_have_the_moments_of_their_model(kind: str):
    parameters = parameters_of(kind, 400)
    returns = simulate_returns(parameters, 1_000, seed=3)
    assert returns.values.mean() == pytest.approx(0.001, abs=4e-4)
    squares = np.mean((returns.values - 0.001) ** 2)
    assert squares == pytest.approx(parameters.long_run[0], rel=0.05)
    known = Parameters(parameters.model, parameters.values, parameters.long_run)
    residuals = standardised(known, returns)
    assert residuals.mean() == pytest.approx(0.0, abs=0.01)
    assert residuals.var() == pytest.approx(1.0, abs=0.02)
    # Of a t with 6 degrees of freedom and unit variance.
    inside = np.mean(np.abs(residuals) < 1.1710)
    assert inside == pytest.approx(0.7977, abs=0.005)


def test_a_path_depends_on_seed_and_position_alone():
    parameters = parameters_of("garch", 3)
    paths = simulate_returns(parameters, 50, seed=5).values.reshape(3, 50)
    last = Parameters(parameters.model, parameters.values[2:], None, np.array([2]))
    assert np.array_equal(simulate_returns(last, 50, seed=5).values, paths[2])
    assert np.array_equal(
        simulate_returns(parameters, 20, seed=5).values.reshape(3, 20), paths[:, :20]
    )
    others = simulate_returns(parameters, 50, seed=6).values.reshape(3, 50)
    everything = np.concatenate([paths, others]).ravel()
    assert len(np.unique(everything)) == everything.size


def test_errors_are_normal_or_of_t():
    for nu in (2.2, 5.0, np.inf):
        model = VolatilityModel("garch", "normal" if np.isinf(nu) else "t")
        values = np.array([[1.0, 0.0, 0.0, nu][: len(model.names)]])
        draws = simulate_returns(Parameters(model, values), 100_000, seed=1).values
        law = stats.norm() if np.isinf(nu) else stats.t(nu, scale=np.sqrt((nu - 2.0) / nu))
        assert stats.kstest(draws, law.cdf).pvalue > 0.001
        assert abs(np.corrcoef(draws[1:] > 0, draws[:-1] > 0)[0, 1]) < 0.015


def test_parameters_of_a_coin_may_be_used_at_several_ends():
    returns = ragged(garch_paths(2, 80, seed=7))
    fits = fit(VolatilityModel("garch"), returns, np.array([[60, 70], [55, 80]]))
    ends = np.array([60, 75, 80, 80])
    filtered = filter_variance(fits.parameters, returns, ends)
    assert np.diff(filtered.indptr).tolist() == ends.tolist()
    ahead = forecast_variance(fits.parameters, returns, 1, ends)
    assert np.array_equal(ahead.steps[:, 0], filtered.after)
    seen = loglikelihood(fits.parameters, returns, fits.ends)
    np.testing.assert_allclose(seen, fits.loglikelihood, rtol=1e-12)
    assert np.allclose(backcasts(fits.parameters, returns, fits.ends), fits.backcast, rtol=1e-12)


def test_a_coin_without_parameters_has_no_number():
    returns = ragged(np.stack([garch_paths(1, 60, seed=8)[0], np.zeros(60)]))
    parameters = fit(VolatilityModel("harch"), returns).parameters
    assert np.isnan(filter_variance(parameters, returns).variance[60:]).all()
    assert np.isnan(forecast_variance(parameters, returns, 5).steps).any(axis=1).tolist() == [
        False, True,
    ]  # fmt: skip
    assert np.isnan(loglikelihood(parameters, returns)).tolist() == [False, True]
    assert np.isnan(simulate_returns(parameters, 5, 0).values).tolist() == [False] * 5 + [True] * 5


def test_what_does_not_fit_is_refused():
    returns, model = ragged(garch_paths(2, 60, seed=9)), VolatilityModel("garch", "normal")
    bare = Parameters(model, np.array([[1e-4, 0.1, 0.8]]))
    with pytest.raises(OptionError, match="needs the variance before the first return"):
        filter_variance(bare, returns)
    ready = Parameters(model, bare.values, np.array([1e-3]))
    with pytest.raises(OptionError, match="horizon=0: at least 1 step"):
        forecast_variance(ready, returns, 0)
    with pytest.raises(OptionError, match=r"ends: \(1,\), each from 0 to the rows of its coin"):
        filter_variance(ready, returns, np.array([61]))
    with pytest.raises(OptionError, match="positions among the 2 coins"):
        filter_variance(Parameters(model, bare.values, ready.backcast, np.array([2])), returns)
    with pytest.raises(OptionError, match="no long-run mean"):
        simulate_returns(Parameters(VolatilityModel("ewma", "normal"), np.array([[0.9]])), 5, 0)
    with pytest.raises(OptionError, match="offsets from 0 to the number of rows, 3"):
        Returns(np.zeros(3), np.array([0, 2]))

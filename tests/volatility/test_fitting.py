"""Fits: of each coin and end by itself, close to the truth, with a reason where there is none."""

import numpy as np
import pytest

from cryptodask.errors import OptionError
from cryptodask.volatility import (
    Fits,
    Parameters,
    Prior,
    Returns,
    VolatilityModel,
    fit,
    simulate_returns,
)
from tests.volatility.paths import garch_paths, ragged

MODELS = (
    VolatilityModel("garch"), VolatilityModel("gjr", "normal", "constant"),
    VolatilityModel("harch"), VolatilityModel("ewma", "t", "constant"),
    VolatilityModel("ewma", "normal", decay=0.9),
)  # fmt: skip
PARTS = ("params", "free", "information", "loglikelihood", "backcast", "scale", "states", "steps")


def assert_same_bits(some: Fits, others: Fits, rows: list[int]) -> None:
    for name in PARTS:
        assert np.array_equal(getattr(some, name), getattr(others, name)[rows], equal_nan=True)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_neither_other_coins_nor_their_order_change_a_bit(model: VolatilityModel):
    rows = garch_paths(5, 200, seed=4)
    rows[1, 20:30] = np.nan
    together = fit(model, ragged(rows))
    assert together.converged.all()
    order = [3, 0, 4, 2, 1]
    assert_same_bits(fit(model, ragged(rows[order])), together, order)
    for i in range(5):
        assert_same_bits(fit(model, ragged(rows[[i]])), together, [i])


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_fit_as_of_an_end_has_the_bits_of_one_of_what_came_before(model: VolatilityModel):
    rows = garch_paths(3, 260, seed=5)
    returns = Returns(
        np.concatenate([rows[0], rows[1, :200], rows[2]]), np.array([0, 260, 460, 720])
    )
    ends = np.array([[60, 260, 100], [199, 10, 200], [150, 61, 260]])
    fits = fit(model, returns, ends)
    assert fits.coins.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert fits.ends.tolist() == ends.ravel().tolist()
    assert fits.reasons[4] == "fewer returns than a fit needs"
    for k, (coin, end) in enumerate(zip(fits.coins, fits.ends, strict=True)):
        path = returns.values[returns.indptr[coin] :][:end]
        assert_same_bits(fit(model, ragged(path[None])), fits, [k])
    assert_same_bits(fit(model, returns, ends[:, 1:2]), fits, [1, 4, 7])


def test_a_missing_return_is_left_out():
    path = garch_paths(1, 300, seed=6)[0]
    holes = np.insert(path, [0, 40, 40, 170, 300], np.nan)
    with_holes, without = (fit(MODELS[0], ragged(p[None])) for p in (holes, path))
    assert_same_bits(with_holes, without, [0])


@pytest.mark.parametrize("scale", [1e6, 1e-9, 1e-150, 1e150])
def test_the_unit_of_returns_changes_what_has_it_alone(scale: float):
    rows = garch_paths(2, 300, seed=7)
    plain, scaled = fit(MODELS[0], ragged(rows)), fit(MODELS[0], ragged(scale * rows))
    assert scaled.converged.all()
    units = np.array([scale**2, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(scaled.params / units, plain.params, rtol=1e-4, atol=1e-7)
    shifted = plain.loglikelihood - 300 * np.log(scale)
    np.testing.assert_allclose(scaled.loglikelihood, shifted, rtol=1e-9)


def test_what_cannot_be_fitted_has_a_reason_and_no_number():
    good = garch_paths(1, 80, seed=8)[0]
    infinite, stale = good.copy(), good.copy()
    infinite[7], stale[:41] = -np.inf, 0.0
    paths = [good, good[:49], np.zeros(80), np.full(80, 0.01), stale, infinite,
             np.full(80, np.nan), good[:0], good]  # fmt: skip
    indptr = np.concatenate([[0], np.cumsum([len(p) for p in paths])])
    fits = fit(MODELS[0], Returns(np.concatenate(paths), indptr))
    short, constant = "fewer returns than a fit needs", "all returns are the same"
    assert fits.reasons == (
        "", short, constant, constant, "more than half of the returns are 0",
        "a return is infinite", short, short, "",
    )  # fmt: skip
    assert np.isnan(fits.params[1:8]).all()
    assert np.isnan(fits.loglikelihood[1:8]).all()
    assert_same_bits(fit(MODELS[0], ragged(good[None])), fits, [8])


@pytest.mark.parametrize(
    ("kind", "values"),
    [("garch", (1e-4, 0.1, 0.85, 6.0)), ("gjr", (1e-4, 0.05, 0.08, 0.86, 6.0)),
     ("harch", (4e-4, 0.2, 0.3, 0.25, 6.0))],
)  # fmt: skip
def test_parameters_of_simulated_returns_are_recovered(kind: str, values: tuple[float, ...]):
    model = VolatilityModel(kind)
    truth = Parameters(model, np.repeat([values], 200, axis=0))
    fits = fit(model, simulate_returns(truth, 2_000, seed=9))
    assert fits.converged.all()
    params, true = fits.params.copy(), np.array(values)
    params[:, -1], true[-1] = 1.0 / params[:, -1], 1.0 / true[-1]  # nu itself is skewed
    away = (params - true) / params.std(axis=0)
    # The mean of 200 has an error of 0.07 deviations; estimates of 2,000 returns lean a little.
    assert np.abs(away.mean(axis=0)).max() < 4.0 / np.sqrt(200)
    # Errors that the information predicts are those that there are.
    predicted = np.linalg.inv(fits.information)[:, -1, -1] ** 0.5
    assert np.median(predicted) == pytest.approx(fits.free[:, -1].std(), rel=0.2)


def test_a_prior_draws_fits_towards_its_mean():
    model = VolatilityModel("garch")
    returns = ragged(garch_paths(3, 100, seed=10))
    bare = fit(model, returns)
    mean = np.array([-3.0, 2.5, -1.5, -0.5])
    distances = [np.abs(bare.free - mean).max()]
    for weight in (1.0, 100.0, 1e6):
        fits = fit(model, returns, prior=Prior(mean, np.full(4, weight)))
        assert fits.converged.all()
        assert (fits.loglikelihood < bare.loglikelihood + 1e-6).all()
        distances.append(np.abs(fits.free - mean).max())
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-3


def test_some_of_the_fits_are_taken_and_none_is_fine():
    fits = fit(MODELS[0], ragged(garch_paths(3, 60, seed=12)))
    assert_same_bits(fits.take(np.array([2, 0])), fits, [2, 0])
    assert len(fit(MODELS[0], Returns(np.empty(0), np.zeros(1, dtype=np.int64)))) == 0


def test_nothing_is_compiled_anew_for_arrays_that_may_not_be_written():
    from cryptodask.volatility.batch import fit_all

    rows = garch_paths(2, 60, seed=13)
    fit(MODELS[0], ragged(rows))
    known = len(fit_all.signatures)
    values, indptr = rows.ravel(), np.array([0, 60, 120])
    values.setflags(write=False)
    indptr.setflags(write=False)
    fit(MODELS[0], Returns(values, indptr), prior=Prior(np.zeros(4), np.asfortranarray(np.eye(4))))
    fit(MODELS[0], Returns(rows[:, ::-1].ravel()[::-1], indptr))
    assert len(fit_all.signatures) == known


def test_options_that_do_not_fit_are_refused():
    returns, model = ragged(garch_paths(2, 60, seed=11)), VolatilityModel("garch")
    with pytest.raises(OptionError, match=r"ends\[1, 0\]=61: from 0 to the 60 rows of coin 1"):
        fit(model, returns, np.array([[60], [61]]))
    with pytest.raises(OptionError, match=r"ends: whole numbers of rows, \(2, n_ends\)"):
        fit(model, returns, np.array([60, 60]))
    with pytest.raises(OptionError, match=r"prior: of the 4 parameters log omega, .*; it has 3"):
        fit(model, returns, prior=Prior(np.zeros(3), np.eye(3)))
    with pytest.raises(OptionError, match="least=4: at least 5 returns"):
        fit(model, returns, least=4)

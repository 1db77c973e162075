"""Likelihoods, variances and forecasts are those of arch, and fits are as likely as its fits."""

import os
from typing import Any

import numpy as np
import pytest

from cryptodask.prices import CryptoLoader
from cryptodask.records import FloatArray, Panel
from cryptodask.volatility import (
    Parameters,
    Returns,
    VolatilityModel,
    backcasts,
    filter_variance,
    fit,
    forecast_variance,
    loglikelihood,
)
from tests.conftest import REAL_DATA
from tests.volatility.paths import garch_paths, ragged

if os.environ.get("CI") == "true":
    import arch.univariate as univariate
else:
    univariate = pytest.importorskip("arch.univariate")

COEFFICIENTS = {
    "ewma": [0.93],
    "garch": [1e-4, 0.08, 0.85],
    "gjr": [1e-4, 0.08, 0.07, 0.8],
    "harch": [4e-4, 0.2, 0.3, 0.25],
}
KINDS, MEANS, ERRORS = sorted(COEFFICIENTS), ("zero", "constant"), ("normal", "t")


def model_of_arch(kind: str, mean: str, errors: str, returns: FloatArray) -> Any:
    volatility = {
        "ewma": lambda: univariate.EWMAVariance(None),
        "garch": lambda: univariate.GARCH(1, 0, 1),
        "gjr": lambda: univariate.GARCH(1, 1, 1),
        "harch": lambda: univariate.HARCH([1, 5, 22]),
    }[kind]()
    distribution = {"normal": univariate.Normal, "t": univariate.StudentsT}[errors]()
    cls = {"zero": univariate.ZeroMean, "constant": univariate.ConstantMean}[mean]
    return cls(returns, volatility=volatility, distribution=distribution, rescale=False)


def params_of(kind: str, mean: str, errors: str) -> list[float]:
    first, last = ([0.002] if mean == "constant" else []), ([5.5] if errors == "t" else [])
    return [*first, *COEFFICIENTS[kind], *last]


@pytest.mark.parametrize("n_rows", [30, 700])
@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_variances_and_forecasts_are_those_of_arch(
    kind: str, mean: str, errors: str, n_rows: int
):
    path = garch_paths(1, n_rows, seed=2)[0] + 0.003
    params = params_of(kind, mean, errors)
    theirs = model_of_arch(kind, mean, errors, path).fix(params)
    bare = Parameters(VolatilityModel(kind, errors, mean), np.array([params]))
    returns = ragged(path[None])
    assert abs(loglikelihood(bare, returns)[0] - theirs.loglikelihood) < 1e-8
    ours = Parameters(bare.model, bare.values, backcasts(bare, returns))
    variance = theirs.conditional_volatility**2
    np.testing.assert_allclose(filter_variance(ours, returns).variance, variance, rtol=1e-10)
    if n_rows == 30 and mean == "constant":
        return  # forecasts of arch begin with another backcast then, about the mean that is given
    ahead = theirs.forecast(horizon=40, reindex=False).variance.to_numpy()[-1]
    forecast = forecast_variance(ours, returns, 40)
    np.testing.assert_allclose(forecast.steps[0], ahead, rtol=1e-10)
    np.testing.assert_allclose(forecast.cumulated[0], np.cumsum(ahead), rtol=1e-10)


def test_an_ewma_of_a_fixed_decay_is_that_of_arch():
    path = garch_paths(1, 400, seed=6)[0]
    model = VolatilityModel("ewma", "normal", decay=0.94)
    theirs = univariate.ZeroMean(path, volatility=univariate.EWMAVariance(0.94), rescale=False)
    theirs = theirs.fit(disp="off")
    fits = fit(model, ragged(path[None]))
    assert fits.converged.all()
    assert fits.params.tolist() == [[0.94]]
    assert abs(fits.loglikelihood[0] - theirs.loglikelihood) < 1e-8


def least_gain(model: VolatilityModel, returns: Returns) -> tuple[float, int]:
    """Return the least of what fits are more likely than arch's by, and how many were compared.

    What arch finds outside of its bounds, by the slack of its optimiser, is left out.
    """
    fits = fit(model, returns)
    gains = []
    for i in np.flatnonzero(fits.states < 2):
        path = returns.values[returns.indptr[i] : returns.indptr[i + 1]]
        path = path[~np.isnan(path)]
        theirs = model_of_arch(model.kind, model.mean, model.errors, 100 * path).fit(
            disp="off", show_warning=False
        )
        params = Parameters(model, np.asarray(theirs.params)[None])
        if params.persistence[0] <= 1.0:
            gains.append(fits.loglikelihood[i] - theirs.loglikelihood - len(path) * np.log(100))
    return min(gains), len(gains)


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_to_made_up_returns_is_as_likely_as_that_of_arch(kind: str, mean: str, errors: str):
    rows = garch_paths(8, 600, seed=3)
    gain, n = least_gain(VolatilityModel(kind, errors, mean), ragged(rows))
    assert n >= 5
    assert gain > -1e-4


@pytest.fixture(scope="module")
def real_returns() -> Returns:
    if not REAL_DATA.is_dir():
        pytest.skip("the real price history is not there")
    prices = CryptoLoader(REAL_DATA).get_df()
    series = [(c, r["close"].to_numpy(), r["date"].to_numpy()) for c, r in prices.groupby("coin")]
    return Returns.of(Panel.from_series(series))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of arch: scales, bounds, fits that did not converge
@pytest.mark.parametrize(
    ("kind", "errors", "mean"),
    [("garch", "t", "zero"), ("gjr", "t", "zero"), ("garch", "normal", "constant"),
     ("harch", "t", "zero"), ("ewma", "normal", "zero")],
)  # fmt: skip
def test_a_fit_to_real_prices_is_as_likely_as_that_of_arch(
    kind: str, errors: str, mean: str, real_returns: Returns
):
    gain, n = least_gain(VolatilityModel(kind, errors, mean), real_returns)
    assert n > 80
    assert gain > -1e-4

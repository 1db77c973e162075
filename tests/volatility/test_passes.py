"""Derivatives are those of finite differences, information is the variance of gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from cryptodask.records import FloatArray
from cryptodask.volatility import Parameters, VolatilityModel, simulate_returns
from cryptodask.volatility.batch import backcast_of, scaled
from cryptodask.volatility.optimiser import Problem, curvature, objective
from cryptodask.volatility.passes import digamma, trigamma
from cryptodask.volatility.transforms import to_natural
from tests.volatility.paths import garch_paths

KINDS, MEANS, ERRORS = ("ewma", "garch", "gjr", "harch"), ("zero", "constant"), ("normal", "t")


def problem_of(model: VolatilityModel, path: FloatArray, pull: float = 0.0) -> Problem:
    y, n = path.copy(), len(model.free_names)
    level, _ = scaled(y, model.mean == "constant")
    space, precision = np.empty((3, len(y))), pull * (np.eye(n) + 0.1)
    return Problem(y, space, backcast_of(y, level), *model.code, np.full(n, 0.3), precision)


def value_of(theta: FloatArray, problem: Problem) -> tuple[float, FloatArray]:
    gradient = np.empty(len(theta))
    return objective(theta, problem, np.empty((8, 6)), gradient), gradient


@given(
    kind=st.sampled_from(KINDS), mean=st.sampled_from(MEANS), errors=st.sampled_from(ERRORS),
    n=st.integers(5, 150), seed=st.integers(0, 10**6), pull=st.sampled_from([0.0, 3.0]),
    far=st.floats(0.1, 7.5),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_the_gradient_is_that_of_finite_differences(
    kind: str, mean: str, errors: str, n: int, seed: int, pull: float, far: float
):
    rng = np.random.default_rng(seed)
    model = VolatilityModel(kind, errors, mean)
    problem = problem_of(model, 0.01 + garch_paths(1, n, seed)[0], pull)
    theta = rng.uniform(-far, far, len(model.free_names))  # beyond bounds, which are at 6, too
    if mean == "constant":
        theta[0] = rng.normal()
    if kind != "ewma":
        theta[int(mean == "constant")] = rng.uniform(-13.0, 1.0)
    value, gradient = value_of(theta, problem)
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-5
        slopes = [value_of(theta + k * step, problem)[0] for k in (1, -1, 2, -2)]
        numeric = (8.0 * (slopes[0] - slopes[1]) - (slopes[2] - slopes[3])) / (12.0 * 1e-5)
        # The second derivative jumps where a parabola takes over; values have 16 digits.
        assert abs(gradient[i] - numeric) < 1e-4 * (1.0 + abs(numeric)) + 1e-6 * abs(value)


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("kind", ["garch", "gjr", "harch"])
def test_information_is_the_variance_of_gradients(kind: str, errors: str):
    model = VolatilityModel(kind, errors, "constant")
    middle = {"garch": [0.1, 0.1, 0.8], "gjr": [0.1, 0.05, 0.1, 0.8],
              "harch": [0.3, 0.2, 0.3, 0.2]}[kind]  # fmt: skip
    params = np.array([[0.0, *middle, *([6.0] if errors == "t" else [])]])
    paths = simulate_returns(Parameters(model, np.repeat(params, 1_500, axis=0)), 500, seed=1)
    n = len(model.free_names)
    theta = _free_of(model, params)
    outer, expected = np.zeros((n, n)), np.zeros((n, n))
    for path in paths.values.reshape(len(paths), -1):
        space = np.empty((3, len(path)))
        problem = Problem(path, space, 1.0, *model.code, np.zeros(n), np.zeros((n, n)))
        _, gradient = value_of(theta, problem)
        outer += np.outer(gradient, gradient) / len(paths)
        information = np.empty((n, n))
        curvature(theta, problem, np.empty((8, 6)), information)
        expected += information / len(paths)
    root = np.sqrt(np.diag(expected))
    assert np.abs((outer - expected) / np.outer(root, root)).max() < 0.15


def _free_of(model: VolatilityModel, params: FloatArray) -> FloatArray:
    """Return free parameters whose natural ones are those given, by Newton's method."""
    wanted = model.natural_of(params)[0]
    theta, natural = model.starts()[0].copy(), np.empty(6)
    jacobian = np.empty((6, len(theta)))
    known = np.isfinite(wanted)
    for _ in range(200):
        to_natural(theta, *model.code, natural, jacobian)
        step = np.linalg.lstsq(jacobian[known], wanted[known] - natural[known], rcond=None)[0]
        theta += np.clip(step, -0.5, 0.5)
    to_natural(theta, *model.code, natural, jacobian)
    np.testing.assert_allclose(natural, wanted, rtol=1e-6, atol=1e-9)
    return theta


@pytest.mark.parametrize("x", [0.01, 0.5, 1.3, 9.99, 10.0, 250.5])
def test_digamma_and_trigamma_are_those_of_scipy(x: float):
    assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-12)
    assert trigamma(x) == pytest.approx(special.polygamma(1, x), rel=1e-12)

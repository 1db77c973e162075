"""The continuous ranked probability score, beside exact ones of distributions that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cryptodask.evaluate.crps import crps
from cryptodask.evaluate.rows import KEPT_LEVELS


def quantiles(distribution, n: int) -> np.ndarray:
    return np.tile(distribution.ppf(list(KEPT_LEVELS.values())), (n, 1))


def test_of_a_normal_forecast_it_is_gneitings_formula() -> None:
    actual = np.linspace(-3, 3, 61)
    norm = stats.norm()
    exact = actual * (2 * norm.cdf(actual) - 1) + 2 * norm.pdf(actual) - 1 / np.sqrt(np.pi)
    assert crps(actual, quantiles(norm, 61)) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("distribution", [stats.norm(), stats.t(4), stats.laplace()])
def test_its_mean_is_that_of_many_quantiles(distribution) -> None:
    actual = distribution.rvs(5_000, random_state=1)
    levels = (np.arange(400) + 0.5) / 400
    above = actual[:, None] - distribution.ppf(levels)
    exact = 2 * np.maximum(levels * above, (levels - 1) * above).mean()
    assert crps(actual, quantiles(distribution, 5_000)).mean() == pytest.approx(exact, rel=0.01)


@given(st.floats(1e-6, 1e6), st.floats(-10, 10), st.integers(1, 30))
def test_a_sure_forecast_has_its_absolute_error_and_units_are_those_of_prices(
    unit: float, error: float, n: int
) -> None:
    actual = unit * np.arange(1.0, n + 1)
    sure = np.repeat((actual + unit * error)[:, None], 5, axis=1)
    assert crps(actual, sure) == pytest.approx(np.full(n, unit * abs(error)), abs=1e-9 * unit)


def test_a_row_does_not_depend_on_those_beside() -> None:
    actual = stats.norm().rvs(50, random_state=2)
    rows = quantiles(stats.norm(), 50)
    alone = [crps(actual[i : i + 1], rows[i : i + 1])[0] for i in range(50)]
    assert crps(actual, rows).tolist() == alone

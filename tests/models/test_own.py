"""What functions and regressors of users return, if it is not prices or returns."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from cryptodask.errors import ContractError, OptionError
from cryptodask.models import run_model
from cryptodask.models.external.own_estimator import OwnRegressor
from cryptodask.models.function import FunctionModel
from cryptodask.records import FloatArray
from tests.models.conftest import make_panel

PRICES = np.array([1.5, 2.5, 3.5])


def returning(value: Any) -> FunctionModel:
    """Return the model of a function that always returns this."""

    def constant(prices: FloatArray, horizon: int) -> Any:
        return value

    return FunctionModel(constant)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.array(["2024-01-01"] * 3, dtype="datetime64[D]"), "datetime64[D]"),
        (np.ones(3, dtype="timedelta64[D]"), "timedelta64[D]"),
        (["1.5", "2.5", "3.5"], "<U3"),
        ([True, True, True], "bool"),
        (PRICES * 1j, "complex128"),
        ([None, 1.0, 2.0], "object"),
        ([Decimal(1)] * 3, "object"),
    ],
)
def test_what_a_function_returns_is_real_numbers(value: Any, kind: str) -> None:
    [failure] = run_model(returning(value), make_panel([20]), 3).failures
    assert failure.exception == "ForecastError"
    assert f"of {kind}, and prices are real numbers" in failure.message


@pytest.mark.parametrize(
    "value",
    [
        PRICES,
        PRICES.tolist(),
        tuple(PRICES),
        pd.Series(PRICES),
        PRICES.astype("float32"),
        np.ma.masked_array(PRICES),
    ],
)
def test_numbers_in_any_sequence_are_prices(value: Any) -> None:
    assert run_model(returning(value), make_panel([20]), 3).values.tolist() == [PRICES.tolist()]


def test_a_masked_price_is_no_forecast() -> None:
    value = np.ma.masked_array(PRICES, [False, True, False])
    [failure] = run_model(returning(value), make_panel([20]), 3).failures
    assert "gave [1.5, nan, 3.5], not finite prices" in failure.message


class Odd(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts zeros, as a case of faults says."""

    def __init__(self, case: str = "") -> None:
        self.case = case

    def fit(self, x: FloatArray, y: FloatArray) -> "Odd":
        return self

    def predict(self, x: FloatArray) -> Any:
        zeros = np.zeros(len(x))
        cases = {"two columns": np.zeros((len(x), 2)), "a row less": zeros[1:],
                 "texts": zeros.astype(str), "a list": zeros.tolist()}  # fmt: skip
        return cases.get(self.case, zeros)


@pytest.mark.parametrize(
    ("case", "shown"),
    [
        ("two columns", r"\(1, 2\) of float64"),
        ("a row less", r"\(0,\) of float64"),
        ("texts", r"\(1,\) of <U32"),
    ],
)
def test_a_regressor_predicts_a_number_a_row(case: str, shown: str) -> None:
    with pytest.raises(ContractError, match=f"^Odd: predict returned shape {shown} for one row"):
        run_model(OwnRegressor(Odd(case)), make_panel([60]), 3)
    for works in ("", "a list"):
        assert not run_model(OwnRegressor(Odd(works)), make_panel([60]), 3).failures


class Doubling(Odd):
    """Changes a parameter, which scikit-learn can't copy."""

    def __init__(self, k: int = 2) -> None:
        super().__init__()
        self.k = 2 * k


def test_a_regressor_that_changes_a_parameter_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^Doubling: .* modifies parameter k; .*\(self.k = k\)"):
        OwnRegressor(Doubling())

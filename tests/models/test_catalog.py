"""From names and options, as text or not, to models."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import HuberRegressor

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models import (
    create_model,
    describe_model,
    list_families,
    list_models,
    model_options,
    predict_one,
)
from cryptodask.models.baseline.naive import Naive
from cryptodask.models.baseline.random import Random
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.lstm_global import LSTMGlobal
from cryptodask.models.pooled.pooled_linear import PooledLinear
from cryptodask.models.regression.linear import Linear
from cryptodask.models.regression.ridge import Ridge
from cryptodask.models.regression.ridge_features import RidgeFeatures


def test_the_catalog_names_the_models() -> None:
    assert {"random", "naive", "linear", "ridge", "lstm", "lstm_global"} <= set(list_models())
    kinds = {"random": Random, "naive": Naive, "linear": Linear, "ridge": Ridge, "lstm": LSTM}
    assert {name: type(create_model(name)) for name in kinds} == kinds
    assert type(create_model("lstm_global")) is LSTMGlobal
    assert type(create_model("ridge_features")) is RidgeFeatures
    assert type(create_model("pooled_linear")) is PooledLinear
    assert [create_model(name).name for name in list_models()] == list_models()


def test_families_are_told_with_how_their_models_are_named() -> None:
    families = list_families()
    assert set(families) == {
        "sklearn:sklearn.MODULE.CLASS",
        "stats:CLASS",
        "keras:gru, keras:tcn, keras:transformer, keras:MODULE:BUILDER, keras:FILE.keras",
        "pooled:xgboost, pooled:lightgbm, pooled:sklearn.MODULE.CLASS",
    }
    assert all(line.endswith(".") for line in families.values())
    with pytest.raises(UnknownModelError, match=r"sklearn:sklearn\.MODULE\.CLASS, stats:CLASS"):
        create_model("crystal ball")


def test_a_caller_can_do_what_it_likes_with_the_list() -> None:
    list_models().clear()
    assert list_models()


def test_a_model_without_options_has_the_defaults() -> None:
    assert create_model("lstm") == LSTM()
    defaults = {name: default for name, (_, default) in model_options("lstm").items()}
    assert create_model("lstm", **defaults) == LSTM()


def test_options_are_told_with_type_and_default() -> None:
    options = model_options("lstm")
    assert options["window"] == (int, 50)
    assert options["units"] == (tuple[int, ...], (50, 100))
    assert options["dropout"] == (float, 0.2)
    assert options["batch_norm"] == (bool, False)
    assert options["loss"] == (str, "mse")
    assert model_options("linear") == {}


@pytest.mark.parametrize("name", list_models())
def test_a_description_is_one_line_for_a_list(name: str) -> None:
    line = describe_model(name)
    assert line.endswith(".")
    assert "\n" not in line
    assert len(line) < 100


@pytest.mark.parametrize("ask", [create_model, describe_model, model_options])
def test_an_unknown_model_is_told_the_known_ones(ask: Any) -> None:
    with pytest.raises(UnknownModelError) as caught:
        ask("lstn")
    message = str(caught.value)
    assert "'lstn'" in message
    assert "did you mean lstm?" in message
    assert ", ".join(list_models()) in message


def test_a_name_like_no_other_gets_no_guess() -> None:
    with pytest.raises(UnknownModelError) as caught:
        create_model("crystal ball")
    assert "did you mean" not in str(caught.value)


def test_an_unknown_option_is_told_the_known_ones() -> None:
    with pytest.raises(OptionError) as caught:
        create_model("lstm", epoch=3)
    assert "lstm: has no option 'epoch'" in str(caught.value)
    assert all(name in str(caught.value) for name in model_options("lstm"))
    with pytest.raises(OptionError, match="linear: has no option 'degree'; its options: none"):
        create_model("linear", degree=2)


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [
        ("epochs", "3", 3),
        ("epochs", 3.0, 3),
        ("epochs", np.int64(3), 3),
        ("units", "32,16, 8", (32, 16, 8)),
        ("units", "32", (32,)),
        ("units", [32, 16], (32, 16)),
        ("units", np.array([32, 16]), (32, 16)),
        ("dropout", "0.5", 0.5),
        ("dropout", 0, 0.0),
        ("learning_rate", "1e-4", 1e-4),
        ("loss", "mae", "mae"),
        ("shuffle", "False", False),
        ("shuffle", "no", False),
        ("shuffle", "0", False),
        ("shuffle", 0, False),
        ("batch_norm", "TRUE", True),
        ("batch_norm", "yes", True),
        ("batch_norm", "1", True),
        ("batch_norm", True, True),
    ],
)
def test_options_are_converted(option: str, given: Any, expected: Any) -> None:
    model = create_model("lstm", **{option: given})
    value = getattr(model, option)
    assert value == expected
    assert type(value) is type(expected)
    assert hash(model) == hash(LSTM(**{option: expected}))


@pytest.mark.parametrize(
    ("option", "given", "wanted"),
    [
        ("epochs", "many", "int"),
        ("epochs", 2.5, "int"),
        ("epochs", float("inf"), "int"),
        ("epochs", float("nan"), "int"),
        ("epochs", None, "int"),
        ("epochs", [3], "int"),
        ("units", "", "integers"),
        ("units", "32,", "integers"),
        ("units", "a,b", "integers"),
        ("units", 32, "integers"),
        ("units", (32.5, 16), "integers"),
        ("dropout", "a bit", "float"),
        ("dropout", None, "float"),
        ("shuffle", "maybe", "bool"),
        ("shuffle", 2, "bool"),
        ("shuffle", None, "bool"),
    ],
)
def test_what_can_not_be_converted_is_told(option: str, given: Any, wanted: str) -> None:
    with pytest.raises(OptionError) as caught:
        create_model("lstm", **{option: given})
    assert str(caught.value) == f"lstm {option}: must be {wanted}, got {given!r}"


def weighed(prices: Any, horizon: int, w: float = 0.5) -> list[float]:
    """A price times a weight."""
    return [float(w * prices[-1])] * horizon


def test_what_is_a_model_in_python_takes_options_and_an_alias() -> None:
    model = create_model(weighed, w="9", alias="nine")
    assert model.name == "nine"
    assert predict_one(model, [10.0, 11.0], [0, 1], predict=1).tolist() == [99.0]
    assert create_model(Naive) == create_model("naive")
    assert create_model(Ridge, lags=5) == create_model("ridge", lags=5)
    assert create_model(create_model("ridge", alpha=3.0), lags=5) == create_model(
        "ridge", alpha=3.0, lags=5
    )
    name = "sklearn:sklearn.linear_model.HuberRegressor"
    expected = create_model(name, alpha=0.5, lags=4)
    assert create_model(HuberRegressor, alpha=0.5, lags=4) == expected
    assert create_model(HuberRegressor(alpha=0.5), lags=4) == expected
    with pytest.raises(OptionError, match="weighed: has no option 'v'; its options: w"):
        create_model(weighed, v=9)
    with pytest.raises(OptionError, match="is an int, and no model"):
        create_model(7, lags=5)

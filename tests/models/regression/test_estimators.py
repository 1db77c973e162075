"""Fitted regressors as arrays: the same bits again, and nothing else than what such one has."""

import json
import pickle
import sys
from typing import Any

import numpy as np
import pytest

from cryptodask.errors import VersionError
from cryptodask.models import create_model
from cryptodask.models.packed import pack, unpack
from cryptodask.models.regression.estimators import VALUES, keep, restore
from tests.models.conftest import make_panel

X = np.random.default_rng(0).normal(size=(80, 4))
Y = X[:, 0] * 0.5 + np.sin(X[:, 1])


def fitted(dotted: str, **params: Any) -> tuple[Any, Any]:
    from cryptodask.models.external.sklearn_family import find_regressor

    kind = find_regressor(dotted)
    return kind(**params), kind(**params).fit(X, Y)


def svr() -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
    """A fresh one, a fitted one, and its values and arrays as they are kept."""
    fresh, regressor = fitted("sklearn.svm.SVR")
    arrays = unpack(keep(regressor, X, Y)[0], "it")
    return fresh, regressor, json.loads(arrays.pop(VALUES).tobytes()), arrays


def again(values: dict[str, Any], arrays: dict[str, Any]) -> Any:
    text = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
    return pack({VALUES: text, **arrays})


@pytest.mark.parametrize(
    "dotted",
    [
        "sklearn.linear_model.Ridge",
        "sklearn.linear_model.LassoCV",
        "sklearn.linear_model.HuberRegressor",
        "sklearn.kernel_ridge.KernelRidge",
        "sklearn.svm.NuSVR",
        "sklearn.neural_network.MLPRegressor",
        "sklearn.neighbors.KNeighborsRegressor",
        "sklearn.dummy.DummyRegressor",
    ],
)
def test_regressors_are_kept_and_predict_the_same_bits(dotted: str) -> None:
    options = {"max_iter": 20} if "MLP" in dotted else {}
    model = create_model(f"sklearn:{dotted}", lags=4, **options)
    panel = make_panel([90, 70])
    known = model.learn(panel, 5, 3)
    assert np.array_equal(model.forecast_from(known, panel, 5, 3), model.forecast(panel, 5, 3))


@pytest.mark.parametrize(
    ("dotted", "parts"),
    [
        ("sklearn.tree.DecisionTreeRegressor", "tree_"),
        ("sklearn.ensemble.HistGradientBoostingRegressor", "_predictors"),
        ("sklearn.gaussian_process.GaussianProcessRegressor", "kernel_"),
    ],
)
def test_regressors_made_of_objects_are_refused_by_name(dotted: str, parts: str) -> None:
    model = create_model(f"sklearn:{dotted}", lags=4)
    with pytest.raises(VersionError, match=rf"^sklearn:{dotted}: .* parts .*\b{parts}\b"):
        model.learn(make_panel([90]), 3, 0)


def test_a_regressor_is_restored_bit_for_bit() -> None:
    fresh, regressor, values, arrays = svr()
    restored = restore(fresh, again(values, arrays), regressor, "it")
    assert np.array_equal(restored.predict(X), regressor.predict(X))
    assert {k: type(v) for k, v in vars(restored).items()} == {
        k: type(v) for k, v in vars(regressor).items()
    }


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("predict", 1, "SVR has no attribute 'predict'"),
        ("__class__", "Ridge", "SVR has no attribute '__class__'"),
        ("kernel", "poly", "SVR has no attribute 'kernel'"),
        ("_gamma", "0.1", "attribute _gamma is not as one of this class is"),
        ("_gamma", {"tuple": [0.1]}, "attribute _gamma is not as"),
        ("_sparse", True, "its support vectors are not dense"),
        ("support_", {"array": ["none", "C"]}, "KeyError"),
        ("support_", {"object": []}, "KeyError"),
        ("support_", {"array": [], "list": []}, "ValueError"),
    ],
)
def test_values_that_were_changed_are_refused(name: str, value: Any, why: str) -> None:
    fresh, regressor, values, arrays = svr()
    with pytest.raises(VersionError, match=f"^a coin: what was kept can't be used: .*{why}"):
        restore(fresh, again({**values, name: value}, arrays), regressor, "a coin")
    assert vars(fresh) == fresh.get_params()


@pytest.mark.parametrize(
    "name", ["support_", "support_vectors_", "_dual_coef_", "_intercept_", "_n_support"]
)
def test_arrays_that_compiled_code_would_read_past_are_refused(name: str) -> None:
    fresh, regressor, values, arrays = svr()
    number = values[name]["array"][0]
    for changed in (arrays[number][:-1], arrays[number].astype(np.float32)):
        if changed.size == arrays[number].size and changed.dtype == arrays[number].dtype:
            continue
        with pytest.raises(VersionError, match="can't be used"):
            restore(fresh, again(values, {**arrays, number: changed}), regressor, "a coin")
    del values[name]
    with pytest.raises(VersionError, match="can't be used"):
        restore(fresh, again(values, arrays), regressor, "a coin")


class Bomb:
    """What imports a module when it is unpickled."""

    def __reduce__(self) -> Any:
        return __import__, ("this",)


def test_bytes_of_a_pickle_are_refused_and_not_run() -> None:
    sys.modules.pop("this", None)
    fresh, regressor = fitted("sklearn.svm.SVR")
    damaged = np.frombuffer(pickle.dumps(Bomb()), dtype=np.uint8)
    with pytest.raises(VersionError, match="^a coin: what was kept can't be read: "):
        restore(fresh, damaged, regressor, "a coin")
    assert "this" not in sys.modules


def test_neighbours_of_other_arrays_are_refused() -> None:
    fresh, regressor = fitted("sklearn.neighbors.KNeighborsRegressor")
    with pytest.raises(VersionError, match="it has the arrays x, z"):
        restore(fresh, pack({"x": X, "z": Y}), regressor, "a coin")

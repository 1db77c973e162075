"""Panels of random walks, options for quick LSTMs, and Keras."""

import importlib.util
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from cryptodask.errors import MissingExtraError
from cryptodask.models.lstm.weights import Weights
from cryptodask.models.pooled.lightgbm_fits import LightGBMFits
from cryptodask.models.walks import START, random_panel, random_walk
from cryptodask.records import DAY, DateArray, FloatArray, Panel

QUICK: dict[str, dict[str, Any]] = {
    "lstm": {"window": 8, "units": (4, 6), "batch_size": 16},
    "lstm_global": {"window": 8, "units": (4, 6), "steps": 4, "sample": 8},
    "sklearn:sklearn.ensemble.ExtraTreesRegressor": {"lags": 4, "n_estimators": 5},
    "sklearn:sklearn.neighbors.KNeighborsRegressor": {"lags": 3, "n_neighbors": 2},
    "sklearn:sklearn.linear_model.Ridge": {"lags": 3},
    "sklearn:sklearn.svm.SVR": {"lags": 4, "C": 0.1},
    "auto": {"shrinkage": 0.0},
    "ensemble": {"members": "naive,ridge"},
    "keras:gru": {"window": 8, "epochs": 1, "batch_size": 32, "units": 4},
    "keras:tcn": {
        "window": 8,
        "epochs": 1,
        "batch_size": 32,
        "units": 4,
        "depth": 2,
        "outputs": 3,
    },
    "keras:transformer": {"window": 8, "epochs": 1, "batch_size": 32, "units": 4},
    "prophet": {"n_changepoints": 2},
    "stats:AutoETS": {"model": "AAN"},
    "stats:Theta": {"log": True},
    "pooled:xgboost": {
        "features": "lag:1-3 std:4",
        "target": "scaled:5",
        "normalise": "window:6",
        "n_estimators": 5,
        "min_child_weight": 1.0,
    },
    "pooled:lightgbm": {
        "features": "lag:1-3 std:4",
        "target": "scaled:5",
        "normalise": "window:6",
        "n_estimators": 5,
        "min_child_samples": 1,
    },
    "pooled:sklearn.linear_model.Ridge": {
        "features": "lag:1-3 std:4",
        "target": "scaled:5",
        "normalise": "window:6",
    },
    # Without weekdays, which are not the same of hours as of days.
    "pooled_linear": {
        "features": "lag:1-3 std:4",
        "target": "scaled:5",
        "normalise": "window:6",
        "ahead": 25,
    },
}
"""Options with which a model of the catalog fits a coin in milliseconds; default ones if none."""

OF_LIBRARIES = tuple(name for name in QUICK if ":" in name)
"""Models of other libraries that stand for all of theirs in the contract suite."""

NEEDS = {
    "keras": "keras", "prophet": "prophet", "stats": "statsforecast", "pooled:xgboost": "xgboost",
    "pooled:lightgbm": "lightgbm",
}  # fmt: skip
"""The packages of extras that models need, by name or prefix."""


def walk(
    length: int, seed: int = 0, *, gaps: bool = False, run: int = 0
) -> tuple[FloatArray, DateArray]:
    """Closes and dates of one coin, a day apart or with holes, but for the last run of days."""
    return random_walk(length, seed, gaps=gaps, unbroken=run)


def raising_line(function: Callable[..., Any]) -> int:
    """Return the number of the first line of a function that raises."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if line.strip().startswith("raise "))


def make_panel(lengths: Sequence[int], seed: int = 0, *, gaps: bool = False, run: int = 0) -> Panel:
    """Coins ``coin-0``, ``coin-1``, … of these lengths; with gaps, if any, before the last run."""
    return random_panel(lengths, seed, gaps=gaps, unbroken=run)


def join(panels: Iterable[Panel]) -> Panel:
    """One panel of the coins of several."""
    return Panel.from_series(series for panel in panels for series in panel)


def one_coin(closes: FloatArray, coin: str = "coin-0") -> Panel:
    """A panel of one coin whose rows are a day apart."""
    return Panel.from_series([(coin, closes, START + np.arange(len(closes)) * DAY)])


def windows_of(model: Any, closes: FloatArray) -> Any:
    """The windows and targets of an LSTM from closes a day apart."""
    return model._examples(closes, START + np.arange(len(closes)) * DAY, DAY)


def same(one: Weights, other: Weights) -> bool:
    """Whether two networks are equal bit for bit."""
    names = one.arrays.keys()
    return names == other.arrays.keys() and all(
        np.array_equal(one.arrays[name], other.arrays[name]) for name in names
    )


def need_package(model: str) -> None:
    """Skip, or fail where the tests are CI's, if the package that a model needs is not there."""
    package = NEEDS.get(model) or NEEDS.get(model.partition(":")[0])
    if package and not importlib.util.find_spec(package):
        told = f"{model} needs {package}: pip install 'cryptodask[all]'"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    if package == "lightgbm":
        try:
            LightGBMFits({}).module()  # which needs a library of the system
        except MissingExtraError as error:
            pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))


@st.composite
def panels(draw: st.DrawFn, shortest: int, longest: int = 60, most: int = 5) -> Panel:
    """Panels of a few coins of different lengths, some of them with gaps."""
    lengths = draw(st.lists(st.integers(shortest, longest), min_size=1, max_size=most))
    return make_panel(lengths, draw(st.integers(0, 2**20)), gaps=draw(st.booleans()), run=shortest)


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras, started by CryptoDask, with one thread and without its chatter."""
    from cryptodask.models.lstm.keras_learning import import_keras

    return import_keras()[1]

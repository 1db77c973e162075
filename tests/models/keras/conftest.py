"""Builders of networks as users write them, and what they read."""

from pathlib import Path
from typing import Any

import pytest

BUILDERS = """
import keras


def dense(window, features, outputs, units=4, dropout=0.0):
    model = keras.Sequential([
        keras.Input((window, features)),
        keras.layers.Flatten(),
        keras.layers.Dense(units, activation="relu"),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(outputs),
    ])
    model.compile("adam", "mse")
    return model


def bare(window, outputs):
    model = keras.Sequential([keras.Input((window, 1)), keras.layers.Flatten(),
                              keras.layers.Dense(outputs)])
    return model


def wide(window):
    model = keras.Sequential([keras.Input((window, 1)), keras.layers.Flatten(),
                              keras.layers.Dense(7)])
    model.compile("adam", "mse")
    return model


def exploding(window):
    model = keras.Sequential([keras.Input((window, 1)), keras.layers.Flatten(),
                              keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e30), "mse")
    return model


class Silent(keras.Sequential):
    def train_step(self, data):
        super().train_step(data)
        return {}


def silent(window):
    model = Silent([keras.Input((window, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def broken(window):
    depth = window - window
    return window / depth


def a_text(window):
    return "network"


def needing(window, units):
    return dense(window, 1, 1, units)


def clashing(window, epochs=3):
    return dense(window, 1, 1)


def forgetful(window, calls=[]):
    calls.append(window)
    return dense(window, 1, 1, len(calls))


number = 3
"""


@pytest.fixture
def builders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module of a user in the current folder; see `BUILDERS`."""
    name = f"builders_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(BUILDERS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return name


def compiled(keras: Any, window: int | None, *layers: Any) -> Any:
    """A compiled network of a window of closes to one close."""
    model = keras.Sequential([keras.Input((window, 1)), *layers])
    model.compile("adam", "mse")
    return model

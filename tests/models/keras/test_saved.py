"""Networks from files and objects: what they hold is Keras's own, or they are refused."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryptodask.errors import OptionError
from cryptodask.models import create_model, model_options
from cryptodask.models.keras import KerasNetwork
from cryptodask.models.keras.base import KerasModel
from cryptodask.models.keras.saved import check_content
from tests.models.conftest import make_panel
from tests.models.keras.conftest import compiled

SMALL: dict[str, Any] = {"window": 8, "batch_size": 16}


@pytest.fixture
def path(keras: Any, tmp_path: Path) -> Path:
    """A file of a compiled network."""
    layers = keras.layers
    network = compiled(keras, 8, layers.GRU(3), layers.Dropout(0.1), layers.Dense(1))
    network.save(tmp_path / "network.keras")
    return tmp_path / "network.keras"


def test_without_an_epoch_a_file_forecasts_by_its_weights(keras: Any, path: Path) -> None:
    panel = make_panel([40, 30])
    forecast = create_model(f"keras:{path}", **SMALL, epochs=0).forecast(panel, 2, seed=0)
    network = keras.saving.load_model(path)
    for i, (_, closes, _) in enumerate(panel):
        seen = list(closes)
        for _ in range(2):
            inputs = np.array(seen[-8:]) / seen[-8] - 1
            growth = float(network(inputs.astype("float32")[None, :, None])[0, 0])
            seen.append((growth + 1) * seen[-8])
        np.testing.assert_allclose(forecast[i], seen[-2:], rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "given", "window"), [(20, {}, 20), (20, {"window": 20}, 20), (None, {}, 50),
                                  (None, {"window": 5}, 5)]
)  # fmt: skip
def test_a_file_has_the_window_of_its_input(
    keras: Any, tmp_path: Path, rows: int | None, given: dict[str, Any], window: int
) -> None:
    network = compiled(keras, rows, keras.layers.GRU(3), keras.layers.Dense(1))
    network.save(tmp_path / "network.keras")
    name = f"keras:{tmp_path / 'network.keras'}"
    for model in (create_model(name, **given), KerasNetwork(network, **given),
                  create_model(name, **given, pooled=True)):  # fmt: skip
        assert isinstance(model, KerasModel)
        assert model.window == replace(model, epochs=3).window == window
    assert model_options(name)["window"] == (int, rows or 50)


@pytest.mark.parametrize("functional", [False, True])
def test_another_window_than_that_of_the_input_is_refused(
    keras: Any, tmp_path: Path, functional: bool
) -> None:
    layers = keras.layers
    network = compiled(keras, 20, layers.GRU(3), layers.Dense(1))
    if functional:
        inputs = keras.Input((20, 1))
        network = keras.Model(inputs, layers.Dense(1)(layers.GRU(3)(inputs)))
        network.compile("adam", "mse")
    network.save(tmp_path / "network.keras")
    message = "window: got 50, and the network's input takes 20 rows; leave window out"
    with pytest.raises(OptionError, match=message):
        create_model(f"keras:{tmp_path / 'network.keras'}", window=50)
    with pytest.raises(OptionError, match=message):
        KerasNetwork(network, window=50)


def test_each_coin_begins_from_the_weights_of_the_file(path: Path) -> None:
    model = create_model(f"keras:{path}", **SMALL, epochs=1)
    panel = make_panel([40, 30, 50])
    together = model.forecast(panel, 3, seed=0)
    alone = [model.forecast(panel.take([i]), 3, seed=0) for i in (2, 0, 1)]
    assert np.array_equal(together[[2, 0, 1]], np.concatenate(alone))


def test_a_file_that_changed_is_not_taken_for_the_first(keras: Any, path: Path) -> None:
    first = create_model(f"keras:{path}")
    again = create_model(f"keras:{path}", sha256=first.sha256)  # type: ignore[attr-defined]
    assert again == first
    compiled(keras, 8, keras.layers.GRU(3), keras.layers.Dense(1)).save(path)
    assert create_model(f"keras:{path}") != first
    with pytest.raises(OptionError, match="the file is another than the one that was named before"):
        create_model(f"keras:{path}", sha256=first.sha256)  # type: ignore[attr-defined]


def test_a_compiled_model_is_taken_as_it_is(keras: Any) -> None:
    layers = keras.layers
    network = compiled(keras, 8, layers.Flatten(), layers.Dense(1, kernel_initializer="zeros"))
    network.layers[-1].bias.assign([0.5])
    panel = make_panel([40])
    forecast = KerasNetwork(network, **SMALL, epochs=0).forecast(panel, 1, seed=0)
    assert forecast[0, 0] == pytest.approx(1.5 * panel.values[-8])


def test_a_network_that_is_not_compiled_is_refused(keras: Any) -> None:
    network = keras.Sequential([keras.Input((8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(OptionError, match=r"call model\.compile"):
        KerasNetwork(network, **SMALL).forecast(make_panel([40]), 1, seed=0)


def test_a_lambda_is_refused_in_a_file_and_in_an_object(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    network = compiled(keras, 8, layers.Lambda(lambda x: x * 2), layers.Flatten(), layers.Dense(1))
    with pytest.raises(OptionError, match=r"has a layer Lambda, which runs code .*MODULE:BUILDER"):
        KerasNetwork(network)
    network.save(tmp_path / "lambda.keras")
    with pytest.raises(OptionError, match="has a layer Lambda"):
        create_model(f"keras:{tmp_path / 'lambda.keras'}")


def test_a_layer_or_loss_of_a_user_is_refused(keras: Any) -> None:
    class Mine(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    layers = keras.layers
    network = compiled(keras, 8, Mine(), layers.Flatten(), layers.Dense(1))
    with pytest.raises(OptionError, match=r"names \S*Mine of .*, which is not Keras's own"):
        KerasNetwork(network)

    def my_loss(y: Any, predicted: Any) -> Any:
        return keras.ops.mean((y - predicted) ** 4)

    network = compiled(keras, 8, layers.Flatten(), layers.Dense(1))
    network.compile("adam", my_loss)
    with pytest.raises(OptionError, match="names function of builtins, which is not Keras's own"):
        KerasNetwork(network)


@pytest.mark.parametrize(
    "node",
    [
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": None, "class_name": "__lambda__", "config": {}},
        {"module": "os", "class_name": "system", "config": {}},
        {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}},
        {"module": "keras.utils", "class_name": "get_file", "config": {}},
        {"module": "keras.src.saving.saving_lib", "class_name": "load_model", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}},
        {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "x"}},
        {"module": "keras.layers", "class_name": "Dense", "registered_name": "mine>Dense"},
        {"module": "keras.layers.Dense", "class_name": "__init__"},
        {"class_name": "Lambda", "config": {}},
    ],
)
def test_whatever_is_not_on_the_list_is_refused_wherever_it_is(node: dict[str, Any]) -> None:
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [[{"a": node}]]}}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    with pytest.raises(OptionError, match="only layers, losses and optimisers of Keras are loaded"):
        check_content("x.keras", content.getvalue())


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_what_is_not_a_file_of_keras_is_refused(content: bytes) -> None:
    with pytest.raises(OptionError, match=r"x\.keras: is not a \.keras file"):
        check_content("x.keras", content)

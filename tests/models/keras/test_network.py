"""A Keras network by our path: the one that a plain loop gives, each coin's alone, and errors."""

import random
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cryptodask.errors import MissingExtraError, OptionError, UnknownModelError
from cryptodask.models import create_model, describe_model, model_options, run_model
from cryptodask.models.base import rng_for
from cryptodask.models.keras import KerasNetwork, networks, training
from cryptodask.models.lstm.keras_learning import import_keras
from cryptodask.records import FloatArray, Panel
from tests.models.conftest import make_panel, one_coin

SMALL: dict[str, Any] = {"window": 8, "epochs": 2, "batch_size": 16}


def plain_loop(
    keras: Any, name: str, model: KerasNetwork, closes: FloatArray, coin: str, horizon: int
) -> FloatArray:
    """Forecast one coin as users write it: build, fit, predict a bar at a time."""
    rng = rng_for(5, model.name, coin)
    keras.utils.set_random_seed(int(rng.integers(2**31)))
    network = getattr(networks, name)(model.window, 1, model.outputs, **dict(model.params))
    length = model.window + model.outputs
    views = np.array([closes[i : i + length] for i in range(len(closes) - length + 1)])
    growth = (views / views[:, :1] - 1).astype("float32")
    x, y = growth[:, : model.window, None], growth[:, model.window :]
    for _ in range(model.epochs):
        order = rng.permutation(len(x))
        network.fit(x[order], y[order], model.batch_size, shuffle=False, verbose=0)
    seen = list(closes)
    while len(seen) < len(closes) + horizon:
        last = np.array(seen[-model.window :])
        inputs = (last / last[0] - 1).astype("float32")[None, :, None]
        seen += list((network.predict(inputs, verbose=0)[0].astype(float) + 1) * last[0])
    return np.array(seen[len(closes) :][:horizon])


@pytest.mark.parametrize(("name", "outputs"), [("gru", 1), ("tcn", 3), ("transformer", 2)])
def test_it_is_the_network_of_a_plain_keras_loop(keras: Any, name: str, outputs: int) -> None:
    model = KerasNetwork(name, **SMALL, outputs=outputs, params={"units": 4, "rate": 0.01})
    panel = make_panel([60, 47])
    forecast = model.forecast(panel, 5, seed=5)
    for i, (coin, closes, _) in enumerate(panel):
        expected = plain_loop(keras, name, model, closes, coin, 5)
        np.testing.assert_allclose(forecast[i], expected, rtol=1e-4)
        changes = forecast[i] / closes[-1] - 1
        assert np.abs(changes - (expected / closes[-1] - 1)).max() < 1e-4


def test_a_builder_of_a_user_is_named_with_its_options(builders: str) -> None:
    name = f"keras:{builders}:dense"
    model = create_model(name, **SMALL, units="6", dropout="0.1")
    assert model.name == name
    assert dict(model.params) == {"units": 6, "dropout": 0.1}
    assert model_options(name)["units"] == (int, 4)
    assert builders in describe_model(name)
    assert np.isfinite(model.forecast(make_panel([40]), 3, seed=0)).all()
    function = sys.modules[builders].dense
    assert KerasNetwork(function, **SMALL, params={"units": 6, "dropout": 0.1}) == model


def test_a_builder_that_nobody_named_is_not_imported(builders: str) -> None:
    with pytest.raises(OptionError, match="imported only where you name it yourself"):
        model_options(f"keras:{builders}:dense")
    assert builders not in sys.modules


def test_a_function_without_a_module_is_the_same_builder_until_it_is_another() -> None:
    def build(window: int) -> Any:
        return networks.gru(window, 1, 1, units=2)

    first = KerasNetwork(build, **SMALL)
    assert first == KerasNetwork(build, **SMALL)
    assert first != KerasNetwork(lambda window: build(window), **SMALL)
    assert np.isfinite(first.forecast(make_panel([40]), 2, seed=0)).all()


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("bare", r"bare: is not compiled; call model\.compile\(optimizer, loss\)"),
        ("wide", r"wide: gives outputs \('n', 7\) for inputs \(n, 8, 1\), and there must be"),
        ("broken", r"\.py, line \d+: ZeroDivisionError: division by zero"),
        ("silent", "silent: its train_step returns nothing, and no loss"),
        ("a_text", "a_text: built a str; return a compiled keras.Model"),
        ("forgetful", "forgetful: built another network the second time"),
    ],
)
def test_what_a_builder_does_wrong_is_said(builders: str, builder: str, message: str) -> None:
    model = create_model(f"keras:{builders}:{builder}", **SMALL)
    with pytest.raises(OptionError, match=message):
        model.forecast(make_panel([40]), 3, seed=0)


@pytest.mark.parametrize(
    ("builder", "options", "message"),
    [
        ("needing", {}, "needing units: has no default; give a value"),
        ("clashing", {}, "its argument epochs has the name of something that each model has"),
        ("number", {}, "number: is a int; name a function"),
        ("dense", {"window": 0}, "dense window: must be at least 1, got 0"),
        ("dense", {"epochs": 0}, "dense epochs: must be at least 1, got 0"),
        ("dense", {"max_rows": 5}, "dense max_rows: must be at least 51, got 5"),
        ("dense", {"depth": 2}, "has no option 'depth'"),
        ("dense", {"features": "volume_change"}, "not known of the bars ahead"),
        ("dense", {"sha256": "ab"}, "has no option 'sha256'"),
    ],
)
def test_an_option_that_can_not_be_is_refused(
    builders: str, builder: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        create_model(f"keras:{builders}:{builder}", **options)


@pytest.mark.parametrize("name", ["LSTM", "no_such_module:build", "none.keras"])
def test_a_network_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(UnknownModelError, match=name.partition(":")[0]):
        create_model(f"keras:{name}")


def test_a_loss_that_is_not_finite_is_said_with_its_epoch(builders: str) -> None:
    model = create_model(f"keras:{builders}:exploding", **SMALL)
    result = run_model(model, make_panel([60, 50]), 3)
    assert [failure.coin for failure in result.failures] == ["coin-0", "coin-1"]
    assert "the loss is nan in epoch" in result.failures[0].message
    assert "lower the learning rate" in result.failures[0].message


def with_volumes(panel: Panel, unknown: Sequence[str] = ()) -> Panel:
    """The panel with drawn volumes, but for coins whose volumes are not known."""
    volumes = np.exp(np.random.default_rng(0).normal(size=len(panel.values)))
    coins = np.repeat(np.isin(panel.coins, unknown), panel.lengths)
    return replace(panel, extra={"volume": np.where(coins, np.nan, volumes)})


def test_a_coin_without_a_window_whose_features_are_known_fails_alone() -> None:
    model = KerasNetwork("tcn", **SMALL, outputs=3, features="volume_change", params={"units": 2})
    panel = with_volumes(make_panel([60, 50, 40]), ["coin-1"])
    result = run_model(model, panel, 3)
    assert [failure.coin for failure in result.failures] == ["coin-1"]
    assert "no window of 8 rows" in result.failures[0].message
    assert "volume_change:1 known in all of them" in result.failures[0].message
    alone = run_model(model, panel.take([0, 2]), 3)
    assert np.array_equal(result.values, alone.values)


def test_a_feature_that_is_not_known_on_the_last_day_is_named() -> None:
    model = KerasNetwork("tcn", **SMALL, outputs=3, features="volume_change", params={"units": 2})
    panel = with_volumes(make_panel([60]))
    panel.extra["volume"][-1] = np.nan
    [failure] = run_model(model, panel, 3).failures
    assert "volume_change:1 is not known on" in failure.message


def test_a_long_horizon_needs_what_is_known_of_the_bars_ahead() -> None:
    model = KerasNetwork("tcn", **SMALL, outputs=4, features="volume_change", params={"units": 2})
    assert model.columns == ("volume",)
    panel = with_volumes(make_panel([60]))
    assert np.isfinite(model.forecast(panel, 4, seed=0)).all()
    with pytest.raises(OptionError, match="predicts 4 at a time; set outputs=5"):
        model.forecast(panel, 5, seed=0)


def test_signal_is_found_where_there_is_some() -> None:
    """Returns of which the next is 0.9 times the last, and little noise."""
    rng = np.random.default_rng(3)
    returns = np.zeros(400)
    for i in range(1, 400):
        returns[i] = 0.9 * returns[i - 1] + rng.normal(0, 0.01)
    closes = np.exp(np.cumsum(returns))
    model = KerasNetwork("gru", window=8, epochs=30, batch_size=32, params={"rate": 0.01})
    known = model.learn(one_coin(closes[:340]), 1, seed=0)
    errors = []
    for end in range(340, 399):
        predicted = model.forecast_from(known, one_coin(closes[:end]), 1, seed=0)[0, 0]
        errors.append((predicted / closes[end] - 1, closes[end - 1] / closes[end] - 1))
    ours, naive = np.abs(errors).mean(axis=0)
    assert ours < 0.75 * naive


def test_tensorflow_stays_out_until_a_network_is_needed() -> None:
    code = (
        "import sys\n"
        "from cryptodask.models import create_model, describe_model, list_families\n"
        "for name in ('gru', 'tcn', 'transformer'):\n"
        "    create_model(f'keras:{name}', units='8', pooled='yes')\n"
        "    describe_model(f'keras:{name}')\n"
        "list_families()\n"
        "print(sorted({'keras', 'tensorflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_without_keras_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    import_keras.cache_clear()
    model = KerasNetwork("gru", window=7, params={"units": 3})
    with pytest.raises(MissingExtraError, match=r"keras:… models are .* 'cryptodask\[lstm\]'"):
        run_model(model, make_panel([40]), 3)
    import_keras.cache_clear()


def test_what_other_threads_draw_changes_nothing() -> None:
    model, panel = KerasNetwork("gru", **SMALL, params={"units": 4}), make_panel([60, 50, 40])
    expected = model.forecast(panel, 3, seed=0)
    training._network_of.cache_clear()
    done = threading.Event()

    def draw() -> None:
        while not done.wait(0.0002):
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        assert np.array_equal(model.forecast(panel, 3, seed=0), expected)
    finally:
        done.set()
        thread.join()


def test_randomness_of_python_and_numpy_is_left_as_it_was() -> None:
    random.seed(4)
    np.random.seed(4)
    expected = random.random(), np.random.random()
    random.seed(4)
    np.random.seed(4)
    KerasNetwork("gru", **SMALL, params={"units": 3}).warm_up()
    assert (random.random(), np.random.random()) == expected

"""The traced training step against Keras's own fit, and each coin as if it were the first."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from cryptodask.errors import MissingExtraError, OptionError
from cryptodask.models import create_model, run_model
from cryptodask.models.base import rng_for
from cryptodask.models.lstm import LSTM
from cryptodask.models.lstm_forward import Weights, forward
from cryptodask.models.lstm_training import (
    Trainer,
    _import_keras,
    build_network,
    initial_value,
    trainer,
)
from tests.models.conftest import QUICK, load_weights, make_panel, same, walk, windows_of

Examples = tuple[NDArray[np.float32], NDArray[np.float32]]

pytestmark = pytest.mark.usefixtures("keras")
quick = QUICK["lstm"]


def examples(rows: int, seed: int = 0) -> Examples:
    """Return the windows of a random walk for the options ``quick``."""
    return windows_of(LSTM(**quick), walk(rows, seed)[0])


def rng(coin: str) -> np.random.Generator:
    return rng_for(0, "lstm", coin)


def fit_by_keras(
    keras: Any, options: LSTM, data: Examples, random: np.random.Generator
) -> tuple[Any, float]:
    """Train from the same first weights, the way that Keras's documentation says."""
    network = build_network(options)
    for variable in network.variables:
        variable.assign(initial_value(variable.path, tuple(variable.shape), random))
    optimizer = keras.optimizers.get(options.optimizer)
    optimizer.learning_rate = options.learning_rate
    network.compile(optimizer=optimizer, loss=options.loss, jit_compile=False)
    x, y = data
    plan = {"batch_size": options.batch_size, "shuffle": False, "verbose": 0}
    if not options.shuffle:
        history = network.fit(x[..., None], y, epochs=options.epochs, **plan)
    else:  # the same order as ours, which Keras would not draw
        for _ in range(options.epochs):
            order = random.permutation(len(x))
            history = network.fit(x[order, :, None], y[order], epochs=1, **plan)
    return network, history.history["loss"][-1]


def assert_as_keras(keras: Any, options: LSTM, data: Examples) -> None:
    weights, loss = Trainer(options).fit(*data, rng("a"))
    reference, keras_loss = fit_by_keras(keras, options, data, rng("a"))
    ours = build_network(options)
    load_weights(ours, weights)
    for got, expected in zip(ours.weights, reference.weights, strict=True):
        np.testing.assert_allclose(
            np.asarray(got.value), np.asarray(expected.value), rtol=1e-4, atol=1e-6
        )
    assert loss == pytest.approx(keras_loss, rel=1e-4)
    predicted = reference.predict(data[0][..., None], verbose=0)[:, 0]
    mine = forward(Weights.stack([weights]), data[0][None], options.activation)[0]
    np.testing.assert_allclose(mine, predicted, rtol=1e-4, atol=1e-5)


PLAIN: dict[str, Any] = {**quick, "dropout": 0.0, "shuffle": False, "epochs": 3}


@pytest.mark.parametrize(
    "options",
    [
        LSTM(**PLAIN),
        LSTM(**PLAIN | {"optimizer": "adam", "loss": "mae", "activation": "tanh"}),
        LSTM(**PLAIN | {"optimizer": "sgd", "loss": "huber", "learning_rate": 0.1}),
        LSTM(**PLAIN | {"units": (5,), "batch_norm": True, "learning_rate": 0.01}),
    ],
    ids=["rmsprop", "adam", "sgd", "batch_norm"],
)
def test_training_is_that_of_keras_with_a_short_last_batch(keras: Any, options: LSTM) -> None:
    data = examples(60)
    assert len(data[0]) % options.batch_size == 4  # 52 windows: three full batches and four
    assert_as_keras(keras, options, data)


def test_dropout_and_shuffling_are_those_of_keras_too(keras: Any) -> None:
    assert_as_keras(keras, LSTM(**quick, dropout=0.3, shuffle=True, epochs=2), examples(60))


@pytest.mark.slow
def test_training_of_the_default_network_is_that_of_keras(keras: Any) -> None:
    options = LSTM(batch_size=32)
    assert_as_keras(keras, options, windows_of(options, walk(130)[0]))


def test_more_windows_than_a_batch_and_fewer_are_both_trained_on() -> None:
    teacher = trainer(LSTM(**quick))
    x, y = examples(60)
    for n in (1, 15, 16, 17):
        start, _ = teacher.fit(x[:n], y[:n], rng("a"))
        changed, _ = teacher.fit(x[:n], np.append(y[: n - 1], y[n - 1] + 1), rng("a"))
        assert not same(start, changed)


@pytest.mark.parametrize("optimizer", ["rmsprop", "sgd", "adam", "nadam", "ftrl"])
def test_a_coin_after_another_is_as_if_it_were_the_first(optimizer: str) -> None:
    """Weights, optimiser, dropout and moving statistics all start afresh."""
    options = LSTM(**quick, optimizer=optimizer, batch_norm=True, epochs=2, learning_rate=0.01)
    first, other = examples(60, seed=1), examples(90, seed=2)
    teacher = Trainer(options)
    alone = teacher.fit(*first, rng("b"))
    before = teacher.fit(*other, rng("a"))
    after = teacher.fit(*first, rng("b"))
    assert same(after[0], alone[0])
    assert after[1] == alone[1]
    assert not same(after[0], before[0])


def test_a_coin_after_one_that_blew_up_is_as_if_it_were_the_first() -> None:
    options = LSTM(**quick, batch_norm=True)
    teacher = Trainer(options)
    x, y = examples(60)
    alone, _ = teacher.fit(x, y, rng("b"))
    ruin, _ = teacher.fit(x * np.float32(np.nan), y, rng("a"))
    assert np.isnan(ruin.arrays["moving_mean_0"]).all()
    assert np.isnan(ruin.arrays["kernel_0"]).all()
    after, _ = teacher.fit(x, y, rng("b"))
    assert same(after, alone)


def test_weights_that_were_returned_do_not_change_with_the_next_coin() -> None:
    teacher = trainer(LSTM(**quick))
    weights, _ = teacher.fit(*examples(60, seed=1), rng("a"))
    kept = Weights({name: array.copy() for name, array in weights.arrays.items()})
    teacher.fit(*examples(60, seed=2), rng("b"))
    assert same(weights, kept)


def test_a_trainer_is_built_once_for_equal_options() -> None:
    assert trainer(LSTM(**quick)) is trainer(create_model("lstm", **quick))
    assert trainer(LSTM(**quick)) is not trainer(LSTM(**quick, dropout=0.1))


def test_threads_that_ask_at_once_get_the_same_trainer() -> None:
    options = LSTM(window=4, units=(2,))
    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(trainer, [options] * 4))
    assert all(teacher is asked[0] for teacher in asked)


def test_threads_that_train_at_once_do_not_mix_their_coins() -> None:
    teacher = trainer(LSTM(**quick))
    coins = [(examples(60, seed), f"coin-{seed}") for seed in range(6)]
    one_by_one = [teacher.fit(*data, rng(coin))[0] for data, coin in coins]
    with ThreadPoolExecutor(3) as pool:
        at_once = list(pool.map(lambda c: teacher.fit(*c[0], rng(c[1]))[0], coins))
    assert all(map(same, one_by_one, at_once))


def test_a_step_is_traced_once_whatever_the_number_of_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    teacher = Trainer(LSTM(**quick))
    expected, _ = teacher.fit(*examples(60), rng("a"))

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the network's Python was run again")

    monkeypatch.setattr(teacher.model, "call", refuse)
    with pytest.raises(AssertionError, match="run again"):
        teacher.model(examples(60)[0][..., None])
    for rows in (9, 40, 60, 100):
        weights, _ = teacher.fit(*examples(rows), rng("a"))
        assert same(weights, expected) == (rows == 60)


def test_weights_have_the_names_and_shapes_that_the_forward_pass_wants() -> None:
    weights, _ = Trainer(LSTM(**quick, batch_norm=True)).fit(*examples(30), rng("a"))
    shapes = {name: array.shape for name, array in weights.arrays.items()}
    norms = ("gamma", "beta", "moving_mean", "moving_variance")
    assert shapes == {
        "kernel_0": (1, 16),
        "recurrent_kernel_0": (4, 16),
        "bias_0": (16,),
        "kernel_1": (4, 24),
        "recurrent_kernel_1": (6, 24),
        "bias_1": (24,),
        **{f"{name}_{layer}": (units,) for name in norms for layer, units in ((0, 4), (1, 6))},
        "dense_kernel": (6, 1),
        "dense_bias": (1,),
    }
    assert {array.dtype for array in weights.arrays.values()} == {np.dtype(np.float32)}


def draw(role: str, shape: tuple[int, ...], seed: int = 0, layer: str = "lstm/lstm_cell") -> Any:
    return initial_value(f"sequential/{layer}/{role}", shape, np.random.default_rng(seed))


@pytest.mark.parametrize("shape", [(1, 200), (50, 400), (100, 1)])
def test_first_kernels_fill_the_interval_of_glorot(keras: Any, shape: tuple[int, int]) -> None:
    limit = np.sqrt(6 / sum(shape))
    drawn = np.concatenate([draw("kernel", shape, seed).ravel() for seed in range(10)])
    assert drawn.dtype == np.float32
    assert np.abs(drawn).max() <= np.float32(limit)
    assert np.abs(drawn).max() > 0.98 * limit
    theirs = [np.asarray(keras.initializers.GlorotUniform(seed)(shape)) for seed in range(10)]
    assert ks_2samp(drawn, np.concatenate(theirs).ravel()).pvalue > 0.01


@pytest.mark.parametrize("units", [1, 4, 50])
def test_first_recurrent_kernels_are_orthogonal(units: int) -> None:
    drawn = draw("recurrent_kernel", (units, 4 * units))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn @ drawn.T, np.eye(units), atol=1e-5)


def test_first_recurrent_kernels_are_spread_evenly_like_those_of_keras(keras: Any) -> None:
    """Without the signs of QR's diagonal the first corner would always be below zero."""
    shape = (3, 12)
    ours = np.array([draw("recurrent_kernel", shape, seed) for seed in range(400)])
    theirs = np.array([keras.initializers.Orthogonal(seed=seed)(shape) for seed in range(400)])
    assert ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 0.01
    for place in [(0, 0), (1, 1), (2, 11)]:
        assert ks_2samp(ours[:, *place], theirs[:, *place]).pvalue > 0.01
        assert abs((ours[:, *place] > 0).mean() - 0.5) < 0.1


def test_the_bias_of_forget_gates_starts_at_one_and_the_others_at_zero() -> None:
    assert draw("bias", (12,)).tolist() == [0] * 3 + [1] * 3 + [0] * 6
    assert draw("bias", (1,), layer="dense").tolist() == [0]


def test_dropout_is_drawn_from_the_random_numbers_of_the_coin() -> None:
    one, again, other = (draw("seed_generator_state", (2,), seed) for seed in (0, 0, 1))
    assert one.dtype == np.uint32
    assert np.array_equal(one, again)
    assert (one != other).all()


def test_what_is_not_random_starts_as_in_keras() -> None:
    seen = set()
    for variable in build_network(LSTM(**quick, batch_norm=True)).variables:
        role = variable.path.rsplit("/", 1)[-1]
        if role in ("kernel", "recurrent_kernel", "seed_generator_state"):
            continue
        shape = tuple(variable.shape)
        first = initial_value(variable.path, shape, np.random.default_rng(0))
        assert np.array_equal(first, np.asarray(variable.value)), variable.path
        seen.add(role)
    assert seen == {"bias", "gamma", "beta", "moving_mean", "moving_variance"}


def test_a_variable_of_another_kind_of_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="sequential/attention/query: a variable"):
        draw("query", (2, 2), layer="attention")


@pytest.mark.parametrize("missing", ["keras", "tensorflow"])
def test_without_keras_or_tensorflow_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cryptodask\[lstm\]'"):
        _import_keras.__wrapped__()


def test_another_backend_of_keras_is_refused_before_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(OptionError, match="Keras's backend is 'jax'; unset KERAS_BACKEND"):
        _import_keras.__wrapped__()
    assert "keras" not in sys.modules


def test_another_backend_that_keras_has_already_is_refused(
    keras: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(OptionError, match="Keras's backend is 'torch'"):
        _import_keras.__wrapped__()


# What only shows in a process of its own: each prints one JSON and takes TensorFlow's seconds.

PANEL = f"""
import json, sys, warnings
import numpy as np
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from cryptodask.models import create_model, run_model
from tests.models.conftest import QUICK, make_panel
model = create_model("lstm", **QUICK["lstm"], optimizer="adam", batch_norm=True)
"""


def run_alone(code: str) -> tuple[Any, str]:
    """Run code in another process; return what it printed and its standard error."""
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, "-c", PANEL + code]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.slow
def test_a_forecast_in_a_fresh_process_is_the_same_bit_for_bit_and_quiet() -> None:
    told, stderr = run_alone("""
with warnings.catch_warnings():
    warnings.simplefilter("error", UserWarning)
    result = run_model(model, make_panel([50, 60]).take([1]), 10, seed=4)
print(json.dumps([value.hex() for value in result.values[0].tolist()]))
""")
    model = create_model("lstm", **quick, optimizer="adam", batch_norm=True)
    here = run_model(model, make_panel([50, 60]), 10, seed=4)
    assert told == [value.hex() for value in here.values[1].tolist()]
    assert "oneDNN custom operations" not in stderr
    assert "absl::InitializeLog" not in stderr


@pytest.mark.slow
def test_a_tensorflow_that_was_started_before_is_warned_of() -> None:
    told, _ = run_alone("""
import tensorflow
tensorflow.constant(1.0) + 1.0
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", UserWarning)
    result = run_model(model, make_panel([50, 60]), 10)
told = [str(w.message) for w in caught if w.category is UserWarning]
print(json.dumps([told, len(result.coins)]))
""")
    [warning], coins = told
    assert "TensorFlow was started before CryptoDask" in warning
    assert coins == 2


@pytest.mark.slow
def test_models_without_a_network_and_options_of_one_with_do_not_start_tensorflow() -> None:
    told, _ = run_alone("""
for name in ("random", "naive", "linear"):
    assert run_model(create_model(name), make_panel([50, 60]), 10).failures == []
assert len(run_model(model, make_panel([5, 6]), 10).failures) == 2
heavy = ("tensorflow", "keras", "sklearn", "dask", "dask_ml")
print(json.dumps([name for name in heavy if name in sys.modules]))
""")
    assert told == []

"""Training against Keras's own fit, and each coin as if it were the first."""

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

from cryptodask.models import create_model, run_model
from cryptodask.models.base import rng_for
from cryptodask.models.lstm.forward import forward
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.training import Trainer, trainer
from cryptodask.models.lstm.weights import Weights, first_value, moving_of, shapes_of
from tests.models.conftest import QUICK, make_panel, same, walk, windows_of
from tests.models.reference import apply, as_masks, as_masks_for_states, build_network, load_weights

Examples = tuple[NDArray[np.float32], NDArray[np.float32]]

quick = QUICK["lstm"]


def examples(rows: int, seed: int = 0) -> Examples:
    """Return the windows of a random walk for the options ``quick``."""
    return windows_of(LSTM(**quick), walk(rows, seed)[0])


def rng(coin: str) -> np.random.Generator:
    return rng_for(0, "lstm", coin)


def fit_by_keras(
    options: LSTM,
    data: Examples,
    random: np.random.Generator,
    held_out: Examples | None = None,
) -> tuple[Any, float]:
    """Train from the same first weights, in the same order, and with the same dropped out."""
    import keras
    import tensorflow as tf

    network = build_network(options)
    shapes = shapes_of(options.units, batch_norm=options.batch_norm, inputs=options.inputs)
    first = {name: first_value(name, shape, random) for name, shape in shapes.items()}
    moving = moving_of(options.units, batch_norm=options.batch_norm)
    load_weights(network, Weights({**first, **moving}))
    optimizer = keras.optimizers.get(options.optimizer)
    optimizer.learning_rate = options.learning_rate
    optimizer.weight_decay = options.weight_decay or None
    x, y = data
    ours = Trainer(options)._network
    if not (options.dropout or options.recurrent_dropout or options.shuffle):
        # The way that Keras's documentation says.
        network.compile(optimizer=optimizer, loss=options.loss, jit_compile=False)
        plan: dict[str, Any] = {"batch_size": options.batch_size, "shuffle": False, "verbose": 0}
        stopping = keras.callbacks.EarlyStopping(
            patience=options.patience, restore_best_weights=True
        )
        if options.patience:
            plan |= {"validation_data": held_out, "callbacks": [stopping]}
        history = network.fit(x, y, epochs=options.epochs, **plan).history["loss"]
        if options.patience:  # or the test would show nothing
            assert 0 < stopping.best_epoch < len(history) - 1 < options.epochs - 1
        return network, history[stopping.best_epoch if options.patience else -1]
    loss = keras.losses.get(options.loss)
    for _ in range(options.epochs):
        order = random.permutation(len(x)) if options.shuffle else np.arange(len(x))
        total = 0.0
        for start in range(0, len(x), options.batch_size):
            rows = order[start : start + options.batch_size]
            masks = as_masks(ours.draw(len(rows), random), ours.outputs.least, ours.outputs.scale)
            for_states = as_masks_for_states(ours.draw_for_states(len(rows), random), ours)
            with tf.GradientTape() as tape:
                predicted = apply(network, x[rows], masks, for_states)
                error = tf.reduce_mean(loss(y[rows, None], predicted[:, None]))
            gradients = tape.gradient(error, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
            total += float(error) * len(rows)
    return network, total / len(x)


def assert_as_keras(options: LSTM, data: Examples, held_out: Examples | None = None) -> None:
    weights, loss = Trainer(options).fit(*data, rng("a"), held_out)
    reference, keras_loss = fit_by_keras(options, data, rng("a"), held_out)
    ours = build_network(options)
    load_weights(ours, weights)
    for got, expected in zip(ours.weights, reference.weights, strict=True):
        np.testing.assert_allclose(
            np.asarray(got.value), np.asarray(expected.value), rtol=1e-4, atol=2e-6
        )
    assert loss == pytest.approx(keras_loss, rel=1e-4)
    predicted = reference.predict(data[0], verbose=0)[:, 0]
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
        LSTM(**PLAIN | {"weight_decay": 3.0, "learning_rate": 0.01}),
        LSTM(**PLAIN | {"optimizer": "adamw", "weight_decay": 9.0, "learning_rate": 0.01}),
    ],
    ids=["rmsprop", "adam", "sgd", "batch_norm", "weight_decay", "adamw"],
)
def test_training_is_that_of_keras_with_a_short_last_batch(keras: Any, options: LSTM) -> None:
    data = examples(60)
    assert len(data[0]) % options.batch_size == 4  # 52 windows: three full batches and four
    assert_as_keras(options, data)


def test_dropout_and_shuffling_are_those_of_keras_too(keras: Any) -> None:
    assert_as_keras(LSTM(**quick, dropout=0.3, shuffle=True, epochs=2), examples(60))


def test_dropped_states_and_more_inputs_are_those_of_keras_too(keras: Any) -> None:
    options = LSTM(
        **quick, dropout=0.1, recurrent_dropout=0.4, weight_decay=0.5, features="lag:1-2 std:3"
    )
    x, y, split, _ = options._seen(make_panel([50]), 0)
    assert x.shape == (50 - 8 - 3, 8, 4)
    assert_as_keras(options, (x[:split], y[:split]))


def test_training_stops_where_keras_stops_and_keeps_what_keras_keeps(keras: Any) -> None:
    x, y = examples(60)
    options = LSTM(**PLAIN | {"learning_rate": 0.03, "epochs": 40, "patience": 3})
    assert_as_keras(options, (x[:39], y[:39]), (x[39:], y[39:]))


def test_the_network_kept_is_that_of_the_best_epoch_as_of_a_training_of_so_many() -> None:
    """With dropout and order drawn anew each epoch; the loss is that of the epoch too."""
    x, y = examples(60)
    base = quick | {"learning_rate": 0.03, "batch_norm": True}
    held_out = x[39:], y[39:]
    fits = [Trainer(LSTM(**base, epochs=n)).fit(x[:39], y[:39], rng("a")) for n in range(1, 16)]
    judged = []
    for weights, _ in fits:
        error = forward(Weights.stack([weights]), x[None, 39:])[0] - y[39:]
        judged.append(float((error * error).mean()))
    for patience in (1, 2, 4):
        best = last = 0
        while last - best < patience and last + 1 < len(fits):
            last += 1
            best = last if judged[last] < judged[best] else best
        options = LSTM(**base, epochs=15, patience=patience)
        weights, loss = Trainer(options).fit(x[:39], y[:39], rng("a"), held_out)
        assert same(weights, fits[best][0])
        assert loss == fits[best][1]


def test_without_windows_held_out_all_epochs_are_trained() -> None:
    x, y = examples(60)
    plain = Trainer(LSTM(**quick, epochs=6)).fit(x, y, rng("a"))
    teacher = Trainer(LSTM(**quick, epochs=6, patience=1))
    for held_out in (None, (x[:0], y[:0])):
        weights, loss = teacher.fit(x, y, rng("a"), held_out)
        assert same(weights, plain[0])
        assert loss == plain[1]


@pytest.mark.slow
def test_training_of_the_default_network_is_that_of_keras(keras: Any) -> None:
    options = LSTM(batch_size=32)
    assert_as_keras(options, windows_of(options, walk(130)[0]))


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
    drawn: dict[str, Any] = {"batch_norm": True, "recurrent_dropout": 0.2, "weight_decay": 0.1}
    options = LSTM(**quick, **drawn, optimizer=optimizer, epochs=2, learning_rate=0.01)
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


def test_coins_of_any_length_follow_each_other() -> None:
    teacher = Trainer(LSTM(**quick))
    expected, _ = teacher.fit(*examples(60), rng("a"))
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


# What only shows in a process of its own: each prints one JSON.

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
    assert stderr == ""


@pytest.mark.slow
def test_the_usual_options_start_no_tensorflow_and_short_coins_no_compiler() -> None:
    told, _ = run_alone("""
for name in ("random", "naive", "linear"):
    assert run_model(create_model(name), make_panel([50, 60]), 10).failures == []
assert len(run_model(model, make_panel([5, 6]), 10).failures) == 2
heavy = ("tensorflow", "keras", "sklearn", "dask", "dask_ml", "numba")
told = [name for name in heavy if name in sys.modules]
assert run_model(model, make_panel([50, 60]), 10).failures == []
print(json.dumps([told, [name for name in heavy if name in sys.modules]]))
""")
    assert told == [[], ["numba"]]

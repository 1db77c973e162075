"""The training pass against Keras's gradients, and the memory that it keeps."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.network import Network
from cryptodask.models.lstm.weights import size_of, split
from tests.models.reference import apply, as_masks, as_masks_for_states, build_network

FloatArray32 = NDArray[np.float32]


def draw(*shape: int, seed: int = 0) -> FloatArray32:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def run(network: Network, rows: int, window: int) -> list[FloatArray32]:
    """Output and gradient of random windows, copied out of the memory that is kept."""
    random = np.random.default_rng(2)
    dropout_draws = network.draw(rows, random), network.draw_for_states(rows, random)
    output = network.forward(draw(rows, window), *dropout_draws).copy()
    return [output, network.backward(draw(rows, seed=1)).copy()]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize(
    ("units", "activation"),
    [((5,), "linear"), ((1, 1), "tanh"), ((4, 6), "sigmoid"), ((3, 5, 2), "relu")],
)
@pytest.mark.parametrize(("rows", "window"), [(1, 1), (7, 1), (1, 6), (9, 6)])
def test_outputs_and_gradients_are_those_of_keras(
    keras: Any,
    units: tuple[int, ...],
    activation: str,
    rows: int,
    window: int,
    batch_norm: bool,
    dropout: float,
) -> None:
    layout = {"batch_norm": batch_norm, "activation": activation, "dropout": dropout}
    assert_as_keras(units, rows, window, layout)


@pytest.mark.parametrize(
    ("units", "rows", "window", "layout"),
    [
        ((5,), 9, 6, {}),
        ((3, 5, 2), 7, 4, {"dropout": 0.2, "activation": "tanh"}),
        ((4, 6), 1, 3, {"batch_norm": True}),
        ((2, 3), 5, 1, {}),
    ],
)
def test_with_states_dropped_they_are_those_of_keras_too(
    keras: Any, units: tuple[int, ...], rows: int, window: int, layout: dict[str, Any]
) -> None:
    assert_as_keras(units, rows, window, {"dropout": 0.0, "recurrent_dropout": 0.4, **layout})


def assert_as_keras(units: tuple[int, ...], rows: int, window: int, layout: dict[str, Any]) -> None:
    import tensorflow as tf

    model = build_network(LSTM(window=window, units=units, **layout))
    variables = model.trainable_variables
    for i, variable in enumerate(variables):
        variable.assign(draw(*variable.shape, seed=i))
    network = Network(units, window, **layout)
    network.load(np.concatenate([v.numpy().ravel() for v in variables]))
    output, gradient = run(network, rows, window)
    random = np.random.default_rng(2)
    masks = as_masks(network.draw(rows, random), network.outputs.least, network.outputs.scale)
    for_states = as_masks_for_states(network.draw_for_states(rows, random), network)
    with tf.GradientTape() as tape:
        values = apply(model, tf.constant(draw(rows, window)), masks, for_states)
        score = tf.reduce_sum(values * draw(rows, seed=1))
    np.testing.assert_allclose(output, values, rtol=1e-4, atol=1e-5)
    theirs = tape.gradient(score, variables)
    for ours, expected in zip(split(gradient, network.shapes).values(), theirs, strict=True):
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=2e-5 * scale)


def test_several_inputs_a_step_are_those_of_keras(keras: Any) -> None:
    import tensorflow as tf

    layers = [keras.layers.Input((6, 3)), keras.layers.LSTM(4), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    x = draw(9, 6, 3)
    with tf.GradientTape() as tape:
        values = model(x)[:, 0]
        score = tf.reduce_sum(values * draw(9, seed=1))
    expected = [g.numpy().ravel() for g in tape.gradient(score, model.trainable_variables)]
    network = Network((4,), 6, inputs=3)
    network.load(np.concatenate([v.numpy().ravel() for v in model.trainable_variables]))
    np.testing.assert_allclose(network.forward(x), values, rtol=1e-4, atol=1e-5)
    gradient = network.backward(draw(9, seed=1))
    np.testing.assert_allclose(gradient, np.concatenate(expected), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.999999])
def test_the_share_that_is_dropped_is_the_one_asked_for_and_the_mean_is_kept(
    dropout: float,
) -> None:
    network = Network((40, 50), 10, dropout=dropout)
    first, last = network.draw(60, np.random.default_rng(0))
    assert (first.shape, last.shape) == ((10, 40, 60), (1, 50, 60))
    dropped = first < network.outputs.least
    assert dropped.mean() == pytest.approx(dropout, abs=0.02)
    assert float(network.outputs.scale) * (1 - network.outputs.least / 65_536) == pytest.approx(1)


def test_states_are_dropped_by_gate_and_the_same_at_all_steps() -> None:
    """Where all of a gate is dropped, its recurrent kernel does nothing and has no gradient."""
    network = Network((3,), 6, recurrent_dropout=0.5)
    weights = draw(size_of(network.shapes))
    dropout_draws = [np.full((4, 3, 9), 2**16 - 1, dtype=np.uint16)]
    dropout_draws[0][2] = 0  # the output gate
    arrays = split(weights.copy(), network.shapes)
    arrays["recurrent_kernel_0"][:, 9:] = 7.0
    outputs = []
    for vector in (weights, np.concatenate([a.ravel() for a in arrays.values()])):
        network.load(vector)
        outputs.append(network.forward(draw(9, 6), (), dropout_draws).copy())
        found = split(network.backward(draw(9, seed=1)), network.shapes)["recurrent_kernel_0"]
        assert not found[:, 9:].any()
        assert found[:, :9].all()
    assert np.array_equal(*outputs)


def test_the_share_of_states_that_is_dropped_is_the_one_asked_for() -> None:
    network = Network((40, 50), 10, recurrent_dropout=0.3)
    assert network.draw(60, np.random.default_rng(0)) == []
    dropout_draws = network.draw_for_states(60, np.random.default_rng(0))
    assert [lot.shape for lot in dropout_draws] == [(4, 40, 60), (4, 50, 60)]
    for lot in dropout_draws:
        factors = network.states.factors(lot)
        assert factors.dtype == np.float32
        assert (factors == 0).mean() == pytest.approx(0.3, abs=0.02)
        assert factors.mean() == pytest.approx(1, abs=0.02)
    assert Network((40,), 10).draw_for_states(60, np.random.default_rng(0)) == []


def test_a_batch_after_others_of_any_size_is_as_if_it_were_the_first_bit_for_bit() -> None:
    def fresh() -> Network:
        network = Network((4, 6), 5, dropout=0.2, recurrent_dropout=0.3)
        network.load(draw(size_of(network.shapes)))
        return network

    used = fresh()
    for rows in (20, 3, 20, 40, 1, 3):
        for got, expected in zip(run(used, rows, 5), run(fresh(), rows, 5), strict=True):
            assert np.array_equal(got, expected)

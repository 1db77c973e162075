"""The forward pass in NumPy against Keras, and a coin against the coins beside it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cryptodask.models.lstm.forward import ACTIVATIONS, forward
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.weights import Weights
from tests.models.reference import build_network, load_weights

FloatArray32 = NDArray[np.float32]


def random_weights(
    units: tuple[int, ...], rng: np.random.Generator, *, batch_norm: bool = False
) -> Weights:
    """Weights larger than those of a fresh network, so that the gates are worked hard."""
    arrays: dict[str, Any] = {}
    inputs = 1
    for i, n in enumerate(units):
        arrays[f"kernel_{i}"] = rng.normal(0, 1.0, (inputs, 4 * n))
        arrays[f"recurrent_kernel_{i}"] = rng.normal(0, 0.7 / np.sqrt(n), (n, 4 * n))
        arrays[f"bias_{i}"] = rng.normal(0, 0.5, 4 * n)
        if batch_norm:
            arrays[f"gamma_{i}"] = rng.uniform(0.5, 2.0, n)
            arrays[f"beta_{i}"] = rng.normal(0, 0.5, n)
            arrays[f"moving_mean_{i}"] = rng.normal(0, 0.5, n)
            arrays[f"moving_variance_{i}"] = rng.uniform(0.01, 2.0, n)
        inputs = n
    arrays["dense_kernel"] = rng.normal(0, 1 / np.sqrt(inputs), (inputs, 1))
    arrays["dense_bias"] = rng.normal(0, 0.5, 1)
    return Weights({name: array.astype(np.float32) for name, array in arrays.items()})


def random_windows(*shape: int, seed: int = 1) -> FloatArray32:
    """Growth as of a very restless coin."""
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def assert_as_keras(options: LSTM, seed: int = 0) -> None:
    """Compare three networks on four windows each."""
    rng = np.random.default_rng(seed)
    networks = [random_weights(options.units, rng, batch_norm=options.batch_norm) for _ in range(3)]
    x = random_windows(3, 4, options.window)
    got = forward(Weights.stack(networks), x, options.activation)
    model = build_network(options)
    assert got.shape == (3, 4)
    assert got.dtype == np.float32
    assert len(np.unique(got)) > 1  # not all of it rectified away
    for weights, windows, row in zip(networks, x, got, strict=True):
        load_weights(model, weights)
        expected = np.asarray(model(windows[..., None], training=False))[:, 0]
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)


def test_it_is_keras_for_the_default_options(keras: Any) -> None:
    assert_as_keras(LSTM())


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("units", [(1,), (16,), (3, 1), (32, 8, 5)])
def test_it_is_keras_for_other_layers(keras: Any, units: tuple[int, ...], batch_norm: bool) -> None:
    assert_as_keras(LSTM(window=9, units=units, batch_norm=batch_norm))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_is_keras_for_each_activation(keras: Any, activation: str) -> None:
    assert_as_keras(LSTM(window=9, units=(5, 4), activation=activation, batch_norm=True))


def test_it_is_keras_for_a_window_of_one_close(keras: Any) -> None:
    assert_as_keras(LSTM(window=1, units=(5, 4)))


def test_its_batch_normalisation_has_the_epsilon_of_keras(keras: Any) -> None:
    from cryptodask.models.lstm.forward import BATCH_NORM_EPSILON

    assert keras.layers.BatchNormalization().epsilon == pytest.approx(float(BATCH_NORM_EPSILON))


def test_gates_that_are_far_out_do_not_overflow() -> None:
    weights = Weights.stack([random_weights((4, 6), np.random.default_rng(0))])
    x = random_windows(1, 2, 8) * np.float32(1e30)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(forward(weights, x, "sigmoid")).all()


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("units", [(50, 100), (32, 16, 8), (4, 6), (1,)])
def test_a_coin_does_not_depend_on_those_beside_it_bit_for_bit(
    units: tuple[int, ...], rows: int
) -> None:
    rng = np.random.default_rng(0)
    networks = [random_weights(units, rng) for _ in range(5)]
    x = random_windows(5, rows, 20)
    together = forward(Weights.stack(networks), x)
    for i, weights in enumerate(networks):
        alone = forward(Weights.stack([weights]), x[i : i + 1])
        assert np.array_equal(alone[0], together[i])


def test_the_number_of_threads_does_not_matter_bit_for_bit() -> None:
    """Workers have one thread for linear algebra, a notebook as many as the machine has cores."""
    rng = np.random.default_rng(0)
    weights = Weights.stack([random_weights((50, 100), rng) for _ in range(3)])
    x = random_windows(3, 1, 50)
    results = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            results.append(forward(weights, x))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_its_input_is_left_intact() -> None:
    weights = Weights.stack([random_weights((4, 6), np.random.default_rng(0), batch_norm=True)])
    x = random_windows(1, 3, 8)
    for array in (x, *weights.arrays.values()):
        array.setflags(write=False)
    before = x.copy()
    assert not np.shares_memory(forward(weights, x), x)
    assert np.array_equal(x, before)

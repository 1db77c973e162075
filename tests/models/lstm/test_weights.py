"""Names, shapes and first values of an LSTM's weights, against those of Keras."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.weights import first_value, moving_of, shapes_of, size_of, split
from tests.models.reference import build_network


def draw(name: str, shape: tuple[int, ...], seed: int = 0) -> Any:
    return first_value(name, shape, np.random.default_rng(seed))


@pytest.mark.parametrize("shape", [(1, 200), (50, 400), (100, 1)])
def test_first_kernels_fill_the_interval_of_glorot(keras: Any, shape: tuple[int, int]) -> None:
    limit = np.sqrt(6 / sum(shape))
    drawn = np.concatenate([draw("kernel_0", shape, seed).ravel() for seed in range(10)])
    assert drawn.dtype == np.float32
    assert np.abs(drawn).max() <= np.float32(limit)
    assert np.abs(drawn).max() > 0.98 * limit
    theirs = [np.asarray(keras.initializers.GlorotUniform(seed)(shape)) for seed in range(10)]
    assert ks_2samp(drawn, np.concatenate(theirs).ravel()).pvalue > 0.01


@pytest.mark.parametrize("units", [1, 4, 50])
def test_first_recurrent_kernels_are_orthogonal(units: int) -> None:
    drawn = draw("recurrent_kernel_0", (units, 4 * units))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn @ drawn.T, np.eye(units), atol=1e-5)


def test_first_recurrent_kernels_are_spread_evenly_like_those_of_keras(keras: Any) -> None:
    """Without the signs of QR's diagonal the first corner would always be below zero."""
    shape = (3, 12)
    ours = np.array([draw("recurrent_kernel_0", shape, seed) for seed in range(400)])
    theirs = np.array([keras.initializers.Orthogonal(seed=seed)(shape) for seed in range(400)])
    assert ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 0.01
    for place in [(0, 0), (1, 1), (2, 11)]:
        assert ks_2samp(ours[:, *place], theirs[:, *place]).pvalue > 0.01
        assert abs((ours[:, *place] > 0).mean() - 0.5) < 0.1


def test_the_bias_of_forget_gates_starts_at_one_and_the_others_at_zero() -> None:
    assert draw("bias_1", (12,)).tolist() == [0] * 3 + [1] * 3 + [0] * 6
    assert draw("dense_bias", (1,)).tolist() == [0]


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("units", [(5,), (4, 6), (3, 2, 4)])
def test_names_shapes_order_and_what_is_not_random_are_those_of_keras(
    keras: Any, units: tuple[int, ...], batch_norm: bool
) -> None:
    network = build_network(LSTM(window=5, units=units, batch_norm=batch_norm, dropout=0.0))
    shapes = shapes_of(units, batch_norm=batch_norm)
    trained = network.trainable_variables
    assert list(shapes.values()) == [tuple(v.shape) for v in trained]
    assert [n.removeprefix("dense_").rstrip("_0123") for n in shapes] == [v.name for v in trained]
    for (name, shape), variable in zip(shapes.items(), trained, strict=True):
        if "kernel" not in name:
            first = first_value(name, shape, np.random.default_rng(0))
            assert np.array_equal(first, np.asarray(variable.value)), name
    moving = moving_of(units, batch_norm=batch_norm)
    others = [v for v in network.non_trainable_variables if "seed" not in v.name]
    assert [n.rstrip("_0123") for n in moving] == [v.name for v in others]
    for value, variable in zip(moving.values(), others, strict=True):
        assert np.array_equal(value, np.asarray(variable.value))


def test_a_vector_is_split_into_views_in_order() -> None:
    shapes = shapes_of((2, 3), batch_norm=True)
    vector = np.arange(size_of(shapes), dtype=np.float32)
    arrays = split(vector, shapes)
    assert {name: array.shape for name, array in arrays.items()} == shapes
    assert np.array_equal(np.concatenate([a.ravel() for a in arrays.values()]), vector)
    assert all(np.shares_memory(array, vector) for array in arrays.values())

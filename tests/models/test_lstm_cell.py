"""One step of an LSTM layer against its definition, and its gradient against differences."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cryptodask.models.lstm_cell import advance, halve_sigmoids, pack, retreat, unpack

FloatArray32 = NDArray[np.float32]


def draw(*shape: int, seed: int = 0) -> FloatArray32:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


def defined(
    product: NDArray[np.float64], before: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cell and output from a product whose gates are input, forget, output, cell."""
    enter, forget, leave, cell = np.split(product, 4)
    after = sigmoid(forget) * before + sigmoid(enter) * np.tanh(cell)
    return after, sigmoid(leave) * np.tanh(after)


def test_a_matrix_is_bias_kernel_and_recurrent_kernel_with_the_last_gates_swapped() -> None:
    kernel, recurrent, bias = draw(3, 8), draw(2, 8, seed=1), draw(8, seed=2)
    matrix = pack(kernel, recurrent, bias)
    keras_order = [0, 1, 2, 3, 6, 7, 4, 5]
    assert np.array_equal(matrix, np.vstack([bias, kernel, recurrent])[:, keras_order])
    for got, expected in zip(unpack(matrix, 3), (kernel, recurrent, bias), strict=True):
        assert np.array_equal(got, expected)


def test_matrices_of_many_coins_are_those_of_each() -> None:
    kernel, recurrent, bias = draw(5, 3, 8), draw(5, 2, 8), draw(5, 8)
    many = pack(kernel, recurrent, bias)
    for i in range(5):
        assert np.array_equal(many[i], pack(kernel[i], recurrent[i], bias[i]))


def test_the_gates_with_a_sigmoid_are_halved_in_a_copy() -> None:
    matrix = draw(6, 8)
    halved = halve_sigmoids(matrix)
    assert np.array_equal(halved[:, :6] * 2, matrix[:, :6])
    assert np.array_equal(halved[:, 6:], matrix[:, 6:])
    assert np.array_equal(matrix, draw(6, 8))


@pytest.mark.parametrize("in_place", [False, True])
def test_a_step_is_that_of_the_definition(in_place: bool) -> None:
    units, rows = 3, 5
    product, before = draw(4 * units, rows), draw(units, rows, seed=1)
    after, output = defined(product.astype(np.float64), before.astype(np.float64))
    raw = halve_sigmoids(product.T).T.copy()
    gates = raw if in_place else np.empty_like(raw)
    cell = before if in_place else np.empty_like(before)
    squashed, state = np.empty_like(before), np.empty_like(before)
    advance(raw, gates, before, cell, squashed, state)
    np.testing.assert_allclose(cell, after, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(squashed, np.tanh(after), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, output, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_a_step_is_that_of_small_changes() -> None:
    units, rows, change = 3, 4, 1e-6
    product, before = draw(4 * units, rows), draw(units, rows, seed=1)
    wanted, carried = draw(units, rows, seed=2), draw(units, rows, seed=3)

    def loss(product: NDArray[np.float64], before: NDArray[np.float64]) -> float:
        after, output = defined(product, before)
        return float((after * carried).sum() + (output * wanted).sum())

    exact = product.astype(np.float64), before.astype(np.float64)
    expected = [np.empty(product.shape), np.empty(before.shape)]
    for which, slopes in enumerate(expected):
        for place in np.ndindex(slopes.shape):
            up, down = ([a.copy() for a in exact] for _ in range(2))
            up[which][place] += change
            down[which][place] -= change
            slopes[place] = (loss(up[0], up[1]) - loss(down[0], down[1])) / (2 * change)
    gates, gradient, spare = (np.empty_like(product) for _ in range(3))
    cell, squashed, state = (np.empty_like(before) for _ in range(3))
    advance(halve_sigmoids(product.T).T.copy(), gates, before, cell, squashed, state)
    retreat(gates, before, squashed, wanted, carried, gradient, spare)
    np.testing.assert_allclose(gradient, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(carried, expected[1], rtol=1e-4, atol=1e-5)

"""The weights of a layer as one matrix."""

import numpy as np
from numpy.typing import NDArray

from cryptodask.models.lstm.cell import halve_sigmoids, pack, unpack

FloatArray32 = NDArray[np.float32]


def draw(*shape: int, seed: int = 0) -> FloatArray32:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


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

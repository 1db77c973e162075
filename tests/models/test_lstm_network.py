"""The training pass in NumPy against Keras's gradients, and the memory that it keeps."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from cryptodask.models.lstm import LSTM
from cryptodask.models.lstm_network import LINE, Buffers, Network, one_blas_thread

FloatArray32 = NDArray[np.float32]


def draw(*shape: int, seed: int = 0) -> FloatArray32:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def run(network: Network, rows: int, window: int) -> list[FloatArray32]:
    """Output and gradients of random windows, copied out of the memory that is kept."""
    last = network.forward(draw(rows, window), []).copy()
    return [last, *(array.copy() for array in network.backward(draw(*last.shape, seed=1)))]


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("units", [(5,), (1, 1), (4, 6), (3, 5, 2)])
@pytest.mark.parametrize(("rows", "window"), [(1, 1), (7, 1), (1, 6), (9, 6)])
def test_outputs_and_gradients_are_those_of_keras(
    keras: Any, units: tuple[int, ...], rows: int, window: int, batch_norm: bool
) -> None:
    import tensorflow as tf

    from cryptodask.models.lstm_training import build_network

    model = build_network(LSTM(window=window, units=units, dropout=0.0, batch_norm=batch_norm))
    last = max(i for i, part in enumerate(model.layers) if type(part).__name__ == "LSTM")
    body = model.layers[: last + 1]
    variables = [v for part in body for v in part.trainable_variables]
    for i, variable in enumerate(variables):
        variable.assign(draw(*variable.shape, seed=i))
    network = Network(units, window, batch_norm=batch_norm)
    network.load([v.numpy() for v in variables])
    output, *gradients = run(network, rows, window)
    with tf.GradientTape() as tape:
        values = tf.constant(draw(rows, window)[..., None])
        for part in body:
            values = part(values, training=True)
        score = tf.reduce_sum(values * draw(units[-1], rows, seed=1).T)
    np.testing.assert_allclose(output.T, values, rtol=1e-4, atol=1e-5)
    theirs = tape.gradient(score, variables)
    for ours, expected in zip(gradients, theirs, strict=True):
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=2e-5 * scale)


def test_a_batch_after_others_of_any_size_is_as_if_it_were_the_first_bit_for_bit() -> None:
    def fresh() -> Network:
        network = Network((4, 6), 5, batch_norm=False)
        shapes = [(1, 16), (4, 16), (16,), (4, 24), (6, 24), (24,)]
        network.load([draw(*shape, seed=i) for i, shape in enumerate(shapes)])
        return network

    used = fresh()
    for rows in (20, 3, 20, 40, 1, 3):
        for got, expected in zip(run(used, rows, 5), run(fresh(), rows, 5), strict=True):
            assert np.array_equal(got, expected)


def test_memory_is_kept_grows_and_starts_with_a_line() -> None:
    buffers = Buffers()
    large = buffers.take("a", 3, 50)
    small = buffers.take("a", 7, 2)
    assert small.shape == (7, 2)
    assert np.shares_memory(small, large)
    assert not np.shares_memory(buffers.take("b", 7, 2), small)
    larger = buffers.take("a", 151)
    assert not np.shares_memory(larger, large)
    for array in (large, small, larger):
        assert array.ctypes.data % (4 * LINE) == 0


def blas_threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def test_matrix_products_have_one_thread_until_the_last_user_leaves() -> None:
    with threadpool_limits(2, user_api="blas"):
        with one_blas_thread():
            with one_blas_thread(), ThreadPoolExecutor(1) as pool:
                assert pool.submit(blas_threads).result() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {2}
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert blas_threads() == {2}


def test_the_number_of_threads_outside_does_not_matter_bit_for_bit(keras: Any) -> None:
    from cryptodask.models.lstm_training import trainer
    from tests.models.conftest import same

    teacher = trainer(LSTM(window=6))
    x, y = draw(300, 6), draw(300, seed=1)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.append(teacher.fit(x, y, np.random.default_rng(0))[0])
    assert same(found[0], found[1])
    assert same(found[0], found[2])

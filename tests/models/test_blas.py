"""The threads of matrix products, and that their number outside of a fit does not matter."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from cryptodask.models.blas import one_blas_thread
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.training import trainer
from tests.models.conftest import same


def draw(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


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


def test_the_number_of_threads_outside_does_not_matter_bit_for_bit() -> None:
    teacher = trainer(LSTM(window=6))
    x, y = draw(300, 6), draw(300, seed=1)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.append(teacher.fit(x, y, np.random.default_rng(0))[0])
    assert same(found[0], found[1])
    assert same(found[0], found[2])

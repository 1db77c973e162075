"""The compiled steps of an LSTM layer against their definition and against differences."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from cryptodask.models.lstm.cell import halve_sigmoids
from cryptodask.models.lstm.kernels import advance, apply, backward, drop, tanh

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


@given(x=st.floats(width=32, allow_nan=False))
def test_tanh_is_within_three_ulps(x: float) -> None:
    got, expected = float(tanh(np.float32(x))), float(np.tanh(np.float64(x)))
    assert got == pytest.approx(expected, rel=4e-7, abs=1e-44)
    assert abs(got) <= 1


def test_tanh_of_what_is_not_a_number_is_none() -> None:
    assert np.isnan(tanh(np.float32(np.nan)))


@pytest.mark.parametrize(("units", "rows"), [(3, 5), (1, 1), (7, 33), (50, 512)])
def test_a_step_is_that_of_the_definition(units: int, rows: int) -> None:
    product, before = draw(4 * units, rows) * 3, draw(units, rows, seed=1)
    after, output = defined(product.astype(np.float64), before.astype(np.float64))
    raw = halve_sigmoids(product.T).T.copy()
    gates = np.empty_like(raw)
    cell, squashed, state = (np.empty_like(before) for _ in range(3))
    advance(raw, gates, before, cell, squashed, state)
    np.testing.assert_allclose(cell, after, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(squashed, np.tanh(after), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, output, rtol=1e-5, atol=1e-6)


@given(
    coins=st.integers(1, 4),
    units=st.integers(1, 9),
    rows=st.integers(1, 20),
    first=st.integers(0, 3),
)
def test_the_step_of_a_forecast_is_that_of_training_bit_for_bit_whatever_is_beside_it(
    coins: int, units: int, rows: int, first: int
) -> None:
    raw, before = draw(coins, 4 * units, rows), draw(coins, units, rows, seed=1)
    cell, seen = before.copy(), np.zeros((coins, first + units, rows), np.float32)
    apply(raw, cell, seen, first)
    for i in range(coins):
        gates = np.empty_like(raw[i])
        one, squashed, state = (np.empty_like(before[i]) for _ in range(3))
        advance(raw[i], gates, before[i], one, squashed, state)
        assert np.array_equal(cell[i], one)
        assert np.array_equal(seen[i, first:], state)
    assert not seen[:, :first].any()


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
    gates, gradient = (np.empty_like(product) for _ in range(2))
    cell, squashed, state = (np.empty_like(before) for _ in range(3))
    advance(halve_sigmoids(product.T).T.copy(), gates, before, cell, squashed, state)
    backward(gates, before, squashed, wanted, carried, gradient)
    np.testing.assert_allclose(gradient, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(carried, expected[1], rtol=1e-4, atol=1e-5)


@given(
    values=arrays(np.float32, (3, 7), elements=st.floats(-9, 9, width=32)),
    dropout_draws=arrays(np.uint16, (3, 7)),
    least=st.integers(0, 65_535),
)
def test_what_drew_too_low_a_lot_is_dropped_and_the_rest_scaled(
    values: FloatArray32, dropout_draws: NDArray[np.uint16], least: int
) -> None:
    kept = np.empty_like(values)
    drop(values, dropout_draws, least, np.float32(1.25), kept)
    assert np.array_equal(kept, np.where(dropout_draws >= least, values * np.float32(1.25), 0))


@pytest.mark.slow
def test_where_nothing_can_be_kept_on_disk_it_is_compiled_all_the_same() -> None:
    """As in a container without a home and with a read-only file system."""
    code = "from cryptodask.models.lstm.kernels import tanh; print(float(tanh(0.5)))"
    env = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == pytest.approx(np.tanh(0.5))

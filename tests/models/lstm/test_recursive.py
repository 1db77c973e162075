"""Windows that run together, a bar behind one another, against one window after the other."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from cryptodask.models.lstm.forward import forward
from cryptodask.models.lstm.lstm import GROWTH
from cryptodask.models.lstm.lstm_global import MEASURED
from cryptodask.models.lstm.recursive import Scale, forecast_recursively
from cryptodask.models.lstm.weights import Weights
from cryptodask.records import FloatArray
from tests.models.lstm.test_forward import random_weights


def networks(coins: int, units: tuple[int, ...], *, batch_norm: bool = False) -> Weights:
    rng = np.random.default_rng(0)
    return Weights.stack([random_weights(units, rng, batch_norm=batch_norm) for _ in range(coins)])


def closes(coins: int, window: int) -> FloatArray:
    steps = np.random.default_rng(1).normal(0, 0.02, (coins, window))
    prices: FloatArray = np.exp(steps.cumsum(axis=1))
    return prices


def one_after_the_other(
    weights: Weights, known: FloatArray, horizon: int, scale: Scale
) -> FloatArray:
    values = known
    window = known.shape[1]
    for step in range(horizon):
        seen = values[:, step:]
        first = seen[:, 0]
        inputs = [scale.enter(seen[:, bar], first[:, None]) for bar in range(window)]
        x = np.concatenate(inputs, axis=1)[:, None].astype(np.float32)
        ahead = scale.leave(forward(weights, x)[:, 0], first)
        values = np.concatenate([values, ahead[:, None]], axis=1)
    return values[:, window:]


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("scale", [GROWTH, MEASURED], ids=["growth", "measured"])
@pytest.mark.parametrize(("window", "horizon"), [(20, 1), (20, 7), (5, 5), (4, 19), (1, 3)])
def test_it_forecasts_what_one_window_after_the_other_does(
    window: int, horizon: int, scale: Scale, batch_norm: bool
) -> None:
    weights = networks(3, (8, 5), batch_norm=batch_norm)
    known = closes(3, window)
    got = forecast_recursively(weights, "linear", known, horizon, scale)
    wanted = one_after_the_other(weights, known, horizon, scale)
    np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=1e-6)


def test_one_network_serves_many_coins() -> None:
    weights, known = networks(1, (32,)), closes(40, 20)
    got = forecast_recursively(weights, "linear", known, 5, MEASURED)
    wanted = one_after_the_other(weights, known, 5, MEASURED)
    np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_coins_beside_it_nor_threads_matter_bit_for_bit(threads: int) -> None:
    weights, known = networks(9, (50, 100)), closes(9, 50)
    with threadpool_limits(1, user_api="blas"):
        together = forecast_recursively(weights, "linear", known, 10, GROWTH)
    with threadpool_limits(threads, user_api="blas"):
        for coin in range(9):
            of_coin = weights.take(slice(coin, coin + 1))
            alone = forecast_recursively(of_coin, "linear", known[[coin]], 10, GROWTH)
            assert np.array_equal(alone[0], together[coin])

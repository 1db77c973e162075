"""Small markets and targets for the tests of trading."""

import numpy as np
from numpy.typing import NDArray

from cryptodask.trading.simulation import Market

NAN = np.nan


def days(n: int) -> NDArray[np.datetime64]:
    return np.datetime64("2017-01-01", "s") + np.arange(n) * np.timedelta64(86_400, "s")


def column(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=float).reshape(-1, 1)


def one_coin(
    close: list[float], open: list[float] | None = None, volume: list[float] | None = None
) -> Market:
    return Market(
        ("Coin",),
        days(len(close)),
        column(*close),
        None if open is None else column(*open),
        None if volume is None else column(*volume),
    )


def random_market(seed: int, n_dates: int, n_coins: int, gaps: float = 0.1) -> Market:
    """Random walks with gaps, opens and volumes; some coins begin late, and some end early."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.05, (n_dates, n_coins)), axis=0))
    close[rng.random(close.shape) < gaps] = NAN
    for coin in range(n_coins):
        close[: rng.integers(0, n_dates // 3 + 1), coin] = NAN
        close[n_dates - rng.integers(0, n_dates // 3 + 1) :, coin] = NAN
    open_ = close * np.exp(rng.normal(0, 0.02, close.shape))
    volume = rng.uniform(0, 5_000, close.shape)
    return Market(tuple(f"c{i:02}" for i in range(n_coins)), days(n_dates), close, open_, volume)


def random_targets(seed: int, market: Market, least: float = 0.0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(least, 1.0, market.close.shape)
    weights[rng.random(weights.shape) < 0.2] = 0.0
    weights[rng.random(weights.shape) < 0.5] = NAN
    return weights

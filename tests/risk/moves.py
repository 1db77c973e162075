"""Distributions of moves that are known, and prices that were drawn from such."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cryptodask.records import DAY, DateArray, FloatArray
from cryptodask.risk.distribution import MoveDistribution, all_levels

SIGMA = 0.02
"""Standard deviation of a bar's log return."""

LAST = np.datetime64("2020-06-30", "s")


def normal_moves(coins: Sequence[str], horizon: int = 1) -> MoveDistribution:
    """Return normal log moves of the same volatility for all coins."""
    levels = all_levels([0.01, 0.05])
    n_coins = len(coins)
    return MoveDistribution(
        tuple(coins),
        np.full(n_coins, LAST),
        np.linspace(1.0, 100.0, n_coins),
        np.tile(SIGMA * np.sqrt(np.arange(1, horizon + 1)), (n_coins, 1)),
        np.zeros(n_coins, dtype=np.int64),
        levels,
        np.tile(ndtri(levels), (1, horizon, 1)),
        DAY,
    )


def dates_to(n_dates: int) -> DateArray:
    """Return days up to `LAST`, rising."""
    return LAST - np.arange(n_dates)[::-1] * np.timedelta64(86_400, "s")


def together(n_coins: int, n_dates: int, correlation: float, seed: int = 0) -> FloatArray:
    """Return normal residuals of coins of which any two have a correlation."""
    rng = np.random.default_rng(seed)
    common, rest = rng.standard_normal(n_dates), rng.standard_normal((n_coins, n_dates))
    return np.asarray(np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * rest)


def prices_of(residuals: FloatArray, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return prices in the long form whose log returns are residuals times `SIGMA`."""
    n_coins, n_dates = residuals.shape
    names = names or [f"coin{i:02d}" for i in range(n_coins)]
    frames = [
        pd.DataFrame({
            "coin": name, "date": dates_to(n_dates),
            "close": 100.0 * np.exp(np.cumsum(SIGMA * of_coin)),
        }) for name, of_coin in zip(names, residuals, strict=True)
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)

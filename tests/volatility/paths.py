"""Paths of GARCH models, by plain NumPy."""

import numpy as np

from cryptodask.records import FloatArray
from cryptodask.volatility import Returns

NATURAL = (0.0, 0.05, 0.06, 0.14, 0.85, 5.0)
"""Mean, omega, coefficients of gains and losses, beta, degrees of freedom."""


def garch_paths(
    n_coins: int, n_rows: int, seed: int, natural: tuple[float, ...] = NATURAL, scale: float = 0.04
) -> FloatArray:
    """Return log returns ``(n_coins, n_rows)`` of a GJR model with t errors."""
    mu, omega, up, down, beta, nu = natural
    rng = np.random.default_rng(seed)
    h = np.full(n_coins, omega / (1.0 - (up + down) / 2 - beta))
    rows = np.empty((n_coins, n_rows))
    for t in range(n_rows):
        e = np.sqrt(h * (nu - 2.0) / nu) * rng.standard_t(nu, n_coins)
        rows[:, t] = mu + e
        h = omega + np.where(e >= 0.0, up, down) * e * e + beta * h
    return scale * rows


def ragged(rows: FloatArray) -> Returns:
    """Return the rows of a matrix as returns of coins."""
    return Returns(rows.ravel(), np.arange(len(rows) + 1) * rows.shape[1])

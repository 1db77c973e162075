"""Backtest tables, and the closes that they come from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cryptodask.records import DAY

START = np.datetime64("2016-03-01", "s")
FIRST = 40


def make_backtest(
    n_coins: int = 4,
    models: Sequence[str] = ("naive", "drift", "wild"),
    n_cutoffs: int = 6,
    horizon: int = 4,
    stride: int = 4,
    *,
    seed: int = 0,
    missing: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A backtest of random walks, and their closes as utilsforecast wants a series.

    Every model but ``naive`` is the last close times a random factor; ``missing`` is the share of
    rows without a forecast, and of those without an actual.
    """
    rng = np.random.default_rng(seed)
    n_days = FIRST + stride * n_cutoffs + horizon
    days = START + np.arange(n_days) * DAY
    coins = [f"coin-{i}" for i in range(n_coins)]
    walks = rng.normal(0, 0.05, (n_coins, n_days)).cumsum(axis=1)
    closes = 10 ** rng.uniform(-6, 5, (n_coins, 1)) * np.exp(walks)
    series = pd.DataFrame(
        {"unique_id": np.repeat(coins, n_days), "ds": np.tile(days, n_coins), "y": closes.ravel()}
    )
    cut = FIRST + stride * np.arange(n_cutoffs)
    ahead = np.arange(1, horizon + 1)
    shape = (n_coins, len(models), n_cutoffs, horizon)
    change = np.diff(closes)
    scale, scale_sq = (
        np.stack([x[:, :c].mean(axis=1) for c in cut], axis=1) for x in (abs(change), change**2)
    )
    noise = rng.normal(0, 0.05, shape)
    noise[:, [i for i, name in enumerate(models) if name == "naive"]] = 0
    last = closes[:, None, cut, None]
    forecast = last * np.exp(noise)
    columns = {
        "coin": np.array(coins)[:, None, None, None],
        "model": np.array(models)[:, None, None],
        "cutoff": days[cut, None],
        "date": days[cut[:, None] + ahead],
        "step": ahead,
        "forecast": forecast,
        "actual": closes[:, None, cut[:, None] + ahead],
        "last": last,
        "scale": scale[:, None, :, None],
        "scale_sq": scale_sq[:, None, :, None],
        "volatility": np.array(0.05),
    }
    for level, width in ((80, 0.06), (95, 0.1)):
        columns[f"lower_{level}"] = forecast * np.exp(-width * np.sqrt(ahead))
        columns[f"upper_{level}"] = forecast * np.exp(width * np.sqrt(ahead))
    table = pd.DataFrame({k: np.broadcast_to(v, shape).ravel() for k, v in columns.items()})
    for column in ("forecast", "actual"):
        table.loc[rng.random(len(table)) < missing, column] = np.nan
    return table, series

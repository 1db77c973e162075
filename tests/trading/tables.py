"""Backtest tables over a market, for the tests of rules."""

import numpy as np
import pandas as pd

from cryptodask.trading.simulation import Market


def backtest_rows(market: Market, seed: int, first: int = 40, every: int = 5) -> pd.DataFrame:
    """Forecasts of two models, two steps, at every fifth date, of coins with a bar on it."""
    rng = np.random.default_rng(seed)
    frames = []
    for date in range(first, len(market.dates) - 2, every):
        for coin in np.flatnonzero(np.isfinite(market.close[date])):
            last = market.close[date, coin]
            for model in ("m", "other"):
                forecast = last * np.exp(rng.normal(0, 0.05, 2))
                width = np.exp(rng.uniform(0.02, 0.2))
                frames.append(
                    pd.DataFrame(
                        {
                            "coin": market.coins[coin],
                            "model": model,
                            "cutoff": market.dates[date],
                            "date": market.dates[date + 1 : date + 3],
                            "step": [1, 2],
                            "forecast": forecast,
                            "lower_80": forecast / width,
                            "upper_80": forecast * width,
                            "last": last,
                            "actual": market.close[date + 1 : date + 3, coin],
                        }
                    )
                )
    return pd.concat(frames, ignore_index=True)

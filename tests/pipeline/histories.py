"""Made-up histories of coins that move together, with intervals that adapt as ours do."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from cryptodask.records import FloatArray
from cryptodask.store.bulk import insert_forecasts
from cryptodask.store.connect import connect, writing
from cryptodask.store.monitoring import MonitorStore
from cryptodask.store.schema import RUNS

COINS, TOGETHER, BEFORE = 40, 0.5, 300
DAY = np.datetime64("2024-01-01", "s")


def moves(n: int, days: int, rng: np.random.Generator) -> FloatArray:
    """Standardised GARCH(1, 1) with Student's t of 6 degrees, ``(n, days)``."""
    heavy: FloatArray = rng.standard_t(6, size=(days, n)) / np.sqrt(6 / 4)
    out = np.empty((n, days))
    variance = np.ones(n)
    for day in range(days):
        out[:, day] = np.sqrt(variance) * heavy[day]
        variance = 0.05 + 0.05 * out[:, day] ** 2 + 0.90 * variance
    return out


def log_returns(n: int, days: int, rng: np.random.Generator) -> FloatArray:
    """Daily log returns of coins correlated by 0.5, ``(n, COINS, BEFORE + days)``."""
    days += BEFORE
    common = moves(n, days, rng)[:, None, :]
    alone = moves(n * COINS, days, rng).reshape(n, COINS, days)
    moved: FloatArray = 0.04 * (np.sqrt(TOGETHER) * common + np.sqrt(1 - TOGETHER) * alone)
    return moved


def volatility(returns: FloatArray) -> FloatArray:
    """Mean absolute return up to the day before: half-life of 10 days, drawn to the mean of all."""
    decay = 0.5**0.1
    recent, total = (np.zeros(returns.shape[:-1]) for _ in range(2))
    weight, known = 0.0, np.full(returns.shape, np.nan)
    for day in range(returns.shape[-1]):
        if day:
            known[..., day] = (recent + 5.0 * total / day) / (weight + 5.0)
        move = np.abs(returns[..., day])
        recent, weight, total = recent * decay + move, weight * decay + 1, total + move
    return known


def rows_of(returns: FloatArray, quantiles: dict[int, float], seed: int) -> Iterator[pd.DataFrame]:
    """Yield a table of forecasts beside what came for each history, as a backtest has them."""
    rng = np.random.default_rng(seed)
    width = volatility(returns)[..., BEFORE:]
    returns = returns[..., BEFORE:]
    days = returns.shape[-1]
    dates = np.tile(DAY + np.arange(days) * np.timedelta64(86_400, "s"), COINS)
    coins = np.repeat([f"coin {i:02d}" for i in range(COINS)], days)
    for moved, wide in zip(returns, width, strict=True):
        last = 100 * np.exp(np.cumsum(moved, axis=1) - moved)
        forecast = last * np.exp(0.1 * wide * rng.standard_normal(moved.shape))
        columns = {"forecast": forecast, "actual": last * np.exp(moved), "last": last}
        for level, quantile in quantiles.items():
            columns[f"lower_{level}"] = forecast * np.exp(-quantile * wide)
            columns[f"upper_{level}"] = forecast * np.exp(quantile * wide)
        flat = {name: values.ravel() for name, values in columns.items()}
        cutoffs = dates - np.timedelta64(86_400, "s")
        yield pd.DataFrame({"coin": coins, "cutoff": cutoffs, "date": dates, "step": 1, **flat})


def quantiles_of(returns: FloatArray) -> dict[int, float]:
    """Return the half width of intervals in volatilities, by level."""
    scaled = np.abs(returns[..., BEFORE:]) / volatility(returns)[..., BEFORE:]
    return {level: float(np.quantile(scaled, level / 100)) for level in (80, 95)}


def store_days(place: object, rows: pd.DataFrame) -> None:
    """Store a run of forecasts from each cutoff, and the closes that came."""
    horizon = int(rows["step"].max())
    engine = connect(str(place))
    with writing(engine) as connection:
        for i, (cutoff, part) in enumerate(rows.groupby("cutoff"), start=1):
            moment = pd.Timestamp(str(cutoff)).to_datetime64()
            row = {"id": i, "key": str(i), "kind": "forecast", "prices": "p", "models": "[]"}
            row |= {"horizon": horizon, "intervals": True, "rows": len(part), "folder": "f"}
            row |= {"stored": moment, "first_cutoff": moment, "last_cutoff": moment}
            connection.execute(RUNS.insert(), row)
            insert_forecasts(connection, i, part)
    engine.dispose()
    with MonitorStore(str(place)) as store:
        first = rows[rows["cutoff"] == rows["cutoff"].min()].drop_duplicates("coin")
        store.add_actuals(first.assign(date=first["cutoff"], close=first["last"]))
        came = rows[rows["actual"].notna()].drop_duplicates(["coin", "date"])
        store.add_actuals(came.assign(close=came["actual"]))

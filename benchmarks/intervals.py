"""What intervals are worth on real prices: coverage, and pinball loss beside statsforecast's own.

python benchmarks/intervals.py SOURCE [--models naive,ridge] [--horizon 10] [--days 365]
    [--before 730] [--until 2017-09-12]

Origins are five bars apart over the last ``--days`` and ``--before`` them, of which those of
``--days`` are scored: all of them, and every 2nd, 4th and 6th. An interval knows errors that had
shown by its origin, and nothing later. statsforecast (where it is installed) is fitted at every
origin to the logs of the same closes, of coins of at least 20; its quantiles are its own levels.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from common import parse, print_versions

from cryptodask import CryptoLoader
from cryptodask.evaluate.intervals.conformal import Conformal, price_quantiles
from cryptodask.evaluate.intervals.past_errors import ErrorHistory, log_errors
from cryptodask.evaluate.intervals.volatility import volatility
from cryptodask.features.rows import rows_on
from cryptodask.models import create_model, run_model
from cryptodask.prices.panels import to_panel
from cryptodask.records import DateArray, FloatArray, Panel

SPACING = 5
DECILES = np.arange(1, 10) / 10
LEVELS = np.unique([0.025, 0.975, *DECILES])
LEAST = 20
"""Rows that a coin must have to be scored: AutoETS needs some."""


def dated_rows(panel: Panel, dates: DateArray) -> np.ndarray:
    """Return the row of each coin on each date, ``(n_coins, n_dates)``; -1 without one."""
    return rows_on(panel, np.broadcast_to(dates, (len(panel), len(dates))))


def until(panel: Panel, rows: np.ndarray) -> Panel:
    """Cut each coin after its row; coins with a row of -1 are left out."""
    return Panel.from_series(
        (coin, closes[: row - start + 1], dates[: row - start + 1])
        for (coin, closes, dates), start, row in zip(panel, panel.indptr[:-1], rows, strict=True)
        if row >= 0
    )


def backtest(panel: Panel, model: str, cutoffs: DateArray, horizon: int) -> FloatArray:
    """Forecast from each origin, ``(n_coins, n_origins, horizon)``; NaN where there is none."""
    forecasts = np.full((len(panel), len(cutoffs), horizon), np.nan)
    place = {coin: i for i, coin in enumerate(panel.coins)}
    for origin, rows in enumerate(dated_rows(panel, cutoffs).T):
        cut = until(panel, rows)
        if len(cut):
            run = run_model(create_model(model), cut, horizon)
            forecasts[[place[coin] for coin in run.coins], origin] = run.values
    return forecasts


def actuals(panel: Panel, cutoffs: DateArray, horizon: int) -> FloatArray:
    """Return the closes that came, ``(n_coins, n_origins, horizon)``; NaN where there is none."""
    dates = cutoffs[:, None] + np.arange(1, horizon + 1) * panel.step
    rows = dated_rows(panel, dates.reshape(-1))
    return np.where(rows >= 0, panel.values[rows], np.nan).reshape(len(panel), *dates.shape)


def quantiles_of(
    panel: Panel, forecasts: FloatArray, actual: FloatArray, cutoffs: DateArray
) -> FloatArray:
    """Return log price quantiles at `LEVELS`, ``(n_coins, n_origins, horizon, n_levels)``."""
    conformal = Conformal()
    history = ErrorHistory(
        cutoffs, log_errors(actual, forecasts), volatility(panel, cutoffs), panel.step
    )
    summary = conformal.summarise(conformal.count(history))
    pool = conformal.count(history, summary)
    prices = price_quantiles(
        forecasts, conformal.scale(history, summary), conformal.quantiles(pool, LEVELS)
    )
    return np.log(prices)


def statsforecast_quantiles(
    panel: Panel, cutoffs: DateArray, horizon: int
) -> dict[str, FloatArray]:
    """Return the same of each of statsforecast's models; empty where it is not installed."""
    try:
        from statsforecast import StatsForecast
        from statsforecast.models import AutoETS, Naive, RandomWalkWithDrift
    except ImportError:
        print("statsforecast is not installed: no comparison")
        return {}
    import pandas as pd

    models = [Naive(), RandomWalkWithDrift(), AutoETS()]
    shape = (len(panel), len(cutoffs), horizon, len(LEVELS))
    found = {repr(model): np.full(shape, np.nan) for model in models}
    sides = [(round(200 * abs(level - 0.5)), "lo" if level < 0.5 else "hi") for level in LEVELS]
    for origin, rows in enumerate(dated_rows(panel, cutoffs).T):
        frames = [
            pd.DataFrame({"unique_id": i, "ds": np.arange(row - start + 1),
                          "y": np.log(panel.values[start : row + 1])})
            for i, (start, row) in enumerate(zip(panel.indptr[:-1], rows, strict=True))
            if row - start + 1 >= LEAST
        ]  # fmt: skip
        result = StatsForecast(models, freq=1).forecast(
            horizon, pd.concat(frames), level=[20, 40, 60, 80, 95]
        )
        coins = result["unique_id"].to_numpy()[::horizon]
        for name, quantiles in found.items():
            columns = [f"{name}-{side}-{level}" if level else name for level, side in sides]
            quantiles[coins, origin] = result[columns].to_numpy().reshape(-1, horizon, len(LEVELS))
    return found


def pinball(quantiles: FloatArray, log_actual: FloatArray) -> FloatArray:
    """Mean loss over the deciles, ``(n_coins, n_origins, horizon)``."""
    deciles = quantiles[..., np.isin(LEVELS, DECILES)]
    miss = log_actual[..., None] - deciles
    return np.maximum(DECILES * miss, (DECILES - 1) * miss).mean(axis=-1)


def inside(quantiles: FloatArray, log_actual: FloatArray, level: float) -> FloatArray:
    """Whether the actual was inside, 0 or 1; NaN where there is no interval or actual."""
    low, high = (
        quantiles[..., np.argmin(np.abs(LEVELS - 0.5 - sign * level / 2))] for sign in (-1, 1)
    )
    hit = (log_actual >= low) & (log_actual <= high)
    return np.where(np.isnan(low) | np.isnan(log_actual), np.nan, hit)


def thirds(hits: FloatArray) -> str:
    """Coverage over all and in three equal parts of time, in per cent."""
    parts = [hits, *np.array_split(hits, 3, axis=1)]
    return "{:.1f} [{:.1f} {:.1f} {:.1f}]".format(*(100 * np.nanmean(part) for part in parts))


def describe(
    name: str, quantiles: FloatArray, log_actual: FloatArray, rows: np.ndarray, spacing: int
) -> None:
    """Print loss and coverage, at several distances between origins, and over coins."""
    loss = pinball(quantiles, log_actual)
    print(f"{name}: pinball {1000 * np.nanmean(loss):.2f} (thousandths of log price)")
    for every in (1, 2, 4, 6):
        some = slice(None, None, -every)
        parts = (quantiles[:, some][:, ::-1], log_actual[:, some][:, ::-1])
        print(
            f"  {parts[1].shape[1]:3d} origins {every * spacing:2d} bars apart: "
            f"80%: {thirds(inside(*parts, 0.8))}  95%: {thirds(inside(*parts, 0.95))}  "
            f"pinball {1000 * np.nanmean(pinball(*parts)):.2f}"
        )
    for level in (0.8, 0.95):
        hits = inside(quantiles, log_actual, level)
        many = (~np.isnan(hits)).sum(axis=(1, 2)) >= 10 * hits.shape[2]
        each = 100 * np.nanmean(hits[many], axis=(1, 2))
        young = np.where(rows[:, :, None] < 100, hits, np.nan)
        print(
            f"  {level:.0%}: {many.sum()} coins, tenth to nine tenths of them "
            f"{np.quantile(each, 0.1):.1f} to {np.quantile(each, 0.9):.1f}; "
            f"below 100 rows {100 * np.nanmean(young):.1f}; by step "
            + " ".join(f"{100 * x:.0f}" for x in np.nanmean(hits, axis=(0, 1)))
        )


def score(
    panel: Panel, models: Sequence[str], horizon: int, last: np.datetime64, days: int, before: int
) -> None:
    """Forecast, make intervals, and print what they were worth."""
    bars = SPACING * np.arange((days + before) // SPACING, -1, -1)
    cutoffs = last - bars * panel.step
    scored = bars < days
    rows = dated_rows(panel, cutoffs) - panel.indptr[:-1, None] + 1
    actual = actuals(panel, cutoffs, horizon)
    log_actual = np.where(rows[:, :, None] >= LEAST, np.log(actual), np.nan)[:, scored]
    for model in models:
        forecasts = backtest(panel, model, cutoffs, horizon)
        quantiles = quantiles_of(panel, forecasts, actual, cutoffs)[:, scored]
        describe(model, quantiles, log_actual, rows[:, scored], SPACING)
    for name, quantiles in statsforecast_quantiles(panel, cutoffs[scored], horizon).items():
        describe(f"statsforecast {name}", quantiles, log_actual, rows[:, scored], SPACING)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--models", default="naive")
    parser.add_argument("--horizon", type=int, default=10)
    parser.add_argument("--days", type=int, default=365, help="over which origins are scored")
    parser.add_argument("--before", type=int, default=730, help="days of origins only learnt from")
    parser.add_argument("--until", help="last origin; by default the horizon before the end")
    args = parse(parser, days=60, before=40)
    print_versions()
    panel = to_panel(CryptoLoader(args.source).get_df())
    last = panel.dates.max() - args.horizon * panel.step
    if args.until:
        last = np.datetime64(args.until, "s")
    score(panel, args.models.split(","), args.horizon, last, args.days, args.before)


if __name__ == "__main__":
    main()

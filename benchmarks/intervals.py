"""What intervals are worth: loss, coverage and Diebold-Mariano beside the models of others.

python benchmarks/intervals.py [SOURCE] [--days 365] [--before 730] [--until 2017-09-12]
    [--spacing 5] [--least 400] [--coins Bitcoin,Ethereum] [--without arch] [--models naive,ridge]

Without a source, prices are simulated: GARCH(1,1) with t errors, other parameters for each coin,
and half of each error common to all. Origins lie ``--spacing`` bars apart over the last ``--days``
and ``--before`` them; those of ``--days`` are scored, on coins with ``--least`` rows by then. An
interval knows errors that had shown by its origin, and nothing later. Models of `arch` and
statsforecast are fitted at every scored origin to all earlier closes. Losses are of logs of prices:
the pinball loss of the nine deciles, and the CRPS, twice the mean loss of 19 quantiles.
"""

import argparse

import numpy as np
import pandas as pd
from common import parse, print_versions
from interval_peers import by_arch, by_statsforecast, dated_rows

from cryptodask import CryptoLoader
from cryptodask.evaluate.intervals.conformal import Conformal
from cryptodask.evaluate.intervals.past_errors import ErrorHistory, log_errors
from cryptodask.evaluate.intervals.volatility import spreads
from cryptodask.evaluate.intervals.widths import price_quantiles
from cryptodask.models import create_model, run_model
from cryptodask.prices.panels import to_panel
from cryptodask.records import DAY, DateArray, FloatArray, Panel

DECILES = np.arange(1, 10) / 10
TWENTIETHS = np.arange(1, 20) / 20
LEVELS = np.unique(np.round([0.025, 0.975, *TWENTIETHS], 3))


def simulated(n_coins: int, n_days: int, seed: int) -> Panel:
    """Return prices that follow GARCH(1,1) with t errors of five degrees of freedom."""
    rng = np.random.default_rng(seed)
    alpha = rng.uniform(0.05, 0.2, n_coins)
    beta = np.minimum(0.985 - alpha, rng.uniform(0.7, 0.93, n_coins))
    usual = np.exp(rng.normal(np.log(0.05), 0.3, n_coins)) ** 2
    variance, returns = usual.copy(), np.empty((n_days, n_coins))
    for day in range(n_days):
        normal = np.sqrt(0.5) * (rng.standard_normal() + rng.standard_normal(n_coins))
        error = normal / np.sqrt(rng.chisquare(5, n_coins) / 3)
        returns[day] = np.sqrt(variance) * error
        variance = usual * (1 - alpha - beta) + alpha * returns[day] ** 2 + beta * variance
    dates = np.datetime64("2016-01-01", "s") + np.arange(n_days) * DAY
    closes = np.exp(np.cumsum(returns, axis=0))
    return Panel.from_series((f"coin-{i:03d}", closes[:, i], dates) for i in range(n_coins))


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


def closes_on(panel: Panel, dates: DateArray) -> FloatArray:
    """Return the closes of each coin on dates of any shape; NaN where there is none."""
    rows = dated_rows(panel, dates.reshape(-1))
    return np.where(rows >= 0, panel.values[rows], np.nan).reshape(len(panel), *dates.shape)


def quantiles_of(
    panel: Panel, forecasts: FloatArray, actual: FloatArray, cutoffs: DateArray
) -> FloatArray:
    """Return log price quantiles at `LEVELS`, ``(n_coins, n_origins, horizon, n_levels)``."""
    conformal, horizon = Conformal(), forecasts.shape[-1]
    moves = log_errors(actual, np.repeat(closes_on(panel, cutoffs)[..., None], horizon, axis=-1))
    history = ErrorHistory(
        cutoffs, log_errors(actual, forecasts), moves, spreads(panel, cutoffs, horizon), panel.step
    )
    summary = conformal.summarise(conformal.count(history))
    quantiles = conformal.quantiles(conformal.count(history, summary), list(LEVELS))
    middle = quantiles[..., np.flatnonzero(LEVELS == 0.5)[0]]
    return np.log(price_quantiles(forecasts, conformal.scale(history, summary), quantiles, middle))


def pinball(quantiles: FloatArray, log_actual: FloatArray, levels: FloatArray) -> FloatArray:
    """Mean loss over some of `LEVELS`, ``(n_coins, n_origins, horizon)``."""
    some = quantiles[..., np.isin(LEVELS, np.round(levels, 3))]
    miss = log_actual[..., None] - some
    return np.maximum(levels * miss, (levels - 1) * miss).mean(axis=-1)


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


def diebold_mariano(loss: FloatArray, best: FloatArray, lags: int) -> tuple[float, float]:
    """Return the mean difference of losses by origin and its t, with Newey and West's variance."""
    of_origin = np.nanmean(best - loss, axis=(0, 2))
    mean, rest = of_origin.mean(), of_origin - of_origin.mean()
    n = len(rest)
    variance = rest @ rest / n
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (rest[lag:] @ rest[:-lag]) / n
    return float(mean), float(mean / np.sqrt(variance / n)) if variance > 0 else np.nan


def describe(name: str, quantiles: FloatArray, log_actual: FloatArray) -> None:
    """Print loss and coverage over all, thirds of time, coins and steps."""
    losses = [1000 * np.nanmean(pinball(quantiles, log_actual, DECILES)),
              2000 * np.nanmean(pinball(quantiles, log_actual, TWENTIETHS))]  # fmt: skip
    print(
        f"{name}: pinball {losses[0]:.3f}, CRPS {losses[1]:.3f} (thousandths of log price)  "
        f"80%: {thirds(inside(quantiles, log_actual, 0.8))}  "
        f"95%: {thirds(inside(quantiles, log_actual, 0.95))}"
    )
    for level in (0.8, 0.95):
        hits = inside(quantiles, log_actual, level)
        many = (~np.isnan(hits)).sum(axis=(1, 2)) >= 10 * hits.shape[2]
        if not many.any():
            continue
        each = 100 * np.nanmean(hits[many], axis=(1, 2))
        print(
            f"  {level:.0%}: {many.sum()} coins, tenth to nine tenths of them "
            f"{np.quantile(each, 0.1):.1f} to {np.quantile(each, 0.9):.1f}; by step "
            + " ".join(f"{100 * x:.0f}" for x in np.nanmean(hits, axis=(0, 1)))
        )


def score(panel: Panel, args: argparse.Namespace) -> None:
    """Forecast, make intervals, and print what they were worth, on rows that all have."""
    last = panel.dates.max() - args.horizon * panel.step
    last = np.datetime64(args.until, "s") if args.until else last
    bars = args.spacing * np.arange((args.days + args.before) // args.spacing, -1, -1)
    cutoffs = last - bars * panel.step
    scored = bars < args.days
    dates = cutoffs[:, None] + np.arange(1, args.horizon + 1) * panel.step
    actual = closes_on(panel, dates)
    found = {}
    for model in args.models.split(","):
        forecasts = backtest(panel, model, cutoffs, args.horizon)
        found[model] = quantiles_of(panel, forecasts, actual, cutoffs)[:, scored]
    for name, peers in (("arch", by_arch), ("statsforecast", by_statsforecast)):
        if name not in args.without.split(","):
            found |= peers(panel, cutoffs[scored], args.horizon, LEVELS, args.least)
    rows = dated_rows(panel, cutoffs[scored]) - panel.indptr[:-1, None] + 1
    known = (rows >= args.least) & np.all(
        [np.isfinite(q).all(axis=(2, 3)) for q in found.values()], axis=0
    )
    log_actual = np.where(known[:, :, None], np.log(actual[:, scored]), np.nan)
    print(
        f"{known.any(axis=1).sum()} coins, {scored.sum()} origins {args.spacing} bars apart to "
        f"{last}, {np.isfinite(log_actual).sum():,} moves of coins with {args.least} rows"
    )
    for name, quantiles in found.items():
        describe(name, quantiles, log_actual)
    losses = {name: pinball(q, log_actual, DECILES) for name, q in found.items()}
    ours = losses[args.models.split(",")[0]]
    for name, loss in losses.items():
        difference, t = diebold_mariano(ours, loss, -(-args.horizon // args.spacing))
        share = 100 * difference / np.nanmean(loss)
        print(f"{args.models.split(',')[0]} beside {name}: loss {share:+.2f}% below, t {t:.1f}")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", nargs="?", help="by default, simulated prices")
    parser.add_argument("--models", default="naive")
    parser.add_argument("--horizon", type=int, default=10)
    parser.add_argument("--days", type=int, default=365, help="over which origins are scored")
    parser.add_argument("--before", type=int, default=730, help="days of origins only learnt from")
    parser.add_argument("--spacing", type=int, default=5, help="bars from origin to origin")
    parser.add_argument("--least", type=int, default=400, help="rows that a scored coin has")
    parser.add_argument("--until", help="last origin; by default the horizon before the end")
    parser.add_argument("--coins", default="", help="only these, by commas")
    parser.add_argument("--without", default="", help="arch, statsforecast or both, by commas")
    parser.add_argument("--seed", type=int, default=0, help="of simulated prices")
    args = parse(parser, days=60, before=40, spacing=15, least=100)
    print_versions()
    if args.source:
        frame: pd.DataFrame = CryptoLoader(args.source).get_df()
        wanted = args.coins.split(",") if args.coins else list(frame["coin"].unique())
        missing = set(wanted).difference(frame["coin"])
        if missing:
            raise SystemExit(f"--coins: {args.source} has no {', '.join(sorted(missing))}")
        panel = to_panel(frame[frame["coin"].isin(wanted)])
    else:
        panel = simulated(40, 1500, args.seed)
    score(panel, args)


if __name__ == "__main__":
    main()

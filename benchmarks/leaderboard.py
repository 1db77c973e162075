"""All models on prices: error over naive's, verdicts, and coverage by thirds of the time.

python benchmarks/leaderboard.py SOURCE [--origins 12] [--step 10] [--to DATE] [--least 100]
    [--models naive,ridge] [--calibrate 5] [--lstm-coins 20] [--seeds 0] [--workers 2]

Every model forecasts all coins that have ``--least`` rows before the first origin, but ``lstm`` and
those of Keras the longest ``--lstm-coins`` of them. Where several seeds are given, the models whose
forecasts are drawn run with each, and how far their scores lie apart is printed.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from common import parse, print_versions

from cryptodask import CryptoLoader, CryptoManager
from cryptodask.evaluate.compare import compare_coins, compare_models, judge_coins
from cryptodask.results import Backtest
from cryptodask.runs import backtest

MODELS = (
    "naive", "drift", "seasonal_naive", "historic_mean", "linear", "ridge", "ridge_features",
    "pooled_linear", "ensemble", "auto", "random", "svr_linear", "svr_poly", "svr_rbf",
    "stats:AutoETS", "stats:AutoTheta", "sklearn:sklearn.ensemble.HistGradientBoostingRegressor",
    "prophet", "lstm_global", "lstm", "keras:gru", "keras:tcn", "keras:transformer",
)  # fmt: skip
SLOW = frozenset(MODELS[11:])
"""Models whose intervals come from the scored origins alone, since others would take hours."""
DRAWN = ("random", "lstm_global", "lstm", MODELS[16], *MODELS[20:])
A_COIN = ("lstm", *MODELS[20:])
"""Networks that are trained for each coin and origin, so that they forecast fewer coins."""


def coverage(table: pd.DataFrame, level: int) -> str:
    """Share inside, over all and in three equal parts of the origins, in per cent."""
    known = table[table["actual"].notna() & table[f"lower_{level}"].notna()]
    if known.empty:
        return "-"
    low, high = known[f"lower_{level}"], known[f"upper_{level}"]
    hits = (known["actual"] >= low) & (known["actual"] <= high)
    parts = [
        hits[known["cutoff"].isin(some)].mean()
        for some in np.array_split(np.sort(table["cutoff"].unique()), 3)
    ]
    return " ".join(f"{100 * share:.1f}" for share in (hits.mean(), *parts))


def lines(done: Backtest) -> pd.DataFrame:
    """One row a model: scores, verdicts, coverage."""
    table, scores, found = done.get_df(), done.scores(), done.differences()
    each = judge_coins(compare_coins(found))
    pooled = compare_models(found).set_index("model")["verdict"]
    rows = []
    for row in scores.to_dict("records"):
        own = table[table["model"] == row["model"]]
        counts = each.loc[each["model"] == row["model"], "verdict"].value_counts()
        rows.append(
            {
                "model": row["model"],
                "coins": row["coins"],
                "MAE/naive": round(row["relative_mae"], 4),
                "mase": round(row["mase"], 2),
                "better": counts.get("better", 0),
                "worse": counts.get("worse", 0),
                "all coins": pooled.get(row["model"], ""),
                "in 80%": coverage(own, 80),
                "in 95%": coverage(own, 95),
            }
        )
    return pd.DataFrame(rows)


def long_enough(loader: CryptoLoader, last: np.datetime64, least: int) -> list[str]:
    """Return the coins with so many rows up to a date and one on it, the longest first."""
    prices = loader.get_df(to_date=str(last.astype("datetime64[D]")))
    rows = prices.groupby("coin")["date"].agg(["size", "max"])
    rows = rows[(rows["size"] >= least) & (rows["max"] == last)]
    return list(rows.sort_values("size", ascending=False, kind="stable").index)


def run(manager: CryptoManager, args: argparse.Namespace, models: Sequence[str]) -> None:
    """Backtest each model, print its lines, and how seeds differ."""
    dates = backtest(
        manager, origins=args.origins, step=args.step, to_date=args.to, calibrate=0, progress=False
    ).origins
    coins = long_enough(manager.loader, dates[0], args.least)
    print(f"{len(dates)} origins {dates[0]} to {dates[-1]}, {len(coins)} coins", flush=True)
    seeds = [int(seed) for seed in args.seeds.split(",")]
    spreads = []
    for model in models:
        found = []
        for seed in seeds if model in DRAWN else seeds[:1]:
            began = time.perf_counter()
            done = backtest(
                manager,
                [model],
                origins=[str(date) for date in dates],
                to_date=args.to,
                calibrate=0 if model in SLOW else args.calibrate,
                coins=coins[: args.lstm_coins] if model in A_COIN else coins,
                seed=seed,
                progress=False,
            )
            table = lines(done)
            own = table[table["model"] == model].assign(
                seed=seed, failed=len(done.failures), s=round(time.perf_counter() - began, 1)
            )
            print(own.to_string(index=False, header=model == models[0]), flush=True)
            found.append(float(own["MAE/naive"].iloc[0]))
        if len(found) > 1:
            spreads.append(f"{model}: {min(found):.4f} to {max(found):.4f}")
    if spreads:
        print(f"MAE/naive over seeds {args.seeds}:", *spreads, sep="\n  ")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--origins", type=int, default=12)
    parser.add_argument("--step", type=int, default=10)
    parser.add_argument("--to", help="last day of the prices")
    parser.add_argument("--least", type=int, default=100)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--calibrate", type=int, default=5)
    parser.add_argument("--lstm-coins", type=int, default=20)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--workers", type=int, default=2)
    args = parse(parser, origins=3, models="naive,drift", calibrate=20)
    print_versions()
    with CryptoManager(args.source, workers=args.workers) as manager:
        run(manager, args, args.models.split(","))


if __name__ == "__main__":
    main()

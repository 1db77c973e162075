"""Made-up prices with a signal that is known: which models find it, and whether any finds one else.

    python benchmarks/known_signals.py [--coins 40] [--days 800] [--origins 60] [--seeds 5]
                                       [--model NAME …] [--set ar1 …]

Four sets of coins, whose daily returns are normal with a deviation of 3%, are backtested with
horizons of 1 and 3 days:

- ``ar1``: a return is 0.3 of the one before and noise, each coin by itself;
- ``lead-lag``: the return of every coin but the first, ``Leader``, is 0.5 of Leader's return of
  the day before and noise; only the followers are scored;
- ``column``: a return is 0.7 deviations of a column of the day before, ``Signal``, and noise of as
  much, so that the column explains half of the variance a day ahead;
- ``walk``: nothing but noise, of several seeds. Models see a column that is noise, too.

Told are mean absolute error over naive's beside the least that there can be, in closed form for
returns this small, where errors of prices are those of logs; what share that gain is of what
``truth`` has, which knows the signal, on the same days; the verdict of `compare_models`, and how
many coins `judge_coins` calls better. Of ``walk``, how many verdicts were "better", which should
be none but by chance: `compare_models` allows for all models tested together, at 5%.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import parse, print_versions

from cryptodask import CryptoManager
from cryptodask.evaluate.compare import (
    BETTER,
    compare_coins,
    compare_models,
    differences,
    judge_coins,
)
from cryptodask.evaluate.scores import scores, sums
from cryptodask.models import create_model
from cryptodask.prices import write_table
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.own import empty_own
from cryptodask.prices.reading import Reading
from cryptodask.records import FloatArray
from cryptodask.runs import backtest

PHI, BETA, NOISE = 0.3, 0.5, 0.03
COLUMN, SHARE = "Signal", 0.5
LEADER, START = "Leader", np.datetime64("2020-01-01", "s")
HORIZONS = (1, 3)
MODELS = ("drift", "ridge", "ridge_features", "pooled_linear", "svr_linear", "ensemble", "auto",
          "stats:AutoETS", "sklearn:sklearn.ensemble.HistGradientBoostingRegressor",
          "pooled:xgboost", "pooled:sklearn.linear_model.Ridge")  # fmt: skip
FEATURES = {"lead-lag": f"lag:1-2 coin:{LEADER}:1"}
WITH_COLUMN = f"lag:1-2 column:{COLUMN}"


def ar1(rng: np.random.Generator, coins: int, days: int) -> FloatArray:
    """Return returns that go on as they went, ``(coins, days)``."""
    noise = rng.normal(0, NOISE, (coins, days))
    returns = noise.copy()
    for day in range(1, days):
        returns[:, day] += PHI * returns[:, day - 1]
    return returns


def lead_lag(rng: np.random.Generator, coins: int, days: int) -> FloatArray:
    """Return returns of a leader and of those that follow it a day later, ``(coins, days)``."""
    returns = rng.normal(0, NOISE, (coins, days))
    returns[1:, 1:] += BETA * returns[0, :-1]
    return returns


def walk(rng: np.random.Generator, coins: int, days: int) -> FloatArray:
    """Return returns of which none tells of another, ``(coins, days)``."""
    return rng.normal(0, NOISE, (coins, days))


def column(rng: np.random.Generator, coins: int, days: int) -> FloatArray:
    """Return returns that `signal_of` leads by a day, ``(coins, days)``."""
    signal = signal_of(rng, coins, days)
    returns = np.sqrt(1 - SHARE) * rng.normal(0, NOISE, (coins, days))
    returns[:, 1:] += np.sqrt(SHARE) * NOISE * signal[:, :-1]
    return returns


def signal_of(rng: np.random.Generator, coins: int, days: int) -> FloatArray:
    """Return a column of deviation 1, ``(coins, days)``: what a generator draws first."""
    return rng.normal(0, 1, (coins, days))


SETS: dict[str, Callable[[np.random.Generator, int, int], FloatArray]] = {
    "ar1": ar1,
    "lead-lag": lead_lag,
    "column": column,
    "walk": walk,
}


def least(name: str, horizon: int) -> float:
    """Return the least mean absolute error there can be, over naive's, of steps up to a horizon.

    Errors are normal, so that they are as their deviations. Of ``ar1``, the forecast of the sum of
    ``k`` returns is the last return times ``phi + … + phi**k``; what noise of ``m`` days before
    the end comes to is ``1 + phi + … + phi**m``. Of ``lead-lag``, the leader's last return is in
    the first of the ``k`` days and the only thing known, as the column is in ``column``.
    """
    steps = np.arange(1, horizon + 1)
    if name == "ar1":
        left = np.cumsum(((1 - PHI**steps) / (1 - PHI)) ** 2)
        known = np.cumsum(PHI**steps) ** 2 / (1 - PHI**2)
    elif name == "lead-lag":
        left, known = steps + (steps - 1) * BETA**2, np.full(horizon, BETA**2)
    elif name == "column":
        left, known = steps - SHARE, np.full(horizon, SHARE)
    else:
        return 1.0
    return float(np.sqrt(left).sum() / np.sqrt(left + known).sum())


def write(folder: Path, returns: FloatArray, signal: FloatArray) -> Path:
    """Write a table of the prices that grow so, and of a column."""
    coins, days = returns.shape
    names = [LEADER, *(f"Coin {i:03d}" for i in range(1, coins))]
    dates = START + np.arange(days) * np.timedelta64(1, "D")
    closes = 100 * np.exp(returns.cumsum(axis=1)).ravel()
    prices = pd.DataFrame({"coin": np.repeat(names, days), "date": np.tile(dates, coins)})
    prices = prices.assign(**dict.fromkeys(("open", "high", "low", "close"), closes))
    prices = prices.assign(volume=np.nan, market_cap=np.nan, **{COLUMN: signal.ravel()})
    prices = prices.astype({"coin": "str"}).sort_values(["coin", "date"], ignore_index=True)
    rows = prices[["coin", "date", COLUMN]]
    reading = Reading(prices.drop(columns=COLUMN), empty_findings(), further=rows)
    columns = empty_own([COLUMN])
    write_table(folder, [reading], empty={}, notes=empty_findings(), further=columns)
    return folder


def _options(model: str, pooled: dict[str, Any], column: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a model: its features, and those that see the column."""
    if model == "pooled_linear":
        return pooled | {"normalise": "none" if column else "window"}
    if model.startswith("pooled:"):
        return pooled
    return column if model == "ridge_features" else {}


def run(
    name: str,
    folder: Path,
    returns: FloatArray,
    signal: FloatArray,
    horizon: int,
    args: Any,
    client: Any,
) -> pd.DataFrame:
    """Return scores and verdicts of all models on one set, ``model`` the index."""
    sees_column = {"features": WITH_COLUMN} if name in ("column", "walk") else {}
    pooled = {"features": FEATURES.get(name, "lag:1-5"), "ahead": horizon} | sees_column
    chosen = [create_model(m, **_options(m, pooled, sees_column)) for m in args.model]
    done = backtest(
        CryptoManager(folder, client), chosen, horizon, origins=args.origins, step=args.step,
        refit=1 if name in FEATURES else args.refit, calibrate=0, progress=False,
    )  # fmt: skip
    if len(done.failures):
        raise SystemExit(f"coins failed: {done.failures.to_string()}")
    frame = with_truth(name, done.get_df(), returns, signal)
    if name == "lead-lag":
        frame = frame[frame["coin"] != LEADER]
    compared = differences(frame)
    told = scores(sums(frame), by=("model",)).set_index("model")[["relative_mae"]]
    verdict = compare_models(compared).set_index("model")["verdict"]
    coins = judge_coins(compare_coins(compared))
    better = (coins["verdict"] == BETTER).groupby(coins["model"]).sum()
    return told.join(verdict).join(better.rename("better coins"))


def with_truth(
    name: str, frame: pd.DataFrame, returns: FloatArray, signal: FloatArray
) -> pd.DataFrame:
    """Return a backtest with one model more, which knows the signal and its numbers: ``truth``."""
    rows = frame[frame["model"] == "naive"].assign(model="truth")
    number = rows["coin"].str.removeprefix("Coin ").replace(LEADER, "0").astype(int).to_numpy()
    day = ((rows["cutoff"] - pd.Timestamp(START)) // pd.Timedelta("1D")).to_numpy()
    step = rows["step"].to_numpy()
    known = {
        "column": lambda: np.sqrt(SHARE) * NOISE * signal[number, day],
        "ar1": lambda: returns[number, day] * PHI * (1 - PHI**step) / (1 - PHI),
        "lead-lag": lambda: np.where(number > 0, BETA * returns[0, day], 0.0),
        "walk": lambda: np.zeros(len(rows)),
    }[name]()
    rows = rows.assign(forecast=rows["last"] * np.exp(known))
    return pd.concat([frame, rows], ignore_index=True)


def signals(name: str, args: Any, client: Any, folder: Path) -> None:
    """Backtest the set of a known signal, and print."""
    made = SETS[name](np.random.default_rng(1), args.coins, args.days)
    signal = signal_of(np.random.default_rng(1), args.coins, args.days)
    table = write(folder / name, made, signal)
    for horizon in HORIZONS:
        began, best = time.perf_counter(), least(name, horizon)
        found = run(name, table, made, signal, horizon, args, client)
        gain = 1 - found["relative_mae"]
        found["of the gain"] = gain / gain["truth"]
        print(f"\n{name}, horizon {horizon}: least relative MAE {best:.4f} "
              f"({time.perf_counter() - began:.0f} s)")  # fmt: skip
        print(found.round(4).to_string(), flush=True)


def nothing(args: Any, client: Any, folder: Path) -> None:
    """Backtest random walks of several seeds, and count verdicts that say otherwise."""
    wrong, tested, coins = 0, 0, 0
    for seed in range(1, args.seeds + 1):
        made = walk(np.random.default_rng(seed), args.coins, args.days)
        signal = signal_of(np.random.default_rng([seed, 1]), args.coins, args.days)
        table = write(folder / f"walk-{seed}", made, signal)
        for horizon in HORIZONS:
            found = run("walk", table, made, signal, horizon, args, client)
            found = found.drop(index=["naive", "truth"])
            better = found.index[found["verdict"] == BETTER].tolist()
            wrong, tested = wrong + len(better), tested + len(found)
            coins += int(found["better coins"].sum())
            lowest = found["relative_mae"].idxmin()
            print(f"walk, seed {seed}, horizon {horizon}: better: {', '.join(better) or 'none'}; "
                  f"lowest relative MAE {found['relative_mae'].min():.4f} ({lowest}), better "
                  f"coins {int(found['better coins'].sum())}", flush=True)  # fmt: skip
    print(f"\nwalk: {wrong} of {tested} models better, and {coins} of {tested * args.coins} "
          "times a coin")  # fmt: skip


def main() -> None:
    """Parse, run set after set, print."""
    from cryptodask.cluster import close_local, local_client

    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=40)
    parser.add_argument("--days", type=int, default=800)
    parser.add_argument("--origins", type=int, default=60)
    parser.add_argument("--step", type=int, default=5)
    parser.add_argument("--refit", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--model", nargs="*", default=MODELS)
    parser.add_argument("--set", nargs="*", default=list(SETS), choices=list(SETS))
    models = ["drift", "pooled_linear", "pooled:sklearn.linear_model.Ridge"]
    sets = ["ar1", "column", "walk"]
    args = parse(parser, coins=4, days=150, origins=5, seeds=1, model=models, set=sets)
    print_versions()
    client = local_client(2)
    with tempfile.TemporaryDirectory() as folder:
        for name in [name for name in args.set if name != "walk"]:
            signals(name, args, client, Path(folder))
        if "walk" in args.set:
            nothing(args, client, Path(folder))
    close_local(client)


if __name__ == "__main__":
    main()

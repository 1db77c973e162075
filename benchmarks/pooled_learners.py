"""Boosted trees over all coins, on the same lags: ours, and XGBoost by mlforecast's Dask way.

    python3.11 -m venv peers && peers/bin/pip install "mlforecast[dask]" xgboost-cpu pyarrow
    python benchmarks/pooled_learners.py [--coins 1000] [--days 1000] [--repeats 3]
                                         [--peer-python peers/bin/python]

Made-up coins, whose daily log return is 0.3 of the one before and noise, are written once: as a
CryptoDask table, and as Parquet of ``unique_id, ds, y`` in parts of whole coins, with log returns
as ``y``. Every way starts a cluster of two workers of one thread, which is not timed, opens its
files, trains on all rows, forecasts the next day of every coin and writes Parquet. Features are the
last five log returns, and the target the next one, not normalised on either side; trees are 100 of
depth 4, rate 0.1, by histograms. The ways are:

- ``cryptodask``: ``pooled:xgboost``, with as many ``max_rows`` as there are: rows meet on a worker;
- ``cryptodask, lightgbm``: ``pooled:lightgbm`` the same way, with trees of up to 16 leaves;
- ``cryptodask, sample``: ``pooled:xgboost`` with the default of a million rows;
- ``cryptodask, distributed``: rows stay where they are, by XGBoost's Dask interface;
- ``mlforecast``: ``DistributedMLForecast`` with ``DaskXGBForecast``.

Printed are seconds, peak memory (client and workers together, each process by its own greatest),
and the share of what can be known of the next return that a forecast has found: 1 less the mean
square of its distance from 0.3 times the last return, over the mean square of that.

The peer runs in the environment of ``--peer-python``, since mlforecast refuses pandas 3; it is left
out where it is not installed there. Ways run in turn.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import can_import, parse, print_versions, spread

PHI, NOISE, LAGS, PARTS = 0.3, 0.03, 5, 16
TREES = {"n_estimators": 100, "max_depth": 4, "learning_rate": 0.1}
WAYS = (
    "cryptodask", "cryptodask, sample", "cryptodask, lightgbm", "cryptodask, distributed",
    "mlforecast",
)  # fmt: skip


def make(folder: Path, coins: int, days: int) -> None:
    """Write both tables, part by part, and what is known of each coin's next return."""
    import numpy as np
    import pandas as pd

    from cryptodask.prices.clean.findings import empty_findings
    from cryptodask.prices.reading import Reading
    from cryptodask.prices.table.price_table import write_table

    rng = np.random.default_rng(1)
    dates = np.datetime64("2020-01-01", "s") + np.arange(days) * np.timedelta64(1, "D")
    (folder / "peer").mkdir()
    known = {}

    def parts() -> Any:
        for number, chosen in enumerate(np.array_split(np.arange(coins), PARTS)):
            if not len(chosen):
                continue
            returns = rng.normal(0, NOISE, (len(chosen), days))
            for day in range(1, days):
                returns[:, day] += PHI * returns[:, day - 1]
            names = [f"coin{i:05d}" for i in chosen]
            known.update(zip(names, (PHI * returns[:, -1]).tolist(), strict=True))
            closes = 100 * np.exp(returns.cumsum(axis=1)).ravel()
            keys = pd.array(np.repeat(names, days), dtype="str")
            prices = pd.DataFrame({"coin": keys, "date": np.tile(dates, len(chosen))})
            prices = prices.assign(**dict.fromkeys(("open", "high", "low", "close"), closes))
            prices = prices.assign(volume=np.nan, market_cap=np.nan)
            peer = pd.DataFrame({"unique_id": keys, "ds": prices["date"], "y": returns.ravel()})
            peer.to_parquet(folder / "peer" / f"{number:03d}.parquet", index=False)
            yield Reading(prices, empty_findings())

    write_table(folder / "table", parts(), empty={}, notes=empty_findings())
    (folder / "known.json").write_text(json.dumps(known))


def by_cryptodask(folder: Path, way: str, rows: int) -> tuple[float, float, dict[str, float]]:
    """Return seconds, peak memory in MB, and forecast log returns by coin."""
    import numpy as np

    from cryptodask import CryptoManager, create_model
    from cryptodask.cluster import close_local, local_client
    from cryptodask.runs import forecast

    options: dict[str, Any] = {
        "cryptodask": {"max_rows": rows},
        "cryptodask, sample": {},
        "cryptodask, lightgbm": {"max_rows": rows, "num_leaves": 2 ** TREES["max_depth"]},
        "cryptodask, distributed": {"distributed": True},
    }[way]
    name, least = "pooled:xgboost", "min_child_weight"
    if way == "cryptodask, lightgbm":
        name, least = "pooled:lightgbm", "min_child_samples"
    model = create_model(
        name, features=f"lag:1-{LAGS}", target="log_return", normalise="none",
        **{least: 1}, **TREES, **options,
    )  # fmt: skip
    shutil.rmtree(folder / "out", ignore_errors=True)  # or the same run would be opened again
    client = local_client(2)
    began = time.perf_counter()
    manager = CryptoManager(folder / "table", client)
    done = forecast(manager, [model], 1, out=folder / "out", progress=False)
    spent = time.perf_counter() - began
    peak = memory(client)
    frame = done.get_df().set_index("coin")["forecast"]
    close_local(client)
    last = last_closes(folder)
    return spent, peak, {coin: float(np.log(frame[coin] / last[coin])) for coin in frame.index}


def last_closes(folder: Path) -> dict[str, float]:
    """Return the last close of each coin."""
    import numpy as np
    import pandas as pd

    parts = sorted((folder / "peer").glob("*.parquet"))
    sums = pd.concat(pd.read_parquet(part).groupby("unique_id")["y"].sum() for part in parts)
    return (100 * np.exp(sums)).to_dict()


def by_mlforecast(folder: Path) -> tuple[float, float, dict[str, float]]:
    """Return seconds, peak memory in MB, and forecast log returns by coin."""
    import dask.dataframe as dd
    from dask.distributed import Client, LocalCluster
    from mlforecast.distributed import DistributedMLForecast
    from mlforecast.distributed.models.dask.xgb import DaskXGBForecast

    client = Client(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))
    began = time.perf_counter()
    table = dd.read_parquet(folder / "peer", split_row_groups=False)
    model = DaskXGBForecast(tree_method="hist", n_jobs=1, random_state=0, **TREES)
    engine = DistributedMLForecast({"xgb": model}, freq="D", lags=list(range(1, LAGS + 1)))
    engine.fit(table, static_features=[])
    forecast = engine.predict(1).compute()
    forecast.to_parquet(folder / "peer.parquet")
    spent = time.perf_counter() - began
    peak = memory(client)
    client.shutdown()
    return spent, peak, dict(zip(forecast["unique_id"], forecast["xgb"].map(float), strict=True))


def peak_of_process() -> float:
    """Return the most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def memory(client: Any) -> float:
    """Return the most memory that client and workers had, in MB."""
    return peak_of_process() + sum(client.run(peak_of_process).values())


def found(known: dict[str, float], forecast: dict[str, float]) -> float:
    """Return which share of what can be known a forecast has found."""
    missed = sum((forecast[coin] - value) ** 2 for coin, value in known.items())
    return 1 - missed / sum(value**2 for value in known.values())


def child(way: str, folder: Path, rows: int) -> None:
    """Run one way and print what it took as JSON."""
    ours = way != "mlforecast"
    spent, peak, forecast = by_cryptodask(folder, way, rows) if ours else by_mlforecast(folder)
    known = json.loads((folder / "known.json").read_text())
    print(json.dumps([spent, peak, found(known, forecast)]))


def _lightgbm() -> bool:
    """Return whether LightGBM can be loaded, and print why if it can't."""
    from cryptodask.errors import MissingExtraError
    from cryptodask.models.pooled.lightgbm_fits import LightGBMFits

    try:
        LightGBMFits({}).module()
    except MissingExtraError as error:
        print(f"{error}; left out")
        return False
    return True


def main() -> None:
    """Parse, run each way in a process of its own, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--way", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--child", choices=WAYS)
    parser.add_argument("--keep", type=Path)
    args = parse(parser, coins=20, days=80, repeats=1, way=WAYS[:3])
    rows = args.coins * args.days
    if args.child:
        child(args.child, args.keep, rows)
        return
    print_versions()
    there = can_import(["mlforecast"], args.peer_python)
    needs = {"mlforecast": there, "cryptodask, lightgbm": _lightgbm()}
    ways = [way for way in args.way if needs.get(way, True)]
    results: dict[str, list[list[float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), args.coins, args.days)
        for _ in range(args.repeats):
            for way in ways:
                python = args.peer_python if way == "mlforecast" else sys.executable
                command = [python, str(Path(__file__).resolve()), "--child", way, "--keep", folder,
                           "--coins", str(args.coins), "--days", str(args.days)]  # fmt: skip
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{way}: {done.stderr}")
                results[way].append(json.loads(done.stdout.splitlines()[-1]))
                seconds, peak, share = results[way][-1]
                print(f"  {way}: {seconds:.1f} s, {peak:,.0f} MB, found {share:.4f}", flush=True)
    for way, runs in results.items():
        seconds, peaks, shares = (list(values) for values in zip(*runs, strict=True))
        print(f"{way}: {spread(seconds, ' s')}, {spread(peaks, ' MB')}, found {spread(shares)}")


if __name__ == "__main__":
    main()

"""``naive``, ``linear`` and ``ridge`` from Parquet to Parquet, beside statsforecast and mlforecast.

    python benchmarks/closed_form.py [--coins 1000] [--days 1000] [--repeats 5] [--keep FOLDER]
                                     [--peer-python PATH] [--model naive]

The peers live in an environment of their own, whose interpreter is PATH:

    python3.11 -m venv peers
    peers/bin/pip install statsforecast mlforecast scikit-learn pyarrow polars

Made-up coins are written once, as a CryptoDask table of all eight columns and, for the peers, as
one Parquet file of ``unique_id, ds, y``. Every way opens its files, forecasts ten days of every
coin, and writes Parquet; printed are series a second and core, and the ratio to the faster peer.
Peers that are not installed there are left out.

CryptoDask runs twice: as a user runs it, ``CryptoManager.forecast(out=FOLDER)`` on a local cluster
of one worker that has been started, and its core alone in one process without a cluster.
The peers get pandas' dataframes and, where it is installed, those of polars, with which they are
much faster; statsforecast runs with ``n_jobs=1`` and on all cores. Neither has quite these models.
The nearest are:

=======  =========================================  =========================================
model    statsforecast, one fit a series            mlforecast, ONE fit for all series
=======  =========================================  =========================================
naive    Naive                                      a regressor that gives lag 1 back
linear   RandomWalkWithDrift, a line by two points  LinearRegression on lag 1
ridge    ARIMA(10,1,0) of logs with drift, by CSS   Ridge on 10 lags of log returns
=======  =========================================  =========================================

That ARIMA is fitted to ``SAMPLE`` coins at most, since its time grows with their number. What has
one core is held to that one (Linux), and its libraries to one thread. Each process stays, and runs
each way once before it is timed: imports, and what Numba compiles where a peer uses it, are left
out on all sides, as is the start of the cluster. Seconds of the processor, of client and worker
together, are told too, since they change less where other work runs on the machine.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from common import alternate, can_import, parse, print_versions

HORIZON, LAGS, SAMPLE = 10, 10, 300
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
MODELS = ("naive", "linear", "ridge")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
              "POLARS_MAX_THREADS")  # fmt: skip
CLUSTER, CORE = "cryptodask", "cryptodask, no cluster"
ONE, ALL, GLOBAL = "statsforecast", "statsforecast, n_jobs=-1", "mlforecast"
PEERS = {
    ONE: {"statsforecast"},
    ALL: {"statsforecast"},
    GLOBAL: {"mlforecast"},
    "statsforecast, polars": {"statsforecast", "polars"},
    "mlforecast, polars": {"mlforecast", "polars"},
}
"""Packages that each way needs."""


def by_core(model: str, folder: Path, out: Path) -> None:
    """Forecast in this process: what the workers do, one job after the other."""
    from jobs import files_in, plan_jobs, run_job

    from cryptodask import CryptoLoader, create_model

    loader, engine = CryptoLoader(folder / "table"), create_model(model)
    place = out.with_name("alone")
    place.mkdir(exist_ok=True)
    for i, job in enumerate(plan_jobs(loader.source, loader.check_names(), engine, 1)):
        run_job(job, engine, HORIZON, files_in(place, i))


def read_plain(path: Path, frames: str) -> Any:
    """Read a plain Parquet file with pandas or polars."""
    module = __import__(frames)
    return module.read_parquet(path)


def write_plain(frame: Any, path: Path) -> None:
    """Write a dataframe of pandas or polars."""
    (frame.to_parquet if hasattr(frame, "to_parquet") else frame.write_parquet)(path)


def by_statsforecast(
    model: str, folder: Path, out: Path, jobs: int = 1, frames: str = "pandas"
) -> None:
    """Forecast as statsforecast's documentation does."""
    import numpy as np
    from statsforecast import StatsForecast
    from statsforecast.models import ARIMA, Naive, RandomWalkWithDrift

    models = {
        "naive": Naive,
        "linear": RandomWalkWithDrift,
        "ridge": lambda: ARIMA((LAGS, 1, 0), include_drift=True, method="CSS"),
    }
    engine = StatsForecast([models[model]()], "D" if frames == "pandas" else "1d", n_jobs=jobs)
    if model != "ridge":
        prices = read_plain(folder / "prices.parquet", frames)
        write_plain(engine.forecast(df=prices, h=HORIZON), out)
        return
    prices = read_plain(folder / "sample.parquet", "pandas")
    prices["y"] = np.log(prices["y"])
    forecast = engine.forecast(df=prices, h=HORIZON)
    forecast["ARIMA"] = np.exp(forecast["ARIMA"])
    write_plain(forecast, out)


def by_mlforecast(model: str, folder: Path, out: Path, frames: str = "pandas") -> None:
    """Forecast as mlforecast's documentation does."""
    import numpy as np
    from mlforecast import MLForecast
    from mlforecast.target_transforms import Differences, GlobalSklearnTransformer
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.preprocessing import FunctionTransformer

    class Last(RegressorMixin, BaseEstimator):
        def fit(self, *_: Any) -> "Last":
            return self

        def predict(self, X: Any) -> Any:
            return np.asarray(X["lag1"])

    logs = FunctionTransformer(np.log, np.exp)
    returns = [GlobalSklearnTransformer(logs), Differences([1])]
    made, lags, transforms = {
        "naive": (Last(), [1], None),
        "linear": (LinearRegression(), [1], None),
        "ridge": (Ridge(), range(1, LAGS + 1), returns),
    }[model]
    freq = "D" if frames == "pandas" else "1d"
    engine = MLForecast({model: made}, freq, lags=lags, target_transforms=transforms)
    engine.fit(read_plain(folder / "prices.parquet", frames), static_features=[])
    write_plain(engine.predict(HORIZON), out)


CHILDREN: Mapping[str, tuple[Callable[..., None], dict[str, Any]]] = {
    CORE: (by_core, {}),
    ONE: (by_statsforecast, {"jobs": 1}),
    ALL: (by_statsforecast, {"jobs": -1}),
    GLOBAL: (by_mlforecast, {}),
    "statsforecast, polars": (by_statsforecast, {"frames": "polars"}),
    "mlforecast, polars": (by_mlforecast, {"frames": "polars"}),
}


def child(way: str, folder: Path) -> None:
    """Forecast with the models that are named on standard input, one a line."""
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    run, options = CHILDREN[way]
    if way != ALL:
        pin(CORES[-1])
    for line in sys.stdin:
        before = time.process_time()
        run(line.strip(), folder, folder / "out.parquet", **options)
        print(json.dumps(time.process_time() - before), file=answers, flush=True)


def pin(core: int) -> None:
    """Hold this process, and all threads that it starts from now on, to one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [core])


def pin_all(core: int) -> None:
    """Hold a process that runs already to one core, with its threads."""
    if hasattr(os, "sched_setaffinity"):
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), [core])


class Child:
    """A process that stays, and runs one way on demand."""

    def __init__(self, way: str, python: str, folder: Path) -> None:
        self.way = way
        command = [python, __file__, "--child", way, "--keep", str(folder)]
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1")
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True,
                                         env=environment)  # fmt: skip

    def __call__(self, model: str) -> float:
        """Run, and return the seconds of the processor that the process took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{model}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.way}: failed at {model}; what it said is above")
        return float(json.loads(answer))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def user(folder: Path) -> Iterator[Callable[[str], float]]:
    """Start a local cluster of one worker, and give what forecasts on it as a user does."""
    from cryptodask import CryptoManager
    from cryptodask.cluster import close_local, local_client

    started = time.perf_counter()
    client = local_client(1)
    print(f"start of a local cluster of one worker: {time.perf_counter() - started:.2f} s")
    client.run(pin_all, CORES[-1])

    def run(model: str) -> float:
        before = sum(client.run(time.process_time).values()) + time.process_time()
        result = CryptoManager(folder / "table", client).forecast(
            [model], HORIZON, out=folder / "out", overwrite=True, progress=False
        )
        if len(result.failures):
            raise SystemExit(f"coins failed: {result.failures.to_string()}")
        return sum(client.run(time.process_time).values()) + time.process_time() - before

    yield run
    close_local(client)


def write_prices(folder: Path, coins: int, days: int) -> None:
    """Write the table and the peers' files, unless they are there."""
    from cryptodask.prices import write_table
    from cryptodask.prices.clean.findings import empty_findings
    from cryptodask.prices.partition import pack
    from cryptodask.prices.reading import Reading
    from cryptodask.prices.synthetic import synthetic_prices

    if (folder / "sample.parquet").exists():
        print(f"files: those of an earlier run, in {folder}")
        return
    prices = synthetic_prices(coins, days, short=[days] * coins)
    rows = prices.groupby("coin").size()
    edges = rows.cumsum().tolist()
    parts = (
        Reading(prices.iloc[edges[a] - days : edges[b - 1]].reset_index(drop=True),
                empty_findings())
        for a, b in pack(rows)
    )  # fmt: skip
    write_table(folder / "table", parts, empty={}, notes=empty_findings())
    plain = prices[["coin", "date", "close"]].set_axis(["unique_id", "ds", "y"], axis=1)
    # As the peers' environment has them, so that no conversion is counted.
    plain = plain.astype({"unique_id": object, "ds": "datetime64[ns]"})
    plain.to_parquet(folder / "prices.parquet", index=False)
    plain[: days * min(coins, SAMPLE)].to_parquet(folder / "sample.parquet", index=False)


def check(folder: Path, coins: int) -> None:
    """Refuse forecasts that are not those of all coins, or differ with and without a cluster."""
    import numpy as np
    import pandas as pd

    whole, alone = (
        pd.read_parquet(folder / name).sort_values(["coin", "step"])["forecast"].to_numpy()
        for name in ("out", "alone")
    )
    if len(whole) != coins * HORIZON or not np.array_equal(whole, alone):
        raise SystemExit("forecasts with and without a cluster are not the same")


def compare(model: str, runs: Mapping[str, Callable[[str], float]], args: Any) -> None:
    """Time all ways of one model in turn, and print series a second and core."""
    print(f"\n{model}:")
    runs[CORE](model)
    runs[CLUSTER](model)
    check(args.keep, args.coins)
    # ARIMA takes a hundred times as long as any dataframe, so pandas will do.
    left_out = "statsforecast, polars" if model == "ridge" else None
    runs = {way: run for way, run in runs.items() if way != left_out}
    for way in [way for way in runs if way not in (CORE, CLUSTER)]:
        runs[way](model)
    used: dict[str, list[float]] = {way: [] for way in runs}
    ways = {way: lambda way=way: used[way].append(runs[way](model)) for way in runs}
    seconds = alternate(ways, args.repeats)
    rates, busy = {}, {}
    for way in runs:
        sampled = model == "ridge" and way in (ONE, ALL)
        series = min(args.coins, SAMPLE) if sampled else args.coins
        cores = len(CORES) if way == ALL else 1
        rates[way] = [series / took / cores for took in seconds[way]]
        busy[way] = [series / took for took in used[way]]
    print("series a second and core, and series a second of the processor:")
    for way in runs:
        line = f"  {way:26}{spread(rates[way]):40}"
        # The processes that statsforecast starts are not in its own account.
        print(line if way == ALL else line + spread(busy[way]))
    tell_ratios(model, "and core", rates)
    tell_ratios(model, "of the processor", {way: busy[way] for way in runs if way != ALL})


def tell_ratios(model: str, unit: str, rates: Mapping[str, list[float]]) -> None:
    """Print how many times as fast as the faster peer CryptoDask is, run by run."""
    peers = [way for way in rates if way not in (CLUSTER, CORE)]
    if not peers:
        return
    faster = max(peers, key=lambda way: statistics.median(rates[way]))
    for way in (CLUSTER, CORE):
        ratios = [a / b for a, b in zip(rates[way], rates[faster], strict=True)]
        print(f"{model}: {way} / {faster}, by second {unit}: {spread(ratios)} times")


def spread(values: list[float]) -> str:
    """Return median and range."""
    middle, least, most = statistics.median(values), min(values), max(values)
    if middle > 100:
        return f"{middle:,.0f} ({least:,.0f} to {most:,.0f})"
    return f"{middle:.3g} ({least:.3g} to {most:.3g}, n={len(values)})"


def peers_of(python: str) -> list[str]:
    """Print what the peers' environment has, and return the ways that it can run."""
    names = ["statsforecast", "mlforecast", "coreforecast", "numpy", "pandas", "polars", "pyarrow",
             "scikit-learn", "numba"]  # fmt: skip
    code = (
        "import platform; from importlib.metadata import distributions\n"
        f"have = {{d.metadata['Name'].lower(): d.version for d in distributions()}}\n"
        "print('peers: python', platform.python_version())\n"
        f"for n in {names}: print(' ', n, have.get(n, 'not there'))"
    )
    there = can_import(("statsforecast", "mlforecast", "polars"), python)
    subprocess.run([python, "-c", code], check=True)
    return [way for way, needed in PEERS.items() if needed <= set(there)]


def measure(args: argparse.Namespace) -> None:
    """Write, warm up, compare each model."""
    write_prices(args.keep, args.coins, args.days)
    size = sum(file.stat().st_size for file in (args.keep / "table").iterdir()) / 1e6
    plain = (args.keep / "prices.parquet").stat().st_size / 1e6
    print(f"{args.coins:,} coins of {args.days:,} days; table {size:.0f} MB, plain {plain:.0f} MB")
    peers = {way: Child(way, args.peer_python, args.keep) for way in args.peers}
    core = Child(CORE, sys.executable, args.keep)
    with user(args.keep) as run:
        for model in args.model or MODELS:
            compare(model, {CLUSTER: run, CORE: core, **peers}, args)
    for process in (core, *peers.values()):
        process.close()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--coins", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--model", action="append", choices=MODELS, help="by default all three")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where files stay and are used")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parse(parser, coins=20, days=100, repeats=2, model=["naive", "linear"])
    if args.child:
        child(args.child, args.keep)
        return
    os.environ |= dict.fromkeys(ONE_THREAD, "1")
    print_versions()
    args.peers = peers_of(args.peer_python)
    with tempfile.TemporaryDirectory() as place:
        args.keep = (args.keep or Path(place)).resolve()
        args.keep.mkdir(parents=True, exist_ok=True)
        measure(args)
        for name in ("out", "alone"):
            shutil.rmtree(args.keep / name, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Versions of LSTMs: writing, reading, one coin; and predicting beside forecasting anew.

    python benchmarks/registry.py [--lstms 100,1000] [--coins 1000] [--days 400] [--repeats 3]

1. The arrays of that many LSTMs (layers of 50 and 100 units, 71,051 numbers each) are written as a
   training does, synced, with a checksum of each coin and of each file, by two processes; and read
   as workers do, each coin compared with its checksum. Beside it, what one would write by hand: an
   .npz for each coin, synced, which nothing compares. Then one coin of an open version, and of one
   that has to be opened.
2. A version of made-up coins is trained, and predicted from, beside a forecast that trains anew, by
   the same two workers, in turn.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from common import alternate, parse, print_ratio, print_versions, spread
from dask.distributed import Client
from tables import make_table

from cryptodask.io.files import FileRecord
from cryptodask.io.parquet import write_frame
from cryptodask.models import create_model
from cryptodask.models.learned import Learned
from cryptodask.prices.panels import to_panel
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.registry import open_version, predict, train
from cryptodask.results.learned_files import date_arrays, make_index, write_learned
from cryptodask.results.manifest import Manifest, write_manifest
from cryptodask.results.version import INDEX
from cryptodask.results.version_facts import KIND
from cryptodask.runs import forecast

TASK = 200
"""Coins of a file."""

HORIZON = 10


def learned_of(coins: int) -> Learned:
    """Return what an LSTM learns, of as many coins; the same numbers for each."""
    prices = synthetic_prices(1, 80, seed=1, short=(80,))
    panel = to_panel(prices, "1d", ())
    one = create_model("lstm").learn(panel, HORIZON, 0)
    arrays = {**one.arrays, **date_arrays(panel)}
    return Learned(
        tuple(map(str, range(coins))), {n: np.repeat(a, coins, axis=0) for n, a in arrays.items()}
    )


def named(task: int, coins: int) -> tuple[str, ...]:
    """Return the names of a task's coins."""
    return tuple(f"coin{task * TASK + i:07d}" for i in range(coins))


def write_task(folder: Path, task: int, coins: int, template: Path) -> FileRecord:
    """Write a task's file as a training does."""
    arrays = _template(template, coins)
    return write_learned(
        folder / f"{KIND}-{task:05d}.safetensors", Learned(named(task, coins), arrays)
    )


def write_npz(folder: Path, task: int, coins: int, template: Path) -> None:
    """Write a file for each coin of a task."""
    arrays = _template(template, coins)
    for i, coin in enumerate(named(task, coins)):
        with (folder / f"{coin}.npz").open("wb") as file:
            np.savez(file, **{name.lstrip("."): array[i] for name, array in arrays.items()})
            file.flush()
            os.fsync(file.fileno())


def read_task(folder: Path, task: int, coins: int) -> int:
    """Read a task's coins as a worker does."""
    learned, _ = open_version(folder).learned(named(task, coins))
    return len(learned.arrays)


def read_npz(folder: Path, task: int, coins: int) -> int:
    """Read each coin's file of a task."""
    for coin in named(task, coins):
        with np.load(folder / f"{coin}.npz") as file:
            for name in file.files:
                file[name]
    return coins


def _template(path: Path, coins: int) -> dict[str, np.ndarray]:
    """Return the arrays of as many coins, from a file that a process maps."""
    return {file.stem: np.load(file, mmap_mode="r")[:coins] for file in path.glob("*.npy")}


def close(folder: Path, records: list[FileRecord]) -> None:
    """Write the index and the manifest of a version."""
    index = write_frame(make_index(folder, records), folder / INDEX)
    facts = {
        "format": 1, "model": {"name": "lstm", "options": {}}, "freq": "1d", "coins": 1,
        "prices": "", "first": "2020-01-01", "last": "2020-01-01", "trained": "2020-01-01",
        "by": "", "code": "", "libraries": {}, "learns": True, "any_coin": False, "parent": None,
        "spec": {},
    }  # fmt: skip
    write_manifest(
        folder,
        Manifest(key="", kind=KIND, models=["lstm"], horizon=HORIZON, files=records,
                 beside=[index], facts=facts),
    )  # fmt: skip


def measure_files(pool: ProcessPoolExecutor, work: Path, lstms: int, repeats: int) -> None:
    """Print how long many LSTMs take to be written, and read, and one of them."""
    sizes = [min(TASK, lstms - start) for start in range(0, lstms, TASK)]
    template = work / "template"
    if not template.exists():
        template.mkdir()
        for name, array in learned_of(TASK).arrays.items():
            np.save(template / f"{name}.npy", array)
    ours, theirs = work / "version", work / "npz"

    def each(call: Callable[..., object], *more: object) -> list:
        done = [pool.submit(call, task, size, *more) for task, size in enumerate(sizes)]
        return [one.result() for one in done]

    def anew() -> None:
        for folder in (ours, theirs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()

    writing = {
        "npz a coin, written": lambda: each(partial(write_npz, theirs), template),
        "version, written": lambda: close(ours, each(partial(write_task, ours), template)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in writing}
    for _ in range(repeats):
        anew()
        for name, values in alternate(writing, 1).items():
            seconds[name] += values
    print_ratio(seconds, *writing)
    reading = {
        "npz a coin, read": lambda: each(partial(read_npz, theirs)),
        "version, read": lambda: each(partial(read_task, ours)),
    }
    print_ratio(alternate(reading, repeats), *reading)
    measure_one(ours, lstms)


def measure_one(folder: Path, lstms: int) -> None:
    """Print how long one coin takes, of an open version and of one that has to be opened."""
    rng = np.random.default_rng(0)
    version = open_version(folder)
    version.learned([f"coin{0:07d}"])
    opened, anew = [], []
    for number in rng.integers(lstms, size=20):
        coin = f"coin{number:07d}"
        started = time.perf_counter()
        version.learned([coin])
        opened.append(1e3 * (time.perf_counter() - started))
        started = time.perf_counter()
        open_version(folder).learned([coin])
        anew.append(1e3 * (time.perf_counter() - started))
    print(f"one coin of {lstms:,}, version open: {spread(opened, ' ms')}")
    print(f"one coin of {lstms:,}, version opened for it: {spread(anew, ' ms')}")


def measure_predicting(work: Path, coins: int, days: int, repeats: int) -> None:
    """Print how long a prediction takes beside a forecast that trains anew."""
    table = make_table(work / "table", coins, days).path
    with Client(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        how = {"client": client, "progress": False}
        started = time.perf_counter()
        version = train(table, "lstm", registry=work / "registry", horizon=HORIZON, **how)
        print(f"lstm of {version.facts.coins:,} coins of {days} days: trained in "
              f"{time.perf_counter() - started:.1f} s, {version.size / 1e6:.0f} MB")  # fmt: skip
        results = {}

        def keep(name: str, run: Callable[[], object]) -> Callable[[], None]:
            def timed() -> None:
                results[name] = run()

            return timed

        ways = {
            "forecast anew": keep(
                "anew", lambda: forecast(table, ["lstm"], HORIZON, **how).get_df()
            ),
            "predict": keep(
                "kept",
                lambda: predict(table, "lstm:1", registry=work / "registry", **how).get_df(),
            ),
        }
        ways["predict"]()
        seconds = alternate(ways, repeats)
        print_ratio(seconds, *ways)
        same = results["anew"].equals(results["kept"])
        print(f"the same bits: {same}; {len(results['kept']):,} rows")
        if not same:
            raise SystemExit("predicted other numbers than forecast")
        ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
        print(f"wanted 50 times faster, got {statistics.median(ratios):.0f}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lstms", default="100,1000", help="how many, separated by commas")
    parser.add_argument("--coins", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    given = parse(parser, lstms="6", coins=4, days=80, repeats=1)
    print_versions()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            list(pool.map(abs, range(2)))
            for lstms in map(int, given.lstms.split(",")):
                print(f"{lstms:,} LSTMs:")
                measure_files(pool, work, lstms, given.repeats)
        shutil.rmtree(work / "npz")
        shutil.rmtree(work / "version")
        measure_predicting(work, given.coins, given.days, given.repeats)


if __name__ == "__main__":
    main()

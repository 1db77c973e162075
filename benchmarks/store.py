"""Forecasts into a database: a run's folder stored, stored again, and by pandas' ``to_sql``.

    python benchmarks/store.py [--rows 1000000] [--store PLACE] [--repeats 3]

A folder of that many rows with intervals is stored into a database of SQLite, or into a new one on
the server of a URL, as postgresql://user@host; stored again, which compares each number; and read.
Beside it, ``DataFrame.to_sql`` writes a tenth of the rows into a table of its own, whose time is
given for as many rows.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from common import parse, print_ratio, print_versions, spread

from cryptodask.evaluate.rows import BOUNDS
from cryptodask.io.parquet import write_frame
from cryptodask.io.paths import path_of
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.results.failures import failure_table
from cryptodask.results.forecasts import empty_forecasts
from cryptodask.results.jobs import task_table
from cryptodask.results.manifest import FAILURES, LOST, TASKS, Manifest, write_manifest
from cryptodask.runs.plan import Plan, write_plan
from cryptodask.runs.workload import Task
from cryptodask.store import open_store

HORIZON = 10

FILES = 20
"""Of a folder, as many as tasks."""


def rows_of(coins: range, seed: int) -> pd.DataFrame:
    """Return a forecast table of made-up numbers."""
    rng = np.random.default_rng(seed)
    cutoff = np.datetime64("2026-01-01", "s")
    steps = np.tile(np.arange(1, HORIZON + 1), len(coins))
    frame = pd.DataFrame(
        {
            "coin": np.repeat([f"coin-{i:06d}" for i in coins], HORIZON),
            "model": "ridge",
            "cutoff": cutoff,
            "date": cutoff + steps * np.timedelta64(86_400, "s"),
            "step": steps,
        }
    )
    numbers = rng.lognormal(size=(len(frame), 1 + len(BOUNDS)))
    frame = frame.assign(**dict(zip(("forecast", *BOUNDS), numbers.T, strict=True)))
    return frame.astype(empty_forecasts(True).dtypes.to_dict())


def write_run(folder: Path, rows: int) -> None:
    """Write the folder of a run that forecast so much."""
    path = path_of(folder)
    path.mkdir()
    coins = max(FILES, rows // HORIZON)
    facts = {"prices": "0" * 64, "seed": 0}
    plan = Plan("forecast", None, facts, ["ridge"], coins, [Task(0, ((0, coins),))])
    bounds = np.linspace(0, coins, FILES + 1).astype(int)
    files = [
        write_frame(rows_of(range(start, end), i), path / f"forecasts-{i:05d}.parquet")
        for i, (start, end) in enumerate(pairwise(bounds))
    ]
    tables = {FAILURES: failure_table([]), LOST: empty_findings(), TASKS: task_table([])}
    beside = [write_frame(table, path / name) for name, table in tables.items()]
    write_plan(path, plan)
    whole = Manifest(
        key=plan.key, kind="forecasts", models=["ridge"], horizon=HORIZON, intervals=True,
        rows=coins * HORIZON, files=files, beside=beside,
    )  # fmt: skip
    write_manifest(path, whole)


@contextmanager
def database(store: str | None, folder: Path, name: str) -> Iterator[str]:
    """Give the place of an empty database."""
    if store is None:
        yield str(folder / f"{name}.db")
        return
    import psycopg

    with psycopg.connect(f"{store}/postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name}")  # type: ignore[call-overload]
        server.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        try:
            yield f"{store}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


def to_sql(place: str, rows: int) -> float:
    """Return the seconds that pandas takes for so many rows, from those of a tenth."""
    from sqlalchemy import create_engine

    frame = rows_of(range(max(1, rows // HORIZON // 10)), 0)
    driver = "postgresql+psycopg://" if place.startswith("postgresql") else "sqlite:///"
    engine = create_engine(driver + place.removeprefix("postgresql://"))
    began = time.perf_counter()
    frame.to_sql("by_pandas", engine, index=False)
    took = time.perf_counter() - began
    engine.dispose()
    return took * rows / len(frame)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--store", help="URL of a server of PostgreSQL; by default SQLite")
    parser.add_argument("--repeats", type=int, default=3)
    given = parse(parser, rows=2_000, repeats=1)
    print_versions()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder / "run", given.rows)
        seconds: dict[str, list[float]] = {"to_sql": [], "store": []}
        again, read = [], []
        for _ in range(given.repeats):
            with database(given.store, folder, "cryptodask_benchmark") as place:
                seconds["to_sql"].append(to_sql(place, given.rows))
                with open_store(place) as store:
                    began = time.perf_counter()
                    stored = store.add(folder / "run")
                    seconds["store"].append(time.perf_counter() - began)
                    began = time.perf_counter()
                    store.add(folder / "run")
                    again.append(time.perf_counter() - began)
                    began = time.perf_counter()
                    rows = len(store.latest())
                    read.append(time.perf_counter() - began)
                if rows != stored.rows:
                    raise SystemExit(f"stored {stored.rows:,} rows, and read {rows:,}")
            for file in folder.glob("cryptodask_benchmark.db*"):
                file.unlink()
        shutil.rmtree(folder / "run")
    print(f"{stored.rows:,} forecasts, {'SQLite' if given.store is None else 'PostgreSQL'}")
    print_ratio(seconds, "to_sql", "store")
    print(f"stored again, compared: {spread(again, ' s')}")
    print(f"the latest of all coins read: {spread(read, ' s')}")


if __name__ == "__main__":
    main()

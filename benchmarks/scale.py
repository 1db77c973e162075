"""From a hundred coins to a hundred thousand on two workers: time, memory, tasks and messages.

    python benchmarks/scale.py [--most 100000] [--days 1000] [--repeats 3] [--keep FOLDER]

Tables of 100, 1,000, 10,000 and 100,000 coins of a thousand days each are written, of 2,000 coins
that are simulated; where more are asked for, they are the same ones again under other names. Each
is forecast by ``naive``, ``linear`` and ``ridge`` as ``cryptodask forecast --out FOLDER`` does it:
the workers write. For each run there are a new scheduler and two new workers of one thread and a
memory limit of 1 GiB, by Dask's own commands, that have run the smallest table once, so that their
imports are not counted; and a new client process. Its time is from opening the table to the
forecasts' manifest. Of the largest table there is one run.

Told are that time, the seconds of the processor of all processes, which other work on the machine
changes less, peak memory of every process, and the number and pickled bytes of the tasks that are
sent. Tables come from the page cache where memory suffices. Linux only.
"""

import argparse
import os
import pickle
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import parse, print_versions
from dask.distributed import Client
from jobs import ALL, files_in, plan_jobs
from processes import Others, dask_cluster, in_process, memory, worker_peaks
from tables import DISTINCT, make_table, size_of

from cryptodask import CryptoLoader, CryptoManager, create_model
from cryptodask.prices import PriceTable

SIZES, MODELS, HORIZON = (100, 1_000, 10_000, 100_000), ("naive", "linear", "ridge"), 10
WORKERS, LIMIT = 2, "1GiB"
WANTED = 1.1
"""Growth of time over growth of coins, at most."""
FLAT = 1.25
"""Growth of a worker's peak over all sizes from 1,000 coins up, to count as flat."""


@dataclass(frozen=True)
class Run:
    """What one run took; seconds, and peaks in MB."""

    seconds: float
    opening: float
    compute: float
    used: float
    others: Others
    client: float
    scheduler: float
    workers: list[float]
    tasks: int
    sent: int
    reads: int


def processor(client: Client) -> float:
    """Return the seconds that the processor has given to this process, scheduler and workers."""
    elsewhere = [
        client.run_on_scheduler(time.process_time),
        *client.run(time.process_time).values(),
    ]
    return float(time.process_time() + sum(elsewhere))


def forecast(table: Path, out: Path, address: str) -> dict[str, Any]:
    """Forecast a table as the command does, and say what that took here."""
    with Client(address) as client:
        before = processor(client)
        started = time.perf_counter()
        loader = CryptoLoader(table)
        opened = time.perf_counter()
        result = CryptoManager(loader, client).forecast(MODELS, HORIZON, out=out, progress=False)
        seconds = time.perf_counter() - started
        peak, used = memory(), processor(client) - before
        wanted = len(loader.source.coins) * len(MODELS) * HORIZON
        if len(result) != wanted or len(result.failures):
            raise SystemExit(f"{len(result):,} forecasts, not {wanted:,}; {result.failures}")
        compute = (result.tasks["ended"] - result.tasks["began"]).sum()
        jobs = [
            (job, ALL, create_model(name), HORIZON, 0, files_in(out))
            for name in MODELS
            for job in plan_jobs(loader.source, loader.source.coins, create_model(name), WORKERS)
        ]
        return {
            "seconds": seconds,
            "opening": opened - started,
            "compute": float(compute),
            "used": used,
            "client": peak,
            "tasks": len(result.tasks),
            "sent": sum(len(pickle.dumps(job)) for job in jobs),
            "reads": sum(len(part.paths) for job in jobs for part in job[0].partitions),
        }


def run_once(folder: Path, table: Path, warm: Path) -> Run:
    """Start a cluster, warm it, and run once."""
    with dask_cluster(folder / "dask", WORKERS, LIMIT) as cluster, Client(cluster.address) as look:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            in_process(forecast, warm, Path(place) / "warm", cluster.address)
            with Others() as others:
                told = in_process(forecast, table, Path(place) / "out", cluster.address)
        peaks = worker_peaks(look)
        return Run(
            others=others,
            scheduler=memory(cluster.scheduler),
            workers=peaks,
            **told,
        )


def show(coins: int, table: PriceTable, runs: list[Run]) -> None:
    """Print what the runs of one size took."""

    def middle(name: str) -> float:
        return float(statistics.median(getattr(run, name) for run in runs))

    seconds = [run.seconds for run in runs]
    print(
        f"{coins:,} coins: {middle('seconds'):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}, "
        f"n={len(runs)}), of which opening the table {middle('opening'):.2f} s; "
        f"processor, all processes, {middle('used'):.2f} s; "
        f"workers' compute {middle('compute'):.2f} s"
    )
    workers = ", ".join(f"{max(run.workers):.0f}" for run in runs)
    print(
        f"  peak memory: client {middle('client'):.0f} MB, scheduler {middle('scheduler'):.0f} MB, "
        f"largest worker {workers} MB"
    )
    last = runs[-1]
    print(
        f"  {last.tasks} tasks, {last.sent / 1e6:.2f} MB pickled, "
        f"{last.sent / coins / len(MODELS):.1f} bytes a coin and model; "
        f"parts opened {last.reads:,} times, the table has {len(table.manifest['parts']):,} "
        f"({last.reads / len(MODELS) / len(table.manifest['parts']):.2f} times each, a model)",
        flush=True,
    )


def compare(runs: dict[int, list[Run]]) -> None:
    """Print growth of time over growth of coins, and whether memory of workers is flat."""
    sizes = [size for size in runs if size >= 1_000]
    for small, large in pairwise(sizes):
        for what in ("seconds", "used"):
            took = [statistics.median(getattr(r, what) for r in runs[n]) for n in (small, large)]
            growth = took[1] / took[0] / (large / small)
            name = {"seconds": "time", "used": "processor"}[what]
            print(
                f"{small:,} to {large:,} coins: growth of {name} over growth of coins {growth:.3f}"
                + (f" (wanted: at most {WANTED})" if what == "seconds" else "")
            )
    peaks = [statistics.median(max(run.workers) for run in runs[size]) for size in sizes]
    if len(sizes) > 1:
        growth = max(peaks) / peaks[0]
        word = "flat" if growth <= FLAT else "NOT FLAT"
        print(
            f"largest worker's peak, {sizes[0]:,} to {sizes[-1]:,} coins: "
            f"{', '.join(f'{peak:.0f}' for peak in peaks)} MB; "
            f"{word} (at most {growth:.2f} times the first)"
        )


def measure(folder: Path, most: int, days: int, repeats: int) -> None:
    """Write the tables, run in turn, print."""
    tables: dict[int, PriceTable] = {}
    for size in [size for size in SIZES if size <= most]:
        place = folder / f"table-{size}-{days}"
        started = time.perf_counter()
        tables[size] = PriceTable(place) if place.exists() else make_table(place, size, days)
        print(
            f"{size:,} coins x {days:,} days: {len(tables[size]):,} rows, "
            f"{size_of(tables[size]):,.0f} MB, {time.perf_counter() - started:.1f} s to write; "
            f"{min(size, DISTINCT):,} are distinct",
            flush=True,
        )
    runs: dict[int, list[Run]] = {size: [] for size in tables}
    for number in range(repeats):
        for size, table in tables.items():
            if number and size == max(SIZES):
                continue
            run = run_once(folder, table.path, tables[min(tables)].path)
            runs[size].append(run)
            print(f"  {size:,}: {run.seconds:.2f} s; {run.others}", flush=True)
    for size, table in tables.items():
        show(size, table, runs[size])
    compare(runs)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=max(SIZES))
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    args = parse(parser, most=1_000, days=50, repeats=1)
    print_versions()
    print(f"{WORKERS} workers of one thread, memory limit {LIMIT}, {os.cpu_count()} cores")
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        measure(args.keep.resolve(), args.most, args.days, args.repeats)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), args.most, args.days, args.repeats)


if __name__ == "__main__":
    main()

"""A million coins on a hundred workers, calculated from what this machine measures in small.

    python benchmarks/million.py [--coins 1000000] [--days 1000] [--workers 100] [--lstm-coins 10]
                                 [--models naive,linear,ridge,lstm]

Nobody here has a hundred workers, so this is a calculation, and these are its parts.

Measured, each in a process of its own, on one core of this machine, in seconds of the processor,
which other work on the machine changes less:

- seconds a row to read a part of a table, and to fit each model; seconds and bytes a coin to make
  a frame of forecasts and write it, part by part; the start of TensorFlow: by ``run_job`` itself on
  a small table of as many days;
- time and memory of a client that opens a table of a million coins, plans every model's jobs and
  pickles them: a real index and manifest of that size, whose parts are never opened;
- the processor's seconds of a scheduler and of the client for each of those jobs: they are sent to
  a real scheduler with two workers, where nothing is done with them;
- seconds and bytes to gather forecasts on the client: of a hundred thousand coins, times ten.

Assumed:

- every worker is as fast as one core here, and has one thread;
- the files lie on one shared file system that gives all workers together 10 Gbit/s, and so does
  the client's network; latency is not counted;
- coins have equally many days; a scheduler takes as long for a task of one of a hundred workers as
  for a task of one of two; of a part that is opened, coin, date and close are read whole, which is
  too much of those that two jobs share, since their groups of rows are read one by one.

Told are, for each model, the seconds that each resource would be busy, all others being infinitely
fast. What takes longest binds first; what happens before the first task adds to it. The plan is
simulated with a queue: whoever is free takes the next job, the longest first. Where chance has a
part in it, the median of a hundred draws is told, and the worst.
"""

import argparse
import heapq
import pickle
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from common import parse, print_versions
from dask.distributed import Client
from jobs import files_in, plan_jobs, run_job
from processes import Others, dask_cluster, in_process, memory
from tables import make_table, name_of

from cryptodask import CryptoLoader, PriceTable, create_model
from cryptodask.cluster import submit
from cryptodask.cluster.plan import cut_into_jobs, workers_to_plan_for
from cryptodask.models import Model
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.partition import ROWS_PER_PARTITION
from cryptodask.prices.table.storage import writing
from cryptodask.records import FloatArray
from cryptodask.results.forecasts import sort_forecasts
from cryptodask.results.jobs import JobDone, TaskFiles
from cryptodask.runs.workload import ROW_SECONDS
from cryptodask.worker.job import Job

MODELS, HORIZON = ("naive", "linear", "ridge", "lstm"), 10
NETWORK = 10e9 / 8
"""Bytes a second of the shared file system, and of the client's network."""
SMALL = 500  # coins of the table that is read here
DRAWS = 100  # of speeds and of how far tasks are off; one draw says little
GATHERED = 100_000  # coins whose forecasts are gathered here
READ = ("coin", "date", "close")  # columns that models see
DONE = {
    "workers": "the guided plan keeps all of them busy to the end (below)",
    "shared files": "of a part only coin, date and close are read, and jobs end where parts end",
    "scheduler": "the number of tasks follows the workers and not the coins",
    "client": "a job names coins and files and holds no prices, and the workers write",
}
"""What is done about each resource."""


@dataclass(frozen=True)
class Costs:
    """What one core takes: seconds, and bytes."""

    read: float
    stored: float
    fit: dict[str, float]
    write: float
    written: float
    returned: float
    start: float


@dataclass(frozen=True)
class Plan:
    """What a client does before the first task, and what is sent; seconds, bytes, MB."""

    opening: float
    planning: dict[str, float]
    tasks: dict[str, int]
    sent: dict[str, int]
    opened: dict[str, float]
    peak: float
    scheduler: float
    client: float
    lasted: float


def measure_work(folder: Path, days: int, lstm_coins: int) -> Costs:
    """Run jobs in this process."""
    table = make_table(folder / "small", SMALL, days)
    coins = table.coins
    whole = Job(tuple(table.partitions(coins)))
    few = Job(tuple(table.pick(coins, [(0, lstm_coins)])))
    out = files_in(folder)
    reads, writes, fit = [], [], {}
    for name in MODELS[:-1]:
        runs = [timed(whole, name, out) for _ in range(6)][1:]
        reads += [spent["read"] / run.rows for run, spent in runs]
        writes += [spent["write"] / run.coins for run, spent in runs]
        fit[name] = statistics.median(spent["fit"] / run.rows for run, spent in runs)
    written = out.table.stat().st_size / SMALL
    returned = len(pickle.dumps(run_job(whole, create_model("naive"), HORIZON))) / SMALL
    (first, began), *later = [timed(few, "lstm") for _ in range(3)]
    again = statistics.median(sum(spent.values()) for _, spent in later)
    fit["lstm"] = again / first.rows  # with next to nothing of reading
    return Costs(
        read=statistics.median(reads),
        stored=read_size(table) / len(table),
        fit=fit,
        write=statistics.median(writes),
        written=written,
        returned=returned,
        start=sum(began.values()) - again,
    )


def read_size(table: PriceTable) -> int:
    """Return the bytes of the columns that a forecast reads, of all parts."""
    size = 0
    for name in table.manifest["parts"]:
        facts = pq.ParquetFile(table.path / name).metadata
        for group in range(facts.num_row_groups):
            columns = [facts.row_group(group).column(i) for i in range(facts.num_columns)]
            size += sum(c.total_compressed_size for c in columns if c.path_in_schema in READ)
    return size


def timed(job: Job, model: str, out: TaskFiles | None = None) -> tuple[JobDone, dict[str, float]]:
    """Run a job, and return its stages in seconds of the processor, as it had all of one core."""
    began, used = time.perf_counter(), time.process_time()
    result = run_job(job, create_model(model), HORIZON, out)
    share = min(1.0, (time.process_time() - used) / (time.perf_counter() - began))
    return result, {name: seconds * share for name, seconds in result.seconds.items()}


def inside(days: int) -> int:
    """Return how many coins of so many days make a part."""
    return max(1, ROWS_PER_PARTITION // days)


def write_index(path: Path, coins: int, days: int) -> None:
    """Write index and manifest of a table whose parts are not there."""
    part = np.arange(coins) // inside(days)
    day = np.datetime64("2026-06-30", "s")
    index = pd.DataFrame(
        {
            "coin": pd.array([name_of(i) for i in range(coins)], dtype="str"),
            "rows": days,
            "first": day - np.timedelta64(days - 1, "D"),
            "last": day,
            "part": part,
            "reason": "",
        }
    )
    with writing(path) as writer:
        facts = {
            "freq": "1d",
            "policies": {},
            "parts": [f"part-00000000-{i:05d}.parquet" for i in range(int(part[-1]) + 1)],
            "deltas": [],
            "index": writer.write("index", index),
            "findings": writer.write("findings", empty_findings()),
        }
        writer.publish(facts, keep_old=False)


def measure_client(path: Path, workers: int, address: str, models: Sequence[str]) -> Plan:
    """Open a table, plan all models, and send one model's jobs to workers that do nothing."""
    before = memory()
    with Client(address) as client:
        started = time.process_time()
        loader = CryptoLoader(path)
        coins = loader.check_names()
        opening = time.process_time() - started
        planning, tasks, sent, opened = {}, {}, {}, {}
        jobs: list[Job] = []
        for name in models:
            started = time.process_time()
            jobs = plan_jobs(loader.source, coins, create_model(name), workers)
            planning[name] = time.process_time() - started
            print(f"  planned {name}: {planning[name]:.1f} s", flush=True)
            tasks[name] = len(jobs)
            sent[name] = sum(len(pickle.dumps(job)) for job in jobs)
            files = sum(len(part.paths) for job in jobs for part in job.partitions)
            opened[name] = files / len(loader.partitions())
        peak = memory() - before
        at_scheduler = client.run_on_scheduler(time.process_time)
        here, started = time.process_time(), time.perf_counter()
        costs, names = [job.seconds for job in jobs], ["nothing"] * len(jobs)
        futures = submit(client, bool, [(job,) for job in jobs], costs, names, "million")
        client.gather(futures)
        lasted = time.perf_counter() - started
        n = len(jobs)
        return Plan(
            opening=opening,
            planning=planning,
            tasks=tasks,
            sent=sent,
            opened=opened,
            peak=peak,
            scheduler=(client.run_on_scheduler(time.process_time) - at_scheduler) / n,
            client=(time.process_time() - here) / n,
            lasted=lasted / n,
        )


def measure_gather(folder: Path) -> tuple[float, float]:
    """Return seconds a coin to bring forecasts here, and the peak in bytes a coin."""
    table = make_table(folder / "short", 1_000, 2)
    job = Job(tuple(table.partitions(table.coins)))
    result = run_job(job, create_model("naive"), HORIZON)
    sent = [pickle.dumps(result)] * (GATHERED // 1_000)
    before, started = memory(), time.process_time()
    frames = [pickle.loads(bytes_).table for bytes_ in sent]  # noqa: S301 - made here
    forecasts = sort_forecasts(frames, ["naive"])
    seconds = time.process_time() - started
    return seconds / GATHERED, (memory() - before) * 2**20 / len(forecasts) * HORIZON


def simulate(costs: Sequence[float], speeds: FloatArray, joins: FloatArray) -> float:
    """Return when the last worker ends, if whoever is free takes the next job."""
    free = [(float(join), i) for i, join in enumerate(joins)]
    heapq.heapify(free)
    last = 0.0
    for cost in costs:  # a plan has the longest first; how long they are in truth, nobody knows
        now, i = heapq.heappop(free)
        last = max(last, now + cost / speeds[i])
        heapq.heappush(free, (now + cost / speeds[i], i))
    return last


def ideal(total: float, speeds: FloatArray, joins: FloatArray) -> float:
    """Return when all workers would end together, if work could be cut at will."""
    low, high = 0.0, float(joins.max() + total / speeds.sum())
    for _ in range(60):
        middle = (low + high) / 2
        done = float((np.maximum(middle - joins, 0) * speeds).sum())
        low, high = (low, middle) if done >= total else (middle, high)
    return high


def show_plan(model: Model, coins: int, days: int, seconds: float, workers: int) -> None:
    """Print the simulated end of guided and of even plans over the ideal end, of many draws."""
    planned = np.full(coins, days * (PriceTable.seconds_a_row + model.cost * ROW_SECONDS))
    file_boundaries = np.arange(inside(days), coins, inside(days))
    late = workers // 10
    cases = {
        "equal workers": (0, 0.0, 0.0),
        "equal workers, tasks off by 20% (log-normal)": (0, 0.0, 0.2),
        "speeds from 0.5 to 1.5, tasks off": (0, 0.5, 0.2),
        f"and {late} join at 30% of the run": (late, 0.5, 0.2),
    }
    for title, (joining, mixed, spread) in cases.items():
        there = workers_to_plan_for(float(planned.sum()), workers - joining)
        guided = np.diff(cut_into_jobs(planned, there, file_boundaries), axis=1)[:, 0]
        plans = {
            f"guided, {len(guided):,} tasks": -np.sort(-guided),  # as they are submitted
            f"as many even tasks, {len(guided):,}": np.full(len(guided), coins / len(guided)),
            f"one task a worker, {workers}": np.full(workers, coins / workers),
        }
        told = []
        for name, sizes in plans.items():
            ends = []
            for seed in range(DRAWS if spread else 1):
                rng = np.random.default_rng(seed)
                speeds = rng.uniform(1 - mixed, 1 + mixed, workers)
                joins = np.zeros(workers)
                joins[workers - joining :] = 0.3 * seconds / workers
                off = np.exp(spread * rng.standard_normal(len(sizes)))
                costs = off * sizes * seconds / coins
                best = ideal(float(costs.sum()), speeds, joins)
                ends.append(simulate(costs.tolist(), speeds, joins) / best)
            worst = f" (worst {max(ends):.3f})" if spread else ""
            told.append(f"{name}: {statistics.median(ends):.3f}{worst}")
        print(f"  {title}: end over ideal end: {'; '.join(told)}")


def show_model(
    model: Model, costs: Costs, plan: Plan, coins: int, days: int, workers: int, gather: float
) -> None:
    """Print the seconds of each resource for one model."""
    name, rows = model.name, coins * days
    reading = rows * costs.read * plan.opened[name]
    fitting, writing_ = rows * costs.fit[name], coins * costs.write
    start = costs.start * workers if name == "lstm" else 0.0
    resources = {
        "workers": (reading + fitting + writing_ + start) / workers,
        "shared files": (rows * costs.stored * plan.opened[name] + coins * costs.written) / NETWORK,
        "scheduler": plan.tasks[name] * plan.scheduler,
        "client": plan.opening + plan.planning[name] + plan.tasks[name] * plan.client,
    }
    told = ", ".join(f"{what} {seconds:,.1f} s" for what, seconds in resources.items())
    binds = max(resources, key=resources.__getitem__)
    ahead = 0.0 if binds == "client" else plan.opening + plan.planning[name]
    print(
        f"{name}: {told}\n"
        f"  binds first: {binds}, about {resources[binds] + ahead:,.1f} s in all; {DONE[binds]}\n"
        f"  of a worker: reading {reading / workers:,.1f} s, fitting {fitting / workers:,.1f} s, "
        f"writing {writing_ / workers:,.1f} s, start {start / workers:,.1f} s\n"
        f"  {plan.tasks[name]:,} tasks, {plan.sent[name] / 1e6:.1f} MB pickled "
        f"({plan.sent[name] / plan.tasks[name] / 1e3:.0f} kB a task); each part is opened "
        f"{plan.opened[name]:.2f} times; without --out FOLDER the client would take {gather:,.0f} s"
        " more"
    )
    show_plan(model, coins, days, reading + fitting + writing_, workers)


def main() -> None:
    """Parse, measure, calculate, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--lstm-coins", type=int, default=10)
    parser.add_argument("--models", default=",".join(MODELS))
    args = parse(parser, coins=20_000, days=100, workers=10, lstm_coins=1)
    coins, days, workers = args.coins, args.days, args.workers
    models = args.models.split(",")
    print_versions()
    with tempfile.TemporaryDirectory() as place, Others() as others:
        folder = Path(place)
        costs: Costs = in_process(measure_work, folder, days, args.lstm_coins)
        write_index(folder / "large", coins, days)
        with dask_cluster(folder / "dask", 2) as cluster:
            plan: Plan = in_process(
                measure_client, folder / "large", workers, cluster.address, models
            )
        each, bytes_ = in_process(measure_gather, folder)
    print(f"measured: {others}")
    fits: dict[str, Any] = {name: f"{1e6 * fit:.3f}" for name, fit in costs.fit.items()}
    print(
        f"  reading {1e6 * costs.read:.3f} us a row, {costs.stored:.1f} bytes of it stored; "
        f"fitting {', '.join(f'{name} {fit}' for name, fit in fits.items())} us a row; writing "
        f"{1e6 * costs.write:.1f} us and {costs.written:.0f} bytes a coin; TensorFlow's start "
        f"{costs.start:.1f} s"
    )
    print(
        f"  client: opening the table {plan.opening:.2f} s, planning a model "
        f"{statistics.median(plan.planning.values()):.2f} s, {plan.peak:,.0f} MB more than before "
        "for both; "
        f"a task {1e3 * plan.client:.2f} ms of the client's processor, {1e3 * plan.scheduler:.2f} "
        f"ms of the scheduler's, {1e3 * plan.lasted:.2f} ms from first to last"
    )
    gather = coins * (each + costs.returned / NETWORK)
    print(
        f"  gathering: {1e6 * each:.1f} us and {costs.returned:.0f} bytes sent a coin; "
        f"{coins:,} coins: {gather:,.0f} s and {coins * bytes_ / 1e9:.1f} GB on the client; "
        "with --out FOLDER the workers write, and counts and failures come back"
    )
    print(f"\n{coins:,} coins x {days:,} days on {workers} workers:")
    for name in models:
        show_model(create_model(name), costs, plan, coins, days, workers, gather)


if __name__ == "__main__":
    main()

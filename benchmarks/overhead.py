"""What a run takes beside the work of its tasks, and the share of ideal speed on 1 to 32 workers.

    python benchmarks/overhead.py SOURCE [--coins 24] [--repeats 3] [--workers 8,32] [--seconds 60]
                                  [--cuts 8,64,512] [--skip lstm]

On real clusters of Dask's own commands, one thread a worker, all workers warm:

1. ``naive`` and ``linear`` of all coins of SOURCE on one and on two workers: run time, less what
   the tasks say of themselves. On one worker that is what planning, sending, scheduling and
   gathering cost. The same of a thousand made-up coins cut into ever more tasks: the slope is what
   one more task costs.
2. The LSTM of some coins on one and on two workers, in turn: the time of one over twice the time of
   two is the share of ideal speed; and the share of the workers' time that was spent in tasks.
3. On more workers than the machine has cores, with a fit that sleeps as long a row as the LSTM
   was seen to take (``sleeping.py``): ideal is the sum of all sleep over the workers. What is left
   of the machine is shared by all of them, so that reading and scheduling cost more here than they
   would with cores of their own. The idle share at the end is how long after the first worker had
   nothing left to do the last one ended, over the run.

``--skip lstm`` leaves out 2 and sleeps for 0.5 ms a row. Linux only.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from common import alternate, parse, print_versions
from dask.distributed import Client
from lstm_workers import sound_coins
from processes import Others, dask_cluster, watched
from sleeping import Sleeping, warm
from tables import make_table

from cryptodask import CryptoLoader, CryptoManager, Forecasts
from cryptodask.models import Model

HORIZON, DAYS = 10, 1_000
SLEEP = 5e-4  # seconds a row


def run(
    client: Client,
    loader: CryptoLoader,
    models: list[str | Model],
    coins: list[str] | None = None,
) -> tuple[float, pd.DataFrame]:
    """Forecast, and return the seconds of that and what the tasks say of themselves."""
    started = time.perf_counter()
    result = CryptoManager(loader, client).forecast(models, HORIZON, coins, progress=False)
    seconds = time.perf_counter() - started
    assert isinstance(result, Forecasts)
    if not len(result):
        raise SystemExit(f"no coin was forecast: {result.failures.head().to_string()}")
    return seconds, result.tasks


def compute(tasks: pd.DataFrame) -> float:
    """Return the seconds of all tasks together."""
    return float((tasks["ended"] - tasks["began"]).sum())


def idle_at_end(tasks: pd.DataFrame) -> tuple[float, float]:
    """Return how long the first worker, and the mean one, was idle at the end, over the run."""
    ended = tasks.groupby("worker")["ended"].max()
    length = ended.max() - tasks["began"].min()
    return (ended.max() - ended.min()) / length, (ended.max() - ended.mean()) / length


def measure_small(clients: dict[int, Client], source: str, repeats: int) -> None:
    """Print what runs of the closed forms take beside the work."""
    print("naive and linear of SOURCE:")
    seen: dict[int, list[tuple[float, float, int]]] = {n: [] for n in clients}
    loader = CryptoLoader(source)

    def once(n: int) -> None:
        seconds, tasks = run(clients[n], loader, ["naive", "linear"])
        seen[n].append((seconds, compute(tasks), len(tasks)))

    alternate({f"{n} workers": watched(partial(once, n), []) for n in clients}, repeats)
    for n, runs in seen.items():
        seconds, busy, tasks = (statistics.median(column) for column in zip(*runs, strict=True))
        print(
            f"{n} workers: {seconds:.3f} s; {tasks:.0f} tasks, {busy:.3f} s of compute; beside it "
            f"{seconds - busy / n:.3f} s, {1000 * (seconds - busy / n) / tasks:.1f} ms a task",
            flush=True,
        )


def measure_cuts(clients: dict[int, Client], table: Path, cuts: list[int], repeats: int) -> None:
    """Print what one more task costs, where tasks do next to nothing."""
    print("naive of 1,000 made-up coins in more and more tasks, one worker:")
    rest: dict[int, list[float]] = {n: [] for n in cuts}

    def once(n: int) -> None:
        seconds, tasks = run(clients[1], CryptoLoader(table, n), ["naive"])
        rest[len(tasks)].append(seconds - compute(tasks))

    alternate({f"{n} tasks": watched(partial(once, n), []) for n in cuts}, repeats)
    middles = [statistics.median(rest[n]) for n in cuts]
    slope, base = np.polyfit(cuts, middles, 1)
    told = ", ".join(f"{n} tasks {middle:.3f} s" for n, middle in zip(cuts, middles, strict=True))
    print(f"beside the work: {told}: {1000 * slope:.2f} ms a task and {base:.3f} s a run")


def measure_lstm(clients: dict[int, Client], source: str, most: int, repeats: int) -> float:
    """Print the share of ideal speed of the LSTM, and return the seconds that a row takes."""
    loader = CryptoLoader(source)
    coins = list(sound_coins(loader, most))
    print(f"lstm of {len(coins)} coins:")
    shares: dict[int, list[float]] = {n: [] for n in clients}
    each: list[float] = []

    def once(n: int) -> None:
        seconds, tasks = run(clients[n], loader, ["lstm"], coins)
        shares[n].append(compute(tasks) / seconds / n)
        if n == 1:
            each.append(float(tasks["fit"].sum() / tasks["rows"].sum()))

    for n in clients:
        once(n)  # imports and compiles
        shares[n].clear()
    looks: list[Others] = []
    seconds = alternate({str(n): watched(partial(once, n), looks) for n in clients}, repeats)
    ideal = [a / b / 2 for a, b in zip(seconds["1"], seconds["2"], strict=True)]
    for n, some in shares.items():
        print(f"{n} workers: {100 * statistics.median(some):.1f}% of the workers' time in tasks")
    print(
        f"share of ideal speed on 2 workers: {100 * statistics.median(ideal):.1f}% "
        f"({100 * min(ideal):.1f} to {100 * max(ideal):.1f}, n={repeats}); "
        f"{1e3 * statistics.median(each):.3f} ms a row; other work up to "
        f"{max(look.cores for look in looks):.2f} cores",
        flush=True,
    )
    return statistics.median(each)


def measure_sleep(folder: Path, workers: int, row: float, seconds: float, repeats: int) -> None:
    """Print the share of ideal speed of a fit that sleeps."""
    coins = max(workers, round(workers * seconds / (row * DAYS)))
    table = make_table(folder / f"table-{workers}", coins, DAYS)
    loader = CryptoLoader(table.path)
    ideal = row * len(table) / workers
    with dask_cluster(folder / f"dask-{workers}", workers) as cluster, Client(cluster.address) as c:
        c.run(warm, str(table.path))
        print(f"sleeping, {workers} workers: {coins:,} coins, ideal {ideal:.2f} s", flush=True)
        for _ in range(repeats):
            with Others() as others:
                took, tasks = run(c, loader, [Sleeping(row)])
            first, mean = idle_at_end(tasks)
            span = tasks["ended"].max() - tasks["began"].min()
            print(
                f"  {took:.2f} s: {100 * ideal / took:.1f}% of ideal speed; {len(tasks)} tasks on "
                f"{tasks['worker'].nunique()} workers; {took - span:.2f} s before the first and "
                f"after the last task; reading {tasks['read'].sum() / workers:.2f} s a worker\n"
                f"    idle at the end: {100 * first:.1f}% of the run the first worker, "
                f"{100 * mean:.1f}% the mean one; {others}",
                flush=True,
            )


def measure_real(folder: Path, source: str, coins: int, cuts: list[int], repeats: int) -> float:
    """Measure real fits on one and two workers, and return the seconds a row to sleep for."""
    with ExitStack() as stack:
        table = make_table(folder / "table", 1_000, DAYS)
        clients: dict[int, Client] = {}
        for n in (1, 2):
            cluster = stack.enter_context(dask_cluster(folder / f"dask-{n}", n))
            clients[n] = stack.enter_context(Client(cluster.address))
            clients[n].run(warm, source)
        measure_small(clients, source, repeats)
        measure_cuts(clients, table.path, cuts, repeats)
        return measure_lstm(clients, source, coins, repeats) if coins else SLEEP


def main() -> None:
    """Parse, start, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--coins", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", default="8,32")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cuts", default="8,64,512", help="numbers of tasks")
    parser.add_argument("--skip", choices=["lstm"])
    args = parse(parser, coins=2, repeats=1, workers="2", seconds=2.0, cuts="2,8")
    print_versions()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        coins = 0 if args.skip == "lstm" else args.coins
        cuts = [int(n) for n in args.cuts.split(",")]
        row = measure_real(folder, args.source, coins, cuts, args.repeats)
        for workers in [int(n) for n in args.workers.split(",") if n]:
            measure_sleep(folder, workers, row, args.seconds, args.repeats)


if __name__ == "__main__":
    main()

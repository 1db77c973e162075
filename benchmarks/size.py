"""Five years of 10,000 coins on two workers of 1 GiB: import, one day appended, all read back.

    python benchmarks/size.py [--coins 10000] [--days 1826] [--keep FOLDER]

Made-up coins of full length are written as files in the layout of coin listings, 1.4 GB of text.
A scheduler and two workers of one thread, each with a memory limit of 1 GiB, are started by Dask's
own commands. Then ``cryptodask prices import --scheduler``, ``cryptodask prices append`` of one
more day of every coin, and a count and each coin's highest close by Dask on the workers, which are
checked against what was written. Each step is a client process of its own. Told are seconds, those
of the processor (which other work on the machine changes less), peak memory of every process,
what became of the workers, and how even the partitions are.

Everything lies in a temporary folder, or in FOLDER, whose files are used again the next time.
Linux only, for the peak of another process.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import parse, print_versions
from dask.distributed import Client, Worker
from processes import dask_cluster, in_process, memory

from cryptodask.cluster import connect, ordered_map
from cryptodask.prices import CryptoLoader, PriceTable, import_prices, read_files
from cryptodask.prices.clean.findings import summarize_findings
from cryptodask.prices.synthetic import coin_name, synthetic_prices

WORKERS, LIMIT = 2, "1GiB"
BLOCK = 250  # coins that are made together; a process then has some 300 MB
EVEN = 0.2  # a partition's rows may be so far from the mean
HEADER = "Date,Open,High,Low,Close,Volume,Market Cap\n"


def write_block(files: Path, start: int, count: int, days: int) -> pd.DataFrame:
    """Write the files of some coins, and return the day after: its rows, and the top so far."""
    prices = synthetic_prices(count, days + 1, seed=start, short=[days + 1] * count)
    names = {coin_name(i): coin_name(start + i) for i in range(count)}
    prices["coin"] = prices["coin"].map(names)
    later = []
    for coin, rows in prices.groupby("coin"):
        old = rows.iloc[-2::-1]
        columns = (old[name].tolist() for name in old.columns[2:])
        lines = [
            f'"{day}",{first:.6g},{high:.6g},{low:.6g},{close:.6g},"{volume:,.0f}","{cap:,.0f}"\n'
            for day, first, high, low, close, volume, cap in zip(
                old["date"].dt.strftime("%b %d, %Y"), *columns, strict=True
            )
        ]
        text = HEADER + "".join(lines).replace('"nan"', "-")
        (files / f"{coin}.csv").write_text(text, encoding="ascii", newline="\n")
        later.append(rows.iloc[-1:].assign(top=old["close"].max()))
    return pd.concat(later, ignore_index=True)


def write_files(folder: Path, coins: int, days: int) -> dict[str, float]:
    """Write all coins and the day after, unless they are there, and return the highest closes."""
    files, note = folder / "files", folder / "written.json"
    if note.exists():
        written = json.loads(note.read_text())
        if (written["coins"], written["days"]) != (coins, days):
            raise SystemExit(f"{folder}: has files of another size; name another folder")
        print("files: those of an earlier run")
    else:
        if files.exists():
            raise SystemExit(f"{files}: was left unfinished; remove it")
        started = time.perf_counter()
        files.mkdir(parents=True)
        with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
            parts = [
                pool.submit(write_block, files, start, min(BLOCK, coins - start), days)
                for start in range(0, coins, BLOCK)
            ]
            day = pd.concat([part.result() for part in parts], ignore_index=True)
        # As the files have them: six digits.
        highest = day[["top", "close"]].max(axis=1).map("{:.6g}".format).astype(float)
        day.drop(columns="top").to_csv(folder / "day.csv", index=False, float_format="%.6g")
        tops = dict(zip(day["coin"], highest, strict=True))
        written = {"coins": coins, "days": days, "tops": tops}
        note.write_text(json.dumps(written))
        print(f"files: written in {time.perf_counter() - started:.1f} s; no coin is used twice")
    size = sum(file.stat().st_size for file in files.iterdir()) / 1e6
    print(f"{coins:,} coins of {days:,} days each: {coins * days:,} rows, {size:,.0f} MB of CSV")
    return dict(written["tops"])


def run_import(files: Path, out: Path, address: str) -> dict[str, Any]:
    """Import and report as the command does."""
    started = time.perf_counter()
    with connect(address) as client:
        table = import_prices(files, out, overwrite=True, run=partial(ordered_map, client))
    seconds, peak = time.perf_counter() - started, memory()
    found = summarize_findings(table.findings())
    counts = zip(found["count"], found["kind"], strict=True)
    return {
        "rows": len(table),
        "parts": len(table.manifest["parts"]),
        "seconds": seconds,
        "peak": peak,
        "findings": ", ".join(f"{count:,} {kind}" for count, kind in counts) or "none",
    }


def run_append(day: Path, out: Path) -> tuple[int, float, float]:
    """Append as the command does, and return the new rows, and seconds to read and to append."""
    started = time.perf_counter()
    table = PriceTable(out)
    reading = read_files([day])
    read = time.perf_counter()
    result = table.append_reading(reading)
    return result.new_rows, read - started, time.perf_counter() - read


def run_read(out: Path, address: str) -> tuple[list[int], float, "pd.Series[float]", float]:
    """Return the rows of each partition, the highest close of each coin, and seconds of both."""
    with connect(address):
        ddf = CryptoLoader(out).get_ddf()
        started = time.perf_counter()
        sizes = ddf.map_partitions(len).compute()
        counted = time.perf_counter()
        tops = ddf.groupby("coin")["close"].max().compute()
        return sizes.tolist(), counted - started, tops, time.perf_counter() - counted


def measured(step: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float, float]:
    """Return what a step returns, its seconds, those of the processor, and the peak in MB."""
    started, used = time.perf_counter(), time.process_time()
    result = step(*arguments)
    return result, time.perf_counter() - started, time.process_time() - used, memory()


def run_step(client: Client, name: str, step: Callable[..., Any], *arguments: Any) -> Any:
    """Run a step in a process of its own, print what it took, and return its result."""
    before = client.run(time.process_time)
    result, seconds, used, peak = in_process(measured, step, *arguments)
    after = client.run(time.process_time)
    busy = ", ".join(f"{after[worker] - before.get(worker, 0):.1f} s" for worker in sorted(after))
    pids = client.run(os.getpid)
    peaks = ", ".join(f"{memory(pids[worker]):.0f} MB" for worker in sorted(pids))
    print(f"{name}: {seconds:.1f} s")
    print(f"  processor: workers {busy}; client {used:.1f} s")
    print(f"  peak memory: workers, since their start, {peaks}; client {peak:.0f} MB", flush=True)
    return result


def worker_state(dask_worker: Worker) -> tuple[int, str, float]:
    """Return a worker's process, its status, and the MB that it has ever spilled to disk."""
    written = getattr(dask_worker.data, "cumulative_metrics", {})
    spilled = sum(n for label, n in written.items() if label == ("disk-write", "bytes"))
    return os.getpid(), dask_worker.status.name, spilled / 1e6


def look_at_workers(client: Client, log: Path, pids: set[int]) -> None:
    """Print what became of the workers."""
    states = sorted(client.run(worker_state).values())
    same = "the processes of the start" if {s[0] for s in states} == pids else "RESTARTED"
    spilled = ", ".join(f"{state[2]:.0f} MB" for state in states)
    print(f"workers: {same}; {', '.join(state[1] for state in states)}; spilled {spilled}")
    lines = log.read_text().splitlines()
    told = [line.strip() for line in lines if " - INFO - " not in line and line.strip()]
    print(f"lines of the workers' log above INFO: {len(told)}")
    for line in told[:10]:
        print(f"  {line[:200]}")


def check(rows: int, sizes: list[int], tops: "pd.Series[float]", wanted: dict[str, float]) -> None:
    """Refuse anything that is not as it was written, and partitions that are not even."""
    if sum(sizes) != rows:
        raise SystemExit(f"{sum(sizes):,} rows were read, {rows:,} were written")
    if tops.to_dict() != wanted:
        raise SystemExit("highest closes are not those that were written")
    print(f"checked: {rows:,} rows, and the highest close of each of {len(tops):,} coins, exactly")
    mean = float(np.mean(sizes))
    least, most = min(sizes) / mean - 1, max(sizes) / mean - 1
    print(f"{len(sizes)} partitions of {mean:,.0f} rows in the mean; {least:+.1%} to {most:+.1%}")
    if max(-least, most) > EVEN:
        raise SystemExit(f"partitions are more than {EVEN:.0%} from the mean")


def measure(folder: Path, coins: int, days: int) -> None:
    """Write, import, append, read back, and print what each took."""
    tops = write_files(folder, coins, days)
    out, rows = folder / "table", coins * days
    dask = folder / "dask"
    with dask_cluster(dask, WORKERS, LIMIT) as cluster, Client(cluster.address) as client:
        address = cluster.address
        pids = set(client.run(os.getpid).values())
        print(f"{len(pids)} workers of one thread, memory limit {LIMIT}")

        made = run_step(client, "import", run_import, folder / "files", out, address)
        print(
            f"  {made['seconds']:.1f} s and a client's peak of {made['peak']:.0f} MB without the "
            f"report: {rows / made['seconds']:,.0f} rows/s"
        )
        size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
        print(f"  {made['parts']} parts, {size:,.0f} MB; findings: {made['findings']}")
        if made["rows"] != rows:
            raise SystemExit(f"{made['rows']:,} rows were imported, {rows:,} were written")

        new, reading, adding = run_step(client, "append", run_append, folder / "day.csv", out)
        print(
            f"  one day, {new:,} rows: {reading:.2f} s to read its file and {adding:.2f} s to "
            f"append; the import took {made['seconds'] / (reading + adding):,.0f} times as long"
        )
        if new != coins:
            raise SystemExit(f"{new:,} rows were appended, {coins:,} were written")

        sizes, counting, highest, topping = run_step(client, "read back", run_read, out, address)
        rows += coins
        print(f"  number of rows: {counting:.1f} s, {rows / counting:,.0f} rows/s")
        print(f"  highest close of each coin: {topping:.1f} s, {rows / topping:,.0f} rows/s")
        look_at_workers(client, dask / "workers.log", pids)
        check(rows, sizes, highest, tops)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=1_826)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    args = parse(parser, coins=160, days=50)
    print_versions()
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        measure(args.keep.resolve(), args.coins, args.days)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), args.coins, args.days)


if __name__ == "__main__":
    main()

"""Importing a folder of price files, against plain pandas and DuckDB's CSV reader.

    pip install "cryptodask[bench]"
    python benchmarks/prices.py [--coins 100] [--days 1000] [--repeats 3]

All three read the same synthetic files in the layout of coin listings and write Parquet. The
others read numbers and dates and stop there; CryptoDask also reports what is odd, by file and
line. Each run is a process of its own, whose peak memory is told; then all again with ten times
the coins, to show how time and memory grow.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from common import can_import, parse, print_ratio, print_versions

HEADER = ["Date", "Open", "High", "Low", "Close", "Volume", "Market Cap"]


def write_files(folder: Path, coins: int, days: int) -> int:
    """Write synthetic coins as files and return the number of rows."""
    from cryptodask.prices.synthetic import synthetic_prices

    prices = synthetic_prices(coins, days, seed=1)
    for coin, rows in prices.groupby("coin"):
        table = rows.drop(columns="coin").set_axis(HEADER, axis=1).iloc[::-1]
        table["Date"] = table["Date"].dt.strftime("%b %d, %Y")
        for name in HEADER[5:]:
            table[name] = table[name].map("{:,.0f}".format).replace("nan", "-")
        table.to_csv(folder / f"{coin}.csv", index=False)
    return len(prices)


def by_cryptodask(folder: Path, out: Path) -> None:
    """Import the folder."""
    from cryptodask import import_prices

    import_prices(folder, out)


def by_pandas(folder: Path, out: Path) -> None:
    """Read each file as one does by hand."""
    frames = []
    for path in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(path, thousands=",", na_values=["-"])
        frame["Date"] = pd.to_datetime(frame["Date"], format="%b %d, %Y")
        frames.append(frame.assign(coin=path.stem))
    whole = pd.concat(frames, ignore_index=True).sort_values(["coin", "Date"], ignore_index=True)
    out.mkdir()
    whole.to_parquet(out / "prices.parquet", index=False)


def by_duckdb(folder: Path, out: Path) -> None:
    """Read all files with one query."""
    import duckdb

    number = "try_cast(replace({0}, ',', '') as double) as {0}"
    columns = ", ".join(number.format(f'"{name}"') for name in HEADER[1:])
    out.mkdir()
    duckdb.sql(
        f'copy (select filename, strptime("Date", \'%b %d, %Y\') as "Date", {columns} '
        f"from read_csv('{folder}/*.csv', header=true, all_varchar=true, filename=true) "
        f"order by filename, \"Date\") to '{out}/prices.parquet' (format parquet)"
    )


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "cryptodask": by_cryptodask,
    "pandas": by_pandas,
    "duckdb": by_duckdb,
}


def child(way: str, folder: Path) -> None:
    """Run one way in this process, and print its seconds and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        WAYS[way](folder, Path(out) / "table")
        seconds = time.perf_counter() - started
    # Not getrusage: its peak is inherited from the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(seconds, int(peak.group(1)) / 1024 if peak else float("nan"))


def measure(folder: Path, rows: int, ways: list[str], repeats: int) -> None:
    """Run all ways alternately and print what they took."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    memory = dict.fromkeys(ways, 0.0)
    # The first run of each isn't counted: it compiles what pip has compiled of the others.
    env = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
    for turn in range(repeats + 1):
        for way in ways:
            command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
            took, peak = map(float, done.stdout.split())
            if turn:
                seconds[way].append(took)
            memory[way] = max(memory[way], peak)
    for way in ways:
        best = rows / sorted(seconds[way])[len(seconds[way]) // 2]
        print(f"  {way}: {best:,.0f} rows/s, peak {memory[way]:.0f} MB")
    for way in ways[1:]:
        print_ratio(seconds, "cryptodask", way)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=100)
    parser.add_argument("--days", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way")
    parser.add_argument("--folder", type=Path)
    args = parse(parser, coins=4, days=50, repeats=2)
    if args.way:
        child(args.way, args.folder)
        return
    print_versions()
    ways = ["cryptodask", "pandas", *can_import(["duckdb"])]
    for coins in (args.coins, 10 * args.coins):
        with tempfile.TemporaryDirectory() as folder:
            rows = write_files(Path(folder), coins, args.days)
            print(f"{coins:,} coins, {rows:,} rows")
            measure(Path(folder), rows, ways, args.repeats)


if __name__ == "__main__":
    main()

"""Appending one day to every coin of a table, beside writing the table anew with that day in it.

python benchmarks/append.py [--coins 10000] [--days 365] [--repeats 5] [--appends 30]

Either way starts from the same table and ends with the same rows, which is checked. Then one day
after the other is appended, and reading all rows is timed before and after compacting. Prices are
made up; the tables lie in a temporary folder (--folder names another disk).
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from common import alternate, parse, print_ratio, print_versions

from cryptodask.prices import PriceTable, write_table
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.partition import pack
from cryptodask.prices.reading import Reading
from cryptodask.prices.synthetic import synthetic_prices

DAY = pd.Timedelta(days=1)


def split(prices: pd.DataFrame) -> Iterator[Reading]:
    """Cut rows into parts of whole coins, as an import does."""
    rows = prices.groupby("coin").size()
    for a, b in pack(rows):
        some = prices["coin"].between(rows.index[a], rows.index[b - 1])
        yield Reading(prices[some].reset_index(drop=True), empty_findings())


def read(table: PriceTable) -> pd.DataFrame:
    """Read all rows, a partition at a time."""
    return pd.concat([p.read() for p in table.partitions(table.coins)], ignore_index=True)


def append(path: Path, day: pd.DataFrame) -> None:
    """Open the table and append."""
    PriceTable(path).append(day)


def rewrite(path: Path, day: pd.DataFrame) -> None:
    """Open the table, and write each partition with its rows of the day as a part of a new one."""
    table = PriceTable(path)

    def readings() -> Iterator[Reading]:
        for partition in table.partitions(table.coins):
            both = pd.concat([partition.read(), day[day["coin"].isin(partition.coins)]])
            yield Reading(both.sort_values(["coin", "date"], ignore_index=True), empty_findings())

    write_table(path, readings(), empty={}, notes=empty_findings())


def size(path: Path) -> float:
    """Return the size of a folder in MB."""
    return sum(file.stat().st_size for file in path.iterdir()) / 1e6


def compare(folder: Path, day: pd.DataFrame, repeats: int) -> None:
    """Time both ways in turn, each on a fresh copy of the table."""
    place = folder / "copy"

    def fresh() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder / "table", place)

    frames = []
    for way in (append, rewrite):
        fresh()
        way(place, day)
        frames.append(read(PriceTable(place)))
    pd.testing.assert_frame_equal(*frames)
    print("both ways give the same rows")
    ways = {"rewrite": lambda: rewrite(place, day), "append": lambda: append(place, day)}
    print_ratio(alternate(ways, repeats, before=fresh), "rewrite", "append")
    append(place, day)
    started = time.perf_counter()
    append(place, day)
    print(f"append of what is there already: {time.perf_counter() - started:.3f} s")


def grow(path: Path, day: pd.DataFrame, appends: int, repeats: int) -> None:
    """Append day after day, and time a read of everything before and after compacting."""
    table = PriceTable(path)
    seconds = []
    for _ in range(appends):
        started = time.perf_counter()
        table.append(day)
        seconds.append(time.perf_counter() - started)
        day = day.assign(date=day["date"] + DAY)
    print(f"{appends} days, one append each: first {seconds[0]:.3f} s, last {seconds[-1]:.3f} s")
    place = path.with_name("compacted")
    shutil.copytree(path, place)
    started = time.perf_counter()
    compacted = PriceTable(place)
    compacted.compact()
    print(f"compact: {time.perf_counter() - started:.3f} s")
    pd.testing.assert_frame_equal(read(compacted), read(table))
    grown, packed = f"read with {appends} deltas", "read after compact"
    ways = {grown: lambda: read(table), packed: lambda: read(compacted)}
    print_ratio(alternate(ways, repeats), grown, packed)


def main() -> None:
    """Parse, make the table, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coins", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--appends", type=int, default=30)
    parser.add_argument("--folder")
    args = parse(parser, coins=20, days=60, repeats=2, appends=2)
    print_versions()
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        folder = Path(place)
        prices = synthetic_prices(args.coins, args.days)
        table = write_table(folder / "table", split(prices), empty={}, notes=empty_findings())
        print(f"{table!r}, {size(table.path):.0f} MB in {len(table.manifest['parts'])} parts")
        day = prices.groupby("coin").tail(1).reset_index(drop=True)
        day = day.assign(date=day["date"] + DAY)
        del prices
        print(f"the day: {len(day):,} rows")
        compare(folder, day, args.repeats)
        grow(folder / "table", day, args.appends, args.repeats)


if __name__ == "__main__":
    main()

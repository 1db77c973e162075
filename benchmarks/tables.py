"""Price tables of very many made-up coins for benchmarks, written part by part."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cryptodask.prices import PriceTable
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.partition import ROWS_PER_PARTITION
from cryptodask.prices.reading import Reading
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.prices.table.price_table import write_table

DISTINCT = 2_000
"""Coins that are simulated; more than so many are the same ones again under other names."""


def name_of(number: int) -> str:
    """Return the name of a coin; names are in the order of the numbers."""
    return f"coin{number:07d}"


def blocks(coins: int, days: int) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """Yield names and prices of as many coins at a time as make a part of the usual size."""
    width = min(max(1, ROWS_PER_PARTITION // days), coins)
    simulated = min(DISTINCT, coins) // width * width or width
    kept = [
        synthetic_prices(width, days, seed=start, short=[days] * width)
        for start in range(0, simulated, width)
    ]
    for number, start in enumerate(range(0, coins, width)):
        size = min(width, coins - start)
        prices = kept[number % len(kept)].iloc[: size * days]
        yield [name_of(i) for i in range(start, start + size)], prices


def make_table(path: Path, coins: int, days: int) -> PriceTable:
    """Write a table of coins that all have so many days."""
    readings = (
        Reading(prices.assign(coin=pd.array(np.repeat(names, days), dtype="str")), empty_findings())
        for names, prices in blocks(coins, days)
    )
    return write_table(path, readings, empty={}, notes=empty_findings())


def size_of(table: PriceTable) -> float:
    """Return the size of a table's parts, in MB."""
    parts = (table.path / name for name in table.manifest["parts"])
    return float(sum(part.stat().st_size for part in parts)) / 1e6

"""The step that grows the table: poll an exchange, or take the files of a folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryptodask.errors import ExchangeError
from cryptodask.pipeline.day import DONE, NOTHING, Day, Report

if TYPE_CHECKING:
    from cryptodask.prices import PriceTable
    from cryptodask.prices.exchange.fetch import Fetched

AT_A_TIME = 200
"""Coins that are appended together: an append takes as long for one as for many."""

UNFETCHED = ("delisted", "not_fetched")
"""Kinds of findings that say of a coin why it was not fetched."""

MOST_DELTAS = 30
"""Appends after which the table is packed anew."""


def poll(day: Day) -> Report:
    """Grow the table by what an exchange or a folder has, up to the day.

    Parameters
    ----------
    day : Day

    Returns
    -------
    dict
        ``rows`` that are new, ``coins``, ``last`` day, ``findings`` by kind, and ``unfetched``: why
        by coin; the state is ``nothing`` where nothing came.

    Raises
    ------
    ExchangeError
        The exchange can't be reached; what came before is kept.
    CryptoDaskError
        See `cryptodask.PriceTable.append` and
        `cryptodask.prices.exchange.fetch.iter_prices`.
    """
    from cryptodask.prices import PriceTable
    from cryptodask.prices.clean.findings import join_findings
    from cryptodask.prices.table.manifest import is_table

    table = Path(day.settings.prices.table)
    before, generation = _rows(table)
    take = _take_files if day.settings.prices.folder else _fetch
    noted = join_findings(take(day, table))
    if not is_table(table):
        return {"step": "poll", "state": NOTHING, "rows": 0, "coins": 0, "findings": {}}
    unfetched = noted[noted["kind"].isin(UNFETCHED)]
    # Before it may be packed anew, which is a generation too.
    grew = PriceTable(table).generation != generation
    there = _compacted(table)
    return {
        "step": "poll",
        "state": DONE if grew else NOTHING,
        "rows": int(there.index["rows"].sum()) - before,
        "coins": len(there.index),
        "last": str(np.datetime64(there.index["last"].max(), "D")),
        "findings": {str(kind): int(n) for kind, n in noted["kind"].value_counts().items()},
        "unfetched": dict(zip(unfetched["coin"], unfetched["message"], strict=True)),
    }


def _compacted(table: Path) -> "PriceTable":
    """Return a table, packed anew if it has many deltas."""
    from cryptodask.prices import PriceTable

    there = PriceTable(table)
    if len(there.manifest["deltas"]) > MOST_DELTAS:
        there.compact()
        return PriceTable(table)
    return there


def _take_files(day: Day, table: Path) -> list[pd.DataFrame]:
    """Take what the files have up to the day; return findings that were not there before."""
    from cryptodask.prices import PriceTable, read_files, write_table
    from cryptodask.prices.clean.findings import empty_findings
    from cryptodask.prices.clean.policies import of_rows_alone
    from cryptodask.prices.read.options import ReadOptions
    from cryptodask.prices.sources import open_source
    from cryptodask.prices.table.manifest import is_table

    folder = day.settings.prices.folder
    end = np.datetime64(day.date, "s") + np.timedelta64(86_399, "s")
    if not is_table(table):
        options = ReadOptions()
        reading = read_files([folder], options).until(end)
        if len(reading.prices):
            freq = open_source(folder, options).freq
            write_table(
                table,
                [reading],
                empty={},
                notes=empty_findings(),
                freq=freq,
                policies=options.policies,
            )
        return [reading.findings]
    there = PriceTable(table)
    before = there.findings()
    # The table may have the rows that a file lacks, so it decides what is a gap.
    options = there.options_with_own(
        ReadOptions(freq=there.freq, policies=of_rows_alone(there.policies))
    )
    noted = there.append_reading(read_files([folder], options).until(end)).findings
    return [noted[~pd.MultiIndex.from_frame(noted).isin(pd.MultiIndex.from_frame(before))]]


def _fetch(day: Day, table: Path) -> list[pd.DataFrame]:
    from cryptodask.prices.exchange.fetch import iter_prices
    from cryptodask.prices.freq import step_of
    from cryptodask.prices.polling import Growing

    prices, growing = day.settings.prices, Growing.open(table, None, {})
    again = prices.again * step_of(growing.freq)
    already = {coin: np.datetime64(d, "s") - again for coin, d in growing.last.items()}
    coming = iter_prices(
        prices.exchange,
        since=prices.since,
        until=day.date,
        quote=prices.quote,
        top=prices.top,
        symbols=prices.coins or None,
        freq=growing.freq,
        policies=growing.policies,
        already={coin: d.astype(object) for coin, d in already.items()},
        api_url=prices.api_url,
        retries=prices.retries,
    )
    return [growing.keep(*some) for some in _at_a_time(coming)]


def _at_a_time(coins: "Iterator[Fetched]") -> "Iterator[list[Fetched]]":
    """Yield coins some at a time; before an error, those that came."""
    some: list[Fetched] = []
    try:
        for fetched in coins:
            some.append(fetched)
            if len(some) == AT_A_TIME:
                yield some
                some = []
    except ExchangeError:
        yield some
        raise
    yield some


def index_of(table: Path) -> pd.DataFrame:
    """Return what a table knows of each coin: ``coin, rows, first, last`` and more.

    Parameters
    ----------
    table : Path
    """
    from cryptodask.prices import PriceTable

    return PriceTable(table).index


def _rows(table: Path) -> tuple[int, int]:
    """Return a table's number of rows and its generation."""
    from cryptodask.prices import PriceTable
    from cryptodask.prices.table.manifest import is_table

    if not is_table(table):
        return 0, -1
    there = PriceTable(table)
    return int(there.index["rows"].sum()), there.generation


def last_rows(table: str, coins: Sequence[str], date: str) -> pd.DataFrame:
    """Return the last row of each coin up to a day; none of coins that have none.

    Parameters
    ----------
    table : str
    coins : sequence of str
    date : str
    """
    from cryptodask.prices import CryptoLoader

    return CryptoLoader(table).get_df(list(coins), max_points=1, to_date=date)

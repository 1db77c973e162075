"""Write a price table: parts of whole coins, which later rows are deltas over.

A delta holds the rows that one append added or corrected, of all the coins it touched, in one
file. What an append costs follows its rows and the index of coins, not the rows of the table;
what a read costs grows with the number of deltas, until `compact` makes them one with the parts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.errors import SourceError
from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.findings import empty_findings, join_findings, lost
from cryptodask.prices.clean.policies import Policies
from cryptodask.prices.partition import pack
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import NUMBER_COLUMNS
from cryptodask.prices.table.footer_stats import FOOTER_KEY, FooterStats
from cryptodask.prices.table.growing_own import own_stream
from cryptodask.prices.table.index import join_index, load_seam_texts
from cryptodask.prices.table.manifest import Manifest
from cryptodask.prices.table.seam import empty_raw, seam_texts
from cryptodask.prices.table.storage import Writer, as_arrow, writing
from cryptodask.prices.table.table_reader import TableReader

_REASONS = 3  # that an error names
_PART_GROUP, _DELTA_GROUP = 65_536, 4_096  # rows that are read or skipped together

# Prices hardly ever repeat: dictionaries and compression of them cost time and save nothing.
# Dates rise by the same step, which takes fewest bytes and least time where steps are written.
_ROWS: dict[str, Any] = {
    "required": ("coin", "date", "close"),
    "use_dictionary": ["coin"],
    "column_encoding": {"date": "DELTA_BINARY_PACKED"},
    "compression": dict.fromkeys(NUMBER_COLUMNS, "NONE") | {"coin": "SNAPPY", "date": "SNAPPY"},
}


@dataclass(frozen=True)
class Known:
    """What a table that is written again knew of rows as they were read.

    Attributes
    ----------
    raw : DataFrame
        Rows where the table has another, or none.
    seams : mapping of str to str
        The end of each coin's series.
    """

    raw: pd.DataFrame
    seams: Mapping[str, str]


def write_base(
    writer: Writer,
    readings: Iterable[Reading],
    empty: dict[str, str],
    notes: pd.DataFrame,
    freq: str,
    policies: Policies,
    declared: Declared,
    known: Known | None = None,
    further: pd.DataFrame | None = None,
) -> Manifest:
    """Write all files of a table without deltas, and return what its manifest names.

    Parameters
    ----------
    writer : Writer
        Of the table.
    readings, empty, notes, freq, policies, declared
        As of `cryptodask.prices.table.price_table.write_table`.
    known : Known, optional
        What the readings don't say, of a table that is written again.
    further : DataFrame, optional
        No rows of the own columns that the readings have.

    Raises
    ------
    SourceError
        The readings have no row.
    """
    parts: list[str] = []
    index: list[pd.DataFrame] = []
    losses: list[pd.DataFrame] = []
    raw = [empty_raw()] if known is None else [known.raw]
    seams = {} if known is None else dict(known.seams)
    with (
        writer.stream("findings", empty_findings()) as (findings, add_findings),
        own_stream(writer, further) as (own_facts, add_own),
    ):
        add_findings(notes)
        for reading in readings:
            add_findings(reading.findings)
            add_own(reading.further)
            if len(reading.prices):
                index.append(_write_parts(writer, reading, parts))
            elif not parts:
                losses.append(lost(reading.findings).head(_REASONS))
            if known is None:
                seams |= seam_texts(reading.raw(), freq)
                raw.append(empty_raw() if reading.changed is None else reading.changed)
    if not parts:
        raise _nothing_read(writer, notes, losses)
    return {
        "freq": freq,
        "policies": dict(policies),
        "parts": parts,
        "deltas": [],
        "index": writer.write("index", join_index(index, empty, seams)),
        "findings": findings,
        "raw": write_raw(writer, pd.concat(raw, ignore_index=True)),
        "splits": declared.texts()[0],
        "renames": declared.texts()[1],
        **own_facts,
    }


def _write_parts(writer: Writer, reading: Reading, parts: list[str]) -> pd.DataFrame:
    """Write the rows of a reading as one part or several, and return their index.

    The names of the files are added to ``parts``.
    """
    stats = FooterStats.of(reading.prices)
    lasts = np.cumsum(stats.rows)
    stops = np.unique([end for end in (*reading.parts, lasts[-1]) if end])
    part = np.searchsorted(stops, lasts)
    rows, first = as_arrow(reading.prices), len(parts)
    for i, (start, end) in enumerate(pairwise([0, *stops.tolist()])):
        facts = {FOOTER_KEY: stats.pick(part == i).encode()}
        parts.append(_write(writer, "part", rows[start:end], first + i, facts))
    columns = {"coin": pd.array(stats.coins, dtype="str"), "rows": stats.rows}
    columns |= {"first": stats.first, "last": stats.last, "part": first + part}
    return pd.DataFrame(columns).assign(reason="")


def _nothing_read(writer: Writer, notes: pd.DataFrame, losses: list[pd.DataFrame]) -> SourceError:
    """Return an error that names the first reasons."""
    first = join_findings([lost(notes), *losses]).head(_REASONS)
    reasons = [
        f"{file}, line {line}: {why}" if line else f"{file}: {why}"
        for file, line, why in first[["file", "line", "message"]].to_numpy()
    ]
    head = f"{writer.folder}: not written, for no row was read"
    return SourceError(f"{head}: {'; '.join(reasons)}")


def write_raw(writer: Writer, raw: pd.DataFrame) -> str | None:
    """Write rows as they were read, if there are any, and return the file's name."""
    return writer.write("raw", raw) if len(raw) else None


def write_rows(writer: Writer, kind: str, rows: pd.DataFrame, number: int) -> str:
    """Write rows, by coin and date, with their footer statistics, and return the file's name.

    Parameters
    ----------
    writer : Writer
    kind : str
        Of the file: part or delta.
    rows : DataFrame
        By coin and date.
    number : int
        Of the file.
    """
    facts = {FOOTER_KEY: FooterStats.of(rows).encode()} if len(rows) else {}
    return _write(writer, kind, rows, number, facts)


def _write(
    writer: Writer,
    kind: str,
    rows: pd.DataFrame | pa.Table,
    number: int,
    facts: Mapping[str, str],
) -> str:
    """Write a part or a delta, and return the file's name."""
    group = _PART_GROUP if kind == "part" else _DELTA_GROUP
    return writer.write(kind, rows, number, facts=facts, row_group_size=group, **_ROWS)


def compact(table: TableReader, partitions: int | None) -> None:
    """Write a table again, without deltas; see `PriceTable.compact`.

    Parameters
    ----------
    table : TableReader
        Refreshed before and after.
    partitions : int or None
        Number of parts to pack the coins into.

    Raises
    ------
    OptionError, TableError
        As of `PriceTable.compact`.
    """
    pack([1], partitions)  # refuses a number that makes no sense, before anything is touched
    with writing(table.path) as writer:
        table.refresh()
        if not table.manifest["deltas"] and partitions is None:
            return

        def readings() -> Iterator[Reading]:
            for a, b in pack(table.index["rows"], partitions):
                [partition] = table.partitions(table.coins[a:b], 1)
                mine = {c for c in table.empty if a == 0} | set(partition.coins)
                further = table.load_own(mine) if table.own_names else None
                yield Reading(partition.read(), empty_findings(), further=further)

        known = Known(table.load_raw(), load_seam_texts(table.path / table.manifest["index"]))
        manifest = write_base(
            writer,
            readings(),
            table.empty,
            table.findings(),
            table.freq,
            table.policies,
            table.declared,
            known,
            table.empty_own(),
        )
        writer.publish(manifest, keep_old=True)
        table.refresh()

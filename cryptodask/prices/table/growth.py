"""Write a price table, and make it grow: parts of whole coins, and deltas of later rows.

A delta holds the rows that one append added or corrected, of all the coins it touched, in one
file. What an append costs follows its rows and the index of coins, not the rows of the table;
what a read costs grows with the number of deltas, until `compact` makes them one with the parts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cryptodask.errors import InputError, SourceError
from cryptodask.prices.clean.cleaning import clean_rows
from cryptodask.prices.clean.findings import (
    FINDING_COLUMNS,
    empty_findings,
    join_findings,
    lost,
)
from cryptodask.prices.clean.policies import Policies, check_policies, settle, without_gaps
from cryptodask.prices.clean.series import find_gaps
from cryptodask.prices.partition import pack
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import NUMBER_COLUMNS, empty_prices
from cryptodask.prices.table.footer_stats import FOOTER_KEY, FooterStats
from cryptodask.prices.table.index import count_rows, grow_index, join_index
from cryptodask.prices.table.manifest import Manifest
from cryptodask.prices.table.merge import (
    Corrections,
    Merged,
    check_corrections,
    check_rows,
    keep_last,
    merge_rows,
)
from cryptodask.prices.table.storage import Writer, writing
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
class AppendResult:
    """What an append did.

    Attributes
    ----------
    new_rows, corrected_rows, unchanged_rows, kept_rows : int
        Rows of days that the table did not have; rows that took the place of others; rows that it
        had already; and rows that differ and were left out, by corrections "keep".
    new_coins : tuple of str
        Coins that the table did not have, in order.
    generation : int
        Of the table, counted from 1; it is what it was if nothing was new.
    findings : DataFrame
        Those that were given, and one for each row that was corrected or left out.
    """

    new_rows: int
    corrected_rows: int
    unchanged_rows: int
    kept_rows: int
    new_coins: tuple[str, ...]
    generation: int
    findings: pd.DataFrame = field(repr=False, compare=False)


def write_base(
    writer: Writer,
    readings: Iterable[Reading],
    empty: dict[str, str],
    notes: pd.DataFrame,
    freq: str,
    policies: Policies,
) -> Manifest:
    """Write all files of a table without deltas, and return what its manifest names.

    Parameters
    ----------
    writer : Writer
        Of the table.
    readings, empty, notes, freq, policies
        As of `cryptodask.prices.table.price_table.write_table`.

    Raises
    ------
    SourceError
        The readings have no row.
    """
    parts: list[str] = []
    index: list[pd.DataFrame] = []
    losses: list[pd.DataFrame] = []
    with writer.stream("findings", empty_findings()) as (findings, add_findings):
        add_findings(notes)
        for reading in readings:
            add_findings(reading.findings)
            if len(reading.prices):
                index.append(count_rows(reading.prices).assign(part=len(parts), reason=""))
                parts.append(_write_rows(writer, "part", reading.prices, len(parts), _PART_GROUP))
            elif not parts:
                losses.append(lost(reading.findings).head(_REASONS))
    if not parts:
        first = join_findings([lost(notes), *losses]).head(_REASONS)
        reasons = [
            f"{file}, line {line}: {why}" if line else f"{file}: {why}"
            for file, line, why in first[["file", "line", "message"]].to_numpy()
        ]
        head = f"{writer.folder}: not written, for no row was read"
        raise SourceError(f"{head}: {'; '.join(reasons)}")
    return {
        "freq": freq,
        "policies": dict(policies),
        "parts": parts,
        "deltas": [],
        "index": writer.write("index", join_index(index, empty)),
        "findings": findings,
    }


def _write_rows(writer: Writer, kind: str, rows: pd.DataFrame, number: int, group: int) -> str:
    """Write rows, by coin and date, with their footer statistics."""
    facts = {FOOTER_KEY: FooterStats.of(rows).encode()}
    return writer.write(kind, rows, number, facts=facts, row_group_size=group, **_ROWS)


def append(
    table: TableReader,
    frame: pd.DataFrame,
    given_findings: pd.DataFrame | None,
    corrections: Corrections,
    policies: Policies | None = None,
) -> AppendResult:
    """Add rows to a table, and return what that did; see `PriceTable.append`.

    Parameters
    ----------
    table : TableReader
        Refreshed before and after.
    frame : DataFrame
        Rows, in any order.
    given_findings : DataFrame or None
        Those of reading the rows. Policies were applied to them then, except for gaps, which the
        table may fill. None: the rows are checked here.
    corrections : {"replace", "keep", "fail"}
        What to do with rows that differ from the table's.
    policies : mapping of str to str, optional
        In place of the table's.

    Raises
    ------
    InputError, OptionError, TableError
        As of `PriceTable.append`.
    """
    check_corrections(corrections)
    policies = table.policies if policies is None else check_policies(policies)
    rows = check_rows(frame, table.freq)
    if given_findings is None:
        rows = rows if "file" in rows else rows.assign(file="")
        rows = rows if "line" in rows else rows.assign(line=0)
        checked = clean_rows(rows, empty_findings(), without_gaps(policies), table.freq)
        rows, given_findings = checked
    given_findings = _check_findings(given_findings)
    with writing(table.path) as writer:
        table.refresh()  # another process may have written since it was opened
        merged = merge_rows(_old_rows(table, rows), rows, corrections)
        new_coins = sorted(set(merged.added["coin"]) - set(table.coins))
        _check_names(new_coins, table.coins)
        gaps = settle(_find_new_gaps(table, rows), policies)
        findings = join_findings([_with_gaps(given_findings, gaps), merged.findings])
        if len(merged.added) or len(merged.corrected):
            writer.publish(_write_delta(writer, table, merged, findings), keep_old=True)
            table.refresh()
    return AppendResult(
        new_rows=len(merged.added),
        corrected_rows=len(merged.corrected),
        unchanged_rows=merged.unchanged,
        kept_rows=merged.kept,
        new_coins=tuple(new_coins),
        generation=table.generation,
        findings=findings,
    )


def _with_gaps(findings: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """Return findings of files with these gaps in place of theirs, which a table may fill.

    A gap that a file was found to have keeps its file and line.
    """
    is_gap = findings["kind"] == "gap"
    theirs = findings[is_gap].drop_duplicates(["coin", "date"])
    keys, known = (pd.MultiIndex.from_frame(g[["coin", "date"]]) for g in (gaps, theirs))
    return join_findings([findings[~is_gap], theirs[known.isin(keys)], gaps[~keys.isin(known)]])


def _find_new_gaps(table: TableReader, rows: pd.DataFrame) -> pd.DataFrame:
    """Return gaps among rows before or after those that a table has, and between the two.

    None between the first and last row of a coin in the table: new rows there fill gaps.
    """
    spans = table.index[["coin", "first", "last"]]
    known = rows[["coin", "date"]].merge(spans, on="coin", how="left")
    outside = known[~known["date"].between(known["first"], known["last"])]
    spans = spans[spans["coin"].isin(outside["coin"])]
    ends = [spans.rename(columns={end: "date"})[["coin", "date"]] for end in ("first", "last")]
    both = pd.concat([*ends, outside[["coin", "date"]]]).drop_duplicates()
    both = both.sort_values(["coin", "date"], ignore_index=True).assign(file="", line=0)
    gaps = find_gaps(both, table.freq)
    # What lies between the first and the last row of the table is none of these gaps.
    inside = pd.MultiIndex.from_frame(spans[["coin", "first"]][spans["first"] < spans["last"]])
    return gaps[~pd.MultiIndex.from_frame(gaps[["coin", "date"]]).isin(inside)]


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
                yield Reading(partition.read(), empty_findings())

        manifest = write_base(
            writer, readings(), table.empty, table.findings(), table.freq, table.policies
        )
        writer.publish(manifest, keep_old=True)
        table.refresh()


def _old_rows(table: TableReader, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table on days that these rows have too.

    Rows before or after all that the table has of a coin need no look, which is what makes
    appending a new day cheap.
    """
    known = rows[["coin", "date"]].merge(table.index[["coin", "first", "last"]], on="coin")
    known = known[known["date"].between(known["first"], known["last"])]
    if known.empty:
        return empty_prices()
    days = known["date"].min(), known["date"].max()
    coins = sorted(set(known["coin"]))
    return pd.concat([p.read_days(days) for p in table.partitions(coins)], ignore_index=True)


def _write_delta(
    writer: Writer, table: TableReader, merged: Merged, findings: pd.DataFrame
) -> Manifest:
    """Write the files of an append, and return what the new manifest names."""
    rows = keep_last(pd.concat([merged.added, merged.corrected], ignore_index=True))
    delta: dict[str, Any] = {
        "rows": _write_rows(writer, "delta", rows, 0, _DELTA_GROUP),
        "first": rows["coin"].iloc[0],
        "last": rows["coin"].iloc[-1],
    }
    if len(findings):
        delta["findings"] = writer.write("findings", findings)
    had = table.manifest
    empty = {c: why for c, why in table.empty.items() if c not in set(rows["coin"])}
    index = grow_index(table.index, merged.added)
    return {
        "freq": had["freq"],
        "policies": had["policies"],
        "parts": had["parts"],
        "deltas": [*had["deltas"], delta],
        "index": writer.write("index", join_index([index], empty)),
        "findings": had["findings"],
    }


def _check_names(new: list[str], old: list[str]) -> None:
    """Refuse a new coin whose name another coin has but for its case.

    In a folder of files such names are one coin, so one of the two is a slip of the pen.
    """
    known = {coin.casefold(): coin for coin in old}
    for coin in new:
        other = known.setdefault(coin.casefold(), coin)
        if other != coin:
            raise InputError(
                f"{coin}: is {other!r} but for its case, and coins may not differ by case alone; "
                "give the rows the name of the coin that they are of"
            )


def _check_findings(findings: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in FINDING_COLUMNS if name not in findings]
    if missing:
        raise InputError(
            f"findings: no column {', '.join(missing)}; give a table that "
            "cryptodask.prices.clean.findings made, or leave it out"
        )
    return findings[list(FINDING_COLUMNS)]

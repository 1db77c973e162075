"""Columns of a user's own in a table: how they are written, and how they grow."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import InputError
from cryptodask.prices.clean.findings import empty_findings, file_finding, findings, join_findings
from cryptodask.prices.own import empty_own, keep_last_own, rows_by_name
from cryptodask.prices.schema import DATE_DTYPE
from cryptodask.prices.table.merge import Corrections
from cryptodask.prices.table.storage import Writer
from cryptodask.prices.table.table_reader import TableReader

_KEY = ["coin", "date"]


@contextmanager
def own_stream(
    writer: Writer, further: pd.DataFrame | None
) -> Iterator[tuple[dict[str, Any], Callable[[pd.DataFrame | None], None]]]:
    """Write the own columns of a table part by part.

    Parameters
    ----------
    writer : Writer
    further : DataFrame, optional
        No rows of the columns; None of a table without any.

    Yields
    ------
    facts, append
        What the manifest says of them, and what adds the rows of a part.
    """
    if further is None:
        yield {}, lambda _: None
        return
    names = [name for name in further.columns if name not in _KEY]
    numbers = [name for name in names if further[name].dtype == np.float64]
    with writer.stream("own", further) as (file, add):

        def append(rows: pd.DataFrame | None) -> None:
            if rows is not None:
                add(rows[list(further.columns)])

        facts = [name for name in names if name not in numbers]
        yield {"own": {"file": file, "columns": numbers, "facts": facts}}, append


def split_own(
    frame: pd.DataFrame, names: Collection[str], like: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return a frame without the own columns of a table, and these.

    Parameters
    ----------
    frame : DataFrame
        With ``coin, date``.
    names : collection of str
        Of the table's own columns.
    like : DataFrame, optional
        No rows of them.

    Raises
    ------
    InputError
        A column of numbers has something else, or an infinite one.
    """
    mine = [name for name in names if name in frame]
    if like is None or not mine:
        return frame, None
    further = frame[_KEY].copy()
    for name in mine:
        if like[name].dtype != np.float64:
            further[name] = frame[name].astype("str").where(frame[name].notna())
            continue
        numbers = pd.to_numeric(frame[name], errors="coerce").astype("float64")
        bad = (numbers.isna() & frame[name].notna()) | np.isinf(numbers)
        if bad.any():
            row = frame[bad].iloc[0]
            raise InputError(
                f"{row['coin']}, {row['date']}: column {name!r}: {row[name]} is not a finite "
                f"number ({int(bad.sum())} such rows); set it to NaN where it is missing"
            )
        further[name] = numbers
    further = further[further[mine].notna().any(axis=1)].reset_index(drop=True)
    return frame.drop(columns=mine), further.astype({"coin": "str", "date": DATE_DTYPE})


@dataclass(frozen=True)
class OwnGrowth:
    """What an append does to the own columns of a table.

    Attributes
    ----------
    rows : DataFrame
        To be written over those of the table, by coin and date.
    findings : DataFrame
        One for each row that was corrected or left out, and for each column that is missing.
    """

    rows: pd.DataFrame
    findings: pd.DataFrame


def grow_own(
    table: TableReader,
    came: pd.DataFrame | None,
    renames: Mapping[str, str],
    fresh: Mapping[str, str],
    rows: pd.DataFrame,
    corrections: Corrections,
) -> OwnGrowth:
    """Return what an append does to the own columns of a table.

    Parameters
    ----------
    table : TableReader
    came : DataFrame, optional
        Own columns that came, by coin and date.
    renames, fresh : mapping of str to str
        Older name of a coin -> the last one: all, and those that the table does not know yet.
    rows : DataFrame
        Rows of prices that came, under the last names.
    corrections : {"replace", "keep", "fail"}

    Raises
    ------
    InputError
        By "fail", a value differs from the table's.
    """
    like = table.empty_own()
    if like is None:
        return OwnGrowth(empty_own(), empty_findings())
    names = list(table.own_names)
    notes = [_missing_note(name, names, rows) for name in names if _lacks(came, name, rows)]
    new = like if came is None else rows_by_name(came, renames).reindex(columns=list(like.columns))
    coins = {*table.coins, *table.empty, *rows["coin"]}
    known = new["coin"].isin(coins)
    lost = new[~known].assign(file="", line=0)
    why = "own columns of a coin without a row of prices"
    notes.append(findings("unreadable_row", lost, message=why))
    new = new[known].reset_index(drop=True)
    had = table.load_own({*new["coin"], *fresh, *fresh.values()})
    base = rows_by_name(had, fresh)
    changed, differing = _changes(base, new, names, corrections)
    moved = base[base["coin"].isin(list(fresh.values()))] if len(base) and fresh else like
    written = keep_last_own([like, moved, changed])
    return OwnGrowth(written.astype(like.dtypes.to_dict()), join_findings([*notes, differing]))


def _lacks(came: pd.DataFrame | None, name: str, rows: pd.DataFrame) -> bool:
    """Return whether rows of prices came without a value of a column."""
    return len(rows) > 0 and (came is None or name not in came)


def _missing_note(name: str, names: list[str], rows: pd.DataFrame) -> pd.DataFrame:
    message = (
        f"column {name!r}: none of the {len(rows):,} rows that came has a value of it; the table "
        f"has {', '.join(map(repr, names))}"
    )
    return file_finding("missing_column", "", "", message)


def _changes(
    base: pd.DataFrame, new: pd.DataFrame, names: list[str], corrections: Corrections
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that are to be written, and a finding for each that differs."""
    both = new[_KEY].merge(base, on=_KEY, how="left")
    result = both.copy()
    differs, adds = (np.zeros(len(new), dtype=np.bool_) for _ in range(2))
    messages = np.full(len(new), "", dtype=object)
    for name in names:
        had, gets = both[name], new[name].reset_index(drop=True)
        other = (had.notna() & gets.notna() & (had != gets)).to_numpy(dtype=np.bool_)
        fills = (had.isna() & gets.notna()).to_numpy(dtype=np.bool_)
        for i in np.flatnonzero(other):
            messages[i] += f"{', ' if messages[i] else ''}column {name!r} {had[i]} -> {gets[i]}"
        takes = fills if corrections == "keep" else fills | other
        result[name] = had.mask(takes, gets)
        differs, adds = differs | other, adds | takes
    if differs.any() and corrections == "fail":
        first = int(np.argmax(differs))
        where = f"{new['coin'][first]}, {new['date'][first]:%Y-%m-%d}: {messages[first]}"
        raise InputError(
            f"{where}, and corrections are to fail; rows that differ from the table's: "
            f"{int(differs.sum()):,}; leave them out, or choose corrections: replace (the new "
            "values stay) or keep (the table's)"
        )
    kind = "corrected_row" if corrections == "replace" else "kept_old_row"
    rows = new[differs].assign(file="", line=0)
    differing = findings(kind, rows, message=list(messages[differs]))
    return result[adds].reset_index(drop=True), differing

"""What was found in price files: every kind, whether it cost rows, and the table of them all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from cryptodask.prices.schema import DATE_DTYPE


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    Attributes
    ----------
    loses : bool
        Whether something that a user meant as prices was left out; a command that saw such a
        finding does not exit with 0.
    meaning : str
        What was found, and what was done about it.
    """

    loses: bool
    meaning: str


KINDS: Mapping[str, Kind] = {
    "not_a_price_file": Kind(False, "not a file of prices; left out"),
    "unreadable_file": Kind(True, "a file that can't be read; left out"),
    "contradicting_file": Kind(
        True, "a second file of a coin that contradicts the first; left out"
    ),
    "unreadable_row": Kind(True, "a row that can't be read; left out"),
    "nonpositive_close": Kind(True, "a close of zero or below; row left out"),
    "conflicting_row": Kind(True, "a day told twice with other values; the first is kept"),
    "corrected_row": Kind(False, "an appended row that differs from the table's; put in its place"),
    "kept_old_row": Kind(
        False, "an appended row that differs from the table's; left out, as was asked for"
    ),
    "repeated_row": Kind(False, "a day told twice with the same values; one is kept"),
    "merged_file": Kind(False, "a second file of a coin that agrees with the first; merged"),
    "nonpositive_value": Kind(
        False, "an open, high or low of zero or below, or an amount below zero; set to missing"
    ),
    "serial_date": Kind(False, "a spreadsheet's serial number, read as its day"),
    "missing_value": Kind(False, "no value in a cell; kept as missing"),
    "gap": Kind(False, "days missing between two rows; left as they are"),
    "stale_run": Kind(False, "five or more equal closes in a row; kept"),
    "zero_volume": Kind(False, "a volume of zero; kept"),
    "high_under_low": Kind(False, "a high under the low of its day; kept"),
    "outside_range": Kind(False, "an open or close outside of its day's low and high; kept"),
    "large_move": Kind(False, "a close very far from the day before; kept"),
    "reverting_jump": Kind(False, "a jump of the close that the next day undid; kept"),
    "future_date": Kind(False, "a day that has not come yet; kept"),
    "out_of_order": Kind(False, "a row against the order of its file; sorted"),
    "renamed": Kind(False, "a coin that the exchange has another name for; fetched"),
    "delisted": Kind(True, "a coin asked for that the exchange does not trade; left out"),
    "not_fetched": Kind(True, "days that the exchange did not give; what came before is kept"),
    "day_month_order": Kind(False, "the order of day and month, decided from the whole file"),
    "layout": Kind(False, "the layout that a file was read in, and what its dates mean"),
}

FINDING_COLUMNS = ("kind", "coin", "file", "line", "date", "value", "message")


def empty_findings() -> pd.DataFrame:
    """Return a findings table of no rows.

    ``line`` is the line in the file, counted from 1, and 0 where a finding is not of one line;
    ``value`` is the text or number received.
    """
    return _empty().copy()


@cache
def _empty() -> pd.DataFrame:
    types = dict.fromkeys(FINDING_COLUMNS, "str") | {"line": "int64", "date": DATE_DTYPE}
    return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in FINDING_COLUMNS})


def findings(kind: str, rows: pd.DataFrame, *, value: Any = "", message: Any = "") -> pd.DataFrame:
    """Build findings of one kind, one for each of these rows.

    ``rows`` has columns coin and file, and line and date where they are known; ``value`` and
    ``message`` are one for all or a column as long.
    """
    if kind not in KINDS:
        raise KeyError(kind)
    if rows.empty:
        return empty_findings()
    told = rows.reindex(columns=["coin", "file", "line", "date"]).reset_index(drop=True)
    told = told.fillna({"line": 0}).assign(kind=kind)
    for name, column in (("value", value), ("message", message)):
        told[name] = column.to_numpy() if isinstance(column, pd.Series) else column
    return told[list(FINDING_COLUMNS)].astype(_empty().dtypes.to_dict())


def file_finding(kind: str, coin: str, file: str, message: str, **columns: Any) -> pd.DataFrame:
    """Build one finding about a file as a whole."""
    rows = pd.DataFrame({"coin": [coin], "file": [file], **{k: [v] for k, v in columns.items()}})
    return findings(kind, rows, message=message)


def join_findings(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join findings tables, in order of coin, file and line."""
    full = [table for table in tables if len(table)]
    if not full:
        return empty_findings()
    joined = pd.concat(full, ignore_index=True)
    return joined.sort_values(["coin", "file", "line"], kind="stable", ignore_index=True)


def summarize_findings(table: pd.DataFrame) -> pd.DataFrame:
    """Count findings by kind: ``kind, count, coins, meaning``, in the order of ``KINDS``."""
    groups = table.groupby("kind")
    counts, coins = groups.size(), groups["coin"].nunique()
    kinds = [kind for kind in KINDS if kind in counts.index]
    return pd.DataFrame(
        {
            "kind": kinds,
            "count": [int(counts[kind]) for kind in kinds],
            "coins": [int(coins[kind]) for kind in kinds],
            "meaning": [KINDS[kind].meaning for kind in kinds],
        }
    )


def lost(table: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that cost rows or files."""
    return table[table["kind"].isin([kind for kind, k in KINDS.items() if k.loses])]

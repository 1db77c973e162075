"""Findings: what is odd in price files, its kind, and whether it cost rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.prices.schema import DATE_DTYPE, as_text, codes_of


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A kind of finding.

    Attributes
    ----------
    meaning : str
        What was found.
    actions : tuple of str
        What can be done about it, the default first; see `ACTIONS`. None for kinds that only
        report.
    loses : bool
        Whether dropping it costs something that a user meant as prices; a command that did so
        does not exit with 0.
    """

    meaning: str
    actions: tuple[str, ...] = ()
    loses: bool = False

    @property
    def default(self) -> str:
        """The action where a user chooses none; empty for a kind that only reports."""
        return self.actions[0] if self.actions else ""


ACTIONS: Mapping[str, str] = {
    "keep": "kept",
    "drop": "left out",
    "fail": "refused",
    "repair:sort": "put in order",
    "repair:last": "the last one is taken",
    "repair:missing": "set to missing",
    "repair:day": "read as its day",
    "repair:swap": "high and low swapped",
    "repair:widen": "low or high moved to hold them",
    "repair:between": "close set between its neighbours; open, high and low set to missing",
}
"""Action -> how reports word it. `fail` refuses everything that was read."""

FINDING_KINDS: Mapping[str, FindingKind] = {
    "not_a_price_file": FindingKind("not a file of prices", ("drop", "fail")),
    "unreadable_file": FindingKind("a file that can't be read", ("drop", "fail"), loses=True),
    "contradicting_file": FindingKind(
        "a second file of a coin that contradicts the first", ("drop", "fail"), loses=True
    ),
    "unreadable_row": FindingKind("a row that can't be read", ("drop", "fail"), loses=True),
    "nonpositive_close": FindingKind("a close of zero or below", ("drop", "fail"), loses=True),
    "conflicting_row": FindingKind(
        "a date repeated with other values; the first row is kept unless a policy says otherwise",
        ("drop", "repair:last", "fail"),
        loses=True,
    ),
    "future_date": FindingKind(
        "a date that has not come yet", ("drop", "keep", "fail"), loses=True
    ),
    "unended_bar": FindingKind("a bar that had not ended yet", ("drop", "keep", "fail")),
    "corrected_row": FindingKind("an appended row that differs from the table's; put in its place"),
    "kept_old_row": FindingKind(
        "an appended row that differs from the table's; left out, as asked for"
    ),
    "repeated_row": FindingKind("a date repeated with the same values", ("drop", "fail")),
    "blank_row": FindingKind("a row with a date and no value", ("drop", "fail")),
    "merged_file": FindingKind(
        "a second file of a coin that agrees with the first", ("keep", "fail")
    ),
    "nonpositive_value": FindingKind(
        "an open, high or low of zero or below, or an amount below zero",
        ("repair:missing", "drop", "fail"),
    ),
    "unreadable_value": FindingKind(
        "a cell of a column of your own that is not a finite number",
        ("drop", "fail"),
        loses=True,
    ),
    "column_left_out": FindingKind("a column that is none of prices and was not asked for"),
    "missing_column": FindingKind(
        "a file or frame without a column of your own that was asked for"
    ),
    "serial_date": FindingKind(
        "a spreadsheet's serial number as date", ("repair:day", "drop", "fail")
    ),
    "missing_value": FindingKind("no value in a cell", ("keep", "drop", "fail")),
    "gap": FindingKind("bars missing between two rows; nothing is filled in", ("keep", "fail")),
    "stale_run": FindingKind("five or more equal closes in a row", ("keep", "drop", "fail")),
    "zero_volume": FindingKind("a volume of zero", ("keep", "repair:missing", "drop", "fail")),
    "high_under_low": FindingKind(
        "a high under the low of its bar", ("keep", "repair:swap", "drop", "fail")
    ),
    "outside_range": FindingKind(
        "an open or close outside of its bar's low and high",
        ("keep", "repair:widen", "drop", "fail"),
    ),
    "large_move": FindingKind("a close very far from the one before", ("keep", "drop", "fail")),
    "reverting_jump": FindingKind(
        "a jump of the close that the next bar undid", ("keep", "repair:between", "drop", "fail")
    ),
    "out_of_order": FindingKind(
        "a row against the order of its file", ("repair:sort", "drop", "fail")
    ),
    "split": FindingKind("a split of a coin's unit; prices before it are divided by its factor"),
    "symbol_change": FindingKind("an older name of a coin; its rows are the coin's"),
    "renamed": FindingKind("a coin that the exchange has another name for; fetched"),
    "delisted": FindingKind(
        "a coin asked for that the exchange does not trade; left out", loses=True
    ),
    "not_fetched": FindingKind(
        "days that the exchange did not give; what came before is kept", loses=True
    ),
    "day_month_order": FindingKind("the order of day and month, decided from the whole file"),
    "layout": FindingKind("the layout that a file was read in, and what its dates mean"),
}

LOSING_KINDS = tuple(name for name, kind in FINDING_KINDS.items() if kind.loses)
"""The kinds that may cost something that a user meant as prices."""

NEIGHBOUR_KINDS = ("gap", "stale_run", "large_move", "reverting_jump")
"""Kinds of finding about a row that depend on the rows beside it in its series."""

ROW_KINDS = ("zero_volume", "future_date", "high_under_low", "outside_range")
"""Kinds of finding about a row of a series that depend on the row alone."""

FINDING_COLUMNS = ("kind", "coin", "file", "line", "date", "value", "message", "action")


def empty_findings() -> pd.DataFrame:
    """Return a findings table of no rows.

    Returns
    -------
    DataFrame
        ``kind, coin, file, line, date, value, message, action``. ``line`` counts from 1, and is 0
        where a finding is not of one line; ``value`` is the text or number received; ``action``
        one of `ACTIONS`, or empty for a kind that only reports.
    """
    return _empty().copy()


@cache
def _empty() -> pd.DataFrame:
    types = dict.fromkeys(FINDING_COLUMNS, "str") | {"line": "int64", "date": DATE_DTYPE}
    return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in FINDING_COLUMNS})


def findings(kind: str, rows: pd.DataFrame, *, value: Any = "", message: Any = "") -> pd.DataFrame:
    """Return findings of one kind, one for each of these rows.

    Parameters
    ----------
    kind : str
        One of `FINDING_KINDS`.
    rows : DataFrame, ``(n_rows,)``
        ``coin, file``, and ``line, date`` where they are known.
    value, message : str, or list or Series of str ``(n_rows,)``
        One for all rows, or one for each.

    Returns
    -------
    DataFrame, ``(n_rows,)``
        As of `empty_findings`; ``action`` is the default of the kind, which
        `cryptodask.prices.clean.policies.settle` changes.
    """
    if kind not in FINDING_KINDS:
        raise KeyError(kind)
    if rows.empty:
        return empty_findings()
    # Column by column: a frame that grows by one at a time takes several times as long.
    n = len(rows)
    columns = {
        "kind": _texts(kind, n),
        "coin": _texts(rows["coin"], n),
        "file": _texts(rows["file"], n),
        "line": rows["line"].to_numpy(np.int64) if "line" in rows else np.zeros(n, np.int64),
        "date": rows["date"].to_numpy().astype(DATE_DTYPE)
        if "date" in rows
        else np.full(n, np.datetime64("NaT", "s")),
        "value": _texts(value, n),
        "message": _texts(message, n),
        "action": _texts(FINDING_KINDS[kind].default, n),
    }
    return pd.DataFrame(columns)


def _texts(values: Any, n: int) -> pd.api.extensions.ExtensionArray:
    """Return a text for each of ``n`` rows, or the same for all, as a column of text."""
    if isinstance(values, str):
        repeated = pa.repeat(pa.scalar(values, pa.large_string()), n)
        same: pd.api.extensions.ExtensionArray = pd.array(pa.chunked_array([repeated]), dtype="str")
        return same
    column = values if isinstance(values, pd.Series) else pd.Series(list(values), dtype="str")
    return as_text(column).array


def file_finding(kind: str, coin: str, file: str, message: str, **columns: Any) -> pd.DataFrame:
    """Return one finding about a file, not about a row of it.

    Parameters
    ----------
    kind, coin, file, message : str
        Cells of the finding.
    **columns
        Other cells: ``line`` or ``date``.
    """
    rows = pd.DataFrame({"coin": [coin], "file": [file], **{k: [v] for k, v in columns.items()}})
    return findings(kind, rows, message=message)


def join_findings(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return one table of all these findings, by coin, file and line.

    Parameters
    ----------
    tables : iterable of DataFrame
        As of `empty_findings`.
    """
    joined = stack_findings(tables)
    file, coin = codes_of(joined["file"]), codes_of(joined["coin"])
    order = np.lexsort((joined["line"].to_numpy(), file, coin))
    return joined.take(order).reset_index(drop=True)


def stack_findings(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return one table of all these findings, one table under the other.

    Parameters
    ----------
    tables : iterable of DataFrame
        As of `empty_findings`. What is joined with others later is not sorted before.
    """
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else empty_findings()


def summarize_findings(table: pd.DataFrame | pa.Table) -> pd.DataFrame:
    """Return counts of findings, in the order of `FINDING_KINDS`.

    Parameters
    ----------
    table : DataFrame or pyarrow.Table
        Findings; only their ``kind, action, coin`` are needed.

    Returns
    -------
    DataFrame
        ``kind, count, coins, meaning, done``, one row a kind and action.
    """
    # In Arrow, since there may be millions, and pandas takes several times the memory.
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table[["kind", "action", "coin"]], preserve_index=False)
    groups = table.group_by(["kind", "action"], use_threads=False)
    counted = groups.aggregate([([], "count_all"), ("coin", "count_distinct")]).to_pylist()
    order = {kind: i for i, kind in enumerate(FINDING_KINDS)}
    counted.sort(key=lambda row: (order[row["kind"]], row["action"]))
    return pd.DataFrame(
        {
            "kind": [row["kind"] for row in counted],
            "count": [row["count_all"] for row in counted],
            "coins": [row["coin_count_distinct"] for row in counted],
            "meaning": [FINDING_KINDS[row["kind"]].meaning for row in counted],
            "done": [ACTIONS.get(row["action"], "") for row in counted],
        }
    )


def lost(table: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that cost rows or files.

    Parameters
    ----------
    table : DataFrame
        As of `empty_findings`.
    """
    return table[table["kind"].isin(LOSING_KINDS) & table["action"].isin(["drop", ""])]

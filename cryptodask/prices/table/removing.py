"""Take rows out of a table: files that have one are written again without it.

It is rare: a policy drops a row that is there already for what came after it. So readers need not
know of rows that are there and don't count.
"""

from typing import Any

import pandas as pd

from cryptodask.prices.schema import as_price_dtypes
from cryptodask.prices.table.growth import write_rows
from cryptodask.prices.table.index import load
from cryptodask.prices.table.manifest import Manifest
from cryptodask.prices.table.storage import Writer


def take_out(
    writer: Writer, manifest: Manifest, removed: pd.DataFrame, parts: set[int]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Write parts and deltas without some rows, and return the names of all that there are then.

    Parameters
    ----------
    writer : Writer
        Of the table.
    manifest : dict
        Of the table as it is.
    removed : DataFrame
        ``coin, date`` of rows.
    parts : set of int
        Numbers of the parts that may have them.

    Returns
    -------
    parts : list of str
    deltas : list of dict
    """
    names = list(manifest["parts"])
    if removed.empty:
        return names, list(manifest["deltas"])
    gone = pd.MultiIndex.from_frame(removed[["coin", "date"]])
    first, last = removed["coin"].min(), removed["coin"].max()
    for number in sorted(parts):
        names[number] = _rewrite(writer, "part", names[number], gone, number)
    deltas = []
    for number, delta in enumerate(manifest["deltas"]):
        if delta["first"] <= last and delta["last"] >= first:
            # Number 0 is that of the append itself.
            rows = _rewrite(writer, "delta", delta["rows"], gone, number + 1)
            deltas.append(delta | {"rows": rows})
        else:
            deltas.append(delta)
    return names, deltas


def _rewrite(writer: Writer, kind: str, name: str, gone: pd.MultiIndex, number: int) -> str:
    """Return the name of a file without these rows: the same, where it has none of them."""
    rows = as_price_dtypes(load(writer.folder / name))
    left = rows[~pd.MultiIndex.from_frame(rows[["coin", "date"]]).isin(gone)]
    if len(left) == len(rows):
        return name
    return write_rows(writer, kind, left.reset_index(drop=True), number)

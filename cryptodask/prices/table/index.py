"""The index of a price table: of every coin its rows, its first and last day, and its part."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cryptodask.errors import TableError
from cryptodask.prices.table.manifest import AGAIN, Manifest, read_table_manifest

_INDEX = ("coin", "rows", "first", "last", "part", "reason")


def read_index(folder: Path) -> tuple[Manifest, pd.DataFrame]:
    """Return the manifest of a table and the index that it names.

    Parameters
    ----------
    folder : Path
        Of the table.

    Returns
    -------
    manifest : dict
    index : DataFrame
        ``coin, rows, first, last, part, reason``, one row a coin, by coin.

    Raises
    ------
    SourceError
        The table is missing.
    TableError
        The table is damaged or of another version.
    """
    while True:
        manifest = read_table_manifest(folder)
        path = folder / manifest["index"]
        try:
            index = _load_whole(path)
            _check_index(index, len(manifest["parts"]), path)
        except TableError:
            if (
                read_table_manifest(folder) == manifest
            ):  # else it was replaced between the two reads
                raise
        else:
            return manifest, index


def _load_whole(path: Path) -> pd.DataFrame:
    """Read all of a small file, for which pandas and its dataset take twice as long."""
    try:
        frame: pd.DataFrame = pq.ParquetFile(path).read(use_threads=False).to_pandas()
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error
    return frame


def load(path: Path, **how: Any) -> pd.DataFrame:
    """Return a file of a table.

    Parameters
    ----------
    path : Path
    **how
        For `pandas.read_parquet`.

    Raises
    ------
    TableError
        It is damaged.
    """
    try:
        return pd.read_parquet(path, partitioning=None, **how)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error


def load_codes(path: Path, columns: Sequence[str]) -> pa.Table:
    """Return columns of text of a file of a table, each text kept once.

    Parameters
    ----------
    path : Path
    columns : sequence of str

    Raises
    ------
    TableError
        It is damaged.
    """
    names = list(columns)
    try:
        return pq.read_table(
            path, columns=names, read_dictionary=names, partitioning=None, use_threads=False
        )
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error


def _check_index(index: pd.DataFrame, parts: int, path: Path) -> None:
    """Refuse an index that does not fit the number of parts, or would break divisions."""
    good = set(_INDEX) <= set(index.columns) and all(
        pd.api.types.is_integer_dtype(index[name]) for name in ("rows", "part")
    )
    if good:
        full = index[index["rows"] > 0]
        good = bool(
            len(full) > 0
            and full["part"].between(0, parts - 1).all()
            and full["part"].nunique() == parts
            and full["part"].is_monotonic_increasing
            and full["coin"].is_monotonic_increasing
            and full["coin"].is_unique
        )
    if not good:
        raise TableError(f"{path}: is not an index of the table's {parts} parts; {AGAIN}")


def count_rows(prices: pd.DataFrame) -> pd.DataFrame:
    """Return the number of rows and the first and last date of each coin.

    Parameters
    ----------
    prices : DataFrame
        By coin and date.

    Returns
    -------
    DataFrame
        ``coin, rows, first, last``, one row a coin.
    """
    dates = prices.groupby("coin", sort=False)["date"]
    return pd.DataFrame(
        {"rows": dates.size(), "first": dates.first(), "last": dates.last()}
    ).reset_index()


def grow_index(index: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """Return an index with the rows that were added.

    A coin that has no row in any part goes to the partition of the coin before it, by name, so
    that the coins of every partition stay a range of names.

    Parameters
    ----------
    index : DataFrame
        Of coins with rows.
    added : DataFrame
        Price rows of dates that the table does not have, by coin and date.
    """
    both = pd.concat([index, count_rows(added)], ignore_index=True).groupby("coin", sort=True)
    grown = both.agg({"rows": "sum", "first": "min", "last": "max", "part": "first"}).reset_index()
    part = grown["part"].ffill().bfill().astype("int64")
    return grown.assign(part=part, reason="")


def join_index(index: list[pd.DataFrame], empty: dict[str, str]) -> pd.DataFrame:
    """Return one index of all coins, those without rows included.

    Parameters
    ----------
    index : list of DataFrame
        Of coins with rows.
    empty : dict of str to str
        Coins without a row, and why.
    """
    without = pd.DataFrame(
        {"coin": list(empty), "rows": 0, "part": -1, "reason": list(empty.values())}
    )
    return pd.concat([*index, without], ignore_index=True).sort_values("coin", ignore_index=True)

"""The index of a price table: of every coin its rows, its first and last day, and its part."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cryptodask.errors import TableError
from cryptodask.prices.schema import starts_of
from cryptodask.prices.table.manifest import AGAIN, Manifest, read_table_manifest
from cryptodask.prices.table.seam import Seam

_INDEX = ("coin", "rows", "first", "last", "part", "reason")
_SEAM = "seam"  # a column of the file that only appends read


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
        file = pq.ParquetFile(path, page_checksum_verification=True)
        frame: pd.DataFrame = file.read(columns=list(_INDEX), use_threads=False).to_pandas()
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error
    return frame


def load_seams(path: Path, coins: Collection[str]) -> dict[str, Seam]:
    """Return the seams of coins that the index has one of; none, where an older table has none.

    Parameters
    ----------
    path : Path
        Of the index.
    coins : collection of str

    Raises
    ------
    TableError
        It is damaged.
    """
    texts, wanted = load_seam_texts(path), set(coins)
    try:
        return {coin: Seam.decode(coin, text) for coin, text in texts.items() if coin in wanted}
    except ValueError as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error


def load_seam_texts(path: Path) -> dict[str, str]:
    """Return the seams of all coins as they are written.

    Parameters
    ----------
    path : Path
        Of the index.

    Raises
    ------
    TableError
        It is damaged.
    """
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        if _SEAM not in file.schema_arrow.names:
            return {}
        columns = file.read(columns=["coin", _SEAM], use_threads=False)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error
    texts = zip(*(columns[name].to_pylist() for name in ("coin", _SEAM)), strict=True)
    return {coin: text for coin, text in texts if text}


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
        return pd.read_parquet(path, partitioning=None, page_checksum_verification=True, **how)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: can't be read: {error}; {AGAIN}") from error


def load_codes(path: Path, columns: Sequence[str], flag: str) -> pa.Table:
    """Return columns of text of a file of a table, each text kept once.

    Parameters
    ----------
    path : Path
    columns : sequence of str
    flag : str
        A column that is read as it is, where the file has it.

    Raises
    ------
    TableError
        It is damaged.
    """
    names = list(columns)
    try:
        there = [flag] if flag in pq.read_schema(path).names else []
        return pq.read_table(
            path,
            columns=[*names, *there],
            read_dictionary=names,
            partitioning=None,
            use_threads=False,
            page_checksum_verification=True,
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
    starts = starts_of(prices["coin"])
    ends = np.append(starts[1:], len(prices))[: len(starts)]
    dates = prices["date"].to_numpy()
    return pd.DataFrame(
        {
            "coin": prices["coin"].array[starts],
            "rows": ends - starts,
            "first": dates[starts],
            "last": dates[ends - 1],
        }
    )


def change_index(
    index: pd.DataFrame, counted: pd.DataFrame, gone: Collection[str] = ()
) -> pd.DataFrame:
    """Return an index with other rows, first and last dates of some coins.

    A coin that has no row in any part goes to the partition of the coin before it, by name, so
    that the coins of every partition stay a range of names.

    Parameters
    ----------
    index : DataFrame
        Of coins with rows.
    counted : DataFrame
        ``coin, rows, first, last`` of the coins that change or are new.
    gone : collection of str
        Coins that have no row any more.
    """
    parts = counted[["coin"]].merge(index[["coin", "part"]], on="coin", how="left")
    changed = counted.assign(part=parts["part"].astype("Int64").to_numpy(dtype=object))
    kept = index[~index["coin"].isin([*counted["coin"], *gone])]
    grown = pd.concat([kept.astype({"part": object}), changed], ignore_index=True)
    grown = grown.sort_values("coin", ignore_index=True)
    part = grown["part"].astype("Int64").ffill().bfill().fillna(0).astype("int64")
    return grown.assign(part=part, reason="")


def join_index(
    index: list[pd.DataFrame], empty: dict[str, str], seams: Mapping[str, str]
) -> pd.DataFrame:
    """Return one index of all coins, those without rows included.

    Parameters
    ----------
    index : list of DataFrame
        Of coins with rows.
    empty : dict of str to str
        Coins without a row, and why.
    seams : mapping of str to str
        The seams of coins, written out.
    """
    without = pd.DataFrame(
        {"coin": list(empty), "rows": 0, "part": -1, "reason": list(empty.values())}
    )
    joined = pd.concat([*index, without], ignore_index=True).sort_values("coin", ignore_index=True)
    return joined.assign(**{_SEAM: joined["coin"].map(dict(seams)).astype("str")})

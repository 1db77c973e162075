"""Files of what tasks learned of coins, and the index that says where each coin lies."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from cryptodask.io.arrays import Array, ArrayFile, open_arrays, write_arrays
from cryptodask.io.files import FileRecord, damaged, read_checked
from cryptodask.io.paths import AnyPath
from cryptodask.models.learned import OFFSETS, Learned, join_learned
from cryptodask.records import Panel

OWN = "."
"""How the names of arrays begin that are not the model's."""

FIRST, LAST = ".first", ".last"
"""The arrays of coins' first and last dates, in seconds since 1970."""

INDEX_TYPES = {
    "coin": "str", "file": "str", "header": "str", "row": "int64", "first": "datetime64[s]",
    "last": "datetime64[s]", "digest": "str",
}  # fmt: skip
"""Columns of an index."""


def write_learned(
    path: AnyPath, learned: Learned, check: Callable[[], None] = lambda: None
) -> FileRecord:
    """Write what was learned of some coins.

    Parameters
    ----------
    path : Path or UPath
    learned : Learned
        Of coins, at least one, with the arrays `FIRST` and `LAST`.
    check : callable
        See `cryptodask.io.files.draft_of`.
    """
    coins = learned.coins
    assert coins is not None
    digests = [_digest(learned, i) for i in range(len(coins))]
    return write_arrays(path, learned.arrays, {"coins": list(coins), "digests": digests}, check)


def date_arrays(panel: Panel) -> dict[str, Array]:
    """Return the first and last dates of a panel's coins, as files have them."""
    ends = {FIRST: panel.dates[panel.indptr[:-1]], LAST: panel.last_dates}
    return {name: dates.astype("datetime64[s]").view(np.int64) for name, dates in ends.items()}


def _digest(learned: Learned, i: int) -> str:
    """Return the checksum of all that is known of a coin."""
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(learned.arrays):
        if name.endswith(OFFSETS):
            continue
        part = np.ascontiguousarray(learned.of(name, i))
        total.update(f"{name}\0{part.dtype.str}\0{part.shape}\0".encode())
        total.update(part.view(np.uint8).reshape(-1).data if part.size else b"")
    return total.hexdigest()


def make_index(folder: AnyPath, files: Sequence[FileRecord]) -> pd.DataFrame:
    """Return where each coin lies, in the columns of `INDEX_TYPES`, by coin.

    Parameters
    ----------
    folder : Path or UPath
    files : sequence of FileRecord
        Of `write_learned`.
    """
    parts = []
    for record in files:
        with open_arrays(folder / record.name) as file:
            coins, digests = file.notes["coins"], file.notes["digests"]
            first, last = (file.read(name).astype("datetime64[s]") for name in (FIRST, LAST))
            parts.append(
                pd.DataFrame(
                    {
                        "coin": coins, "file": record.name, "header": file.header_sha256,
                        "row": np.arange(len(coins)), "first": first, "last": last,
                        "digest": digests,
                    }
                )
            )  # fmt: skip
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in INDEX_TYPES.items()})
    index = pd.concat([empty, *parts], ignore_index=True).astype(INDEX_TYPES)
    return index.sort_values("coin", ignore_index=True)


def read_learned(path: AnyPath, rows: pd.DataFrame) -> Learned:
    """Return what a file has of some coins, each compared with its checksum.

    Parameters
    ----------
    path : Path or UPath
    rows : DataFrame
        Of the index, by coin.

    Raises
    ------
    DamagedFileError
        It is missing, or not as it was written.
    """
    with open_arrays(path) as file:
        if file.header_sha256 != rows["header"].iloc[0]:
            raise damaged(path, "its header is not the one that was written")
        try:
            learned = _read_rows(file, rows["row"].to_numpy(), [str(coin) for coin in rows.index])
        except (IndexError, KeyError, ValueError) as error:
            raise damaged(
                path, f"it does not have the rows that the index names: {error}"
            ) from error
    for i, digest in enumerate(rows["digest"]):
        if _digest(learned, i) != digest:
            raise damaged(path, f"what it has of {rows.index[i]} is not what was written")
    return learned


def _read_rows(file: ArrayFile, places: Array, coins: Sequence[str]) -> Learned:
    """Return rows of all arrays of a file: no more than those between the first and the last."""
    low, high = int(places.min()), int(places.max()) + 1
    arrays: dict[str, Array] = {}
    for name in file.names:
        if name.endswith(OFFSETS):
            continue
        if name + OFFSETS not in file.names:
            arrays[name] = file.read(name, low, high)
            continue
        offsets = file.read(name + OFFSETS, low, high + 1)
        arrays[name] = file.read(name, int(offsets[0]), int(offsets[-1]))
        arrays[name + OFFSETS] = offsets - offsets[0]
    between = tuple(f"{i}" for i in range(low, high))
    wanted = [f"{i}" for i in places.tolist()]
    return Learned(tuple(coins), Learned(between, arrays).take(wanted).arrays)


def read_shared(path: AnyPath, record: FileRecord) -> Learned:
    """Return what serves any coin.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord

    Raises
    ------
    DamagedFileError
        The file is not as it was written.
    """
    read_checked(path, record)
    with open_arrays(path) as file:
        return Learned(None, {name: file.read(name) for name in file.names})


def join_rows(coins: Sequence[str], parts: Sequence[Learned]) -> Learned:
    """Return what several files have of coins, in the order of the coins.

    Parameters
    ----------
    coins : sequence of str
    parts : sequence of Learned
        Together of these coins.
    """
    if not parts:
        return Learned(tuple(coins), {})
    return join_learned(parts).take(coins)

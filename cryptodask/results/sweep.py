"""The table of a backtest by coins: all models of some coins, and then of the next."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.io.files import FileRecord, damage, damaged
from cryptodask.io.parquet import open_parquet
from cryptodask.io.paths import AnyPath

MOST = 200_000
"""Rows that are yielded at once, unless one coin has more."""


@dataclass(frozen=True, order=True)
class _Group:
    """A group of rows of a Parquet file: the coins from first to last, of one model."""

    first: str
    file: str
    number: int
    last: str


@dataclass(frozen=True)
class _Held:
    """Rows by coin that were read and not yielded yet, and their coins."""

    rows: pd.DataFrame
    coins: NDArray[np.object_]

    def before(self, coin: str | None) -> int:
        """Return how many rows are of coins before this one; None is after all."""
        return len(self.coins) if coin is None else bisect_left(self.coins, coin)


def sweep(
    folder: AnyPath,
    files: Sequence[FileRecord],
    coins: Collection[str] | None = None,
    most: int = MOST,
    *,
    checked: bool = False,
) -> Iterator[pd.DataFrame]:
    """Yield the rows of whole coins, with all their models, read from files of one model each.

    Groups of rows are read by their first coin, each once. What is before the first coin of the
    next group is whole, so that at most a group of each model, and ``most`` rows, are in memory.

    Parameters
    ----------
    folder : Path or UPath
    files : sequence of FileRecord
        Files of a backtest in it; their groups may be cut anyhow.
    coins : collection of str, optional
        The coins that are wanted; by default all.
    most : int
        Rows that are yielded at once, unless one coin has more.
    checked : bool
        Whether checksums of whole files were compared before; those of pages are in any case.

    Raises
    ------
    DamagedFileError
        A file is not as it was written.
    """
    for record in () if checked else files:
        if reason := damage(folder / record.name, record):
            raise damaged(folder / record.name, reason)
    records = {record.name: record for record in files}
    wanted = None if coins is None else sorted(set(coins))
    groups = sorted(g for file in files for g in _groups(folder, file) if _holds(g, wanted))
    held: list[_Held] = []
    for group, after in zip_longest(groups, groups[1:]):
        held.append(_read(folder / group.file, records[group.file], group.number, wanted))
        end = None if after is None else after.first
        counts = [rest.before(end) for rest in held]
        if end is None or sum(counts) >= most:
            done = [rest.rows.iloc[:n] for rest, n in zip(held, counts, strict=True)]
            held = [
                _Held(rest.rows.iloc[n:], rest.coins[n:])
                for rest, n in zip(held, counts, strict=True)
                if n < len(rest.coins)
            ]
            yield from cut_by_coin(pd.concat(done, ignore_index=True), most)


def cut_by_coin(table: pd.DataFrame, most: int = MOST) -> Iterator[pd.DataFrame]:
    """Yield the rows of whole coins, by coin: at most ``most`` at once, unless one has more."""
    rows = _by_coin(table)
    edges = np.flatnonzero(rows.coins[1:] != rows.coins[:-1]) + 1
    ends = [*edges.tolist(), len(rows.coins)]
    start = 0
    for end, following in zip_longest(ends, ends[1:]):
        if end > start and (following is None or following - start > most):
            yield rows.rows.iloc[start:end].reset_index(drop=True)
            start = end


def _groups(folder: AnyPath, record: FileRecord) -> list[_Group]:
    """Return the groups of rows of a file, from what its footer says of them."""
    groups = []
    with open_parquet(folder / record.name, record) as file:
        place = file.schema_arrow.names.index("coin")
        for number in range(file.num_row_groups):
            column = file.metadata.row_group(number).column(place)
            if column.num_values == 0:
                continue
            known = column.statistics
            if known is not None and known.has_min_max:
                first, last = known.min, known.max
            else:
                names = file.read_row_group(number, columns=["coin"])["coin"].to_pylist()
                first, last = min(names), max(names)
            groups.append(_Group(first, record.name, number, last))
    return groups


def _holds(group: _Group, wanted: Sequence[str] | None) -> bool:
    """Return whether a group may have one of these coins."""
    if wanted is None:
        return True
    place = bisect_left(wanted, group.first)
    return place < len(wanted) and wanted[place] <= group.last


def _read(path: AnyPath, record: FileRecord, number: int, wanted: Sequence[str] | None) -> _Held:
    with open_parquet(path, record) as file:
        rows = file.read_row_group(number).to_pandas()
    if wanted is not None:
        rows = rows[rows["coin"].isin(wanted)]
    return _by_coin(rows.astype(empty_backtest().dtypes.to_dict()))


def _by_coin(rows: pd.DataFrame) -> _Held:
    """Sort rows by coin, and nothing else."""
    coins = rows["coin"].to_numpy(dtype=object)
    order = np.argsort(coins, kind="stable")
    return _Held(rows.iloc[order].reset_index(drop=True), coins[order])

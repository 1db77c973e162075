"""Read a price table: what is in it, and partitions of it."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.prices.clean.findings import (
    FINDING_COLUMNS,
    empty_findings,
    join_findings,
    summarize_findings,
)
from cryptodask.prices.partition import pack
from cryptodask.prices.table.index import load, load_codes, read_index
from cryptodask.prices.table.table_partition import TablePartition


class TableReader:
    """A price table as it was when it was opened: its rows, findings and index, for reading.

    The base of `PriceTable`, which is what users open and which documents the attributes.
    """

    coins: list[str]
    empty: dict[str, str]
    index: pd.DataFrame
    seconds_a_row = 2e-7
    is_shared = False

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        self.refresh()

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.index["rows"].sum())

    def __repr__(self) -> str:
        return f"PriceTable({str(self.path)!r}): {len(self.coins)} coins, {len(self):,} rows"

    @property
    def freq(self) -> str:
        """How long a bar lasts."""
        return str(self.manifest["freq"])

    @property
    def policies(self) -> dict[str, str]:
        """What is done about findings, where that is not the default."""
        return dict(self.manifest["policies"])

    @property
    def generation(self) -> int:
        """How many times the table was written, this time included."""
        return int(self.manifest["generation"])

    def refresh(self) -> None:
        """Read the table as it is now.

        Raises
        ------
        SourceError, TableError
            As when it is opened.
        """
        manifest, index = read_index(self.path)
        has_rows = index["rows"] > 0
        without = index[~has_rows]
        self.manifest = manifest
        self.index = index[has_rows].drop(columns="reason").reset_index(drop=True)
        self.coins = self.index["coin"].tolist()
        self.empty = dict(zip(without["coin"], without["reason"], strict=True))
        self._place = {coin: i for i, coin in enumerate(self.coins)}

    def partitions(self, coins: Sequence[str], n: int | None = None) -> list[TablePartition]:
        """Return partitions of these coins; see `Source`.

        By default a partition is a part of the table; ``n`` packs the coins anew.
        """
        if n is not None:
            return self.pick(coins, pack(self.rows_of(coins), n))
        edges = [0, *self.file_boundaries(coins).tolist(), len(coins)]
        return self.pick(coins, pairwise(edges) if len(coins) else [])

    def rows_of(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of each coin; see `Source`."""
        return self.index["rows"].to_numpy()[self._places_of(coins)]

    def file_boundaries(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return where, among these coins, a part ends; see `Source`."""
        part = self.index["part"].to_numpy()[self._places_of(coins)]
        return np.flatnonzero(np.diff(part)) + 1

    def _places_of(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of the index that these coins have."""
        return np.array([self._place[coin] for coin in coins], dtype=np.int64)

    def pick(self, coins: Sequence[str], spans: Iterable[tuple[int, int]]) -> list[TablePartition]:
        """Return a partition for each span of these coins; see `Source`."""
        places = self._places_of(coins)
        part, rows = (self.index[name].to_numpy()[places] for name in ("part", "rows"))
        return [
            TablePartition(
                coins=tuple(coins[a:b]),
                folder=str(self.path),
                parts=tuple(self.manifest["parts"][i] for i in sorted(set(part[a:b]))),
                deltas=tuple(
                    delta["rows"]
                    for delta in self.manifest["deltas"]
                    if delta["first"] <= coins[b - 1] and delta["last"] >= coins[a]
                ),
                rows=int(rows[a:b].sum()),
                freq=self.freq,
            )
            for a, b in spans
        ]

    def findings(self, kinds: Iterable[str] | None = None) -> pd.DataFrame:
        """Return what was found in the files that the table was made from and grew by.

        A finding of a file that was appended twice is reported once.

        Parameters
        ----------
        kinds : iterable of str, optional
            Only these kinds.
        """
        wanted = None if kinds is None else [("kind", "in", list(kinds))]
        if wanted == [("kind", "in", [])]:
            return empty_findings()
        types = empty_findings().dtypes.to_dict()
        tables = [load(self.path / name, filters=wanted) for name in self._finding_files()]
        findings = join_findings(table[list(types)].astype(types) for table in tables)
        return findings.drop_duplicates(ignore_index=True) if len(tables) > 1 else findings

    def count_findings(self) -> pd.DataFrame:
        """Count what was found, as `cryptodask.prices.clean.findings.summarize_findings` does.

        Of many findings it takes far less memory than to list them.
        """
        files = self._finding_files()
        columns = FINDING_COLUMNS if len(files) > 1 else ("kind", "action", "coin")
        tables = [load_codes(self.path / name, columns) for name in files]
        rows = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
        if len(files) > 1:  # a finding that was reported twice counts once
            rows = rows.group_by(list(columns), use_threads=False).aggregate([])
        return summarize_findings(rows)

    def _finding_files(self) -> list[str]:
        later = [delta.get("findings") for delta in self.manifest["deltas"]]
        return [self.manifest["findings"], *(name for name in later if name is not None)]

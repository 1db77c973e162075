"""The price table on disk: Parquet parts of whole coins, later rows, an index, and the findings.

::

    TABLE/manifest.json             names the files below; replacing it is what publishes a table
    TABLE/part-TOKEN-00000.parquet  rows of some coins, by coin and date
    TABLE/delta-TOKEN-00000.parquet rows that an append added or corrected, by coin and date; of a
                                    coin and day, the row of the last delta that has one is right
    TABLE/index-TOKEN.parquet       coin, rows, first, last, part, reason (why a coin has no row)
    TABLE/findings-TOKEN.parquet    what was found in the files that the rows came from
    TABLE/writer.lock               there only while a process writes, or after one was killed

The footers of parts and deltas tell of each coin what readers of closes need most often; see
`cryptodask.prices.table.footer_stats`.

Files are never changed once written. An append, a compaction or a new import writes files under a
new token and then puts its manifest, one generation on, in place of the old one in a single step,
so that a reader sees the old table or the new one. An append or a compaction leaves the files of
the generation before it where they are, and the writer after that removes them; an import over a
table removes them at once. What a killed writer left behind is named by no manifest, read by
nobody, and removed by the next writer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cryptodask.errors import TableError
from cryptodask.prices.clean.findings import (
    FINDING_COLUMNS,
    empty_findings,
    join_findings,
    summarize_findings,
)
from cryptodask.prices.clean.policies import Policies, check_policies
from cryptodask.prices.freq import DAILY, check_freq, step_of
from cryptodask.prices.read.readers import Reading
from cryptodask.prices.schema import COLUMNS, as_price_dtypes
from cryptodask.prices.sources import pack
from cryptodask.prices.table.closes import read_closes
from cryptodask.prices.table.growth import AppendResult, append, compact, write_base
from cryptodask.prices.table.index import load, load_codes, read_index
from cryptodask.prices.table.merge import Corrections, keep_last
from cryptodask.prices.table.storage import (
    AGAIN,
    MANIFEST,
    is_free,
    is_table,
    writing,
)
from cryptodask.records import Panel

__all__ = [
    "MANIFEST",
    "AppendResult",
    "PriceTable",
    "TablePartition",
    "is_free",
    "is_table",
    "write_table",
]

Days = tuple[pd.Timestamp, pd.Timestamp]


@dataclass(frozen=True)
class TablePartition:
    """Coins in parts of a table, and in the deltas over them; see `Partition`."""

    coins: tuple[str, ...]
    folder: str
    parts: tuple[str, ...]
    deltas: tuple[str, ...]
    rows: int
    freq: str = DAILY

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that a reader must see."""
        return tuple(str(Path(self.folder) / name) for name in (*self.parts, *self.deltas))

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read the rows, by coin and date, in all columns of the schema or these and its key."""
        rows = self.read_days(None, columns)
        if len(rows) != self.rows:
            raise TableError(
                f"{', '.join(self.paths)}: have {len(rows)} rows of {self.coins[0]} to "
                f"{self.coins[-1]}, the table's index says {self.rows}; {AGAIN}"
            )
        return rows

    def read_days(self, days: Days | None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read the rows from one day to another, both included; or all."""
        names = COLUMNS if columns is None else ("coin", "date", *columns)
        # A range is enough to skip groups of rows; the exact coins are picked from what it leaves.
        wanted: list[tuple[str, str, Any]] = [
            ("coin", ">=", self.coins[0]),
            ("coin", "<=", self.coins[-1]),
        ]
        if days is not None:
            wanted += [("date", ">=", days[0]), ("date", "<=", days[1])]
        try:
            files = [_read_file(path, wanted, names) for path in self.paths]
            # In Arrow, since what pandas costs for a small frame would be most of the whole.
            rows = pa.concat_tables(files, promote_options="permissive").to_pandas()
            frame = as_price_dtypes(rows, names)
        except (OSError, ValueError, KeyError) as error:
            raise TableError(
                f"{', '.join(self.paths)}: a part of the table can't be read: {error}; open the "
                "table again if it was replaced meanwhile, or else import again, with --overwrite"
            ) from error
        if sum(map(len, files[len(self.parts) :])):
            frame = keep_last(frame)
        if days is None and len(frame) == self.rows:
            return frame  # a range of names, and so no other coin's rows
        return frame[frame["coin"].isin(self.coins)].reset_index(drop=True)

    def load(self, columns: Sequence[str] | None = None) -> Reading:
        """Read the rows; what was found in their files was told when they were imported."""
        return Reading(self.read(columns), empty_findings())

    def read_panel(self, lookback: int | None = None) -> Panel:
        """Read the closes straight into a panel; a frame would take many times as long.

        Parameters
        ----------
        lookback : int, optional
            So many of the last rows of each coin are enough, so that others need not be read;
            there may be more. All by default.
        """
        paths = self.paths
        parts, deltas = paths[: len(self.parts)], paths[len(self.parts) :]
        try:
            panel = read_closes(parts, deltas, self.coins, step_of(self.freq), lookback)
        except (OSError, ValueError, KeyError) as error:
            raise TableError(f"{', '.join(paths)}: can't be read: {error}; {AGAIN}") from error
        if lookback is None and len(panel.values) != self.rows:
            raise TableError(
                f"{', '.join(paths)}: have {len(panel.values)} rows of {self.coins[0]} to "
                f"{self.coins[-1]}, the table's index says {self.rows}; {AGAIN}"
            )
        if len(panel) != len(self.coins):
            raise TableError(
                f"{', '.join(paths)}: have {len(panel)} of {len(self.coins)} coins from "
                f"{self.coins[0]} to {self.coins[-1]}; {AGAIN}"
            )
        return panel


def _read_file(path: str, wanted: list[tuple[str, str, Any]], columns: Sequence[str]) -> pa.Table:
    # Folders named like date=2026-01-01 on the way to the table mean nothing.
    rows = pq.read_table(path, columns=list(columns), filters=wanted, partitioning=None)
    return rows.replace_schema_metadata(None)


class PriceTable:
    """A table that was imported; a `Source` of prices.

    It stays as it was when it was opened, whatever other processes append meanwhile, until
    `refresh`; but not longer than its files are there (see the head of this module).

    Parameters
    ----------
    path : path
        Folder of the table.

    Attributes
    ----------
    coins : list of str
        Coins with at least one row, in order.
    empty : dict of str to str
        Coins that had a file and no row, and why.
    index : DataFrame
        ``coin, rows, first, last, part``, one row a coin.
    freq : str
        How long a bar lasts: 1h, 4h or 1d.
    policies : dict of str to str
        What is done about each kind of finding, where that is not the default; what is appended
        goes by them too. See `cryptodask.prices.clean.policies`.

    Raises
    ------
    SourceError
        There is no table at that path.
    TableError
        The table is damaged or of another version.
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
        """Look at the table as it is now.

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
        """Pack these coins, in order, into partitions; see `Source`.

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

    def pick(self, coins: Sequence[str], runs: Iterable[tuple[int, int]]) -> list[TablePartition]:
        """Return a partition of each run of these coins; see `Source`."""
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
            for a, b in runs
        ]

    def findings(self, kinds: Iterable[str] | None = None) -> pd.DataFrame:
        """Return what was found in the files that the table was made from and grew by.

        What was found again in a file that was appended again is told once.

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
        found = join_findings(table[list(types)].astype(types) for table in tables)
        return found.drop_duplicates(ignore_index=True) if len(tables) > 1 else found

    def count_findings(self) -> pd.DataFrame:
        """Count what was found, as `cryptodask.prices.clean.findings.summarize_findings` does.

        Of many findings it takes far less memory than to list them.
        """
        files = self._finding_files()
        columns = FINDING_COLUMNS if len(files) > 1 else ("kind", "action", "coin")
        tables = [load_codes(self.path / name, columns) for name in files]
        rows = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
        if len(files) > 1:  # what was told twice counts once
            rows = rows.group_by(list(columns), use_threads=False).aggregate([])
        return summarize_findings(rows)

    def _finding_files(self) -> list[str]:
        later = [delta.get("findings") for delta in self.manifest["deltas"]]
        return [self.manifest["findings"], *(name for name in later if name is not None)]

    def append(
        self,
        frame: pd.DataFrame,
        *,
        findings: pd.DataFrame | None = None,
        corrections: Corrections = "replace",
    ) -> AppendResult:
        """Add rows: new days, new coins, and corrections of days that the table has.

        The rows that it has already change nothing, so that appending the same rows again does
        not write. The cost follows the new rows, not the table. A process that is killed at any
        point leaves the table as it was or as it is to be.

        Parameters
        ----------
        frame : DataFrame
            Rows in the columns of `cryptodask.prices.schema`, in any order. Columns ``file`` and
            ``line`` may tell where each row came from. A value that is missing (NaN) says
            nothing: the table keeps the one that it has.
        findings : DataFrame, optional
            What was found in the files that the rows came from, to be kept with the table. By
            default the rows themselves are looked at, and the table's policies followed.
        corrections : {"replace", "keep", "fail"}
            What to do with a row that differs from the one of the table: put it in its place,
            leave it out, or refuse all rows. Either of the first two is told as a finding.

        Returns
        -------
        AppendResult

        Raises
        ------
        InputError
            Rows that are no prices, or bars of another length, or, by "fail", that differ from
            the table; or a policy of the table does not let them pass.
        OptionError
            ``corrections`` is none of the three.
        TableError
            Another process is writing the table, or the table is damaged.
        """
        return append(self, frame, findings, corrections)

    def append_reading(
        self,
        reading: Reading,
        *,
        corrections: Corrections = "replace",
        policies: Policies | None = None,
    ) -> AppendResult:
        """Add what was read from files, rows and findings; see `append`.

        ``policies`` are those that it was read by, in place of the table's; they decide on gaps.
        """
        return append(self, reading.prices, reading.findings, corrections, policies)

    def compact(self, partitions: int | None = None) -> None:
        """Make the deltas one with the parts, which makes reading as fast as after an import.

        The files that are not named any more go when the table is next written: those who read
        the table meanwhile may finish.

        Parameters
        ----------
        partitions : int, optional
            Into how many parts to pack the coins; see `CryptoLoader`. By default a table without
            deltas is left as it is.

        Raises
        ------
        OptionError
            ``partitions`` is below 1.
        TableError
            Another process is writing the table, or the table is damaged.
        """
        compact(self, partitions)


def write_table(
    path: str | Path,
    readings: Iterable[Reading],
    *,
    empty: dict[str, str],
    notes: pd.DataFrame,
    freq: str = DAILY,
    policies: Policies | None = None,
) -> PriceTable:
    """Write a table, or a new version of one that is there.

    Parameters
    ----------
    path : path
        Folder of the table; made where it is missing.
    readings : iterable of Reading
        One a part, in the order of coins; each is written before the next is asked for.
    empty : dict of str to str
        Coins that have no row, and why.
    notes : DataFrame
        Findings about whole files, beside those of the readings.
    freq : str
        How long a bar lasts.
    policies : mapping of str to str, optional
        What was done about findings, for the table to remember.

    Raises
    ------
    SourceError
        The readings have no row.
    TableError
        There is a manifest of something else at that path, or another process is writing there.
    """
    with writing(Path(path)) as writer:
        kept = check_policies(policies or {})
        base = write_base(writer, readings, empty, notes, check_freq(freq), kept)
        writer.publish(base, keep_old=False)
    return PriceTable(path)

"""Some coins of a price table, read together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cryptodask.errors import TableError
from cryptodask.prices.clean.findings import (
    empty_findings,
)
from cryptodask.prices.freq import DAILY, step_of
from cryptodask.prices.own import keep_last_own
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import DATE_DTYPE, TABLE_COLUMNS, as_price_dtypes
from cryptodask.prices.table.closes import read_closes
from cryptodask.prices.table.manifest import AGAIN
from cryptodask.prices.table.merge import keep_last
from cryptodask.records import Panel

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
    further: tuple[str, ...] = ()
    own_columns: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that a reader must see."""
        return tuple(str(Path(self.folder) / name) for name in (*self.parts, *self.deltas))

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows, by coin and date.

        Parameters
        ----------
        columns : sequence of str, optional
            Columns beside coin and date, by default all of the schema.

        Raises
        ------
        TableError
            A file can't be read, or has other rows than the index says.
        """
        rows = self.read_days(None, columns)
        if len(rows) != self.rows:
            raise TableError(
                f"{', '.join(self.paths)}: have {len(rows)} rows of {self.coins[0]} to "
                f"{self.coins[-1]}, the table's index says {self.rows}; {AGAIN}"
            )
        return rows

    def read_days(self, days: Days | None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the rows between two dates, by coin and date.

        Parameters
        ----------
        days : (Timestamp, Timestamp) or None
            First and last date, both included; None for all.
        columns : sequence of str, optional
            Columns beside coin and date, by default all of the schema.

        Raises
        ------
        TableError
            A file can't be read.
        """
        names = TABLE_COLUMNS if columns is None else ("coin", "date", *columns)
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
        """Return the rows; the findings of their files were reported by the import. See `read`."""
        further = self.load_own() if self.own_columns else None
        return Reading(self.read(columns), empty_findings(), further=further)

    def load_own(self) -> pd.DataFrame:
        """Return the own columns that were asked for, by coin and date.

        Raises
        ------
        TableError
            A file can't be read.
        """
        paths = [str(Path(self.folder) / name) for name in self.further]
        further = read_own(paths, self.own_columns, (self.coins[0], self.coins[-1]))
        return further[further["coin"].isin(self.coins)].reset_index(drop=True)

    def read_panel(self, lookback: int | None = None) -> Panel:
        """Return the closes as a panel; a frame would take many times as long.

        Parameters
        ----------
        lookback : int, optional
            Number of last rows of each coin that are enough, so that others need not be read;
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


def read_own(
    paths: Sequence[str], names: Sequence[str], span: tuple[str, str] | None = None
) -> pd.DataFrame:
    """Return own columns of a table, of each coin and date the last values.

    Parameters
    ----------
    paths : sequence of str
        Files, those that came later last; at least one.
    names : sequence of str
    span : (str, str), optional
        First and last coin; others may be there, too. By default all.

    Raises
    ------
    TableError
        A file can't be read.
    """
    wanted = None if span is None else [("coin", ">=", span[0]), ("coin", "<=", span[1])]
    try:
        files = [_read_file(path, wanted, ("coin", "date", *names)).to_pandas() for path in paths]
    except (OSError, ValueError, KeyError) as error:
        raise TableError(
            f"{', '.join(paths)}: own columns can't be read: {error}; {AGAIN}"
        ) from error
    texts = [name for name in names if any(f[name].dtype != np.float64 for f in files)]
    types = dict.fromkeys(["coin", *texts], "str") | {"date": DATE_DTYPE}
    return keep_last_own([file.astype(types) for file in files])


def _read_file(
    path: str, wanted: list[tuple[str, str, Any]] | None, columns: Sequence[str]
) -> pa.Table:
    # Folders named like date=2026-01-01 on the way to the table mean nothing.
    rows = pq.read_table(
        path, columns=list(columns), filters=wanted, partitioning=None,
        page_checksum_verification=True,
    )  # fmt: skip
    return rows.replace_schema_metadata(None)

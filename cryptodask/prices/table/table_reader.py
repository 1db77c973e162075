"""Read a price table: what is in it, and partitions of it."""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cryptodask.charts import Chart, facts_html
from cryptodask.prices.clean.cleaning import as_raw
from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.findings import (
    FINDING_COLUMNS,
    empty_findings,
    join_findings,
    summarize_findings,
)
from cryptodask.prices.coverage import Coverage, coverage_chart, measure_coverage
from cryptodask.prices.freq import long_bars
from cryptodask.prices.partition import pack
from cryptodask.prices.table.index import load, load_codes, read_index
from cryptodask.prices.table.looking import FINDING_KEY
from cryptodask.prices.table.merge import keep_last
from cryptodask.prices.table.own_reader import OwnColumnsReader
from cryptodask.prices.table.seam import empty_raw
from cryptodask.prices.table.table_partition import TablePartition
from cryptodask.text import shown_date, shown_names

WITHDRAWN = "withdrawn"
"""Column of findings of an append: True for one of before that does not hold any more."""

ENDED_DAYS = 30
"""Days without a row, before the last date of a table, after which a coin is said to have ended."""


class TableReader(OwnColumnsReader):
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

    def _repr_html_(self) -> str:
        """Return what is in it for a notebook; nothing but its index is looked at."""
        first, last = self.index["first"].min(), self.index["last"].max()
        kinds = [f"{kind}: {action}" for kind, action in self.policies.items()]
        return facts_html(
            "PriceTable",
            {
                "files": self.path,
                "coins": f"{len(self.coins):,}",
                "without a row": shown_names(list(self.empty)) if self.empty else None,
                "rows": f"{len(self):,}, {long_bars(self.freq)}",
                "from": f"{shown_date(first)} to {shown_date(last)}",
                "generation": self.generation,
                "policies": ", ".join(kinds) or None,
            },
        )

    def coverage(self) -> Coverage:
        """Return which share of its days each coin has; all dates are read, part by part."""
        order = self.index.sort_values(["first", "coin"])["coin"].tolist()
        frames = (partition.read() for partition in self.partitions(self.coins))
        first, last = self.index["first"].min(), self.index["last"].max()
        return measure_coverage(frames, order, first, last, self.freq)

    def plot_coverage(self) -> Chart:
        """Return a chart of the days that each coin has.

        All dates are read, a part after the other.

        Returns
        -------
        Chart
            Which a notebook shows; `Chart.save` writes it as HTML or PNG.

        Examples
        --------
        >>> PriceTable("table").plot_coverage().save("days.png")       # doctest: +SKIP
        """
        return coverage_chart(self.coverage())

    @property
    def freq(self) -> str:
        """How long a bar lasts."""
        return str(self.manifest["freq"])

    @property
    def policies(self) -> dict[str, str]:
        """What is done about findings, where that is not the default."""
        return dict(self.manifest["policies"])

    @property
    def declared(self) -> Declared:
        """The splits and renames that the table goes by, as what is appended does."""
        return Declared.of(self.manifest["splits"], self.manifest["renames"])

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

    def ended(self, days: int = ENDED_DAYS) -> pd.DataFrame:
        """Return the coins that ended long before the others.

        Parameters
        ----------
        days : int
            Days before the last date of the table, in which such a coin has no row.

        Returns
        -------
        DataFrame
            ``coin, last``, those that ended first before the others.
        """
        lasts = self.index[["coin", "last"]]
        old = lasts[lasts["last"] < lasts["last"].max() - pd.Timedelta(days=days)]
        ended: pd.DataFrame = old.sort_values(["last", "coin"], ignore_index=True)
        return ended

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
                further=self._own_files(),
                own_columns=self._asked,
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
        tables: list[pd.DataFrame] = []
        for name in self._finding_files():
            table = load(self.path / name, filters=wanted)
            if WITHDRAWN in table:
                gone = table[WITHDRAWN].astype(bool)
                tables = [_without(older, table[gone].astype(types)) for older in tables]
                table = table[~gone]
            tables.append(table[list(types)].astype(types))
        findings = join_findings(tables)
        return findings.drop_duplicates(ignore_index=True) if len(tables) > 1 else findings

    def count_findings(self) -> pd.DataFrame:
        """Count what was found, as `cryptodask.prices.clean.findings.summarize_findings` does.

        Of many findings it takes far less memory than to list them.
        """
        files = self._finding_files()
        columns = FINDING_COLUMNS if len(files) > 1 else ("kind", "action", "coin")
        tables = [load_codes(self.path / name, columns, WITHDRAWN) for name in files]
        changing = self._kinds_withdrawn(tables)
        rows = pa.concat_tables(
            [table.select(list(columns)) for table in tables], promote_options="permissive"
        ).unify_dictionaries()
        if changing:
            rows = rows.filter(pc.invert(pc.is_in(rows["kind"], pa.array(changing))))
        if len(files) > 1:  # a finding that was reported twice counts once
            rows = rows.group_by(list(columns), use_threads=False).aggregate([])
        # These kinds are rare: what was withdrawn of them is left out one by one.
        left = pa.Table.from_pandas(
            self.findings(changing)[["kind", "action", "coin"]], preserve_index=False
        )
        narrow = rows.select(["kind", "action", "coin"])
        plain = pa.table({name: narrow[name].cast("string") for name in narrow.column_names})
        return summarize_findings(
            pa.concat_tables([plain, left.cast(plain.schema)]) if changing else rows
        )

    @staticmethod
    def _kinds_withdrawn(tables: Iterable[pa.Table]) -> list[str]:
        """Return the kinds that have a finding which was withdrawn."""
        kinds: set[str] = set()
        for table in tables:
            if WITHDRAWN in table.column_names:
                some = table.filter(pc.cast(table[WITHDRAWN], pa.bool_()))
                kinds |= set(some["kind"].cast("string").to_pylist())
        return sorted(kinds)

    def load_raw(self, coins: Collection[str] | None = None) -> pd.DataFrame:
        """Return rows as they were read, where the table has another, or none.

        Parameters
        ----------
        coins : collection of str, optional
            By default all.

        Returns
        -------
        DataFrame
            `cryptodask.prices.reading.RAW_COLUMNS`, by coin and date.

        Raises
        ------
        TableError
            A file can't be read.
        """
        names = [self.manifest["raw"], *(delta.get("raw") for delta in self.manifest["deltas"])]
        frames = [as_raw(load(self.path / name)) for name in names if name is not None]
        raw = keep_last(pd.concat([empty_raw(), *frames], ignore_index=True))
        return raw if coins is None else raw[raw["coin"].isin(coins)].reset_index(drop=True)

    def _finding_files(self) -> list[str]:
        later = [delta.get("findings") for delta in self.manifest["deltas"]]
        return [self.manifest["findings"], *(name for name in later if name is not None)]


def _without(findings: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that are not withdrawn by others, whatever file they are of."""
    if findings.empty or others.empty:
        return findings
    keys, gone = (pd.MultiIndex.from_frame(table[FINDING_KEY]) for table in (findings, others))
    return findings[~keys.isin(gone)]

"""The rows of one file as cells, split line by line or, of a regular file, by Arrow."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.prices.read.clocks import is_odd
from cryptodask.prices.read.layouts import HEAD, Layout
from cryptodask.prices.read.loading import CellRows
from cryptodask.prices.read.regular import Body, Numeric, Parsed
from cryptodask.prices.read.texts import TEXT, Distinct, Texts


class Cells:
    """The rows of one file, and its layout.

    Attributes
    ----------
    layout : Layout
        See `cryptodask.prices.read.layouts`.
    rows : list of list of str
        Rows under the header that are not blank, of any width.
    lines : list of int
        The line that each began on, from 1; of Parquet, the number of the row.
    delimiter : str
        Between cells; empty for Parquet.
    notes : list of str
        What else is to be said of the file.
    numeric : Numeric
        Columns that are known to hold nothing but numbers.
    known : Known, optional
        What the first rows showed, of a file that may be regular.
    """

    numeric: Numeric = Numeric()
    known: "Known | None" = None

    def __init__(
        self, layout: Layout, rows: CellRows, lines: list[int], delimiter: str, notes: list[str]
    ) -> None:
        self.layout, self.delimiter, self.notes = layout, delimiter, notes
        self.rows, self.lines = rows[layout.first :], lines[layout.first :]

    @cached_property  # as the file has them: once they are written out, no row shows it
    def has_odd_times(self) -> bool:
        """Whether times are not by 24 hours, lack colons, or are in another column than the day."""
        place = self.layout.columns["date"]
        return self.layout.clock is not None or any(
            is_odd(row[place]) for row in self.rows[:HEAD] if row[place:]
        )

    def first_row(self) -> list[str]:
        """Return the cells of the first row; none without a row."""
        return self.rows[0] if self.rows else []

    def full_rows(self) -> CellRows:
        """Return the rows of the right width."""
        return [row for row in self.rows if len(row) == self.layout.width]

    def ragged(self) -> list[tuple[int, list[str]]]:
        """Return the line and the cells of each row of another width."""
        pairs = zip(self.lines, self.rows, strict=True)
        return [(line, row) for line, row in pairs if len(row) != self.layout.width]

    def full_lines(self) -> NDArray[np.int64]:
        """Return the lines of the rows of the right width, ``(n_rows,)``."""
        pairs = zip(self.lines, self.rows, strict=True)
        full = [line for line, row in pairs if len(row) == self.layout.width]
        return np.array(full, dtype=np.int64)

    @cached_property
    def _columns(self) -> list[tuple[str, ...]]:
        rows = self.full_rows()
        return list(zip(*rows, strict=True)) if rows else [()] * self.layout.width

    def column(self, place: int) -> Texts:
        """Return the cells of a column ``(n_rows,)``, of rows of the right width alone."""
        return pa.array(self._columns[place], type=TEXT)

    @cached_property
    def stamps(self) -> Distinct:
        """The cells of the column of dates, ``(n_rows,)``, of rows of the right width alone."""
        return Distinct.of_list(self._columns[self.layout.columns["date"]])


@dataclass(frozen=True)
class Known:
    """What the first rows of a file showed, for those who read all of it later.

    Attributes
    ----------
    size, changed : int
        Bytes of the file, and when it was changed, in nanoseconds since 1970. Once they
        differ, nothing of this is known any more.
    layout : Layout
    delimiter : str
    first : int
        The line of the first row, from 1.
    """

    size: int
    changed: int
    layout: Layout
    delimiter: str
    first: int

    @classmethod
    def of(cls, path: Path, cells: Cells) -> "Known | None":
        """Return what the first rows of a file show; None of one that is read line by line."""
        if not cells.delimiter or cells.layout.is_doubtful or cells.has_odd_times:
            return None
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, cells.layout, cells.delimiter, cells.lines[0])

    def is_of(self, path: Path) -> bool:
        """Return whether a file is as it was."""
        stat = path.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.changed)

    def key(self, further: Iterable[str] = ()) -> tuple[str, int, tuple[int, ...], int]:
        """Return what files must have in common to be parsed together.

        Parameters
        ----------
        further : iterable of str
            Own columns that are wanted.
        """
        layout = self.layout
        places = {*layout.columns.values(), *layout.coins.values()}
        places |= {layout.header.index(name) for name in further if name in layout.header}
        return self.delimiter, layout.width, tuple(sorted(places)), layout.columns["date"]


class RegularCells(Cells):
    """The rows of a file that is regular; see `cryptodask.prices.read.regular`.

    Parameters
    ----------
    known : Known
    body : Body
        All rows.
    parsed : Parsed
        The columns that are known.
    notes : list of str
    numeric : Numeric
    """

    def __init__(
        self, known: Known, body: Body, parsed: Parsed, notes: list[str], numeric: Numeric
    ) -> None:
        self.layout, self.delimiter, self.notes = known.layout, known.delimiter, notes
        self.known, self.numeric, self._body = known, numeric, body
        self._table, self.stamps = parsed.table, parsed.stamps
        self._places = {int(name): i for i, name in enumerate(parsed.table.column_names)}

    @cached_property
    def rows(self) -> CellRows:  # type: ignore[override]
        """Rows under the header; they are split only if somebody asks for them."""
        return self._split(self._body.data)

    def _split(self, data: bytes | memoryview) -> CellRows:
        text = io.StringIO(str(data, "utf-8"), newline="")
        return list(csv.reader(text, delimiter=self.delimiter))

    @property
    def lines(self) -> list[int]:  # type: ignore[override]
        """The line of each row."""
        return [int(line) for line in self.full_lines()]

    def first_row(self) -> list[str]:
        """Return the cells of the first row."""
        return self._split(bytes(self._body.data).partition(b"\n")[0])[0]

    def full_rows(self) -> CellRows:
        """Return all rows, which are of one width."""
        return self.rows

    def ragged(self) -> list[tuple[int, list[str]]]:
        """Return none."""
        return []

    def full_lines(self) -> NDArray[np.int64]:
        """Return the line of each row, ``(n_rows,)``."""
        assert self.known is not None
        return np.arange(self._body.rows, dtype=np.int64) + self.known.first

    def column(self, place: int) -> Texts:
        """Return the cells of a column ``(n_rows,)``."""
        known = self._places.get(place)
        return super().column(place) if known is None else self._table.column(known)

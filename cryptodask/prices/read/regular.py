"""Files whose lines are all rows of one width: read by Arrow, many of them at a time.

What is regular is known from the bytes alone, before anything is parsed: line ends are of one
kind, and quotes stand in pairs around whole cells. Of such a file Arrow's reader and Python's make
the same cells, Arrow's in a fraction of the time, and the line of a row follows from its number.
Any other file is read line by line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cryptodask.prices.read.texts import TEXT, Distinct, Texts
from cryptodask.records import FloatArray

_GROUPED = r"^(?:-?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|--?|)$"

_NO_NUMBER = pa.array(["", "-", "--"], type=TEXT)  # what that has without a digit

_LONGEST = 1 << 17  # bytes of a line; Python's reader takes no longer cell
_BLOCK = 1 << 20  # bytes that Arrow's reader takes at once: what a processor's cache holds
_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


@dataclass(frozen=True)
class Body:
    """The rows of a regular file, as bytes.

    Attributes
    ----------
    data : memoryview
        Of the file's bytes, which are not copied.
    rows : int
        Lines of it.
    """

    data: memoryview
    rows: int


def find_body(data: bytes, first: int, delimiter: str) -> Body | None:
    """Return the rows of a file from a line on; None where they are not regular.

    Parameters
    ----------
    data : bytes
        Of UTF-8.
    first : int
        The line on which the rows begin, from 1.
    delimiter : str
        Between cells, of one byte.
    """
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    raw = np.frombuffer(data, dtype=np.uint8)
    start = 0
    for _ in range(first - 1):
        start = data.index(b"\n", start) + 1
    rows = data.count(b"\n", start) + (len(data) > start and not data.endswith(b"\n"))
    if not rows or (len(data) > _LONGEST and _longest_line(raw) > _LONGEST):
        return None
    body = memoryview(data)[start:]
    return Body(body, rows) if _are_quotes_regular(raw[start:], ord(delimiter)) else None


def _longest_line(raw: NDArray[np.uint8]) -> int:
    """Return the bytes of the longest line, with its end."""
    ends = np.flatnonzero(raw == _NEWLINE)
    return int(np.diff(ends, prepend=-1, append=len(raw)).max())


def _are_quotes_regular(raw: NDArray[np.uint8], delimiter: int) -> bool:
    """Return whether every quote is at the begin or the end of a cell, one after the other."""
    quotes = np.flatnonzero(raw == _QUOTE)
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    opens, closes = quotes[::2], quotes[1::2]
    before = np.where(opens > 0, raw[opens - 1], _NEWLINE)
    after = np.where(closes < len(raw) - 1, raw[np.minimum(closes + 1, len(raw) - 1)], _NEWLINE)
    begins = (before == delimiter) | (before == _NEWLINE)
    stops = (after == delimiter) | (after == _NEWLINE) | (after == _RETURN)
    return bool(begins.all() and stops.all())


class Parsed(NamedTuple):
    """Cells of one regular file.

    Attributes
    ----------
    table : pyarrow.Table
        Columns of text, named by their places.
    stamps : Distinct
        The column of dates.
    """

    table: pa.Table
    stamps: Distinct


def parse_bodies(
    bodies: Sequence[Body], width: int, places: Sequence[int], date: int, delimiter: str
) -> list[Parsed | None]:
    """Return the cells of some columns of regular files.

    Parameters
    ----------
    bodies : sequence of Body
    width : int
        Cells of a row.
    places : sequence of int
        The columns that are wanted.
    date : int
        The one of them in which no row is blank.
    delimiter : str
        Between cells.

    Returns
    -------
    list of Parsed or None
        One of each body; None of one in which a row has another width, or is blank, or a cell has
        a line end.
    """
    table = _parse(bodies, width, places, delimiter)
    if table is None:
        if len(bodies) == 1:
            return [None]
        alone = [parse_bodies([body], width, places, date, delimiter) for body in bodies]
        return [parsed for [parsed] in alone]
    stamps = Distinct.of(table[str(date)])
    # A row that has a letter or digit there is none that Python's reader would pass over.
    there = stamps.match("[0-9A-Za-z]")
    ends = np.cumsum([body.rows for body in bodies]).tolist()
    spans = [slice(end - body.rows, end) for body, end in zip(bodies, ends, strict=True)]
    return [
        Parsed(table.slice(span.start, body.rows), stamps.pick(span)) if there[span].all() else None
        for body, span in zip(bodies, spans, strict=True)
    ]


def _parse(
    bodies: Sequence[Body], width: int, places: Sequence[int], delimiter: str
) -> pa.Table | None:
    """Return the cells of all bodies, one under the other; None where one is not regular."""
    from pyarrow import csv

    ends = (b"" if body.data[-1] == _NEWLINE else b"\n" for body in bodies)
    data = b"".join(chain.from_iterable(zip((body.data for body in bodies), ends, strict=True)))
    names = [str(place) for place in range(width)]
    wanted = [names[place] for place in sorted(places)]
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names),
            csv.ParseOptions(delimiter=delimiter, newlines_in_values=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, TEXT),
                include_columns=wanted,
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
                null_values=[],
                check_utf8=False,  # it is decoded already
            ),
        )
    except pa.ArrowInvalid:
        return None
    # Fewer rows than lines: some lines are blank, or a cell goes over several.
    return table if table.num_rows == sum(body.rows for body in bodies) else None


@dataclass(frozen=True)
class Numeric:
    """Columns of a file that hold nothing but numbers, by their places.

    Attributes
    ----------
    plain : mapping of int to ndarray of float64, ``(n_rows,)``
        Every cell is a finite number with a point or none.
    grouped : mapping of int to ndarray of float64, ``(n_rows,)``
        Every cell is one, with or without commas between all its thousands, or missing (NaN).
    """

    plain: Mapping[int, FloatArray] = field(default_factory=dict)
    grouped: Mapping[int, FloatArray] = field(default_factory=dict)

    @property
    def values(self) -> dict[int, FloatArray]:
        """The numbers of both."""
        return {**self.plain, **self.grouped}


def numeric_columns(tables: Sequence[pa.Table | None]) -> list[Numeric]:
    """Return the columns that hold nothing but numbers in all tables.

    Parameters
    ----------
    tables : sequence of pyarrow.Table or None
        With the same columns.

    Returns
    -------
    list of Numeric
        One of each table, empty of None.
    """
    sizes = [0 if table is None else len(table) for table in tables]
    parsed = [table for table in tables if table is not None]
    joined = pa.concat_tables(parsed) if parsed else pa.table({})
    plain: dict[int, FloatArray] = {}
    grouped: dict[int, FloatArray] = {}
    for name, texts in zip(joined.column_names, joined.columns, strict=True):
        if (values := as_numbers(texts)) is not None:
            plain[int(name)] = values
        elif (values := as_grouped_numbers(texts)) is not None:
            grouped[int(name)] = values
    edges = pairwise([0, *np.cumsum(sizes).tolist()])
    return [
        Numeric(*({i: v[a:b] for i, v in kind.items()} for kind in (plain, grouped)))
        for a, b in edges
    ]


def as_numbers(texts: Texts) -> FloatArray | None:
    """Return texts that all are finite numbers as such; None where one is not.

    Parameters
    ----------
    texts : pyarrow.Array or ChunkedArray of large_string, ``(n,)``

    Returns
    -------
    ndarray of float64, ``(n,)``, or None
    """
    try:
        pc.cast(texts.slice(0, 1), pa.float64())  # shows what most columns of texts are not
        values: FloatArray = pc.cast(texts, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return values if np.isfinite(values).all() else None


def as_grouped_numbers(texts: Texts) -> FloatArray | None:
    """Return numbers whose thousands have commas, NaN where one is missing; None of other texts.

    Parameters
    ----------
    texts : pyarrow.Array or ChunkedArray of large_string, ``(n,)``

    Returns
    -------
    ndarray of float64, ``(n,)``, or None
    """
    for some in (texts.slice(0, 1), texts):  # the first cell shows what most columns are not
        if not pc.all(pc.match_substring_regex(some, _GROUPED)).as_py():
            return None
    digits = pc.replace_substring(texts, ",", "")
    there = pc.invert(pc.is_in(digits, value_set=_NO_NUMBER))
    values = as_numbers(pc.if_else(there, digits, "0"))
    return None if values is None else np.where(np.asarray(there), values, np.nan)

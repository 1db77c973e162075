"""Columns of text in Arrow, as they are and by their different texts.

Dates repeat from coin to coin, so that looking at each different text once costs a hundredth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cryptodask.prices.read.numbers import MISSING

Texts = Any
"""Cells of a column: a pyarrow Array or ChunkedArray of `TEXT`."""

TEXT = pa.large_string()

_MISSING = pa.array(MISSING, type=TEXT)


@dataclass(frozen=True)
class Distinct:
    """A column of texts: its different texts, and which of them each row has.

    Columns that were parsed together share the texts, and what was found out about them.

    Attributes
    ----------
    texts : pyarrow.Array of large_string, ``(n_texts,)``
        Each is there once. A slice of a column has those of all of it.
    codes : ndarray of int32, ``(n_rows,)``
        Places in ``texts``.
    """

    texts: Texts
    codes: NDArray[np.int32]
    _found: dict[tuple[str, ...], NDArray[Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, column: Texts) -> "Distinct":
        """Return a column by its different texts.

        Parameters
        ----------
        column : pyarrow.Array or ChunkedArray of large_string, ``(n_rows,)``
        """
        chunks = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        encoded = chunks.dictionary_encode()
        return cls(encoded.dictionary, encoded.indices.to_numpy())

    @classmethod
    def of_list(cls, cells: Sequence[str]) -> "Distinct":
        """Return a column by its different texts; of a few rows, quicker than by Arrow.

        Parameters
        ----------
        cells : sequence of str, ``(n_rows,)``
        """
        places: dict[str, int] = {}
        codes = [places.setdefault(cell, len(places)) for cell in cells]
        return cls(pa.array(list(places), type=TEXT), np.array(codes, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def pick(self, rows: slice | NDArray[np.int64]) -> "Distinct":
        """Return some rows.

        Parameters
        ----------
        rows : slice or ndarray of int64
            Places.
        """
        return Distinct(self.texts, self.codes[rows], self._found)

    def to_list(self) -> list[str]:
        """Return the text of each row, ``(n_rows,)``."""
        key = ("to_list",)
        if key not in self._found:
            self._found[key] = np.array(self.texts.to_pylist(), dtype=object)
        texts: list[str] = self._found[key][self.codes].tolist()
        return texts

    def match(self, pattern: str) -> NDArray[np.bool_]:
        """Return in which rows a pattern is found.

        Parameters
        ----------
        pattern : str
            As Arrow has them (RE2).

        Returns
        -------
        ndarray of bool, ``(n_rows,)``
        """
        key = ("match", pattern)
        if key not in self._found:
            self._found[key] = np.asarray(pc.match_substring_regex(self.texts, pattern))
        return self._found[key][self.codes]

    def contain(self, text: str) -> NDArray[np.bool_]:
        """Return which rows have a text in them.

        Parameters
        ----------
        text : str

        Returns
        -------
        ndarray of bool, ``(n_rows,)``
        """
        key = ("contain", text)
        if key not in self._found:
            self._found[key] = np.asarray(pc.match_substring(self.texts, text))
        return self._found[key][self.codes]

    def is_among(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Return which rows have one of some texts.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        ndarray of bool, ``(n_rows,)``
        """
        key = ("is_among", *names)
        if key not in self._found:
            wanted = pa.array(names, type=TEXT)
            self._found[key] = np.asarray(pc.is_in(self.texts, value_set=wanted))
        return self._found[key][self.codes]

    def has_repeats(self) -> bool:
        """Return whether two rows have the same text."""
        ordered = np.sort(self.codes)  # a tenth of the time of np.unique
        return bool((ordered[1:] == ordered[:-1]).any())


def join_distinct(columns: Sequence[Distinct]) -> Distinct:
    """Return columns, one under the other.

    Parameters
    ----------
    columns : sequence of Distinct
    """
    pools = {id(column.texts): column.texts for column in columns}
    joined = Distinct.of(pa.chunked_array(list(pools.values()), type=TEXT))
    stops = np.cumsum([len(texts) for texts in pools.values()], dtype=np.int64)
    places = dict(zip(pools, np.split(joined.codes, stops[:-1]), strict=True)) if pools else {}
    codes = [places[id(column.texts)][column.codes] for column in columns]
    return Distinct(joined.texts, np.concatenate([np.empty(0, dtype=np.int32), *codes]))


def join_texts(columns: Iterable[Texts]) -> pa.ChunkedArray:
    """Return columns, one under the other.

    Parameters
    ----------
    columns : iterable of pyarrow.Array or ChunkedArray of large_string
    """
    chunks = [chunk for column in columns for chunk in getattr(column, "chunks", [column])]
    return pa.chunked_array(chunks, type=TEXT)


def count_texts(texts: Texts) -> dict[str, int]:
    """Return how often each text occurs, in the order in which they do first.

    Parameters
    ----------
    texts : pyarrow.Array or ChunkedArray of large_string, ``(n,)``
    """
    counts = pc.value_counts(texts)
    fields = (counts.field(name).to_pylist() for name in ("values", "counts"))
    return dict(zip(*fields, strict=True))


def find_missing(texts: Texts) -> Texts:
    """Return which texts stand for no value, ``(n,)``.

    Parameters
    ----------
    texts : pyarrow.Array or ChunkedArray of large_string, ``(n,)``
    """
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    return pc.is_in(plain, value_set=_MISSING)

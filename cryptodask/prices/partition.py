"""Partitions of whole coins: the unit that is read on a worker.

A partition knows its coins and how to read them, and little else, so that it travels to a worker
in a few hundred bytes and the prices themselves are read there.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import (
    OptionError,
)
from cryptodask.prices.reading import Reading

MIN_PARTITIONS = 16
"""Enough that a few workers end together, few enough that no scheduler notices."""

ROWS_PER_PARTITION = 250_000
"""About 20 MB of prices: small beside a worker's memory, large beside the cost of a task."""

SLACK = 1.25
"""A file of up to ``SLACK * ROWS_PER_PARTITION`` rows is one partition: it is then read once."""

MOST_FILES = 16
"""Files a partition at most, where its coins are far apart and little of each file is kept."""


class Partition(Protocol):
    """Some coins, whole, that are read together."""

    @property
    def coins(self) -> tuple[str, ...]:
        """Their names, in order."""
        ...

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that a reader must see."""
        ...

    @property
    def rows(self) -> int:
        """Rows, or a guess from the size of the files."""
        ...

    @property
    def freq(self) -> str:
        """How long a bar lasts."""
        ...

    def read(self) -> pd.DataFrame:
        """Return the rows, in the columns of the schema, by coin and date."""
        ...

    def load(self, columns: Sequence[str] | None = None) -> Reading:
        """Return the rows, and the findings of reading them that were not reported before.

        Parameters
        ----------
        columns : sequence of str, optional
            Columns that are needed beside coin and date; others may be left out. By default all.
        """
        ...


class Source(Protocol):
    """A place with prices of many coins.

    Attributes
    ----------
    coins : list of str
        Coins with prices, in order.
    empty : dict of str to str
        Coins that have a file and no prices, and why.
    """

    coins: list[str]
    empty: dict[str, str]

    @property
    def freq(self) -> str:
        """How long a bar lasts: 1h, 4h or 1d."""
        ...

    @property
    def seconds_a_row(self) -> float:
        """Seconds to read a row, about, on a core of 2025."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether coins share files, which are read once for each partition that needs them."""
        ...

    def rows_of(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of rows of each coin, or a guess from the size of the files.

        Parameters
        ----------
        coins : sequence of str, ``(n_coins,)``

        Returns
        -------
        ndarray of int64, ``(n_coins,)``
        """
        ...

    def file_boundaries(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the places at which one file of many coins ends and the next begins.

        Coins that are divided there let both files be read once. Files of one coin have none.

        Parameters
        ----------
        coins : sequence of str
            In order.

        Returns
        -------
        ndarray of int64
            Places among these coins, ascending.
        """
        ...

    def pick(self, coins: Sequence[str], spans: Iterable[tuple[int, int]]) -> Sequence[Partition]:
        """Return a partition for each span of these coins.

        Parameters
        ----------
        coins : sequence of str
            In order.
        spans : iterable of (start, stop)
            Places among these coins, as of `pack`.
        """
        ...

    def partitions(self, coins: Sequence[str], n: int | None = None) -> Sequence[Partition]:
        """Return partitions of these coins, of similar cost.

        Parameters
        ----------
        coins : sequence of str
            In order.
        n : int, optional
            Number of partitions; see `pack`.
        """
        ...

    def findings(self) -> pd.DataFrame:
        """Return the findings of the files that the prices came from."""
        ...

    def with_own(self, columns: Iterable[str]) -> "Source":
        """Return the source with the own columns that models ask for, and no others.

        Parameters
        ----------
        columns : iterable of str
            See `cryptodask.models.base.Model.columns`; those of the schema are passed over.

        Raises
        ------
        OptionError
            The source has no such column; the message names those that it has.
        """
        ...


def partitions_for(rows: int) -> int:
    """Return the number of partitions that keeps each within `ROWS_PER_PARTITION`, about.

    Parameters
    ----------
    rows : int
        Rows of all coins.
    """
    return max(1, -(-rows // ROWS_PER_PARTITION))


def pack(costs: Iterable[int], n: int | None = None) -> list[tuple[int, int]]:
    """Return spans of similar total cost, without changing the order of the coins.

    Parameters
    ----------
    costs : iterable of int
        Cost of each coin, in order; rows, say.
    n : int, optional
        Number of spans, at least 1; by default as many as `ROWS_PER_PARTITION` and
        `MIN_PARTITIONS` ask for. Never more than there are coins.

    Returns
    -------
    list of (start, stop)
        No span is empty, and none costs more than its even share plus the costliest coin.

    Raises
    ------
    OptionError
        If ``n`` is below 1.
    """
    if n is not None and n < 1:
        raise OptionError(f"partitions: must be at least 1, got {n}")
    sums = np.cumsum(np.fromiter(costs, dtype=np.int64))
    count = len(sums)
    if not count:
        return []
    wanted = n or max(MIN_PARTITIONS, partitions_for(int(sums[-1])))
    wanted = min(wanted, count)
    goals = sums[-1] * np.arange(1, wanted) / wanted
    # The cut nearest to each goal; then pushed apart until no span is empty.
    middles = sums - np.diff(sums, prepend=0) / 2
    cuts = np.searchsorted(middles, goals)
    steps = np.arange(wanted - 1)
    cuts = np.maximum.accumulate(np.maximum(cuts, 1) - steps) + steps
    cuts = np.minimum(cuts, count - wanted + 1 + steps)
    edges = [0, *cuts.tolist(), count]
    return list(pairwise(edges))


def pack_files(
    rows: NDArray[np.int64], file_boundaries: NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Return spans of coins that fit into memory, divided at the end of a file where possible.

    Parameters
    ----------
    rows : ndarray of int64, ``(n_coins,)``
        Number of rows of each coin, in order.
    file_boundaries : ndarray of int64
        Places at which a file ends, ascending; see `Source.file_boundaries`.

    Returns
    -------
    list of (start, stop)
        No span is empty. None has more rows than `ROWS_PER_PARTITION`, except for a file that has
        up to `SLACK` times as many, and for the last coin of a span inside a larger file.
    """
    edges = np.array([0, *file_boundaries, len(rows)])
    ends = np.concatenate([[0], np.cumsum(rows)])[edges]
    spans = []
    i = 0
    while i < len(edges) - 1:
        fits = int(np.searchsorted(ends, ends[i] + ROWS_PER_PARTITION, side="right")) - 1
        j = min(max(fits, i + 1), i + MOST_FILES)
        start, stop, size = int(edges[i]), int(edges[j]), int(ends[j] - ends[i])
        n = 1 if size <= SLACK * ROWS_PER_PARTITION else partitions_for(size)
        spans += [(start + a, start + b) for a, b in pack(rows[start:stop], n)]
        i = j
    return spans

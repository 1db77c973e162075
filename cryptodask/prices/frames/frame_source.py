"""A dataframe in memory as a source of prices."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import InputError
from cryptodask.prices.clean.findings import empty_findings, lost
from cryptodask.prices.frames.held import (
    CoinRows,
    HeldPartition,
    digest_coins,
    join_digests,
    lost_lines,
    slice_reading,
)
from cryptodask.prices.frames.kinds import Frame, is_dask, library_of
from cryptodask.prices.frames.spool import spooled
from cryptodask.prices.partition import pack
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.reading import Reading


class FrameSource:
    """Prices of a frame in memory, read once by the rules for files; see `Source`.

    Parameters
    ----------
    frame : pandas DataFrame or Series, polars frame, Arrow table, or any with an Arrow stream
    options : ReadOptions
        What the frame leaves open.

    Attributes
    ----------
    name : str
        Of the library and type, for messages.
    symbols : dict of str to str
        Symbol -> coin, where the frame has both.

    Raises
    ------
    InputError
        It is not a frame of prices, does not name its coins, or has no row that can be read.
    PolicyError
        A policy does not let a row pass.
    """

    seconds_a_row = 2e-7
    is_shared = False

    def __init__(self, frame: Frame, options: ReadOptions = DEFAULT_OPTIONS) -> None:
        self.name, self._frame, self._given = library_of(frame), frame, options
        with spooled(frame, options) as source:
            source.check_own(self.name)
            self._further = source.further()
            self.freq, self.options = source.freq, source.options
            [partition] = source.partitions(source.coins, 1)
            self._reading = partition.load()
            named, self.symbols = source.coins, source.symbols
        self._rows = CoinRows.of(self._reading.prices)
        self.coins = list(self._rows.coins)
        self._known = frozenset(self.coins)
        without = (coin for coin in named if coin not in self._known)
        self.empty = {coin: no_rows_in_frame(coin) for coin in without}
        check_some_rows(self.coins, self._reading.findings, self.name)

    def with_own(self, columns: Iterable[str]) -> "FrameSource":
        """Return the source with the own columns that models ask for; see `Source`.

        The frame is read again for them.
        """
        options = self._given.with_own(columns)
        if options == self._given:
            return self
        return FrameSource(self._frame, options)

    def further(self) -> list[str]:
        """Return the names of columns that are none of prices and are not read; see `Source`."""
        return self._further

    @property
    def rows(self) -> int:
        """Rows of all coins."""
        return len(self._reading.prices)

    def rows_of(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of each coin; see `Source`."""
        sizes = dict(zip(self.coins, np.diff(self._rows.edges).tolist(), strict=True))
        return np.array([sizes[coin] for coin in coins], dtype=np.int64)

    def file_boundaries(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return none, since there are no files; see `Source`."""
        del coins
        return np.empty(0, dtype=np.int64)

    def pick(self, coins: Sequence[str], spans: Iterable[tuple[int, int]]) -> list[HeldPartition]:
        """Return a partition for each span of these coins; see `Source`.

        The first has the findings that are about no coin with rows.
        """
        findings = self._reading.findings
        of_none = ~findings["coin"].isin(self._known)
        picked = []
        for number, (a, b) in enumerate(spans):
            about = findings["coin"].isin(coins[a:b])
            about |= of_none if number == 0 else False
            part = slice_reading(self._reading, coins[a:b], self._rows, about)
            rows = len(part.prices)
            picked.append(HeldPartition(tuple(coins[a:b]), part, rows, self.freq))
        return picked

    def partitions(self, coins: Sequence[str], n: int | None = None) -> list[HeldPartition]:
        """Return partitions of these coins, of similar size; see `Source`."""
        return self.pick(coins, pack(self.rows_of(coins), n))

    def findings(self) -> pd.DataFrame:
        """Return what was found in the frame; see `Source`."""
        return self._reading.findings

    def file_findings(self) -> pd.DataFrame:
        """Return none: what is about no coin comes with the first partition."""
        return empty_findings()

    def fingerprint(self) -> str:
        """Return a digest of the rows, by which a run recognises the same prices."""
        digests = digest_coins(self._reading.prices, self._reading.further)
        return join_digests(digests, self.freq, lost_lines(self._reading.findings))


def no_rows_in_frame(coin: str) -> str:
    """Return why a coin of a frame has no prices.

    Parameters
    ----------
    coin : str
    """
    return f"{coin}: not one row of it in the frame can be read; findings() says why"


def check_some_rows(coins: Sequence[str], findings: pd.DataFrame, name: str) -> None:
    """Refuse a frame without a row that can be read.

    Parameters
    ----------
    coins : sequence of str
        With rows.
    findings : DataFrame
        As of `cryptodask.prices.clean.findings.empty_findings`.
    name : str
        Of the frame, for the message.

    Raises
    ------
    InputError
        There is none.
    """
    if len(coins):
        return
    first = [
        f"row {row.line} ({row.coin}): {row.message}, got {row.value!r}"
        for row in lost(findings).head(3).itertuples()
    ]
    why = "; ".join(first) or "none of its rows has a close"
    raise InputError(f"{name}: has no row that can be read: {why}")


def read_frame(frame: Frame, options: ReadOptions = DEFAULT_OPTIONS) -> Reading:
    """Return the rows and findings of a frame, read as a file would be.

    Parameters
    ----------
    frame : Frame
        A Dask frame comes to this process.
    options : ReadOptions
        What the frame leaves open.

    Raises
    ------
    InputError, PolicyError
        As of `FrameSource`.
    """
    if is_dask(frame):
        frame = frame.compute()  # type: ignore[attr-defined]
    with spooled(frame, options) as source:
        [partition] = source.partitions(source.coins, 1)
        return partition.load()

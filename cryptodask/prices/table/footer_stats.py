"""Statistics of each coin in the footer of a file of rows, for readers of closes.

A part or a delta of a table is a Parquet file whose footer also has, under `FOOTER_KEY`, the
number of rows of each coin, their first and last date, the time between them, and the last close.
A reader of closes then needs no names and, of coins without gaps, no dates; a reader of last
closes needs no row. An earlier CryptoDask wrote files without these statistics.
"""

import base64
import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cryptodask.prices.schema import starts_of
from cryptodask.records import DateArray, FloatArray

FOOTER_KEY = "cryptodask.outline"

_COLUMNS = ("coin", "rows", "first", "last", "step", "close")


@dataclass(frozen=True, slots=True)
class FooterStats:
    """Statistics of each coin in a file of rows by coin and date.

    Attributes
    ----------
    coins : list of str, ``(n_coins,)``
        In the order of the file.
    rows : ndarray of int64, ``(n_coins,)``
        How many, at least 1.
    first, last : ndarray of datetime64[s], ``(n_coins,)``
        Dates of the first and the last of them.
    step : ndarray of timedelta64[s], ``(n_coins,)``
        From each row to the next where that is the same throughout, else 0.
    close : ndarray of float64, ``(n_coins,)``
        Of the last row, in the quote currency.
    """

    coins: list[str]
    rows: NDArray[np.int64]
    first: DateArray
    last: DateArray
    step: NDArray[np.timedelta64]
    close: FloatArray

    @classmethod
    def of(cls, prices: pd.DataFrame) -> "FooterStats":
        """Return the statistics of price rows.

        Parameters
        ----------
        prices : DataFrame, ``(n_rows,)``
            At least one row, by coin and date.
        """
        dates = prices["date"].to_numpy().astype("datetime64[s]")
        starts = starts_of(prices["coin"])
        ends = np.append(starts[1:], len(dates)) - 1
        step = np.diff(dates, append=dates[-1:])
        usual = step[starts]
        same = step == np.repeat(usual, ends - starts + 1)
        same[ends] = True  # from there to another coin
        usual[~np.logical_and.reduceat(same, starts) | (starts == ends)] = 0
        close = prices["close"].to_numpy(dtype=np.float64)[ends]
        coins = prices["coin"].iloc[starts].tolist()
        return cls(coins, ends - starts + 1, dates[starts], dates[ends], usual, close)

    def pick(self, chosen: NDArray[np.bool_]) -> "FooterStats":
        """Return those of some coins.

        Parameters
        ----------
        chosen : ndarray of bool, ``(n_coins,)``
        """
        return FooterStats(
            [self.coins[i] for i in np.flatnonzero(chosen)],
            self.rows[chosen],
            self.first[chosen],
            self.last[chosen],
            self.step[chosen],
            self.close[chosen],
        )

    def is_even(self, step: np.timedelta64) -> NDArray[np.bool_]:
        """Return whether all rows of each coin are this far apart.

        Parameters
        ----------
        step : timedelta64

        Returns
        -------
        ndarray of bool, ``(n_coins,)``
        """
        even: NDArray[np.bool_] = (self.step == step) | (self.rows == 1)
        return even

    def encode(self) -> str:
        """Return them as text, which is all that a footer may hold."""
        columns = (self.coins, self.rows, self.first, self.last, self.step, self.close)
        batch = pa.record_batch(dict(zip(_COLUMNS, columns, strict=True)))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:  # packed, it takes ten times as long
            stream.write_batch(batch)
        content = sink.getvalue().to_pybytes()
        return f"{zlib.crc32(content):08x} {base64.b64encode(content).decode('ascii')}"


def footer_stats_in(footer: pq.FileMetaData) -> FooterStats | None:
    """Return the statistics in a footer; None if it has none, or those of other rows.

    Parameters
    ----------
    footer : pyarrow.parquet.FileMetaData

    Raises
    ------
    ValueError
        They are damaged.
    """
    text = (footer.metadata or {}).get(FOOTER_KEY.encode())
    if text is None:
        return None
    checksum, _, packed = text.rpartition(b" ")  # none in tables that are older than it
    content = base64.b64decode(packed, validate=True)
    if checksum and checksum != f"{zlib.crc32(content):08x}".encode():
        raise ValueError("the statistics in its footer do not fit their checksum")
    batch = pa.ipc.open_stream(content).read_next_batch()
    names, *columns = (batch[name] for name in _COLUMNS)
    rows, *others = (column.to_numpy(zero_copy_only=False) for column in columns)
    if rows.sum() != footer.num_rows:
        return None  # somebody has written the file anew and kept what it said of itself
    return FooterStats(names.to_pylist(), rows, *others)

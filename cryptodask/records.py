"""The plain records that travel between the parts: no frame, no Dask, picklable and small."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
FloatArray32 = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DateArray = NDArray[np.datetime64]

REAL = "fiu"
"""Kinds of NumPy's types of real numbers; a bool is none."""

DAY = np.timedelta64(1, "D")

YEAR = np.timedelta64(365 * 86_400, "s")
"""As coins trade on all days."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Closes of many coins, ragged: one flat array and offsets, as in a sparse matrix.

    Coin ``i`` owns rows ``indptr[i]`` to ``indptr[i + 1]``, oldest first.

    Attributes
    ----------
    coins : tuple of str
        Names, ``(n_coins,)``.
    values : ndarray of float64
        Closes in the quote currency (USD by default), ``(n_rows,)``.
    dates : ndarray of datetime64[s]
        When the bar began whose end each close marks, ``(n_rows,)``; of daily prices the UTC day.
    indptr : ndarray of int64
        Offsets, ``(n_coins + 1,)``.
    step : timedelta64
        From one bar to the next; rows that are further apart have a gap between them.
    even : bool, optional
        Whether that is so nowhere, if whoever made the panel knows; see `is_even`.
    extra : mapping of str to ndarray of float64
        Other columns of the rows, each ``(n_rows,)``, as ``volume``, where a model asks for them;
        NaN where a price file said nothing.
    """

    coins: tuple[str, ...]
    values: FloatArray
    dates: DateArray
    indptr: IntArray
    step: np.timedelta64 = DAY
    even: bool | None = None
    extra: Mapping[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.coins)

    def __iter__(self) -> Iterator[tuple[str, FloatArray, DateArray]]:
        """Yield name, closes and dates of each coin."""
        for coin, start, stop in zip(self.coins, self.indptr[:-1], self.indptr[1:], strict=True):
            yield coin, self.values[start:stop], self.dates[start:stop]

    @property
    def lengths(self) -> IntArray:
        """Rows of each coin, ``(n_coins,)``."""
        return np.diff(self.indptr)

    @property
    def last_dates(self) -> DateArray:
        """Last date of each coin, ``(n_coins,)``; every coin has at least one row."""
        return self.dates[self.indptr[1:] - 1]

    @property
    def times(self) -> FloatArray:
        """Bars since 1970-01-01 of every row, ``(n_rows,)``: calendar days, of daily prices."""
        return self.dates.astype("datetime64[s]").astype(np.int64) / self.step_seconds

    @property
    def step_seconds(self) -> float:
        """Seconds from one bar to the next."""
        return float(self.step / np.timedelta64(1, "s"))

    def is_even(self) -> bool:
        """Whether the rows of every coin, at least one each, are a step apart: no gaps."""
        if self.even is not None:
            return self.even
        days = self.dates.astype("datetime64[s]", copy=False).view(np.int64)
        apart = days[1:] - days[:-1] == int(self.step_seconds)
        apart[self.indptr[1:-1] - 1] = True  # from there to another coin
        return bool(apart.all()) and not np.isnat(self.dates[self.indptr[:-1]]).any()

    def future_dates(self, horizon: int) -> DateArray:
        """Return the dates of the bars after each coin's last one.

        Parameters
        ----------
        horizon : int
            Bars ahead.

        Returns
        -------
        ndarray of datetime64[s], ``(n_coins, horizon)``
        """
        steps = np.arange(1, horizon + 1) * self.step.astype("timedelta64[s]")
        dates: DateArray = self.last_dates[:, None] + steps[None, :]
        return dates

    def take(self, positions: Sequence[int] | IntArray) -> "Panel":
        """Return the panel of some coins.

        Parameters
        ----------
        positions : sequence of int, ``(n_taken,)``
            Places of the coins, in the order wanted.
        """
        kept = np.asarray(positions, dtype=np.int64).reshape(-1)
        lengths = self.lengths[kept]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.arange(indptr[-1]) + np.repeat(self.indptr[:-1][kept] - indptr[:-1], lengths)
        return Panel(
            coins=tuple(self.coins[i] for i in kept),
            values=self.values[rows],
            dates=self.dates[rows],
            indptr=indptr,
            step=self.step,
            even=self.even or None,  # those with gaps may be among the others
            extra={name: column[rows] for name, column in self.extra.items()},
        )

    def tail(self, rows: int | IntArray) -> "Panel":
        """Return the panel of each coin's last rows.

        Parameters
        ----------
        rows : int or ndarray of int64, ``(n_coins,)``
            The most rows of all coins, or of each.
        """
        lengths = np.minimum(self.lengths, rows)
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        kept = np.arange(indptr[-1]) + np.repeat(self.indptr[1:] - indptr[1:], lengths)
        return Panel(
            coins=self.coins,
            values=self.values[kept],
            dates=self.dates[kept],
            indptr=indptr,
            step=self.step,
            even=self.even or None,  # gaps may be among the other rows
            extra={name: column[kept] for name, column in self.extra.items()},
        )

    @classmethod
    def from_series(
        cls,
        series: Any,
        step: np.timedelta64 = DAY,
        extra: Mapping[str, Sequence[FloatArray]] | None = None,
    ) -> "Panel":
        """Build a panel from coins.

        Parameters
        ----------
        series : iterable of (str, ndarray, ndarray)
            Name, closes ``(n_rows,)`` in the quote currency, and dates ``(n_rows,)`` of each coin.
        step : timedelta64
            From one bar to the next.
        extra : mapping of str to sequence of ndarray of float64, optional
            Other columns by name, each as one array ``(n_rows,)`` a coin.
        """
        rows = [
            (coin, np.asarray(v, dtype=np.float64), np.asarray(d, dtype="datetime64[s]"))
            for coin, v, d in series
        ]
        lengths = [len(v) for _, v, _ in rows]
        return cls(
            coins=tuple(coin for coin, _, _ in rows),
            values=np.concatenate([v for _, v, _ in rows] or [np.empty(0)]),
            dates=np.concatenate([d for _, _, d in rows] or [np.empty(0, "datetime64[s]")]),
            indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            step=step,
            extra={
                name: np.concatenate([np.empty(0), *columns]).astype(np.float64)
                for name, columns in (extra or {}).items()
            },
        )


@dataclass(frozen=True, slots=True)
class CoinFailure:
    """Why one coin has no forecast of one model.

    Attributes
    ----------
    coin, model : str
        Which coin and which model of the catalog.
    exception : str
        Name of the exception's class.
    message : str
        Its message: the rule, the value, and what to do.
    cutoff : datetime64[s], optional
        In a backtest, the origin without a forecast; by default all of them.
    """

    coin: str
    model: str
    exception: str
    message: str
    cutoff: np.datetime64 | None = None

    @classmethod
    def of(
        cls, coin: str, model: str, error: BaseException, cutoff: np.datetime64 | None = None
    ) -> "CoinFailure":
        """Record an exception.

        Parameters
        ----------
        coin, model : str
            Their names.
        error : BaseException
        cutoff : datetime64[s], optional
            In a backtest, the origin without a forecast.
        """
        return cls(coin, model, type(error).__name__, str(error) or repr(error), cutoff)

"""The end of each coin's series: what must be known of it to judge the rows that come next.

What is odd in a row may show only with rows after it: a jump that the next bar undoes, the fifth
of equal closes. And a coin's large moves are judged by all its moves. An append would have to read
all rows of its coins for that. Instead the table keeps of each coin a few last rows as they were
read, and between which two limits the size of a large move stays, whatever comes. Where that does
not decide, all rows are read: see `cryptodask.prices.table.looking`.

Pure functions of frames.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.clean.cleaning import as_raw
from cryptodask.prices.clean.gaps import bars_since
from cryptodask.prices.clean.series import ROBUST_SIGMAS, SMALLEST_MOVE, moves_of
from cryptodask.prices.reading import RAW_COLUMNS
from cryptodask.prices.schema import DATE_DTYPE, NUMBER_COLUMNS
from cryptodask.records import FloatArray

MOST_ROWS = 64
"""Rows that are kept of a coin at most. Of one that would need more, none is."""

UNLIMITED = 2**31

_SHARES = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MoveLimits:
    """Where the size of a coin's large moves lies, for some further moves of whatever size.

    Attributes
    ----------
    spare : int
        Number of further moves for which this holds. 0: it says nothing, not even for none.
    low, high : float
        Log returns up to ``low`` are not large, those beyond ``high`` are, and there is none
        between the two.
    """

    spare: int = UNLIMITED
    low: float = SMALLEST_MOVE
    high: float = math.inf

    @classmethod
    def of(cls, moves: FloatArray) -> "MoveLimits":
        """Return the limits that hold for the most further moves.

        A move is large beyond a multiple of the median absolute deviation of all. Of ``n`` sorted
        values and ``m`` more of whatever size, the median lies between those at ``(n - m) / 2``
        and ``(n + m) / 2`` of the first ``n``.

        Parameters
        ----------
        moves : ndarray of float64, ``(n_moves,)``
            All of a coin, without NaN.
        """
        sizes = np.abs(moves)
        sizes = sizes[sizes > SMALLEST_MOVE]
        if not len(sizes):
            return cls()  # none is large, whatever the scale is
        ordered, n = np.sort(moves), len(moves)
        median = _middle(ordered)
        off = np.sort(np.abs(ordered - median))
        for more in (*(int(share * n) for share in _SHARES), 1):
            low, high = _bounds(ordered, more)
            shift = max(median - low, high - median)
            near, far = _bounds(off, more)
            factor = ROBUST_SIGMAS * 1.4826
            least = max(SMALLEST_MOVE, factor * (near - shift) * (1 - _ROUNDING))
            most = max(SMALLEST_MOVE, factor * (far + shift) * (1 + _ROUNDING))
            if more and not ((sizes > least) & (sizes <= most)).any():
                return cls(more, least, most)
        return cls(0, SMALLEST_MOVE, math.inf)

    def after(self, moves: FloatArray) -> "MoveLimits | None":
        """Return the limits once these moves have come; None where they don't decide.

        Parameters
        ----------
        moves : ndarray of float64, ``(n_moves,)``
            New ones, without NaN.
        """
        sizes = np.abs(moves)
        between = (sizes > self.low) & (sizes <= self.high)
        if not self.spare or len(moves) > self.spare or between.any():
            return None
        left = self.spare if self.spare == UNLIMITED else self.spare - len(moves)
        return MoveLimits(left, self.low, self.high)


def _middle(ordered: FloatArray) -> float:
    """Return the median of sorted values."""
    n = len(ordered)
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)


def _bounds(ordered: FloatArray, more: int) -> tuple[float, float]:
    """Return between which values the median lies once there are ``more`` values."""
    n = len(ordered)
    first, last = (n - more + 1) // 2, -(-(n + more + 1) // 2)  # counted from 1
    low = float(ordered[first - 1]) if first >= 1 else -math.inf
    high = float(ordered[last - 1]) if last <= n else math.inf
    return low, high


@dataclass(frozen=True)
class Seam:
    """The end of one coin's series.

    Attributes
    ----------
    rows : DataFrame, ``(n_rows,)``
        Its last rows as they were read, in `RAW_COLUMNS`. Nothing that comes after them changes
        what is known of those before them, or what is done about the first one.
    limits : MoveLimits
        Of its large moves.
    """

    rows: pd.DataFrame
    limits: MoveLimits

    @property
    def last(self) -> pd.Timestamp:
        """The date of the last row that came."""
        return pd.Timestamp(self.rows["date"].iloc[-1])

    def encode(self) -> str:
        """Return it as JSON."""
        return _SeamRows.of(self.rows).encode(0, len(self.rows), self.limits)

    @classmethod
    def decode(cls, coin: str, text: str) -> "Seam":
        """Return the seam that JSON says.

        Parameters
        ----------
        coin, text : str

        Raises
        ------
        ValueError
            It says none.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            spare, low, high = fields["limits"]
            numbers = np.array(fields["numbers"], dtype=float).reshape(-1, len(NUMBER_COLUMNS))
            rows = pd.DataFrame(numbers, columns=list(NUMBER_COLUMNS)).assign(
                coin=coin,
                date=np.array(fields["date"], dtype="int64").astype(DATE_DTYPE),
                **{name: fields[name] for name in ("file", "line", "future")},
            )
            limits = MoveLimits(int(spare), float(low), math.inf if high is None else float(high))
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{coin}: its last rows can't be read: {error}") from error
        if rows.empty or not rows["date"].is_monotonic_increasing:
            raise ValueError(f"{coin}: its last rows are not in order")
        return cls(as_raw(rows), limits)


def find_seams(
    raw: pd.DataFrame, freq: str, limits: Mapping[str, MoveLimits] | None = None
) -> dict[str, Seam]:
    """Return the seam of each coin that has one.

    Parameters
    ----------
    raw : DataFrame
        `RAW_COLUMNS`, by coin and date: all rows, or of coins with limits the last ones.
    freq : str
        Of the bars.
    limits : mapping of str to MoveLimits, optional
        Of coins whose limits do not follow from these rows.
    """
    frame = raw[list(RAW_COLUMNS)]
    return {
        coin: Seam(frame.iloc[start:end], known)
        for coin, start, end, known in _find_ends(raw, freq, limits or {})
    }


def seam_texts(raw: pd.DataFrame, freq: str) -> dict[str, str]:
    """Return the seam of each coin that has one, as JSON.

    Parameters
    ----------
    raw : DataFrame
        `RAW_COLUMNS` of all rows, by coin and date.
    freq : str
        Of the bars.
    """
    ends = list(_find_ends(raw, freq, {}))
    if not ends:
        return {}
    # The rows of all seams are taken at once: a frame a coin would cost more than all else.
    sizes = [end - start for _, start, end, _ in ends]
    places = np.concatenate([np.arange(start, end) for _, start, end, _ in ends])
    rows = _SeamRows.of(raw.iloc[places])
    stops = np.cumsum(sizes)
    return {
        coin: rows.encode(int(stop) - size, int(stop), known)
        for (coin, _, _, known), size, stop in zip(ends, sizes, stops, strict=True)
    }


@dataclass(frozen=True)
class _SeamRows:
    """Rows of seams as lists, one value a row."""

    date: list[int]
    numbers: list[list[float | None]]
    file: list[str]
    line: list[int]
    future: list[bool]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "_SeamRows":
        values = rows[list(NUMBER_COLUMNS)].to_numpy(dtype=np.float64)
        numbers = values.astype(object)
        numbers[np.isnan(values)] = None
        dates = rows["date"].to_numpy().astype("datetime64[s]").astype(np.int64)
        others = (rows[name].tolist() for name in ("file", "line", "future"))
        return cls(dates.tolist(), numbers.tolist(), *others)

    def encode(self, start: int, end: int, limits: MoveLimits) -> str:
        """Return some rows, and limits, as JSON."""
        high = None if math.isinf(limits.high) else limits.high
        names = ("date", "numbers", "file", "line", "future")
        rows = {name: getattr(self, name)[start:end] for name in names}
        return json.dumps({"limits": [limits.spare, limits.low, high], **rows})


def _find_ends(
    raw: pd.DataFrame, freq: str, limits: Mapping[str, MoveLimits]
) -> Iterator[tuple[str, int, int, MoveLimits]]:
    """Yield each coin that has a seam, the places of its first row and behind its last, limits."""
    if raw.empty:
        return
    since = bars_since(raw, freq)
    moves = moves_of(raw, since)
    starts = np.flatnonzero(since == 0)
    ends = np.append(starts[1:], len(raw))
    at = np.arange(len(raw))
    anchors = np.maximum.reduceat(np.where(_find_anchors(raw, since, moves), at, -1), starts)
    wild = np.logical_or.reduceat(np.abs(moves) > SMALLEST_MOVE, starts)
    coins = raw["coin"].iloc[starts].tolist()
    plain = MoveLimits()
    for coin, start, end, anchor, is_wild in zip(
        coins, starts.tolist(), ends.tolist(), anchors.tolist(), wild.tolist(), strict=True
    ):
        if anchor < 0 or end - anchor > MOST_ROWS:
            continue
        known = limits.get(coin)
        if known is None:
            mine = moves[start:end]
            known = MoveLimits.of(mine[~np.isnan(mine)]) if is_wild else plain
        yield coin, anchor, end, known


def _find_anchors(
    raw: pd.DataFrame, since: NDArray[np.int64], moves: FloatArray
) -> NDArray[np.bool_]:
    """Return the rows that nothing after them can show in another light.

    Their close is a new one, no far move, and of the right bar, so that they stay in the table as
    they are, begin no run of equal closes, and are neither a jump nor, but for the row before, the
    way back from one.
    """
    close = raw["close"].to_numpy()
    fresh = since == 0
    fresh[1:] |= close[1:] != close[:-1]
    low, high = raw["low"].to_numpy(), raw["high"].to_numpy()
    odd = (np.abs(moves) > SMALLEST_MOVE) | (raw["volume"].to_numpy() == 0) | (high < low)
    for name in ("open", "close"):
        values = raw[name].to_numpy()
        odd |= (values > high) | (values < low)
    anchors: NDArray[np.bool_] = fresh & ~odd & ~raw["future"].to_numpy()
    return anchors


def join_seams(seams: Iterable[Seam]) -> pd.DataFrame:
    """Return the rows of all seams, in `RAW_COLUMNS`.

    Parameters
    ----------
    seams : iterable of Seam
    """
    frames = [seam.rows for seam in seams]
    return pd.concat(frames, ignore_index=True) if frames else empty_raw()


def empty_raw() -> pd.DataFrame:
    """Return no rows, in `RAW_COLUMNS`."""
    return as_raw(pd.DataFrame({name: [] for name in RAW_COLUMNS}))

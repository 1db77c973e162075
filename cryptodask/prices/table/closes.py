"""Read the closes of a table's files as a panel, without a frame.

With footer statistics (`cryptodask.prices.table.footer_stats`) that is one column of numbers,
copied once. A file without them, written by an earlier CryptoDask, is read with all its names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cryptodask.prices.table.footer_stats import FooterStats, footer_stats_in
from cryptodask.records import DateArray, FloatArray, Panel


class _Closes(NamedTuple):
    """Rows of some coins, by coin and date; as in `Panel`, with lengths in place of offsets.

    Where all rows of each coin are a step apart, ``first`` may hold the coins' first dates in
    place of ``dates``.
    """

    coins: list[str]
    lengths: NDArray[np.int64]
    values: FloatArray
    dates: DateArray | None
    first: DateArray | None = None


def read_closes(
    parts: Sequence[str],
    deltas: Sequence[str],
    coins: Sequence[str],
    step: np.timedelta64,
    lookback: int | None = None,
) -> Panel:
    """Return the closes of these coins, as far as the files have them.

    Parameters
    ----------
    parts : sequence of str
        Paths of files whose coins are in order from one to the next, each coin in one of them.
    deltas : sequence of str
        Paths of files laid over them: of a coin and date, the last of them that has it is right.
    coins : sequence of str
        In order.
    step : timedelta64
        From one bar to the next.
    lookback : int, optional
        Number of last rows of each coin that are enough; there may be more. All by default.

    Raises
    ------
    OSError, ValueError, KeyError
        A file can't be read.
    """
    wanted = set(coins)
    pieces = [_read_file(path, wanted, step, lookback == 1) for path in (*parts, *deltas)]
    closes = _join(pieces[: len(parts)], step)
    if any(len(delta.coins) for delta in pieces[len(parts) :]):
        closes = _overlay(closes, _join(pieces[len(parts) :], step), coins, step)
        closes = _keep_last(closes) if lookback == 1 else closes
    indptr = np.concatenate([[0], np.cumsum(closes.lengths)]).astype(np.int64)
    dates, even = _dates_of(closes, step), closes.dates is None or None
    return Panel(tuple(closes.coins), closes.values, dates, indptr, step, even)


def _read_file(path: str, wanted: set[str], step: np.timedelta64, only_last: bool) -> _Closes:
    file = pq.ParquetFile(path, read_dictionary=["coin"], page_checksum_verification=True)
    stats = footer_stats_in(file.metadata)
    if stats is None:
        return _read_by_names(file, wanted)
    chosen = [i for i, coin in enumerate(stats.coins) if coin in wanted]
    if only_last:
        ones = np.ones(len(chosen), dtype=np.int64)
        names = [stats.coins[i] for i in chosen]
        return _Closes(names, ones, stats.close[chosen], None, stats.last[chosen])
    return _read_by_stats(file, stats, chosen, step)


def _read_by_stats(
    file: pq.ParquetFile, stats: FooterStats, chosen: list[int], step: np.timedelta64
) -> _Closes:
    """Read the coins at these places of the statistics, and drop the rows between them."""
    names = [stats.coins[i] for i in chosen]
    lengths = stats.rows[chosen]
    if not chosen:
        return _Closes(names, lengths, np.empty(0), None, stats.first[chosen])
    edges = np.concatenate([[0], np.cumsum(stats.rows)])
    begin, end = edges[chosen[0]], edges[chosen[-1] + 1]
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    groups = range(np.searchsorted(bounds, begin, "right") - 1, np.searchsorted(bounds, end))
    even = bool(stats.is_even(step)[chosen].all())
    columns = ["close"] if even else ["close", "date"]
    rows = file.read_row_groups(list(groups), columns=columns, use_threads=False)
    rows = rows.slice(begin - bounds[groups.start], end - begin)
    values = rows["close"].to_numpy()
    dates = None if even else rows["date"].to_numpy()
    if len(chosen) != chosen[-1] + 1 - chosen[0]:
        kept = np.zeros(len(stats.coins), dtype=np.bool_)
        kept[chosen] = True
        among = slice(chosen[0], chosen[-1] + 1)
        mask = np.repeat(kept[among], stats.rows[among])
        values = values[mask]
        dates = None if dates is None else dates[mask]
    if dates is None:
        return _Closes(names, lengths, values, None, stats.first[chosen])
    return _Closes(names, lengths, values, dates.astype("datetime64[s]"))


def _dates_of(closes: _Closes, step: np.timedelta64) -> DateArray:
    """Return the date of every row."""
    if closes.dates is not None:
        return closes.dates
    assert closes.first is not None
    seconds, lengths = int(step / np.timedelta64(1, "s")), closes.lengths
    first = closes.first.astype("datetime64[s]").view(np.int64)
    dates = np.arange(0, seconds * len(closes.values), seconds, dtype=np.int64)
    dates += np.repeat(first - seconds * (np.cumsum(lengths) - lengths), lengths)
    return dates.view("datetime64[s]")


def _read_by_names(file: pq.ParquetFile, wanted: set[str]) -> _Closes:
    """Read a file that has no footer statistics."""
    low, high = min(wanted), max(wanted)
    place = file.schema_arrow.get_field_index("coin")
    groups = [
        i
        for i in range(file.num_row_groups)
        if (limits := file.metadata.row_group(i).column(place).statistics) is None
        or (limits.min <= high and limits.max >= low)
    ]
    columns = ["coin", "date", "close"]
    rows = file.read_row_groups(groups, columns=columns, use_threads=False).unify_dictionaries()
    coin = rows["coin"].combine_chunks()
    codes = coin.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    names = coin.dictionary.take(pa.array(codes[starts])).to_pylist()
    lengths = np.diff(starts, append=len(codes))
    values, dates = rows["close"].to_numpy(), rows["date"].to_numpy()
    kept = np.array([name in wanted for name in names], dtype=np.bool_)
    if not kept.all():
        mask = np.repeat(kept, lengths)
        values, dates = values[mask], dates[mask]
        names, lengths = [name for name in names if name in wanted], lengths[kept]
    return _Closes(names, lengths, values, dates.astype("datetime64[s]"))


def _join(pieces: Sequence[_Closes], step: np.timedelta64) -> _Closes:
    """Lay files one behind the other."""
    if len(pieces) == 1:
        return pieces[0]
    names = [name for piece in pieces for name in piece.coins]
    lengths = np.concatenate([piece.lengths for piece in pieces])
    values = np.concatenate([piece.values for piece in pieces])
    first = [piece.first for piece in pieces if piece.first is not None]
    if len(first) == len(pieces):
        return _Closes(names, lengths, values, None, np.concatenate(first))
    return _Closes(
        names, lengths, values, np.concatenate([_dates_of(piece, step) for piece in pieces])
    )


def _overlay(below: _Closes, above: _Closes, coins: Sequence[str], step: np.timedelta64) -> _Closes:
    """Put rows into those below them, or in their places where coin and date are the same."""
    place = {coin: i for i, coin in enumerate(coins)}
    dates, later = _dates_of(below, step), _dates_of(above, step)
    keys, over = _keys(below, dates, place), _keys(above, later, place)
    order = np.argsort(over, kind="stable")  # the later of two stays behind the earlier
    order = order[np.append(over[order][1:] != over[order][:-1], True)]
    over, values = over[order], above.values[order]
    at = np.searchsorted(keys, over)
    known = np.zeros(len(over), dtype=np.bool_)
    inside = at < len(keys)
    known[inside] = keys[at[inside]] == over[inside]
    closes = below.values.copy()
    closes[at[known]] = values[known]
    new = ~known
    keys = np.insert(keys, at[new], over[new])
    counts = np.bincount(keys >> _BITS, minlength=len(coins))
    present = np.flatnonzero(counts)
    return _Closes(
        [coins[i] for i in present.tolist()],
        counts[present],
        np.insert(closes, at[new], values[new]),
        np.insert(dates, at[new], later[order][new]),
    )


_BITS, _MIDDLE = 40, 1 << 39  # of seconds: some 17,000 years before and after 1970


def _keys(closes: _Closes, dates: DateArray, place: dict[str, int]) -> NDArray[np.int64]:
    """Return a number for each row, which rises with coin and date."""
    codes = np.array([place[coin] for coin in closes.coins], dtype=np.int64)
    return np.repeat((codes << _BITS) + _MIDDLE, closes.lengths) + dates.view(np.int64)


def _keep_last(closes: _Closes) -> _Closes:
    """Keep the last row of each coin."""
    ends = np.cumsum(closes.lengths) - 1
    ones = np.ones(len(ends), dtype=np.int64)
    assert closes.dates is not None
    return _Closes(closes.coins, ones, closes.values[ends], None, closes.dates[ends])

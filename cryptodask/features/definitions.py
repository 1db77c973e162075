"""The features that can be declared: what each is made of, and from how many rows.

Every feature of a row is computed from rows of its coin up to that row; those of the market and
of another coin, from returns of dates up to the row's date. Each segment of rows between gaps
stands for itself: after a gap a feature is NaN until the segment has enough rows again.

A definition that changes gets a new version, so that a model that was trained on the old one is
known by its fingerprint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cryptodask.features.own import OwnKind
from cryptodask.features.rows import Rows
from cryptodask.records import FloatArray

WEEKDAYS = ("tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Columns of ``weekday``; Monday is none of them, so that they do not add up to a constant."""


Compute = Callable[..., list[FloatArray]]
"""Of `Rows`, and a feature's parameters: its columns, each ``(n_rows,)``."""


@dataclass(frozen=True)
class Definition:
    """What a feature is.

    Attributes
    ----------
    meaning : str
    compute : callable
        See `Compute`.
    rows : callable
        Of the parameters: the rows of a segment, the feature's own one included, until it is known.
    takes : {"each", "all", "none"}
        Whether each number that is written after the name makes a separate feature, or all of
        them one, or there are none.
    default : tuple of int
        The numbers where none is written.
    columns : tuple of str
        What it reads beside closes.
    parts : tuple of str
        Names of its columns, where there are several.
    crosses : bool
        Whether it depends on other coins.
    calendar : bool
        Whether it follows from the date or the coin alone, and so is never normalised.
    version : int
        Of this definition.
    least : int
        The least number that it takes.
    endless : bool
        Whether it depends on all rows of the segment, and not on the last `rows` of them alone.
    named : str
        What the name is of that is written first, where there is one: ``coin``, ``column``,
        ``fact``.
    own_kind : {"column", "ahead", "static"}, optional
        The kind of a user's own column that it reads, by that name.
    """

    meaning: str
    compute: Compute
    rows: Callable[..., int]
    takes: Literal["each", "all", "none"] = "each"
    default: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    crosses: bool = False
    calendar: bool = False
    version: int = 1
    least: int = 1
    endless: bool = False
    named: str = ""
    own_kind: OwnKind | None = None


def _lag(rows: Rows, lag: int) -> list[FloatArray]:
    return [rows.segments.shift(rows.returns, lag - 1)]


def _return(rows: Rows, over: int) -> list[FloatArray]:
    return [rows.growth(rows.panel.values, over)]


def _close(rows: Rows, lag: int) -> list[FloatArray]:
    return [rows.segments.shift(rows.panel.values, lag - 1)]


def _mean(rows: Rows, width: int) -> list[FloatArray]:
    return [rows.segments.mean(rows.returns, width)]


def _std(rows: Rows, width: int) -> list[FloatArray]:
    return [rows.segments.moments(rows.returns, width)[1]]


def _min(rows: Rows, width: int) -> list[FloatArray]:
    return [rows.segments.least(rows.returns, width)]


def _max(rows: Rows, width: int) -> list[FloatArray]:
    return [rows.segments.greatest(rows.returns, width)]


def _rsi(rows: Rows, width: int) -> list[FloatArray]:
    """Wilder's relative strength index over 100, in [0, 1]; 1/2 of a price that stands still.

    J. Welles Wilder, New Concepts in Technical Trading Systems (1978): the average rise over the
    sum of average rise and average fall. The first averages are means of ``width`` changes, and
    each later one takes in 1 / ``width`` of the next change.
    """
    closes = rows.panel.values
    change = closes - rows.segments.shift(closes, 1)
    rise, fall = (
        rows.segments.smoothed(side, width, 1 / width)
        for side in (np.maximum(change, 0.0), np.maximum(-change, 0.0))
    )
    both = rise + fall
    with np.errstate(invalid="ignore"):
        return [np.where(both == 0, 0.5, rise / np.where(both == 0, 1.0, both))]


def _macd(rows: Rows, fast: int, slow: int, signal: int) -> list[FloatArray]:
    """MACD, moving averages that converge or diverge, and its signal line, both over the close.

    Gerald Appel, Technical Analysis: Power Tools for Active Investors (2005): the difference of
    two exponential averages of closes, and an exponential average of that. An average over ``n``
    takes in 2 / (n + 1) of each close, and its first is the mean of the first ``n``.
    """
    closes, smoothed = rows.panel.values, rows.segments.smoothed
    line = smoothed(closes, fast, 2 / (fast + 1)) - smoothed(closes, slow, 2 / (slow + 1))
    average = smoothed(line, signal, 2 / (signal + 1))
    return [line / closes, average / closes]


def _bollinger(rows: Rows, width: int) -> list[FloatArray]:
    """Where the close is between Bollinger's bands, and how far they are apart.

    John Bollinger, Bollinger on Bollinger Bands (2001): bands are two standard deviations (which
    divide by ``width``) beside the mean of the last closes. The first column is %b, 0 on the
    lower band and 1 on the upper, 1/2 of a price that stands still; the second is the bandwidth,
    upper less lower over the mean.
    """
    closes = rows.panel.values
    mean, deviation = rows.segments.moments(closes, width)
    still = deviation == 0
    share = 0.5 + (closes - mean) / np.where(still, 1.0, 4 * deviation)
    return [np.where(still, 0.5, share), 4 * deviation / mean]


def _change_of(column: str) -> Compute:
    def change(rows: Rows, over: int) -> list[FloatArray]:
        return [rows.growth(rows.panel.extra[column], over)]

    return change


def _weekday(rows: Rows) -> list[FloatArray]:
    # 1970-01-01 was a Thursday.
    number = (rows.panel.dates.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return [(number == day).astype(np.float64) for day in range(1, 7)]


def _market(rows: Rows, lag: int) -> list[FloatArray]:
    assert rows.market is not None
    return [rows.market.mean_on(rows.dates_before(lag))]


def _coin(rows: Rows, coin: str, lag: int) -> list[FloatArray]:
    assert rows.market is not None
    return [rows.market.return_on(coin, rows.dates_before(lag))]


def _column(rows: Rows, name: str, lag: int) -> list[FloatArray]:
    return [rows.segments.shift(rows.panel.extra[f"column:{name}"], lag - 1)]


def _column_change(rows: Rows, name: str, over: int) -> list[FloatArray]:
    return [rows.growth(rows.panel.extra[f"column:{name}"], over)]


def _column_difference(rows: Rows, name: str, over: int) -> list[FloatArray]:
    values = rows.panel.extra[f"column:{name}"]
    with np.errstate(over="ignore", invalid="ignore"):
        return [values - rows.segments.shift(values, over)]


def _ahead(rows: Rows, name: str, lead: int) -> list[FloatArray]:
    return [rows.panel.extra[f"ahead:{name}:{lead}"]]


def _static(rows: Rows, fact: str) -> list[FloatArray]:
    return [rows.panel.extra[f"static:{fact}"]]


def _next(n: int) -> int:
    return n + 1


def _next_named(name: str, n: int) -> int:  # noqa: ARG001
    return n + 1


def _same_named(name: str, n: int) -> int:  # noqa: ARG001
    return n


def _same(n: int) -> int:
    return n


DEFINITIONS: Mapping[str, Definition] = {
    "lag": Definition("log return of the row, of the one before, …", _lag, _next),
    "return": Definition("log return over N bars", _return, _next),
    "close": Definition("close of the row, of the one before, …", _close, _same),
    "mean": Definition("mean of the last log returns", _mean, _next),
    "std": Definition("standard deviation of the last log returns", _std, _next, least=2),
    "min": Definition("least of the last log returns", _min, _next),
    "max": Definition("greatest of the last log returns", _max, _next),
    "rsi": Definition("Wilder's relative strength index", _rsi, _next, default=(14,), endless=True),
    "macd": Definition(
        "Appel's MACD and its signal line, over the close",
        _macd,
        lambda fast, slow, signal: max(fast, slow) + signal - 1,
        takes="all",
        default=(12, 26, 9),
        parts=("line", "signal"),
        endless=True,
    ),
    "bollinger": Definition(
        "Bollinger's %b and bandwidth",
        _bollinger,
        _same,
        default=(20,),
        parts=("share", "width"),
        least=2,
    ),
    "volume_change": Definition(
        "log of the volume over that N bars before",
        _change_of("volume"),
        _next,
        columns=("volume",),
    ),
    "market_cap_change": Definition(
        "log of the market cap over that N bars before",
        _change_of("market_cap"),
        _next,
        columns=("market_cap",),
    ),
    "weekday": Definition(
        "day of the week, one column each from Tuesday",
        _weekday,
        lambda: 1,
        takes="none",
        parts=WEEKDAYS,
        calendar=True,
    ),
    "market": Definition(
        "mean log return of all coins on the row's date, the day before, …",
        _market,
        lambda lag: 1,  # noqa: ARG005 - found by date, so the coin's own rows do not matter
        crosses=True,
    ),
    "coin": Definition(
        "log return of another coin on the row's date, the day before, …",
        _coin,
        lambda coin, lag: 1,  # noqa: ARG005
        crosses=True,
        named="coin",
    ),
    "column": Definition(
        "value of a column of your own on the row's date, of the row before, …",
        _column,
        _same_named,
        named="column",
        own_kind="column",
    ),
    "column_change": Definition(
        "log of a column of your own over that N bars before",
        _column_change,
        _next_named,
        named="column",
        own_kind="column",
    ),
    "column_difference": Definition(
        "a column of your own less that N bars before",
        _column_difference,
        _next_named,
        named="column",
        own_kind="column",
    ),
    "ahead": Definition(
        "value of a column that is known ahead, on the date N bars after the row's",
        _ahead,
        lambda name, lead: 1,  # noqa: ARG005 - found by date
        named="column",
        own_kind="ahead",
    ),
    "static": Definition(
        "fact of a coin: a number, or 1 where it is the text after =, else 0",
        _static,
        lambda fact: 1,  # noqa: ARG005
        takes="none",
        calendar=True,
        named="fact",
        own_kind="static",
    ),
}
"""By the names that declarations use. Where no default is given it is 1."""

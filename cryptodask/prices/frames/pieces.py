"""The steps that a Dask frame goes through, each a pure function of one partition.

`look_at` sees what a partition holds, `decide` makes of what all hold how to read them,
`normalise` brings a partition to rows of coins with their number in the frame, and `read_part`
cleans the rows of whole coins, once they have been shuffled.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.errors import InputError
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.frames.convert import tidy, to_arrow
from cryptodask.prices.frames.held import CoinRows, digest_coins, lost_lines, slice_reading
from cryptodask.prices.frames.spool import NAME, write_spool
from cryptodask.prices.read.cells import read_cells
from cryptodask.prices.read.clocks import joined_stamp
from cryptodask.prices.read.columns import stamp_rule
from cryptodask.prices.read.names import coin_name
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.own_cells import OWN
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import empty_prices

SAMPLE = 20_000
"""Rows of all partitions that show how to read them."""

PART, LINE = "part", "line"
"""Columns of rows on their way: where to, and their number in the frame, from 1."""


@dataclass(frozen=True)
class Look:
    """What a partition of a frame holds.

    Attributes
    ----------
    rows : int
    head : DataFrame
        The first of them.
    midnights : mapping of str to bool
        Of columns of moments without a time zone, whether all are at midnight.
    """

    rows: int
    head: pd.DataFrame
    midnights: Mapping[str, bool]


@dataclass(frozen=True)
class FrameLayout:
    """How the partitions of a frame are read.

    Attributes
    ----------
    columns : mapping of str to str
        Column of the schema -> its name in the frame.
    coins : mapping of str to str
        Of a wide frame, name of a column -> coin.
    clock : str
        Name of the column with the time of day; empty where the dates have it.
    days : bool
        Whether dates without a time zone are days without a time.
    options : ReadOptions
        For rows of a partition, which decides nothing by itself.
    findings : DataFrame
        About the layout.
    """

    columns: Mapping[str, str]
    coins: Mapping[str, str]
    clock: str
    days: bool
    options: ReadOptions
    findings: pd.DataFrame

    @property
    def further(self) -> tuple[str, ...]:
        """What own columns are called on the way."""
        return (*self.options.further, *self.options.facts)


def look_at(piece: pd.DataFrame, rows: int) -> Look:
    """Return what a partition holds.

    Parameters
    ----------
    piece : DataFrame, ``(n_rows,)``
    rows : int
        First rows to bring along.
    """
    frame = tidy(piece)
    midnights = {
        str(name): bool((column.dropna() == column.dropna().dt.normalize()).all())
        for name, column in frame.items()
        if pd.api.types.is_datetime64_dtype(column.dtype)
    }
    return Look(len(frame), frame.head(rows), midnights)


def decide(looks: Sequence[Look], options: ReadOptions) -> FrameLayout:
    """Return how the partitions of a frame are read, from what all of them hold.

    Parameters
    ----------
    looks : sequence of Look
        One a partition.
    options : ReadOptions
        What the frame leaves open.

    Raises
    ------
    InputError
        It is not a frame of prices, does not name its coins, or its dates can only be read by a
        look at all of them.
    """
    heads = [look.head for look in looks if look.rows]
    if not heads:
        raise InputError("dask DataFrame: has no row; give a frame of prices")
    head = pd.concat(heads, ignore_index=True)
    with tempfile.TemporaryDirectory(prefix="cryptodask-") as folder:
        source = write_spool(to_arrow(head), Path(folder), options)
        source.check_own("dask DataFrame")
        cells = read_cells(Path(folder) / NAME, options)
        layout, freq = cells.layout, source.freq
        stamps = _meaning(stamp_rule(cells, 0, freq, options)[0].stamp, options)
        [partition] = source.partitions(source.coins, 1)
        found_kinds = partition.load().findings
    if (found_kinds["kind"] == "day_month_order").any():
        raise InputError(
            "dask DataFrame: has days as 09/10/2017, whose order shows only from all of them; "
            "convert the column first: dask.dataframe.to_datetime(frame[...], dayfirst=...)"
        )
    names = [str(name) for name in head.columns]
    date = names[layout.columns["date"]]
    columns = {name: names[place] for name, place in layout.columns.items()}
    wide = {names[place]: coin_name(written) for written, place in layout.coins.items()}
    kept = ["coin", "date", *(name for name in columns if name not in ("coin", "date"))]
    kept += ["close"] if wide else []
    by = replace(
        options,
        columns={name: name for name in kept},
        layout="prices" if wide else layout.name,
        freq=freq,
        stamps=stamps,
        further=tuple(OWN + name for name in options.further),
        facts=tuple(OWN + name for name in options.facts),
    )
    about = found_kinds[found_kinds["kind"] == "layout"]
    days = all(look.midnights.get(date, True) for look in looks)
    clock = "" if layout.clock is None else names[layout.clock]
    return FrameLayout(columns, wide, clock, days, by, about.reset_index(drop=True))


def _meaning(stamp: str, options: ReadOptions) -> str | None:
    """Return the option by which all parts take stamps alike, whatever their columns are called."""
    return options.stamps or {"open": "open", "instant": "close"}.get(stamp)


def normalise(piece: pd.DataFrame, layout: FrameLayout, before: int) -> pd.DataFrame:
    """Return the rows of a partition in the columns of the schema that there are.

    Parameters
    ----------
    piece : DataFrame, ``(n_rows,)``
    layout : FrameLayout
    before : int
        Rows of the partitions before it.

    Returns
    -------
    DataFrame
        ``coin``, empty where a row names none, ``date`` as text, numbers as they are, ``line``.
    """
    frame = tidy(piece)
    lines = pd.Series(np.arange(len(frame), dtype=np.int64) + before + 1)
    dates = _date_texts(frame[layout.columns["date"]], days=layout.days)
    if layout.clock:
        clocks = _texts(frame[layout.clock])
        dates = pd.Series(list(map(joined_stamp, dates, clocks)), dtype="str")
    if layout.coins:
        parts = [
            pd.DataFrame({"coin": coin, "date": dates, "close": frame[name], LINE: lines})[
                frame[name].notna()
            ]
            for name, coin in layout.coins.items()
        ]
        return pd.concat(parts, ignore_index=True).astype({"coin": "str"})
    coins = _texts(frame[layout.columns["coin"]]).map(coin_name)
    columns = {"coin": coins.astype("str"), "date": dates}
    others = {name: at for name, at in layout.columns.items() if name not in ("coin", "date")}
    columns |= {name: frame[at] for name, at in others.items()}
    # Under names that can't be those of other columns on the way.
    columns |= {name: frame[name.removeprefix(OWN)] for name in layout.further}
    return pd.DataFrame(columns | {LINE: lines})


def _texts(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.astype("object").map(str).where(column.notna().to_numpy(), "").astype("str")


def _date_texts(column: "pd.Series[Any]", *, days: bool) -> "pd.Series[Any]":
    """Return dates as text; in moments of all partitions the time is written, or in none."""
    kind = column.dtype
    if isinstance(kind, pd.PeriodDtype):
        column, kind = column.dt.to_timestamp(), np.dtype("datetime64[ns]")
    if isinstance(kind, pd.DatetimeTZDtype):
        form = "%Y-%m-%d %H:%M:%S%z"
    elif pd.api.types.is_datetime64_dtype(kind):
        form = "%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S"
    else:
        return _texts(column)
    # Dates repeat from coin to coin, and writing one takes long.
    codes, dates = pd.factorize(column)
    texts = [*pd.DatetimeIndex(dates).strftime(form), ""]
    return pd.Series(np.array(texts, dtype=object)[codes], dtype="str")


def count_coins(rows: pd.DataFrame) -> pd.DataFrame:
    """Return number of rows and first line of each coin, by its name.

    Parameters
    ----------
    rows : DataFrame
        As of `normalise`.
    """
    return rows.groupby("coin", sort=False)[LINE].agg(["size", "first"]).reset_index()


def send(rows: pd.DataFrame, names: Mapping[str, str], parts: Mapping[str, int]) -> pd.DataFrame:
    """Return rows with the number of the part that they belong to.

    Parameters
    ----------
    rows : DataFrame
        As of `normalise`.
    names : mapping of str to str
        Coins that are another but for the case of letters -> that.
    parts : mapping of str to int
        By coin.
    """
    coins = rows["coin"].replace(dict(names)) if names else rows["coin"]
    number = coins.map(parts).fillna(0).astype("int64")
    return rows.assign(coin=coins, **{PART: number})


def read_part(rows: pd.DataFrame, layout: FrameLayout) -> Reading:
    """Return the clean rows and the findings of whole coins.

    Parameters
    ----------
    rows : DataFrame
        As of `send`, in any order.
    layout : FrameLayout
    """
    rows = rows.reset_index(drop=True).drop(columns=PART, errors="ignore")
    rows = rows.sort_values([LINE, "coin"], ignore_index=True)
    lines = rows.pop(LINE).to_numpy()
    if rows.empty or not (rows["coin"] != "").any():
        return Reading(empty_prices(), empty_findings())
    with tempfile.TemporaryDirectory(prefix="cryptodask-") as folder:
        table = pa.Table.from_pandas(rows, preserve_index=False)
        source = write_spool(table, Path(folder), layout.options)
        [partition] = source.partitions(source.coins, 1)
        reading = partition.load()
    findings = reading.findings[reading.findings["kind"] != "layout"].reset_index(drop=True)
    origin, changed = reading.origin, reading.changed
    return Reading(
        reading.prices,
        _renumber(findings, lines),
        None if origin is None else _renumber(origin, lines),
        None if changed is None else _renumber(changed, lines),
        further=None if reading.further is None else reading.further.rename(columns=_own_name),
    )


def _own_name(name: str) -> str:
    return name.removeprefix(OWN)


def _renumber(rows: pd.DataFrame, lines: NDArray[np.int64]) -> pd.DataFrame:
    """Return rows whose ``line``, where there is one, is the number in the frame."""
    numbers = rows["line"].to_numpy()
    return rows.assign(line=np.where(numbers > 0, lines[np.maximum(numbers, 1) - 1], 0))


def pick_coins(reading: Reading, coins: Sequence[str]) -> Reading:
    """Return the rows and findings of some coins of a part.

    Findings about no coin go to its first one.

    Parameters
    ----------
    reading : Reading
    coins : sequence of str
    """
    held = CoinRows.of(reading.prices)
    about = reading.findings["coin"]
    mine = about.isin(coins)
    if held.coins and held.coins[0] in coins:
        mine |= about == ""
    return slice_reading(reading, coins, held, mine)


def digest_part(reading: Reading) -> tuple[dict[str, str], list[str]]:
    """Return a digest of each coin, and a line for each finding that cost a row."""
    return digest_coins(reading.prices, reading.further), lost_lines(reading.findings)


def findings_of(reading: Reading) -> pd.DataFrame:
    """Return what was found."""
    return reading.findings

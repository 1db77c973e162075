"""What the page of forecasts reads, kept for the next viewer: coins, closes and forecasts.

Everything here may read files, so a server calls it in a thread. Paths come from a run or a
command, never from a viewer: a coin is looked up among names, and never becomes part of a path.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.cluster.events import RUNNING
from cryptodask.dashboard.history import (
    ALL_DAYS,
    OTHERS,
    bar_of,
    drawn_history,
    milliseconds_of,
)
from cryptodask.dashboard.live import Run
from cryptodask.dashboard.live_view import FAILURE_COLUMNS, failures_table, label_of, progress_of
from cryptodask.dashboard.result_files import (
    UNREADABLE,
    coins_in,
    empty_forecasts,
    failures_in,
    forecasts_in,
)
from cryptodask.dashboard.tables import Columns
from cryptodask.dashboard.view import (
    ForecastView,
    Pack,
    build_view,
    milliseconds,
    pack,
    sorted_names,
)
from cryptodask.errors import CryptoDaskError, OptionError
from cryptodask.io.paths import path_of
from cryptodask.prices import CryptoLoader

T = TypeVar("T")

MOST_VIEWS, MOST_LOADERS, MOST_NAMES = 256, 4, 8
"""Coins, sources of prices, and lists of coins that are kept."""


@dataclass(frozen=True)
class Entry:
    """A run, or a path, whose coins a page can show.

    Attributes
    ----------
    id, label : str
        Identifier, and the line by which a viewer chooses.
    version : int
        Goes up when its contents change.
    models : tuple of str
    source : str
        Path of the prices, or "".
    out : str
        Path or URL of a folder or file of forecasts, or "".
    tables : tuple of bytes
        Forecasts from messages of the run, as streams of Arrow.
    failures : Columns
        ``coin, model, exception, message``.
    is_over : bool
        Whether ``out`` is complete.
    progress : str
        How far a run in progress is, or "".
    """

    id: str
    label: str
    version: int
    models: tuple[str, ...]
    source: str
    out: str
    tables: tuple[bytes, ...]
    failures: Columns
    is_over: bool = True
    progress: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether there is a forecast to show."""
        return bool(self.tables) or bool(self.out and self.is_over)

    @classmethod
    def of(cls, run: Run) -> "Entry":
        """Return what a page can show of a run now.

        Parameters
        ----------
        run : Run
        """
        return cls(
            run.id,
            label_of(run),
            run.content_version,
            tuple(run.models),
            run.source,
            run.out,
            tuple(run.tables),
            failures_table(run.failures),
            run.state != RUNNING,
            progress_of(run),
        )


class RecentValues:
    """The values of a function by key, for the keys that were used last.

    Parameters
    ----------
    most : int
        Number of values to keep.
    """

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[Hashable, Any]()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, computed if it is not there; errors are not kept.

        Parameters
        ----------
        key : hashable
        make : callable
            Computes the value.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                value: T = self._values[key]
                return value
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


_views, _loaders = RecentValues(MOST_VIEWS), RecentValues(MOST_LOADERS)
_names, _tables, _coin_views = (RecentValues(n) for n in (MOST_NAMES, MOST_NAMES, MOST_VIEWS))


def coins_of(entry: Entry) -> list[str]:
    """Return the coins of an entry: with forecasts or failures, or, of prices alone, all.

    Parameters
    ----------
    entry : Entry

    Returns
    -------
    list of str
        In alphabetical order.
    """
    return _names.get((entry.id, entry.version), lambda: _read_coins(entry))


def view_of(entry: Entry, coin: str, days: int = ALL_DAYS) -> tuple[ForecastView, str]:
    """Return what is drawn of a coin, and a note on what is missing, or "".

    During a run, both are the same objects until the run sends forecasts of that coin.

    Parameters
    ----------
    entry : Entry
    coin : str
    days : int
        Days of closes before the forecasts.

    Raises
    ------
    OptionError
        There are neither prices nor forecasts of that coin.
    """
    key = entry.id, entry.version, coin, days
    return _views.get(key, lambda: _read_view(entry, coin, days))


def failures_of(entry: Entry) -> Columns:
    """Return the failures of an entry: those of the run's messages, or those in its files.

    Parameters
    ----------
    entry : Entry

    Returns
    -------
    dict of str to list
        ``coin, model, exception, message``.
    """
    if entry.failures["coin"] or not entry.out:
        return entry.failures
    try:
        frame = failures_in(path_of(entry.out))[list(FAILURE_COLUMNS)]
    except UNREADABLE:
        return entry.failures
    return {str(name): frame[name].astype("str").tolist() for name in frame.columns}


def _read_coins(entry: Entry) -> list[str]:
    names = set(entry.failures["coin"])
    if entry.tables:
        names |= set(pa.compute.unique(_table_of(entry)["coin"]).to_pylist())
    if entry.out:
        names |= coins_in(path_of(entry.out))
    elif not entry.models:
        names |= set(_loader(entry.source).get_crypto_names())
    return sorted_names(names)


def _read_view(entry: Entry, coin: str, days: int) -> tuple[ForecastView, str]:
    if not entry.tables:
        return _make_view(entry, coin, days, [])
    table = _table_of(entry)
    rows = table.filter(pa.compute.equal(table["coin"], coin))
    # Compared by value, which is a few rows: forecasts of other coins change nothing here.
    key = entry.id, entry.models, coin, days, str(rows.to_pylist())
    return _coin_views.get(key, lambda: _make_view(entry, coin, days, [rows.to_pandas()]))


def _make_view(
    entry: Entry, coin: str, days: int, parts: list[pd.DataFrame]
) -> tuple[ForecastView, str]:
    closes, note = _closes(entry, coin)
    if entry.out:
        try:
            parts.append(forecasts_in(path_of(entry.out), coin))
        except UNREADABLE as error:
            note = " · ".join(filter(None, [note, f"can't read forecasts: {error}"]))
    rows = pd.concat([empty_forecasts(), *parts], ignore_index=True)
    if rows["forecast"].notna().any():
        return build_view(closes, rows, history_days=days, models=entry.models), note
    if closes.empty:
        raise OptionError(f"{coin}: {note or 'no prices and no forecasts'}")
    return _plain_view(closes, coin, days, entry.models), note


def _plain_view(
    closes: pd.DataFrame, coin: str, days: int, models: tuple[str, ...]
) -> ForecastView:
    """Return the view of a coin without forecasts."""
    last = closes["date"].max()
    history, days = drawn_history(closes.assign(coin=0).sort_values(["coin", "date"]), days)
    models = tuple(sorted(set(models)))
    names = ["date", "middle", *(f"forecast_{j}" for j in range(len(models)))]
    nothing = {name: np.empty(0) for name in names}
    return ForecastView(
        coins=(coin,),
        models=models,
        bands=(),
        captions=(f"Closes to {last:%Y-%m-%d}",),
        cutoffs=milliseconds(pd.Series([last])),
        history=pack(history, 1),
        ahead=Pack(nothing, np.zeros(2, dtype=np.int32)),
        without_forecast=(),
        history_days=days,
        bar=milliseconds_of(bar_of(history)),
    )


def _table_of(entry: Entry) -> pa.Table:
    """Return all forecasts of a run's messages as one table."""

    def read() -> pa.Table:
        tables = [pa.ipc.open_stream(table).read_all() for table in entry.tables]
        return pa.concat_tables(tables, promote_options="permissive")

    return _tables.get((entry.id, entry.version), read)


def _closes(entry: Entry, coin: str) -> tuple[pd.DataFrame, str]:
    """Return the closes of a coin, and a note where there are none."""
    empty = pd.DataFrame({"coin": [], "date": pd.to_datetime([]), "close": []})
    columns = ["coin", "date", "close", *OTHERS]
    if not entry.source:
        return empty, ""
    if not Path(entry.source).exists():
        return empty, f"the prices in {entry.source} are not visible to this server"
    try:
        return _loader(entry.source).get_df([coin])[columns], ""
    except (CryptoDaskError, OSError) as error:
        return empty, f"no prices: {error}"


def _loader(source: str) -> CryptoLoader:
    """Return a source of prices, which is opened again only if it changed."""
    path = Path(source)
    changed = [p.stat().st_mtime_ns for p in (path, path / "manifest.json") if p.exists()]
    return _loaders.get((source, *changed), lambda: CryptoLoader(path))

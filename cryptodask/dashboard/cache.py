"""What the page of forecasts reads: coins of a run, and one coin's closes and forecasts.

All of it may read files, so that a server calls it in a thread. What was read is kept for the next
viewer. Paths are those that a run or a command named, never what a viewer chose: a coin is looked
up among names, and is no part of a path.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.cluster.events import RUNNING
from cryptodask.dashboard.live import Run
from cryptodask.dashboard.live_view import FAILURES, Columns, failures_table, label_of
from cryptodask.dashboard.view import ForecastView, Pack, build_view, milliseconds, pack
from cryptodask.errors import CryptoDaskError, OptionError, TableError
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import exists, is_folder, path_of, read_text
from cryptodask.prices import CryptoLoader
from cryptodask.results.forecasts import empty_forecasts, read_failed, read_manifest

T = TypeVar("T")

MOST_VIEWS, MOST_LOADERS, MOST_NAMES = 256, 4, 8
"""How many coins, sources of prices, and lists of coins are kept."""

ALL_DAYS = 100_000


@dataclass(frozen=True)
class Entry:
    """A run, or a path, whose coins can be looked at.

    Attributes
    ----------
    id, label : str
    version : int
        Of what it holds.
    models : tuple of str
    source : str
        Path of the prices, or "".
    out : str
        Path or URL of a folder or file of forecasts, or "".
    tables : tuple of bytes
        Forecasts that were told.
    failures : Columns
        ``coin, model, exception, message``.
    is_over : bool
        Whether what is in ``out`` is whole.
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

    @property
    def is_readable(self) -> bool:
        """Whether there is a forecast to show."""
        return bool(self.tables) or bool(self.out and self.is_over)

    @classmethod
    def of(cls, run: Run) -> "Entry":
        """Return what there is of a run now."""
        return cls(
            run.id,
            label_of(run),
            run.shelved,
            tuple(run.models),
            run.source,
            run.out,
            tuple(run.tables),
            failures_table(run.failures),
            run.state != RUNNING,
        )


class Kept:
    """The values of a function by a key, of the keys that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[Hashable, Any]()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made now if it is not there; errors are not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                value: T = self._values[key]
                return value
        made = make()
        with self._lock:
            self._values[key] = made
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return made


_views, _loaders, _names = Kept(MOST_VIEWS), Kept(MOST_LOADERS), Kept(MOST_NAMES)
_told, _drawn = Kept(MOST_NAMES), Kept(MOST_VIEWS)


def coins_of(entry: Entry) -> list[str]:
    """Return the coins of an entry: with forecasts, or failed, or, of prices alone, all."""
    return _names.get((entry.id, entry.version), lambda: _read_coins(entry))


def view_of(entry: Entry, coin: str, days: int = ALL_DAYS) -> tuple[ForecastView, str]:
    """Return what is drawn of one coin, and what is to be said of it.

    While a run goes on, both are the same objects until something of that coin is told.

    Raises
    ------
    OptionError
        There is nothing of that coin.
    """
    key = entry.id, entry.version, coin, days
    return _views.get(key, lambda: _read_view(entry, coin, days))


def failures_of(entry: Entry) -> Columns:
    """Return the failures of an entry: those that were told, or those in or beside its files."""
    if entry.failures["coin"] or not entry.out:
        return entry.failures
    try:
        out = path_of(entry.out)
        if not out.suffix:
            frame = read_failed(out)
        else:
            beside = out.with_name(f"{out.stem}.failures{out.suffix}")
            csv = out.suffix == ".csv"
            frame = pd.read_csv(StringIO(read_text(beside))) if csv else read_frame(beside)
        frame = frame[list(FAILURES)]
    except (CryptoDaskError, OSError, ValueError, KeyError):
        return entry.failures
    return {str(name): frame[name].astype("str").tolist() for name in frame.columns}


def _read_coins(entry: Entry) -> list[str]:
    names = set(entry.failures["coin"])
    if entry.tables:
        names |= set(pa.compute.unique(_told_of(entry)["coin"]).to_pylist())
    if entry.out:
        names |= _coins_written(entry.out)
    elif not entry.models:
        names |= set(_loader(entry.source).get_crypto_names())
    return sorted(names, key=lambda name: (name.casefold(), name))


def _read_view(entry: Entry, coin: str, days: int) -> tuple[ForecastView, str]:
    if not entry.tables:
        return _make_view(entry, coin, days, [])
    told = _told_of(entry)
    rows = told.filter(pa.compute.equal(told["coin"], coin))
    # Compared by value, of one coin a few rows: what was told of others changes nothing here.
    key = entry.id, entry.models, coin, days, str(rows.to_pylist())
    return _drawn.get(key, lambda: _make_view(entry, coin, days, [rows.to_pandas()]))


def _make_view(
    entry: Entry, coin: str, days: int, parts: list[pd.DataFrame]
) -> tuple[ForecastView, str]:
    closes, word = _closes(entry, coin)
    if entry.out:
        try:
            parts.append(_forecasts_written(entry.out, coin))
        except (CryptoDaskError, OSError, ValueError, pa.ArrowException) as error:
            word = " · ".join(filter(None, [word, f"no forecasts to read: {error}"]))
    rows = pd.concat([empty_forecasts(), *parts], ignore_index=True)
    if rows["forecast"].notna().any():
        return build_view(closes, rows, history_days=days, models=entry.models), word
    if closes.empty:
        raise OptionError(f"{coin}: {word or 'there is nothing to show'}")
    return _plain_view(closes, coin, days, entry.models), word


def _plain_view(
    closes: pd.DataFrame, coin: str, days: int, models: tuple[str, ...]
) -> ForecastView:
    """Return the view of a coin without any forecast."""
    last = closes["date"].max()
    recent = closes[closes["date"] > last - pd.Timedelta(days=days)]
    history = recent[["date", "close"]].assign(coin=0)
    models = tuple(sorted(set(models)))
    names = ["date", "middle", *(f"forecast_{j}" for j in range(len(models)))]
    nothing = {name: np.empty(0) for name in names}
    return ForecastView(
        coins=(coin,),
        models=models,
        bands=(),
        captions=(f"Closes to {last:%Y-%m-%d}",),
        cutoffs=milliseconds(pd.Series([last])),
        history=pack(history[["coin", "date", "close"]], 1),
        ahead=Pack(nothing, np.zeros(2, dtype=np.int32)),
        without_forecast=(),
        history_days=days,
    )


def _told_of(entry: Entry) -> pa.Table:
    """Return all forecasts that were told of an entry, as one table."""

    def read() -> pa.Table:
        tables = [pa.ipc.open_stream(table).read_all() for table in entry.tables]
        return pa.concat_tables(tables, promote_options="permissive")

    return _told.get((entry.id, entry.version), read)


def _closes(entry: Entry, coin: str) -> tuple[pd.DataFrame, str]:
    """Return the closes of a coin, and a word where there are none."""
    none = pd.DataFrame({"coin": [], "date": pd.to_datetime([]), "close": []})
    if not entry.source:
        return none, ""
    if not Path(entry.source).exists():
        return none, f"this server does not see the prices in {entry.source}"
    try:
        return _loader(entry.source).get_df([coin])[["coin", "date", "close"]], ""
    except (CryptoDaskError, OSError) as error:
        return none, f"no prices: {error}"


def _loader(source: str) -> CryptoLoader:
    """Open a source of prices, or return it if it is open and has not changed."""
    path = Path(source)
    seen = [p.stat().st_mtime_ns for p in (path, path / "manifest.json") if p.exists()]
    return _loaders.get((source, *seen), lambda: CryptoLoader(path))


def _dataset(place: str) -> Any:
    """Return the files of a folder of forecasts, or a file, as a dataset that is filtered by coin.

    Raises
    ------
    TableError
        The folder's run has not ended.
    """
    import pyarrow.dataset as ds

    out = path_of(place)
    if not exists(out):
        raise TableError(f"this server does not see {out}")
    files = [out / name for name in read_manifest(out)["files"]] if is_folder(out) else [out]
    form = "csv" if out.suffix == ".csv" else "parquet"
    system = None if isinstance(out, Path) else out.fs
    places = [file if isinstance(file, Path) else file.path for file in files]
    return ds.dataset(places, format=form, filesystem=system)


def _coins_written(out: str) -> set[str]:
    names: set[str] = set()
    try:
        for batch in _dataset(out).to_batches(columns=["coin"]):
            names.update(map(str, pa.compute.unique(batch["coin"]).to_pylist()))
    except (CryptoDaskError, OSError, ValueError, pa.ArrowException):
        return names  # the run has not ended yet, or its folder is not seen; `view_of` says so
    return names


def _forecasts_written(out: str, coin: str) -> pd.DataFrame:
    import pyarrow.dataset as ds

    frame: pd.DataFrame = _dataset(out).to_table(filter=ds.field("coin") == coin).to_pandas()
    return frame

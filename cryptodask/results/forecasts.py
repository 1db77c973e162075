"""`Forecasts`: the forecast table in memory, on workers, or as files in a folder or a store."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.charts import Chart
from cryptodask.errors import TableError
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.io.files import FileRecord
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import AnyPath, path_of, resolved
from cryptodask.models.base import PanelForecast
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.records import FloatArray
from cryptodask.results.failures import failure_table
from cryptodask.results.jobs import task_table
from cryptodask.results.manifest import FAILURES, LOST, TASKS, Manifest, read_manifest
from cryptodask.results.pictures import forecast_chart, rows_of_coin
from cryptodask.results.shown import ShowsFacts, facts_of, span_of

if TYPE_CHECKING:
    import dask.dataframe as dd

FORECAST_COLUMNS = ("coin", "model", "cutoff", "date", "step", "forecast")


@dataclass(frozen=True, repr=False)
class Forecasts(ShowsFacts):
    """Forecasts, with what happened on the way.

    The table is ``coin, model, cutoff, date, step, forecast``, by coin, model and step: ``cutoff``
    is the last date that the model saw, ``date`` the day forecast, ``step`` the bars between,
    ``forecast`` the price in the quote currency. Where intervals were asked for, ``lower_80,
    upper_80, lower_95, upper_95`` follow, NaN where no error of past forecasts was known.

    Attributes
    ----------
    models : list of str
    horizon : int
        Bars.
    failures : DataFrame
        ``coin, model, exception, message``: every coin and model without a forecast.
    lost : DataFrame
        Rows and files that could not be read, with file, line and reason, where the prices came
        from a folder; see `cryptodask.prices.clean.findings`. An import reports those of a table.
    tasks : DataFrame
        What each job did: ``model, coins, bounded, rows, missed, missed_naive, worker, began,
        ended``, and the seconds of each stage (see `cryptodask.timing`); ``bounded`` coins have
        intervals, and see `against_naive` for the two after ``rows``.
    features : dict of str to str
        Fingerprints of what models on declared features saw, by model; see
        `cryptodask.features.space.FeatureSpace`.
    has_intervals : bool
    path : Path, UPath or None
        The folder of its files; ``pandas.read_parquet`` reads it, too, in no certain order.
    files : tuple of FileRecord
        By model and coin.
    frame : DataFrame or None
        The table of one that is in memory.
    futures : dask.dataframe.DataFrame or None
        The table of one that was left on the workers.
    prices : CryptoLoader or None
        What was forecast, for `plot`; None of those that were opened from a folder.

    Examples
    --------
    >>> forecasts = CryptoManager("data").forecast(["linear"])     # doctest: +SKIP
    >>> forecasts.get_df().groupby("coin")["forecast"].last()      # doctest: +SKIP
    """

    models: list[str]
    horizon: int
    failures: pd.DataFrame = field(default_factory=lambda: failure_table([]))
    lost: pd.DataFrame = field(default_factory=empty_findings)
    tasks: pd.DataFrame = field(default_factory=lambda: task_table([]))
    features: dict[str, str] = field(default_factory=dict)
    has_intervals: bool = False
    path: AnyPath | None = None
    files: tuple[FileRecord, ...] = ()
    frame: pd.DataFrame | None = None
    futures: "dd.DataFrame | None" = None
    prices: CryptoLoader | None = field(default=None, compare=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        if self.frame is not None:
            return len(self.frame)
        return int(self.tasks["coins"].sum()) * self.horizon

    def _facts(self) -> dict[str, object]:
        """Return what is in it."""
        facts = {
            "rows": f"{len(self):,}",
            "cutoffs": None if self.frame is None else span_of(self.frame["cutoff"]),
            "intervals": "80 and 95%" if self.has_intervals else "none",
        }
        held = "in memory" if self.futures is None else "on the workers"
        return facts_of(self, self.models, facts, held)

    def plot(
        self,
        coin: str | None = None,
        *,
        last: int = 180,
        log: bool = False,
        prices: CryptoLoader | None = None,
    ) -> Chart:
        """Return a chart of one coin: its closes, forecasts and intervals.

        Closes after the cutoff are drawn, too, where there are some by now. What is read is the
        files of the forecasts, one after the other, and the prices of that coin.

        Parameters
        ----------
        coin : str, optional
            By default the first in the alphabet.
        last : int
            Bars of closes before the cutoff.
        log : bool
            Whether prices are on a logarithmic axis; what is not above 0 is then left out, and
            the caption counts it.
        prices : CryptoLoader, optional
            Where the closes are; by default the prices of the run. Forecasts that were opened
            from a folder know none, and the caption says so.

        Returns
        -------
        Chart
            Which a notebook shows; `Chart.save` writes it as HTML or PNG.

        Raises
        ------
        UnknownCoinError
            They have no forecast of that coin.
        OptionError
            ``last`` is below 1.
        DamagedFileError
            A file of the forecasts is not as it was written.
        """
        rows = rows_of_coin(self.parts(), coin, "the forecasts")
        return forecast_chart(rows, self.models, prices or self.prices, last, log)

    @property
    def is_complete(self) -> bool:
        """Whether every coin has a forecast of every model, and every row could be read."""
        return self.failures.empty and self.lost.empty

    def against_naive(self) -> dict[str, float]:
        """Return how far each model's past forecasts missed, as a share of how far naive's did.

        They are those that intervals are made from, at all steps; an error is absolute, in log
        returns, over what the coin was expected to move, so that wild coins do not decide.

        Returns
        -------
        dict of str to float
            By model; below 1 is better than naive. Empty without intervals, or where a version
            that was trained before brought its past errors along.
        """
        if "missed_naive" not in self.tasks:  # of a folder that was written before there was this
            return {}
        sums = self.tasks.groupby("model", sort=False)[["missed", "missed_naive"]].sum()
        known = sums[sums["missed_naive"] > 0]
        return {str(model): row.missed / row.missed_naive for model, row in known.iterrows()}

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the table file by file, each checked against its size and checksum.

        Raises
        ------
        DamagedFileError
            A file is not as it was written.
        """
        if self.frame is not None:
            yield self.frame
        elif self.futures is not None:
            for part in self.futures.partitions:
                yield part.compute()
        for record in self.files:
            assert self.path is not None
            yield read_part(self.path, record)

    def head(self, rows: int = 5) -> pd.DataFrame:
        """Return the first rows."""
        first = next(self.parts(), empty_forecasts(self.has_intervals))
        return first.head(rows)

    def get_df(self) -> pd.DataFrame:
        """Return the table, by coin, model and step."""
        if self.frame is not None:
            return self.frame
        return sort_forecasts(list(self.parts()), self.models, self.has_intervals)

    def get_ddf(self) -> "dd.DataFrame":
        """Return the table as a Dask dataframe; nothing is read yet."""
        import dask
        import dask.dataframe as dd

        if self.futures is not None:
            return self.futures
        with dask.config.set({"dataframe.convert-string": False}):
            if self.path is None:
                return dd.from_pandas(self.get_df(), npartitions=1)
            meta = empty_forecasts(self.has_intervals)
            if not self.files:
                return dd.from_pandas(meta, npartitions=1)
            return dd.from_map(_read_file, list(self.files), folder=self.path, meta=meta)


def open_forecasts(
    path: str | os.PathLike[str] | AnyPath, manifest: Manifest | None = None
) -> Forecasts:
    """Open forecasts that were written to a folder, or to a URL that fsspec knows.

    Parameters
    ----------
    path : str or path
    manifest : Manifest, optional
        Of the folder, where it is known; by default it is read.

    Raises
    ------
    TableError
        There are none, or the run did not end.
    InputError
        The manifest is damaged.
    DamagedFileError
        A table of failures, of what was lost, or of tasks is.
    """
    folder = resolved(path_of(path))
    manifest = manifest or read_manifest(folder, ["forecasts"])
    failures, lost, tasks = (
        read_frame(folder / name, manifest.record(name)) for name in (FAILURES, LOST, TASKS)
    )
    return Forecasts(
        list(manifest.models),
        manifest.horizon,
        failures.astype("str"),
        lost.astype(empty_findings().dtypes.to_dict()),
        tasks,
        dict(manifest.features),
        manifest.intervals,
        folder,
        tuple(manifest.files),
    )


def read_part(folder: AnyPath, record: FileRecord) -> pd.DataFrame:
    """Read the forecasts that one task wrote.

    Raises
    ------
    DamagedFileError
        The file is not as it was written.
    """
    rows = read_frame(folder / record.name, record)
    try:
        return rows.astype(empty_forecasts(BOUNDS[0] in rows.columns).dtypes.to_dict())
    except KeyError as error:
        raise TableError(f"{folder / record.name}: is not a table of forecasts: {error}") from error


def _read_file(record: FileRecord, folder: AnyPath) -> pd.DataFrame:
    return read_part(folder, record)


def empty_forecasts(intervals: bool = False) -> pd.DataFrame:
    """Return a forecast table of no rows, with the dtypes that every forecast table has."""
    return _no_forecasts(intervals).copy()


@cache
def _no_forecasts(intervals: bool) -> pd.DataFrame:
    """Return the empty table that all others are copies of: making one takes a millisecond."""
    types = {"coin": "str", "model": "str", "step": "int64"}
    types |= dict.fromkeys(("cutoff", "date"), "datetime64[s]")
    names = (*FORECAST_COLUMNS, *(BOUNDS if intervals else ()))
    return pd.DataFrame({c: pd.Series(dtype=types.get(c, "float64")) for c in names})


@cache
def forecast_schema(intervals: bool = False) -> pa.Schema:
    """Return the columns of a forecast table as Arrow has them."""
    return pa.Schema.from_pandas(_no_forecasts(intervals), preserve_index=False)


def forecast_rows(forecast: PanelForecast, bounds: FloatArray | None = None) -> pa.Table:
    """Return what a model forecasts of a panel, in the columns of a forecast table.

    In Arrow, since a dataframe of a few hundred coins takes longer to make than their forecasts.

    Parameters
    ----------
    forecast : PanelForecast
    bounds : ndarray of float64, ``(n_coins, horizon, 4)``, optional
        Intervals, prices in the quote currency, in the order of `BOUNDS`.
    """
    n, horizon = forecast.values.shape
    schema = forecast_schema(bounds is not None)
    places = pa.array(np.repeat(np.arange(n, dtype=np.int32), horizon))
    names = schema.field("coin").type
    columns: list[Any] = [
        pa.array(forecast.coins, names).take(places),
        pa.repeat(pa.scalar(forecast.model, names), n * horizon),
        np.repeat(forecast.cutoffs, horizon),
        forecast.dates.ravel(),
        np.tile(np.arange(1, horizon + 1), n),
        forecast.values.ravel(),
        *([] if bounds is None else bounds.reshape(-1, len(BOUNDS)).T),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def forecast_frame(tables: Sequence[pa.Table], intervals: bool = False) -> pd.DataFrame:
    """Return the tables of `forecast_rows` as one dataframe."""
    if not tables:
        return empty_forecasts(intervals)
    rows = pa.concat_tables(tables).to_pandas()
    frame: pd.DataFrame = rows.astype(empty_forecasts(intervals).dtypes.to_dict())
    return frame


def sort_forecasts(
    frames: Sequence[pd.DataFrame], models: Sequence[str], intervals: bool = False
) -> pd.DataFrame:
    """Join frames, all with intervals or none, by coin, model (in this order) and step."""
    frame = pd.concat([empty_forecasts(intervals), *frames], ignore_index=True)
    rank = frame["model"].map({name: i for i, name in enumerate(models)})
    places = np.lexsort(
        [frame["step"].to_numpy(), rank.to_numpy(), frame["coin"].to_numpy(dtype=object)]
    )
    return frame.iloc[places].reset_index(drop=True)

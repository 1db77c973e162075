"""What a run gives: the forecast table, in memory or as a folder of files, and all around it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.errors import TableError
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.io import files, parquet
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import AnyPath, read_text
from cryptodask.models.base import PanelForecast
from cryptodask.records import CoinFailure, FloatArray

if TYPE_CHECKING:
    import dask.dataframe as dd

FORECAST_COLUMNS = ("coin", "model", "cutoff", "date", "step", "forecast")
FAILURE_COLUMNS = ("coin", "model", "exception", "message")

MANIFEST = "_manifest.json"
"""Written last: a folder without it holds a run that did not end. Readers of Parquet pass over
files whose names begin with an underscore."""

FAILURES, LOST, TASKS = "_failures.parquet", "_lost.parquet", "_tasks.parquet"
"""The tables beside the forecasts; see `Forecasts`."""


class Forecasts(pd.DataFrame):
    """The forecast table, with what happened on the way.

    A dataframe ``coin, model, cutoff, date, step, forecast``, by coin, model and step: ``cutoff``
    is the last date that the model saw, ``date`` the day forecast, ``step`` the bars between,
    ``forecast`` the price in the quote currency. Where intervals were asked for, ``lower_80,
    upper_80, lower_95, upper_95`` follow, NaN where no error of past forecasts was known. What is
    made from it is a plain dataframe.

    Attributes
    ----------
    failures : DataFrame
        ``coin, model, exception, message``: every coin and model without a forecast.
    lost : DataFrame
        Rows and files that could not be read, with file, line and reason, where the prices came
        from a folder; see `cryptodask.prices.clean.findings`. An import has told them of a table.
    tasks : DataFrame
        What each future did: ``model, coins, bounded, rows, worker, began, ended``, and the
        seconds of each stage (see `cryptodask.timing`); ``bounded`` coins have intervals.
    features : dict of str to str
        Fingerprints of what models on declared features saw, by model; see
        `cryptodask.features.FeatureSpace`.
    """

    _metadata = ["failures", "lost", "tasks", "features"]  # noqa: RUF012 - pandas reads it from the class
    failures: pd.DataFrame
    lost: pd.DataFrame
    tasks: pd.DataFrame
    features: dict[str, str]

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame


@dataclass(frozen=True)
class ForecastFolder:
    """A forecast table as a folder of Parquet files, which the workers wrote.

    Attributes
    ----------
    path : Path or UPath
        The folder, or its URL: ``pandas.read_parquet`` reads it, too, in no certain order.
    rows : int
    failures, lost, tasks : DataFrame
    features : dict of str to str
        See `Forecasts`.
    """

    path: AnyPath
    rows: int
    failures: pd.DataFrame
    lost: pd.DataFrame
    tasks: pd.DataFrame
    features: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.rows

    @property
    def has_intervals(self) -> bool:
        """Whether there are intervals beside the forecasts."""
        return bool(read_manifest(self.path).get("intervals"))

    @property
    def files(self) -> list[AnyPath]:
        """The files that hold forecasts, by model and coin."""
        return [self.path / name for name in read_manifest(self.path)["files"]]

    def get_ddf(self) -> "dd.DataFrame":
        """Return the forecasts as a Dask dataframe; nothing is read yet."""
        import dask
        import dask.dataframe as dd

        with dask.config.set({"dataframe.convert-string": False}):
            meta = empty_forecasts(self.has_intervals)
            return dd.from_map(read_part, self.files, meta=meta)


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


def forecast_rows(made: PanelForecast, bounds: FloatArray | None = None) -> pa.Table:
    """Return what a model made of a panel, in the columns of a forecast table.

    In Arrow, since a dataframe of a few hundred coins takes longer to make than their forecasts.
    Intervals, ``(n_coins, horizon, 4)``, are in the order of their columns.
    """
    n, horizon = made.values.shape
    schema = forecast_schema(bounds is not None)
    places = pa.array(np.repeat(np.arange(n, dtype=np.int32), horizon))
    names = schema.field("coin").type
    columns = [
        pa.array(made.coins, names).take(places),
        pa.repeat(pa.scalar(made.model, names), n * horizon),
        np.repeat(made.cutoffs, horizon),
        made.dates.ravel(),
        np.tile(np.arange(1, horizon + 1), n),
        made.values.ravel(),
        *([] if bounds is None else bounds.reshape(-1, len(BOUNDS)).T),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def forecast_frame(tables: Sequence[pa.Table], intervals: bool = False) -> pd.DataFrame:
    """Return what `forecast_rows` made as one dataframe."""
    if not tables:
        return empty_forecasts(intervals)
    rows = pa.concat_tables(tables).to_pandas()
    frame: pd.DataFrame = rows.astype(empty_forecasts(intervals).dtypes.to_dict())
    return frame


@cache
def forecast_schema(intervals: bool = False) -> pa.Schema:
    """Return the columns of a forecast table as Arrow has them."""
    return pa.Schema.from_pandas(_no_forecasts(intervals), preserve_index=False)


def failure_table(failures: Sequence[CoinFailure]) -> pd.DataFrame:
    """Return failures as a table, by coin and model."""
    frame = pd.DataFrame([asdict(f) for f in failures], columns=list(FAILURE_COLUMNS), dtype="str")
    return frame.sort_values(["coin", "model"], kind="stable", ignore_index=True)


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


@contextmanager
def write_frames(
    folder: AnyPath, name: str, schema: pa.Schema
) -> Iterator[Callable[[pd.DataFrame | pa.Table], None]]:
    """Write a file frame by frame; see `cryptodask.io.parquet.write_frames`."""
    # Forecasts hardly ever repeat.
    repeating = [name for name in schema.names if name not in ("forecast", *BOUNDS)]
    with parquet.write_frames(folder / name, schema, repeating) as writer:
        yield writer


def write_part(folder: AnyPath, name: str, frame: pd.DataFrame) -> None:
    """Write one frame as a file, whole or not at all; done twice, it is the same file."""
    repeating = [name for name in frame.columns if name not in ("forecast", *BOUNDS)]
    parquet.write_frame(frame, folder / name, repeating)


def write_json(folder: AnyPath, name: str, value: Any) -> None:
    """Write a value as JSON, whole or not at all."""
    files.write_json(value, folder / name)


def read_part(path: AnyPath) -> pd.DataFrame:
    """Read the forecasts that one task wrote."""
    rows = read_frame(path)
    return rows.astype(empty_forecasts(BOUNDS[0] in rows.columns).dtypes.to_dict())


def read_failed(folder: AnyPath) -> pd.DataFrame:
    """Read the failures of a folder of forecasts."""
    return read_frame(folder / FAILURES)


def read_manifest(folder: AnyPath) -> dict[str, Any]:
    """Read the manifest of a folder of forecasts.

    Raises
    ------
    TableError
        There is none, since the run did not end, or it is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads(read_text(folder / MANIFEST))
    except (OSError, ValueError) as error:
        raise TableError(
            f"{folder}: is no whole forecast table ({error}); run the forecast again"
        ) from error
    names = manifest.get("files")
    if not isinstance(names, list) or not all(isinstance(n, str) and _is_part(n) for n in names):
        raise TableError(f"{folder / MANIFEST}: names no files of a forecast; run it again")
    return manifest


def _is_part(name: str) -> bool:
    """Tell whether a file of this name is one that a forecast writes into its folder."""
    return "/" not in name and name.startswith("forecasts-") and name.endswith(".parquet")

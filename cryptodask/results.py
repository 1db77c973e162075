"""What a run gives: the forecast table, in memory or as a folder of files, and all around it."""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.errors import InputError, TableError
from cryptodask.models.base import PanelForecast
from cryptodask.records import CoinFailure

if TYPE_CHECKING:
    import dask.dataframe as dd

FORECAST_COLUMNS = ("coin", "model", "cutoff", "date", "step", "forecast")
FAILURE_COLUMNS = ("coin", "model", "exception", "message")

MANIFEST = "_manifest.json"
"""Written last: a folder without it holds a run that did not end. Readers of Parquet pass over
files whose names begin with an underscore."""

_FAILURES = "_failures.parquet"


class Forecasts(pd.DataFrame):
    """The forecast table, with what happened on the way.

    A dataframe ``coin, model, cutoff, date, step, forecast``, by coin, model and step: ``cutoff``
    is the last date that the model saw, ``date`` the day forecast, ``step`` the bars between,
    ``forecast`` the price in the quote currency. What is made from it is a plain dataframe.

    Attributes
    ----------
    failures : DataFrame
        ``coin, model, exception, message``: every coin and model without a forecast.
    lost : DataFrame
        Rows and files that could not be read, with file, line and reason, where the prices came
        from a folder; see `cryptodask.prices.findings`. An import has told them of a table.
    tasks : DataFrame
        What each future did: ``model, coins, rows, worker, began, ended``, and the seconds of
        each stage (see `cryptodask.stages`).
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
    path : Path
        The folder: ``pandas.read_parquet`` reads it, too, in no certain order.
    rows : int
    failures, lost, tasks : DataFrame
    features : dict of str to str
        See `Forecasts`.
    """

    path: Path
    rows: int
    failures: pd.DataFrame
    lost: pd.DataFrame
    tasks: pd.DataFrame
    features: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.rows

    @property
    def files(self) -> list[Path]:
        """The files that hold forecasts, by model and coin."""
        return [self.path / name for name in read_manifest(self.path)["files"]]

    def get_ddf(self) -> "dd.DataFrame":
        """Return the forecasts as a Dask dataframe; nothing is read yet."""
        import dask
        import dask.dataframe as dd

        with dask.config.set({"dataframe.convert-string": False}):
            return dd.from_map(read_part, self.files, meta=empty_forecasts())


def empty_forecasts() -> pd.DataFrame:
    """Return a forecast table of no rows, with the dtypes that every forecast table has."""
    return _no_forecasts().copy()


@cache
def _no_forecasts() -> pd.DataFrame:
    """Return the empty table that all others are copies of: making one takes a millisecond."""
    types = {"coin": "str", "model": "str", "step": "int64", "forecast": "float64"}
    days = dict.fromkeys(("cutoff", "date"), "datetime64[s]")
    return pd.DataFrame({c: pd.Series(dtype=(types | days)[c]) for c in FORECAST_COLUMNS})


def forecast_rows(made: PanelForecast) -> pa.Table:
    """Return what a model made of a panel, in the columns of a forecast table.

    In Arrow, since a dataframe of a few hundred coins takes longer to make than their forecasts.
    """
    n, horizon = made.values.shape
    schema = forecast_schema()
    places = pa.array(np.repeat(np.arange(n, dtype=np.int32), horizon))
    names = schema.field("coin").type
    columns = [
        pa.array(made.coins, names).take(places),
        pa.repeat(pa.scalar(made.model, names), n * horizon),
        np.repeat(made.cutoffs, horizon),
        made.dates.ravel(),
        np.tile(np.arange(1, horizon + 1), n),
        made.values.ravel(),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def forecast_frame(tables: Sequence[pa.Table]) -> pd.DataFrame:
    """Return what `forecast_rows` made as one dataframe."""
    if not tables:
        return empty_forecasts()
    rows = pa.concat_tables(tables).to_pandas()
    frame: pd.DataFrame = rows.astype(empty_forecasts().dtypes.to_dict())
    return frame


@cache
def forecast_schema() -> pa.Schema:
    """Return the columns of a forecast table as Arrow has them."""
    return pa.Schema.from_pandas(_no_forecasts(), preserve_index=False)


def failure_table(failures: Sequence[CoinFailure]) -> pd.DataFrame:
    """Return failures as a table, by coin and model."""
    frame = pd.DataFrame([asdict(f) for f in failures], columns=list(FAILURE_COLUMNS), dtype="str")
    return frame.sort_values(["coin", "model"], kind="stable", ignore_index=True)


def sort_forecasts(frames: Sequence[pd.DataFrame], models: Sequence[str]) -> pd.DataFrame:
    """Join frames, by coin, model (in this order) and step."""
    frame = pd.concat([empty_forecasts(), *frames], ignore_index=True)
    rank = frame["model"].map({name: i for i, name in enumerate(models)})
    places = np.lexsort(
        [frame["step"].to_numpy(), rank.to_numpy(), frame["coin"].to_numpy(dtype=object)]
    )
    return frame.iloc[places].reset_index(drop=True)


def open_folder(path: Path) -> Path:
    """Make a folder for forecasts, or empty one that holds those of an earlier run.

    Raises
    ------
    InputError
        There is something else, which is nobody's to replace.
    """
    if path.exists():
        ours = path.is_dir() and all(_is_own(file.name) for file in path.iterdir())
        if not ours:
            raise InputError(
                f"{path}: is there already and holds something other than forecasts; name another"
            )
        # The manifest first: what is left of a folder that is being emptied is no whole table.
        (path / MANIFEST).unlink(missing_ok=True)
        for file in path.iterdir():
            file.unlink(missing_ok=True)
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


@contextmanager
def write_frames(
    folder: Path, name: str, schema: pa.Schema
) -> Iterator[Callable[[pd.DataFrame | pa.Table], None]]:
    """Write a file frame by frame, each a group of rows, so that no more than one is in memory.

    The file is there at the end of the block, whole, or, where the block raises, not at all. Done
    twice, it is the same file.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file.
    schema : Schema
        Of every frame.

    Yields
    ------
    callable
        What adds a frame, of pandas or of Arrow.
    """
    import pyarrow.parquet as pq

    draft = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        # Forecasts hardly ever repeat, so that a dictionary of them costs time and saves nothing.
        repeated = [name for name in schema.names if name != "forecast"]
        with pq.ParquetWriter(draft, schema, use_dictionary=repeated) as sink:

            def write(frame: pd.DataFrame | pa.Table) -> None:
                if isinstance(frame, pd.DataFrame):
                    frame = pa.Table.from_pandas(frame, schema, preserve_index=False)
                if len(frame):
                    sink.write_table(frame)

            yield write
        draft.replace(folder / name)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_part(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """Write one frame as a file, whole or not at all; done twice, it is the same file."""
    schema = pa.Schema.from_pandas(frame.iloc[:0], preserve_index=False)
    with write_frames(folder, name, schema) as write:
        write(frame)


def read_part(path: Path) -> pd.DataFrame:
    """Read the forecasts that one task wrote."""
    return pd.read_parquet(path).astype(empty_forecasts().dtypes.to_dict())


def read_failed(folder: Path) -> pd.DataFrame:
    """Read the failures of a folder of forecasts."""
    return pd.read_parquet(folder / _FAILURES)


def close_folder(
    folder: Path, files: Sequence[str], failures: pd.DataFrame, facts: dict[str, Any]
) -> None:
    """Write failures and then the manifest, which makes the folder a whole forecast table."""
    write_part(folder, _FAILURES, failures)
    named = {*files, _FAILURES}
    for file in list(folder.iterdir()):  # drafts of workers that were killed
        if file.name not in named:
            file.unlink(missing_ok=True)
    draft = folder / f".{MANIFEST}"
    draft.write_text(json.dumps({**facts, "files": list(files)}, indent=1) + "\n", "utf-8")
    draft.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder of forecasts.

    Raises
    ------
    TableError
        There is none, since the run did not end, or it is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(
            f"{folder}: is no whole forecast table ({error}); run the forecast again"
        ) from error
    names = manifest.get("files")
    if not isinstance(names, list) or not all(isinstance(n, str) and _is_own(n) for n in names):
        raise TableError(f"{folder / MANIFEST}: names no files of a forecast; run it again")
    return manifest


def _is_own(name: str) -> bool:
    """Tell whether a file of this name is one that a run writes into its folder."""
    plain = name.lstrip(".")
    return "/" not in name and (
        name.lstrip(".").startswith((MANIFEST, _FAILURES))
        or (plain.startswith("forecasts-") and ".parquet" in plain)
    )

"""What pages read of results: no other module of the dashboard opens forecasts or backtests."""

from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from cryptodask.errors import CryptoDaskError, InputError, TableError
from cryptodask.io.files import read_json
from cryptodask.io.formulas import guard, unguard, unguard_frame
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import AnyPath, exists, is_folder, names_in, read_text
from cryptodask.results import Backtest, open_backtest, open_forecasts
from cryptodask.results.forecasts import empty_forecasts
from cryptodask.results.manifest import MANIFEST, PLAN, read_manifest

__all__ = [
    "UNREADABLE",
    "Backtest",
    "coins_in",
    "empty_forecasts",
    "failures_in",
    "forecasts_in",
    "is_backtest",
    "is_forecast",
    "models_in",
    "open_backtest",
    "scores_in",
    "source_in",
]

UNREADABLE = (CryptoDaskError, OSError, ValueError, KeyError, pa.ArrowException)
"""Errors of files that are missing, not finished, or not what they should be."""


def is_backtest(path: AnyPath) -> bool:
    """Return whether a path is the folder of a backtest.

    Parameters
    ----------
    path : path
    """
    try:
        return any(name.startswith("backtest-") for name in names_in(path)) or (
            read_manifest(path).kind == "backtest"
        )
    except (TableError, InputError, OSError):
        return False


def is_forecast(path: AnyPath) -> bool:
    """Return whether a path is a file of forecasts, or a folder of forecasts that is complete.

    Parameters
    ----------
    path : path
    """
    return exists(path / MANIFEST) or (path.suffix in (".parquet", ".csv") and not is_folder(path))


def models_in(path: AnyPath) -> tuple[str, ...]:
    """Return the models of a folder of forecasts; none for a file, which is not read.

    Parameters
    ----------
    path : path
    """
    return tuple(read_manifest(path).models) if exists(path / MANIFEST) else ()


def source_in(path: AnyPath) -> str:
    """Return the path of the prices that a run's folder was made from; "" where it doesn't say.

    Parameters
    ----------
    path : path
        A file has no plan.
    """
    try:
        plan = read_json(path / PLAN)
        source = plan["spec"]["source"]
    except (OSError, CryptoDaskError, KeyError, TypeError):
        return ""
    return source if isinstance(source, str) else ""


def coins_in(path: AnyPath) -> set[str]:
    """Return the coins of a folder or file of forecasts; none where it can't be read yet.

    Parameters
    ----------
    path : path
    """
    names: set[str] = set()
    try:
        for batch in _dataset(path).to_batches(columns=["coin"]):
            cells = map(str, pa.compute.unique(batch["coin"]).to_pylist())
            names.update(map(unguard, cells) if path.suffix == ".csv" else cells)
    except UNREADABLE:
        return names  # the run has not ended, or its folder is not visible: `view_of` says so
    return names


def forecasts_in(path: AnyPath, coin: str) -> pd.DataFrame:
    """Return the forecasts of a coin from a folder or file.

    Parameters
    ----------
    path : path
    coin : str

    Raises
    ------
    TableError
        The path does not exist here, or the folder's run has not ended.
    """
    import pyarrow.dataset as ds

    is_csv = path.suffix == ".csv"
    wanted = ds.field("coin") == (guard(coin) if is_csv else coin)
    frame: pd.DataFrame = _dataset(path).to_table(filter=wanted).to_pandas()
    return unguard_frame(frame) if is_csv else frame


def failures_in(path: AnyPath) -> pd.DataFrame:
    """Return the failures of a folder of forecasts, or those in the file beside one.

    Parameters
    ----------
    path : path

    Returns
    -------
    DataFrame
        ``coin, model, exception, message``.
    """
    if not path.suffix:
        return open_forecasts(path).failures
    beside = path.with_name(f"{path.stem}.failures{path.suffix}")
    if path.suffix == ".csv":
        return unguard_frame(pd.read_csv(StringIO(read_text(beside))))
    return read_frame(beside)


def scores_in(folder: AnyPath, most: int) -> list[dict[str, Any]]:
    """Return the scores of a backtest, a row a model.

    Parameters
    ----------
    folder : path
    most : int
        Bytes of its files at most.

    Raises
    ------
    CryptoDaskError
        Its files are larger.
    """
    backtest = open_backtest(folder)
    size = sum(record.size for record in backtest.files)
    if size > most:
        raise CryptoDaskError(f"{folder}: {size / 1e6:,.0f} MB are too much to score here")
    rows = backtest.scores().to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _dataset(path: AnyPath) -> Any:
    """Return a folder's files of forecasts, or a file, as a dataset that is filtered by coin."""
    import pyarrow.dataset as ds

    if not exists(path):
        raise TableError(f"{path}: is not visible to this server")
    records = read_manifest(path, ["forecasts"]).files if is_folder(path) else []
    files = [path / record.name for record in records] if is_folder(path) else [path]
    form = "csv" if path.suffix == ".csv" else "parquet"
    system = None if isinstance(path, Path) else path.fs
    places = [file if isinstance(file, Path) else file.path for file in files]
    return ds.dataset(places, format=form, filesystem=system)

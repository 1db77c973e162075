"""Rows of a backtest and their prices, part by part, for a function of both."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from cryptodask.io.files import FileRecord, damage, damaged
from cryptodask.io.parquet import open_parquet
from cryptodask.io.paths import AnyPath
from cryptodask.results import Backtest
from cryptodask.results.backtest import of_origins
from cryptodask.worker.job import Job

COLUMNS = ("open", "close", "volume")
"""Of prices, that are read."""

Contents = pd.DataFrame
"""``coin, model, first, forecasts``: a row a coin and model, with its first origin, and how many
of its rows have a forecast."""


def call_by_part(
    job: Job, backtest: Backtest, function: Callable[..., Any], *args: Any
) -> list[Any]:
    """Call a pure function on the rows of a backtest and the prices of some coins, then the next.

    Parameters
    ----------
    job : Job
        The coins, and where their prices are.
    backtest : Backtest
        Whose files were compared with their checksums.
    function : callable
        Of rows, of prices (``coin, date`` and `COLUMNS`) and of ``args``.
    *args

    Returns
    -------
    list
        What it returned, for whole coins each.
    """
    return list(parts_of(job, backtest, function, *args))


def parts_of(
    job: Job, backtest: Backtest, function: Callable[..., Any], *args: Any
) -> Iterator[Any]:
    """Yield what `call_by_part` returns, as it comes."""
    for partition in job.partitions:
        prices = partition.load(COLUMNS).prices
        for rows in backtest.coin_parts(partition.coins, checked=True):
            inside = prices["coin"].isin(rows["coin"].unique())
            yield function(rows, prices[inside], *args)


def contents(backtest: Backtest) -> Contents:
    """Return which coins and models a backtest in memory has."""
    if backtest.frame is None:
        return _contents(pd.DataFrame({"coin": [], "model": [], "cutoff": [], "forecast": []}))
    return _contents(of_origins(backtest.frame, backtest.origins))


def file_contents(file: tuple[Backtest, FileRecord]) -> Contents:
    """Compare a file of a backtest with its checksum, and return which coins it has.

    Parameters
    ----------
    file : tuple of Backtest and FileRecord
        One of its files.

    Raises
    ------
    DamagedFileError
        The file is not as it was written.
    """
    backtest, record = file
    path = _path(backtest) / record.name
    if reason := damage(path, record):
        raise damaged(path, reason)
    tables = []
    with open_parquet(path, record) as groups:
        for number in range(groups.num_row_groups):
            columns = ["coin", "model", "cutoff", "forecast"]
            table = groups.read_row_group(number, columns=columns).to_pandas()
            tables.append(_contents(of_origins(table, backtest.origins)))
    return _joined(tables).assign(file=record.name)


def without_rows(backtest: Backtest) -> Backtest:
    """Return what tasks on the files of a backtest need of it."""
    return replace(backtest, failures=backtest.failures[:0], lost=backtest.lost[:0],
                   tasks=backtest.tasks[:0])  # fmt: skip


def _path(backtest: Backtest) -> AnyPath:
    assert backtest.path is not None
    return backtest.path


def _contents(rows: pd.DataFrame) -> Contents:
    rows = rows.assign(forecasts=rows["forecast"].notna().astype("int64"))
    by_coin = rows.groupby(["coin", "model"], sort=False)
    return by_coin.agg(first=("cutoff", "min"), forecasts=("forecasts", "sum")).reset_index()


def _joined(tables: list[Contents]) -> Contents:
    """Return contents of several groups of rows, each coin and model once."""
    if not tables:
        return contents(Backtest([], 0, pd.DatetimeIndex([]).to_numpy()))
    rows = pd.concat(tables, ignore_index=True).groupby(["coin", "model"], sort=False)
    return rows.agg({"first": "min", "forecasts": "sum"}).reset_index()

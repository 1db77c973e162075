"""What one future of a backtest does: some coins, and one model at every origin."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from cryptodask.backtests.result import failure_frame, failures_of, join_failures, no_failures
from cryptodask.evaluate.backtest import backtest_panel, empty_backtest
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model
from cryptodask.models.base import columns_needed
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import DateArray
from cryptodask.results.forecasts import write_part
from cryptodask.timing import stage, watching
from cryptodask.work import Job, keeping, read_panel, worker_address
from cryptodask.worker.deadline import within


@dataclass(frozen=True)
class TaskResult:
    """What one task brings back.

    Attributes
    ----------
    table, failures : DataFrame
        Of no rows where they were written to files.
    forecasts, rows : int
        Coins and origins with a forecast, and rows that were read.
    worker : str
    seconds : dict of str to float
        By stage; see `cryptodask.timing`.
    began, ended : float
        By the worker's clock, in seconds since 1970.
    """

    table: pd.DataFrame
    failures: pd.DataFrame
    forecasts: int
    rows: int
    worker: str
    seconds: dict[str, float]
    began: float
    ended: float


def run_task(
    job: Job,
    cut: RowFilter,
    models: Model | Sequence[Model],
    origins: DateArray,
    horizon: int,
    seed: int,
    window: int | None,
    refit: int,
    out: tuple[AnyPath, str] | None,
) -> TaskResult:
    """Backtest one model on all coins of a job: what a worker does.

    With ``out``, a folder and a file's name, the table is put there part by part, after a file of
    the failures, and nothing is returned of either.
    """
    began = time.time()
    tables, failures = [empty_backtest()], [no_failures()]
    count = rows = 0
    schema = pa.Schema.from_pandas(empty_backtest(), preserve_index=False)
    with watching() as seconds, keeping(tables, out, schema) as keep:
        for table, failed, read in _backtest_parts(
            job, cut, models, origins, horizon, seed, window, refit
        ):
            keep(table)
            failures.append(failed)
            rows += read
            count += len(table) // horizon
        if out is not None:
            # First, so that a table that is there has its failures beside it.
            write_part(out[0], failures_of(out[1]), join_failures(failures))
            failures = [no_failures()]
    table, failed = pd.concat(tables, ignore_index=True), join_failures(failures)
    return TaskResult(table, failed, count, rows, worker_address(), seconds, began, time.time())


def _backtest_parts(
    job: Job,
    cut: RowFilter,
    models: Model | Sequence[Model],
    origins: DateArray,
    horizon: int,
    seed: int,
    window: int | None,
    refit: int,
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, int]]:
    """Yield table, failures and rows read of one part after the other."""
    every = models if isinstance(models, Sequence) else [models]
    columns = columns_needed(every[0]) if every else ()
    for part in job.parts:
        with within(job.timeout), stage("read"):
            panel, _, rows = read_panel(part, cut, columns=columns, past=True)
        with within(job.timeout), stage("fit"):
            done = backtest_panel(
                panel, models, origins, horizon, seed,
                window=window, refit=refit, splits=cut.splits,
            )  # fmt: skip
        yield done.table, failure_frame(done.failures), rows

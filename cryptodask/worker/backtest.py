"""A job of a backtest: read some coins, and forecast them with one model as of every origin."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from cryptodask.evaluate.backtest import backtest_panel, empty_backtest
from cryptodask.models import Model
from cryptodask.models.allocator import keep_freed_memory
from cryptodask.prices.partition import Partition
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import DateArray
from cryptodask.results.jobs import JobDone, TaskFiles, write_done
from cryptodask.timing import stage, watching
from cryptodask.worker.deadline import within
from cryptodask.worker.job import Job
from cryptodask.worker.read import coins_without_rows, read_panel
from cryptodask.worker.sink import JobTally, Sink, row_sink


@dataclass(frozen=True)
class BacktestPlan:
    """What all jobs of a backtest with one model have in common.

    Attributes
    ----------
    row_filter : RowFilter
    models : Model, or list of Model
        The model, or one for each origin, as of one that is trained on all coins.
    origins : ndarray of datetime64[s], ``(n_origins,)``
        At which it forecasts.
    horizon, seed : int
    window : int or None
        Latest rows that the model sees.
    refit : int
    """

    row_filter: RowFilter
    models: Model | Sequence[Model]
    origins: DateArray
    horizon: int
    seed: int
    window: int | None
    refit: int

    @property
    def name(self) -> str:
        """The model's."""
        every = self.models if isinstance(self.models, Sequence) else [self.models]
        return every[0].name if every else ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the model reads beside the closes."""
        every = self.models if isinstance(self.models, Sequence) else [self.models]
        return tuple(every[0].columns) if every else ()


def backtest_schema() -> pa.Schema:
    """Return the columns of a backtest table as Arrow has them."""
    return pa.Schema.from_pandas(empty_backtest(), preserve_index=False)


def backtest_job(job: Job, plan: BacktestPlan, files: TaskFiles | None = None) -> JobDone:
    """Backtest one model on all coins of a job.

    Parameters
    ----------
    job : Job
    plan : BacktestPlan
    files : TaskFiles, optional
        Where the table is written, partition by partition, and the record after it; by default
        the table is returned.
    """
    keep_freed_memory()
    with watching() as seconds:
        tally = JobTally(seconds)
        with row_sink(files, backtest_schema()) as sink:
            for partition in job.partitions:
                with within(job.timeout):
                    _backtest_partition(partition, plan, tally, sink)
    if files is None:
        return tally.done(table=pd.concat([empty_backtest(), *sink.tables], ignore_index=True))
    done = tally.done(file=sink.record)
    return write_done(files, done)


def _backtest_partition(
    partition: Partition, plan: BacktestPlan, tally: JobTally, sink: Sink
) -> None:
    """Backtest the coins of one partition."""
    with stage("read"):
        panel, lost, rows = read_panel(partition, plan.row_filter, columns=plan.columns, past=True)
    with stage("fit"):
        backtest = backtest_panel(
            panel, plan.models, plan.origins, plan.horizon, plan.seed,
            window=plan.window, refit=plan.refit, splits=plan.row_filter.splits,
        )  # fmt: skip
    failures = backtest.failures + coins_without_rows(partition, panel, plan.name)
    sink.write(backtest.table)
    tally.add(failures, lost, backtest.table["coin"].nunique(), rows)

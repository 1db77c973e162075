"""Intervals: what workers keep of each job until all errors are counted, and what follows.

A first call makes the state of a job: forecasts, and the errors of past ones. Two passes count
these errors, and only counts come to the client, whose size does not depend on the number of
coins. A last pass puts intervals around the forecasts, and writes or returns them. Counts are
whole numbers, so that nothing depends on how coins are divided.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.evaluate.intervals.bounds import forecast_bounds, table_bounds
from cryptodask.evaluate.intervals.error_counts import PoolSummary
from cryptodask.evaluate.intervals.look_back import Cohort, look_back
from cryptodask.evaluate.intervals.past_errors import PastErrors, table_errors
from cryptodask.evaluate.intervals.pooling import (
    PooledErrors,
    Pools,
    compare_naive,
    count_errors,
)
from cryptodask.io.files import FileRecord
from cryptodask.io.parquet import open_parquet
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model, run_model
from cryptodask.models.allocator import keep_freed_memory
from cryptodask.models.base import PanelForecast
from cryptodask.prices.partition import Partition
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import DateArray, Panel
from cryptodask.results.forecasts import forecast_frame, forecast_rows, forecast_schema
from cryptodask.results.jobs import JobDone, TaskFiles, write_done
from cryptodask.timing import stage, watching
from cryptodask.worker.backtest import BacktestPlan, backtest_job, backtest_schema
from cryptodask.worker.deadline import within
from cryptodask.worker.job import Job
from cryptodask.worker.read import coins_without_rows, read_panel, rows_as_of_now
from cryptodask.worker.sink import JobTally, row_sink

Summaries = Mapping[int, PoolSummary]
"""By cohort."""


class IntervalState(Protocol):
    """What is kept of a job until its intervals can be made."""

    @property
    def done(self) -> JobDone:
        """What the job did so far."""
        ...

    def count(self, summaries: Summaries | None) -> Pools:
        """Count the errors of its past forecasts."""
        ...

    def bound(self, pooled: PooledErrors, files: TaskFiles | None) -> JobDone:
        """Put intervals around its forecasts, and write or return these."""
        ...


def count_state(state: IntervalState, summaries: Summaries | None) -> Pools:
    """Count the errors of a job: a pass over what workers keep."""
    return state.count(summaries)


def bound_state(state: IntervalState, pooled: PooledErrors, files: TaskFiles | None) -> JobDone:
    """Put intervals around the forecasts of a job: the last pass."""
    done = state.bound(pooled, files)
    return done if files is None else write_done(files, done)


def _bounded(before: JobDone, seconds: Mapping[str, float], **more: Any) -> JobDone:
    """Return what a job did, the seconds of its last pass included."""
    spent = {name: before.seconds.get(name, 0.0) + seconds[name] for name in seconds}
    return replace(before, seconds={**before.seconds, **spent}, ended=time.time(), **more)


@dataclass(frozen=True)
class PastDates:
    """At which past dates a model forecasts, for the intervals of its next forecast.

    Attributes
    ----------
    cohorts : list of Cohort
    refit : int
        Models are retrained at every Nth of these dates.
    """

    cohorts: Sequence[Cohort]
    refit: int


@dataclass(frozen=True)
class ForecastState:
    """Forecasts without intervals, and the errors of past ones, of each partition of a job.

    Attributes
    ----------
    done : JobDone
    parts : list of (PanelForecast, list of PastErrors)
    """

    done: JobDone
    parts: list[tuple[PanelForecast, list[PastErrors]]]

    def count(self, summaries: Summaries | None) -> Pools:
        """Count the errors of past forecasts."""
        return count_errors((errors for _, past in self.parts for errors in past), summaries)

    def bound(self, pooled: PooledErrors, files: TaskFiles | None) -> JobDone:
        """Put intervals around the forecasts, and write or return these."""
        bounded = 0
        with (
            watching() as seconds,
            row_sink(files, forecast_schema(intervals=True)) as sink,
        ):
            for forecast, past in self.parts:
                with stage("predict"):
                    bounds = forecast_bounds(forecast, past, pooled.summaries, pooled.quantiles)
                bounded += int(np.isfinite(bounds).all(axis=(1, 2)).sum())
                sink.write(forecast_rows(forecast, bounds))
        table = None if files else forecast_frame(sink.tables, intervals=True)
        missed, by_naive = compare_naive(errors for _, past in self.parts for errors in past)
        return _bounded(
            self.done, seconds, bounded=bounded, table=table, file=sink.record,
            missed=missed, missed_naive=by_naive,
        )  # fmt: skip


def look_back_job(
    job: Job, row_filter: RowFilter, model: Model, horizon: int, seed: int, past: PastDates
) -> ForecastState:
    """Forecast all coins of a job as of now and as of past dates.

    Parameters
    ----------
    job : Job
    row_filter : RowFilter
        Which rows the model sees as of now; its ``max_points`` are those of each past date, too.
    model : Model
    horizon : int
        Bars.
    seed : int
    past : PastDates
    """
    keep_freed_memory()
    parts = []
    with watching() as seconds:
        tally = JobTally(seconds)
        for partition in job.partitions:
            with within(job.timeout):
                parts.append(_look_back(partition, row_filter, model, horizon, seed, past, tally))
    return ForecastState(tally.done(), parts)


def _look_back(
    partition: Partition,
    row_filter: RowFilter,
    model: Model,
    horizon: int,
    seed: int,
    past: PastDates,
    tally: JobTally,
) -> tuple[PanelForecast, list[PastErrors]]:
    """Forecast the coins of one partition as of now and as of past dates."""
    all_rows = replace(row_filter, max_points=None)
    with stage("read"):
        panel, lost, rows = read_panel(partition, all_rows, columns=model.columns, past=True)
    with stage("fit"):
        forecast = run_model(model, rows_as_of_now(panel, row_filter), horizon, seed)
        errors = look_back_panel(panel, forecast, past, seed, row_filter)
    failures = forecast.failures + coins_without_rows(partition, panel, model.name)
    tally.add(failures, lost, len(forecast.coins), rows)
    return replace(forecast, failures=[]), errors


def look_back_panel(
    panel: Panel, forecast: PanelForecast, past: PastDates, seed: int, row_filter: RowFilter
) -> list[PastErrors]:
    """Return the errors of a panel's forecasts as of past dates; see `look_back`."""
    return look_back(
        panel, forecast, past.cohorts, seed,
        window=row_filter.max_points, refit=past.refit, splits=row_filter.splits,
    )  # fmt: skip


@dataclass(frozen=True)
class BacktestState:
    """A backtest table without intervals, in memory or as a file of a run's folder.

    Attributes
    ----------
    done : JobDone
        With the table, or the record of the file.
    folder : Path or UPath, optional
        Of the file.
    origins : ndarray of datetime64[s], ``(n_origins,)``
        All that may be in it.
    horizon : int
        Bars.
    step : timedelta64
        From one bar to the next.
    """

    done: JobDone
    folder: AnyPath | None
    origins: DateArray
    horizon: int
    step: np.timedelta64

    @property
    def shape(self) -> tuple[DateArray, int, np.timedelta64]:
        """Origins, horizon and step."""
        return self.origins, self.horizon, self.step

    def count(self, summaries: Summaries | None) -> Pools:
        """Count the errors of the table, with all origins, also those without a row."""
        return self._count(self._tables(), summaries) or self._count([empty_backtest()], summaries)

    def _count(self, tables: Iterable[pd.DataFrame], summaries: Summaries | None) -> Pools:
        return count_errors((table_errors(table, *self.shape) for table in tables), summaries)

    def bound(self, pooled: PooledErrors, files: TaskFiles | None) -> JobDone:
        """Put intervals into the table, and write or return it."""
        bounded: set[str] = set()
        with (
            watching() as seconds,
            row_sink(files, backtest_schema()) as sink,
        ):
            for table in self._tables():
                with stage("predict"):
                    rows = table_bounds(table, *self.shape, pooled.summaries, pooled.quantiles)
                bounded |= set(rows["coin"][rows["lower_80"].notna()])
                sink.write(rows)
        table = pd.concat([empty_backtest(), *sink.tables], ignore_index=True)
        return _bounded(
            self.done, seconds, bounded=len(bounded), table=None if files else table,
            file=sink.record,
        )  # fmt: skip

    def _tables(self) -> Iterator[pd.DataFrame]:
        """Yield the table, or those of the file's groups of rows."""
        if self.done.table is not None:
            yield self.done.table
        if self.folder is None or self.done.file is None:
            return
        record: FileRecord = self.done.file
        with open_parquet(self.folder / record.name, record) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group).to_pandas()
                yield rows.astype(empty_backtest().dtypes.to_dict())


def backtest_state(
    job: Job, plan: BacktestPlan, origins: DateArray, step: np.timedelta64
) -> BacktestState:
    """Backtest one model on all coins of a job, and keep the table in memory.

    Parameters
    ----------
    job : Job
    plan : BacktestPlan
    origins : ndarray of datetime64[s], ``(n_origins,)``
        All of the backtest; the model may have failed at some.
    step : timedelta64
        From one bar to the next.
    """
    return BacktestState(backtest_job(job, plan), None, origins, plan.horizon, step)

"""Intervals of forecasts: what workers do for them, and what the client joins.

Workers forecast as of now and as of past dates, and keep what came of it in their memory, some
kilobytes a coin. Twice they count errors, and only counts come to the client, whose size does not
depend on the number of coins; then they put intervals around the forecasts, and write or return
these. Counts are whole numbers, so that nothing depends on how coins are divided.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from cryptodask.cluster import Ended, TaskId, WorkerState
from cryptodask.evaluate.intervals.error_counts import PoolSummary
from cryptodask.evaluate.intervals.past_errors import (
    Cohort,
    PastErrors,
    Pools,
    count,
    join_pools,
    look_back,
    price_bounds,
    quantiles,
    typicals,
)
from cryptodask.features.segments import Segments
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model, run_model
from cryptodask.models.allocator import keep_freed_memory
from cryptodask.models.base import PanelForecast, columns_needed
from cryptodask.prices.clean.findings import join_findings
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import FloatArray, Panel
from cryptodask.results.forecasts import (
    empty_forecasts,
    forecast_frame,
    forecast_rows,
    forecast_schema,
)
from cryptodask.timing import stage, watching
from cryptodask.work import (
    Job,
    JobResult,
    coins_without_rows,
    keeping,
    read_panel,
    tell,
    worker_address,
)
from cryptodask.worker.deadline import within


@dataclass(frozen=True)
class Held:
    """What one task leaves on its worker until intervals can be made.

    Attributes
    ----------
    told : JobResult
        All but the forecasts.
    parts : list
        Forecasts, and what past ones came to, of each part of the job.
    """

    told: JobResult
    parts: list[tuple[PanelForecast, list[PastErrors]]]


def hold_job(
    job: Job,
    cut: RowFilter,
    model: Model,
    horizon: int,
    seed: int,
    cohorts: Sequence[Cohort],
    refit: int,
) -> Held:
    """Forecast all coins of a job as of now and of past dates: what a worker does first."""
    began = time.time()
    keep_freed_memory()
    whole, window = replace(cut, max_points=None), cut.max_points
    columns = columns_needed(model)
    parts, failures, losses, read = [], [], [], 0
    with watching() as seconds:
        for part in job.parts:
            with within(job.timeout), stage("read"):
                panel, told, rows = read_panel(part, whole, columns=columns, past=True)
            with within(job.timeout), stage("fit"):
                seen = _seen_now(panel, cut)
                made = run_model(model, seen, horizon, seed)
                past = look_back(
                    panel, made, cohorts, seed, window=window, refit=refit, splits=cut.splits
                )
            failures += made.failures + coins_without_rows(part, panel, model)
            parts.append((replace(made, failures=[]), past))
            losses.append(told)
            read += rows
    coins = sum(len(made.coins) for made, _ in parts)
    lost, where = join_findings(losses), worker_address()
    told_of = JobResult(
        empty_forecasts(), failures, lost, coins, read, where, seconds, began, time.time()
    )
    return Held(told_of, parts)


def _seen_now(panel: Panel, cut: RowFilter) -> Panel:
    """Return the rows that a model sees as of now, of those that were read for past dates, too."""
    rows = panel.lengths
    if cut.splits and len(panel):
        stops = panel.indptr[1:]
        rows = stops - Segments.of(panel).begins[stops - 1]
    if cut.max_points is not None:
        rows = np.minimum(rows, cut.max_points)
    return panel if (rows == panel.lengths).all() else panel.tail(rows)


def count_job(held: Held, typical: dict[int, PoolSummary] | None) -> Pools:
    """Count the errors of a job."""
    return count((one for _, seen in held.parts for one in seen), typical)


def bound_job(
    held: Held,
    typical: dict[int, PoolSummary],
    found: dict[int, FloatArray],
    out: tuple[AnyPath, str] | None,
) -> JobResult:
    """Put intervals around the forecasts of a job: what a worker does last."""
    tables: list[pa.Table] = []
    bounded = 0
    with watching() as seconds, keeping(tables, out, forecast_schema(intervals=True)) as keep:
        for made, seen in held.parts:
            with stage("predict"):
                bounds = price_bounds(made, seen, typical, found)
            bounded += int(np.isfinite(bounds).all(axis=(1, 2)).sum())
            keep(forecast_rows(made, bounds))
        told = held.told
        spent = {name: told.seconds.get(name, 0.0) + seconds.get(name, 0.0) for name in seconds}
        done = replace(told, seconds=told.seconds | spent, ended=time.time(), bounded=bounded)
        tell(done, out)
    return replace(done, forecasts=forecast_frame(tables, intervals=True), ended=time.time())


Known = tuple[dict[str, dict[int, PoolSummary]], dict[str, dict[int, FloatArray]]]
"""Of each model's name and cohort: what all coins did, and the quantiles of their errors."""


def know(
    held: WorkerState, model_of: Callable[[TaskId], str], on_lost: Callable[[Ended], None]
) -> Known:
    """Join what all jobs count: two passes over what workers hold.

    Parameters
    ----------
    held : WorkerState
        Of each job its `Held`.
    model_of : callable
        The name of a job's model: errors of different models are not pooled.
    on_lost : callable
        Told of jobs that were lost on the way.
    """
    first = _count(held, model_of, {}, on_lost)
    typical = {model: typicals(pools) for model, pools in first.items()}
    pools = _count(held, model_of, typical, on_lost)
    return typical, {model: quantiles(counts) for model, counts in pools.items()}


def _count(
    held: WorkerState,
    model_of: Callable[[TaskId], str],
    typical: dict[str, dict[int, PoolSummary]],
    on_lost: Callable[[Ended], None],
) -> dict[str, Pools]:
    """Return the counts of each model, added up as they come."""
    pools: dict[str, Pools] = {}
    counted = held.each(count_job, lambda piece: (typical.get(model_of(piece)),), "count-errors")
    with closing(counted):
        for one in counted:
            if one.error is not None:
                on_lost(one)
                continue
            model = model_of(one.piece)
            pools[model] = join_pools([pools.get(model, {}), one.result])
    return pools

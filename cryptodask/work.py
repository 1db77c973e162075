"""What is planned on the client and done on a worker: jobs, each some coins and one model."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import chain, islice
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cryptodask.cluster.plan import cut_guided, workers_to_plan_for
from cryptodask.errors import NoPricesError
from cryptodask.evaluate.rolling import FILLED
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model, run_model
from cryptodask.models.allocator import keep_freed_memory
from cryptodask.models.base import WarmingModel, columns_needed, rows_needed, sound_coins
from cryptodask.models.pooled.base import PooledModel
from cryptodask.prices.clean.findings import empty_findings, join_findings, lost
from cryptodask.prices.clean.gaps import last_segments
from cryptodask.prices.panels import to_panel
from cryptodask.prices.partition import Partition, Source, pack, pack_files
from cryptodask.prices.reading import Reading
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.table.table_partition import TablePartition
from cryptodask.records import CoinFailure, DateArray, Panel
from cryptodask.results.forecasts import (
    empty_forecasts,
    failure_table,
    forecast_frame,
    forecast_rows,
    forecast_schema,
    write_frames,
    write_json,
    write_part,
)
from cryptodask.timing import stage, watching
from cryptodask.worker.deadline import within

UNIT = 2e-7
"""Seconds that a row of ``naive`` takes, in which models tell their cost; a core of 2025."""


@dataclass(frozen=True)
class Job:
    """Coins that one task forecasts with one model.

    They are read and fitted one part after the other, so that a worker holds no more than a part.

    Attributes
    ----------
    parts : tuple of Partition
    seconds : float
        What it takes, about.
    timeout : float, optional
        Seconds that a part may take, after which the worker is ended.
    """

    parts: tuple[Partition, ...]
    seconds: float = field(default=0.0, compare=False)
    timeout: float | None = field(default=None, compare=False)

    @property
    def coins(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(coin for part in self.parts for coin in part.coins)


@dataclass(frozen=True)
class ShippedPartition:
    """A partition whose rows travel with it, for workers that do not see its files."""

    coins: tuple[str, ...]
    reading: Reading
    rows: int
    freq: str
    paths: tuple[str, ...] = ()

    def read(self) -> pd.DataFrame:
        """Return the rows."""
        return self.reading.prices

    def load(self, columns: Sequence[str] | None = None) -> Reading:
        """Return the rows, and what was found in their files."""
        del columns
        return self.reading


def ship(job: Job) -> Job:
    """Read the prices of a job, to travel with it."""
    parts = [ShippedPartition(p.coins, p.load(), p.rows, p.freq) for p in job.parts]
    return replace(job, parts=tuple(parts))


@dataclass(frozen=True)
class JobResult:
    """What one task brings back: small frames, failures, and where the time went.

    Attributes
    ----------
    forecasts : DataFrame
        See `cryptodask.results.forecasts.Forecasts`; of no rows where they were written to a file.
    failures : list of CoinFailure
    lost : DataFrame
        Findings of rows that were left out in reading.
    coins, rows : int
        Coins with a forecast, and rows that were read.
    worker : str
        Its address.
    seconds : dict of str to float
        By stage; see `cryptodask.timing`.
    began, ended : float
        By the worker's clock, in seconds since 1970.
    bounded : int
        Coins with intervals; see `cryptodask.bands`.
    """

    forecasts: pd.DataFrame
    failures: list[CoinFailure]
    lost: pd.DataFrame
    coins: int
    rows: int
    worker: str
    seconds: dict[str, float]
    began: float
    ended: float
    bounded: int = 0


def seconds_a_row(source: Source, model: Model, times: float) -> float:
    """Return what a row takes, about, to be read and gone over so many times by a model."""
    return source.seconds_a_row + times * model.cost * UNIT


def plan_jobs(
    source: Source,
    coins: Sequence[str],
    model: Model,
    workers: int,
    n: int | None,
    times: float = 1,
) -> list[Job]:
    """Cut the work of one model into jobs.

    Parameters
    ----------
    source : Source
    coins : sequence of str
        In order.
    model : Model
        Whose cost counts beside that of reading.
    workers : int
        That are there now.
    n : int, optional
        Into exactly so many jobs of similar cost; by default guided, see `cryptodask.cluster.plan`.
    times : float
        How often the model goes over the rows that are read.
    """
    rows, file_boundaries = source.rows_of(coins), source.file_boundaries(coins)
    seconds = rows * seconds_a_row(source, model, times)
    if n is not None or source.is_shared:
        runs = pack(rows, n or workers)
    else:
        runs = cut_guided(
            seconds, workers_to_plan_for(float(seconds.sum()), workers), file_boundaries
        )
    inside = [_cut_inside(rows, file_boundaries, a, b) for a, b in runs]
    # All at once, since a source looks up all coins each time that it is asked.
    parts = iter(source.pick(coins, chain.from_iterable(inside)))
    return [
        Job(tuple(islice(parts, len(cuts))), float(seconds[a:b].sum()))
        for (a, b), cuts in zip(runs, inside, strict=True)
    ]


def _cut_inside(
    rows: NDArray[np.int64], file_boundaries: NDArray[np.int64], start: int, stop: int
) -> list[tuple[int, int]]:
    """Cut one run of coins into parts that fit into memory."""
    first, last = np.searchsorted(file_boundaries, (start + 1, stop))
    cuts = pack_files(rows[start:stop], file_boundaries[first:last] - start)
    return [(start + a, start + b) for a, b in cuts]


def run_job(
    job: Job,
    cut: RowFilter,
    model: Model,
    horizon: int,
    seed: int,
    out: tuple[AnyPath, str] | None = None,
) -> JobResult:
    """Forecast all coins of a job with one model: what a worker does.

    A pure function of its arguments and of the files that the job names; with ``out``, a folder
    and a file's name, the forecasts are put there, part by part, and not returned.
    """
    began = time.time()
    keep_freed_memory()
    tables: list[pa.Table] = []
    failures: list[CoinFailure] = []
    losses: list[pd.DataFrame] = []
    coins = rows = 0
    with watching() as seconds, keeping(tables, out, forecast_schema()) as keep:
        for part in job.parts:
            with within(job.timeout):
                table, failed, told, read = _forecast_part(part, cut, model, horizon, seed)
            keep(table)
            failures += failed
            losses.append(told)
            coins += len(table) // horizon
            rows += read
        lost, where = join_findings(losses), worker_address()
        done = JobResult(
            empty_forecasts(), failures, lost, coins, rows, where, seconds, began, time.time()
        )
        tell(done, out)
    return replace(done, forecasts=forecast_frame(tables), ended=time.time())


def tell(done: JobResult, out: tuple[AnyPath, str] | None) -> None:
    """Write what is to be known of a job beside its forecasts, before these are there."""
    if out is None:
        return
    folder, name = out
    failed, lost, task = told_in(name)
    write_part(folder, failed, failure_table(done.failures))
    if len(done.lost):
        write_part(folder, lost, done.lost)
    facts = {f.name: getattr(done, f.name) for f in fields(done) if f.name not in _TABLES}
    write_json(folder, task, facts)


_TABLES = ("forecasts", "failures", "lost")


def told_in(name: str) -> tuple[str, str, str]:
    """Return the names of the files beside one of forecasts: failures, findings, and the task."""
    number = name.removeprefix("forecasts-").removesuffix(".parquet")
    return f"_failures-{number}.parquet", f"_lost-{number}.parquet", f"_task-{number}.json"


@contextmanager
def keeping(
    tables: list[Any], out: tuple[AnyPath, str] | None, schema: pa.Schema
) -> Iterator[Callable[[Any], None]]:
    """Give what puts the table of a part into a list, or into a file of this schema.

    A table of pandas or of Arrow; the file is there at the end of the block.
    """
    if out is None:
        yield tables.append
        return
    # Reading and fitting, which are stages inside it, do not count as writing.
    with stage("write"), write_frames(*out, schema) as write:
        yield write


def share(costs: Sequence[float], n: int) -> list[list[int]]:
    """Share out numbered jobs among at most so many groups of similar cost.

    The longest goes to whichever has least so far (Graham, SIAM Journal on Applied Mathematics 17,
    1969).
    """
    groups: list[list[int]] = [[] for _ in range(min(max(n, 1), len(costs)))]
    sums = [0.0] * len(groups)
    for i in np.argsort(-np.asarray(costs, dtype=float), kind="stable").tolist():
        least = sums.index(min(sums))
        groups[least].append(i)
        sums[least] += costs[i]
    return groups


def join_jobs(jobs: Sequence[Job]) -> Job:
    """Return one job of the coins of several, at least one."""
    parts = tuple(part for job in jobs for part in job.parts)
    return Job(parts, sum(job.seconds for job in jobs), jobs[0].timeout)


def prepare_job(job: Job, cut: RowFilter, model: PooledModel, horizon: int) -> list[Any]:
    """Read the coins of a job and return what a pooled model trains on, part by part.

    Coins that the model can't forecast are left out, and told when they are to be forecast.
    """
    prepared = []
    for part in job.parts:
        with within(job.timeout):
            panel, _, _ = read_panel(part, cut, columns=columns_needed(model))
            sound, _ = sound_coins(model, panel, horizon)
            prepared.append(model.prepare(sound))
    return prepared


def _forecast_part(
    part: Partition, cut: RowFilter, model: Model, horizon: int, seed: int
) -> tuple[pa.Table, list[CoinFailure], pd.DataFrame, int]:
    """Forecast the coins of one part; return forecasts, failures, findings and rows read."""
    with stage("read"):
        columns = columns_needed(model)
        panel, told, rows = read_panel(part, cut, rows_needed(model, horizon), columns)
    with stage("fit"):
        result = run_model(model, panel, horizon, seed)
    failures = result.failures + coins_without_rows(part, panel, model)
    return forecast_rows(result), failures, told, rows


def coins_without_rows(part: Partition, panel: Panel, model: Model) -> list[CoinFailure]:
    """Return the failures of coins of a part that have no row in its panel."""
    return [
        CoinFailure.of(coin, model.name, NoPricesError(f"{coin}: no row in the days asked for"))
        for coin in sorted(set(part.coins) - set(panel.coins))
    ]


def span_of(job: Job, cut: RowFilter) -> tuple[np.datetime64, DateArray] | None:
    """Return the first date of a job's rows and the last one of each coin; None of no rows."""
    panels = [panel for part in job.parts if len(panel := read_panel(part, cut, past=True)[0])]
    if not panels:
        return None
    lasts = np.concatenate([panel.last_dates for panel in panels])
    return min(panel.dates.min() for panel in panels), lasts


def read_panel(
    part: Partition,
    cut: RowFilter,
    lookback: int | None = None,
    columns: Sequence[str] = (),
    *,
    past: bool = False,
) -> tuple[Panel, pd.DataFrame, int]:
    """Return the panel that a model sees, findings of rows that were lost, and the rows read.

    Of a table, rows that are more than ``lookback`` before a coin's last one may be left out. With
    columns beside the closes it is made from a frame, which takes longer. Where gaps are filled, it
    says which rows were (`cryptodask.evaluate.rolling.FILLED`). Where they split, rows before a
    coin's last one are there only for who looks at it as of ``past`` dates.
    """
    if not columns and isinstance(part, TablePartition) and cut.is_whole:
        panel = part.read_panel(lookback)
        return panel, empty_findings(), len(panel.values)
    reading = part.load(("close", *columns))
    prices = cut(reading.prices)
    is_cut = cut.splits and not past
    seen = last_segments(prices, cut.freq) if is_cut else prices
    if cut.gaps.mode == "fill":
        columns = (*columns, FILLED)
    return to_panel(seen, cut.freq, columns), lost(reading.findings), len(prices)


def warm(model: Model) -> None:
    """Have a model import and compile what it needs; where it can't say, its module is imported."""
    if hasattr(model, "warm_up"):
        cast(WarmingModel, model).warm_up()


def worker_address() -> str:
    """Return the address of the worker that this runs on, or "local"."""
    from dask.distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return "local"

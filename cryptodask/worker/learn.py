"""A job of a training: read some coins, and keep what one model learns of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptodask.evaluate.intervals.bounds import calibrate
from cryptodask.evaluate.intervals.past_errors import PastErrors
from cryptodask.evaluate.intervals.pooling import PooledErrors, Pools, count_errors
from cryptodask.models import Model, run_model
from cryptodask.models.allocator import keep_freed_memory
from cryptodask.models.base import PanelForecast
from cryptodask.models.fitting import sound_coins
from cryptodask.models.learned import Learned, join_learned
from cryptodask.models.trained import Trained, learn_panel
from cryptodask.prices.partition import Partition
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import CoinFailure, Panel
from cryptodask.results.jobs import JobDone, TaskFiles, check_run, write_done
from cryptodask.results.learned_files import OWN, date_arrays, write_learned
from cryptodask.results.version import CALIBRATION
from cryptodask.timing import stage, watching
from cryptodask.worker.calls import worker_is_closing
from cryptodask.worker.deadline import within
from cryptodask.worker.intervals import PastDates, Summaries, look_back_panel
from cryptodask.worker.job import Job
from cryptodask.worker.read import coins_without_rows, read_panel, rows_as_of_now
from cryptodask.worker.sink import JobTally


@dataclass(frozen=True)
class Lesson:
    """How a model is trained on the coins of a job.

    Attributes
    ----------
    model : Model
        One that is trained on all coins has been.
    row_filter : RowFilter
        Which rows it sees.
    horizon, seed : int
    """

    model: Model
    row_filter: RowFilter
    horizon: int
    seed: int

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to learn of single coins."""
        return not self.model.learns or isinstance(self.model, Trained)

    def learn(self, panel: Panel) -> tuple[Learned | None, list[CoinFailure]]:
        """Return what is learned of the coins of a panel, and why nothing is of others."""
        if not self.is_over:
            return learn_panel(self.model, panel, self.horizon, self.seed)
        sound, failures = sound_coins(self.model, panel, self.horizon)
        return (Learned(sound.coins, {}) if len(sound) else None), failures


def learn_job(job: Job, lesson: Lesson, files: TaskFiles) -> JobDone:
    """Learn of all coins of a job, and write it.

    A pure function of its arguments and of the files of prices.

    Parameters
    ----------
    job : Job
    lesson : Lesson
    files : TaskFiles
        Where it is written, all at once.
    """
    keep_freed_memory()
    parts = []
    with watching() as seconds:
        tally = JobTally(seconds)
        for partition in job.partitions:
            with within(job.timeout), stage("fit"):
                parts.append(_learn_partition(partition, lesson, tally))
        done = _write(files, tally.done(), [part for part in parts if part is not None])
    return write_done(files, replace(done, seconds=dict(seconds)))


def _learn_partition(partition: Partition, lesson: Lesson, tally: JobTally) -> Learned | None:
    """Learn of the coins of one partition."""
    with stage("read"):
        panel, lost, rows = read_panel(partition, lesson.row_filter, columns=lesson.model.columns)
    learned, failures = lesson.learn(panel)
    failures = failures + coins_without_rows(partition, panel, lesson.model.name)
    tally.add(failures, lost, len(learned.coins or ()) if learned else 0, rows)
    return with_dates(learned, panel)


def with_dates(learned: Learned | None, panel: Panel) -> Learned | None:
    """Add the dates of the rows that it was learned from."""
    if learned is None or learned.coins is None:
        return None
    place = {coin: i for i, coin in enumerate(panel.coins)}
    seen = panel.take([place[coin] for coin in learned.coins])
    return Learned(learned.coins, {**learned.arrays, **date_arrays(seen)})


def _write(files: TaskFiles, done: JobDone, parts: Sequence[Learned]) -> JobDone:
    """Write what was learned of the partitions of a job; nothing, of none."""
    if not parts:
        return done
    with stage("write"):
        record = write_learned(
            files.table, join_learned(parts), lambda: check_run(files, worker_is_closing)
        )
    return replace(done, file=record, ended=time.time())


@dataclass(frozen=True)
class LearnedState:
    """What was learned of a job, and the errors of past forecasts, of each partition.

    Attributes
    ----------
    done : JobDone
    parts : list of (Learned, PanelForecast, list of PastErrors)
    """

    done: JobDone
    parts: list[tuple[Learned, PanelForecast, list[PastErrors]]]

    def count(self, summaries: Summaries | None) -> Pools:
        """Count the errors of past forecasts."""
        return count_errors((errors for *_, past in self.parts for errors in past), summaries)

    def bound(self, pooled: PooledErrors, files: TaskFiles | None) -> JobDone:
        """Write what was learned, with what intervals are made from."""
        assert files is not None
        with watching() as seconds:
            calibrated = [self._calibrate(*part, pooled) for part in self.parts]
            done = _write(files, self.done, [learned for learned, _ in calibrated])
        spent = {name: self.done.seconds.get(name, 0.0) + seconds[name] for name in seconds}
        bounded = sum(count for _, count in calibrated)
        return replace(done, bounded=bounded, seconds={**self.done.seconds, **spent})

    def _calibrate(
        self,
        learned: Learned,
        forecast: PanelForecast,
        past: Sequence[PastErrors],
        pooled: PooledErrors,
    ) -> tuple[Learned, int]:
        """Return what was learned with what is known of errors, and of how many coins that is."""
        n, horizon = forecast.values.shape
        known = calibrate(n, horizon, past, pooled.summaries, pooled.quantiles)
        row = {coin: i for i, coin in enumerate(forecast.coins)}
        places = np.array([row.get(coin, -1) for coin in learned.coins or ()], dtype=np.int64)
        arrays = {}
        for name in CALIBRATION:
            values = getattr(known, name)
            there = np.full((len(places), *values.shape[1:]), np.nan)
            there[places >= 0] = values[places[places >= 0]]
            arrays[OWN + name] = there
        bounded = int(np.isfinite(arrays[OWN + "ratio"]).sum())
        return Learned(learned.coins, {**learned.arrays, **arrays}), bounded


def learn_look_back_job(job: Job, lesson: Lesson, past: PastDates) -> LearnedState:
    """Learn of all coins of a job, and forecast them as of past dates.

    Parameters
    ----------
    job : Job
    lesson : Lesson
        Its rows are those of each past date, too.
    past : PastDates
    """
    keep_freed_memory()
    parts = []
    with watching() as seconds:
        tally = JobTally(seconds)
        for partition in job.partitions:
            with within(job.timeout):
                part = _learn_and_look_back(partition, lesson, past, tally)
                parts += [] if part is None else [part]
    return LearnedState(tally.done(), parts)


def _learn_and_look_back(
    partition: Partition, lesson: Lesson, past: PastDates, tally: JobTally
) -> tuple[Learned, PanelForecast, list[PastErrors]] | None:
    """Learn of the coins of one partition, and forecast them as of past dates."""
    model, row_filter = lesson.model, lesson.row_filter
    horizon, seed = lesson.horizon, lesson.seed
    every = replace(row_filter, max_points=None)
    with stage("read"):
        panel, lost, rows = read_panel(partition, every, columns=model.columns, past=True)
    with stage("fit"):
        seen = rows_as_of_now(panel, row_filter)
        learned, failures = lesson.learn(seen)
        failures = failures + coins_without_rows(partition, panel, model.name)
        dated = with_dates(learned, seen)
        forecasting = model if lesson.is_over or learned is None else Trained(model, learned)
        known = seen if dated is None else _only(seen, dated.coins or ())
        forecast = run_model(forecasting, known, horizon, seed)
        errors = look_back_panel(panel, forecast, past, seed, row_filter)
    tally.add(failures, lost, len(dated.coins or ()) if dated else 0, rows)
    return None if dated is None else (dated, replace(forecast, failures=[]), errors)


def _only(panel: Panel, coins: Sequence[str]) -> Panel:
    kept = set(coins)
    return panel.take([i for i, coin in enumerate(panel.coins) if coin in kept])

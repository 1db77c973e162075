"""A forecast: the next bars of every coin, by every model."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from cryptodask.errors import ENDING
from cryptodask.evaluate.intervals.cohorts import Intervals, choose_cohorts
from cryptodask.evaluate.intervals.look_back import Cohort
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model
from cryptodask.models.base import fingerprints
from cryptodask.models.pooled.base import PooledModel, is_pooled
from cryptodask.records import CoinFailure
from cryptodask.results.failures import all_failed
from cryptodask.results.forecasts import (
    Forecasts,
    empty_forecasts,
    open_forecasts,
    sort_forecasts,
)
from cryptodask.results.jobs import TaskFiles, lost_table, task_table
from cryptodask.results.manifest import Manifest
from cryptodask.runs.kind import Call, Kind, Outcome
from cryptodask.runs.spec import ForecastSpec
from cryptodask.runs.training import PastTraining, Training
from cryptodask.runs.workload import Workload
from cryptodask.worker.forecast import forecast_job
from cryptodask.worker.intervals import PastDates, look_back_job
from cryptodask.worker.job import Job


class ForecastKind(Kind[ForecastSpec, Forecasts]):
    """A forecast."""

    tables = "forecasts"
    event = "forecast"

    def prepare(self) -> None:
        """Have models see the latest rows, if not all."""
        self.row_filter = replace(self.row_filter, max_points=self.spec.rows)
        self._trained: dict[str, Model] = {}
        self._past: dict[str, PastDates] = {}

    @property
    def intervals(self) -> bool:
        """Whether intervals were asked for."""
        return self.spec.intervals

    def passes(self, model: Model) -> float:
        """Return how many forecasts a model makes of each coin: as of now, and of past dates."""
        del model
        return self.spec.warmup // self.spec.calibrate + 2 if self.intervals else 1

    def train(
        self, workload: Workload, needed: Collection[str], say: Callable[[str], None]
    ) -> list[CoinFailure]:
        """Train pooled models on all coins, as of now and of the past dates of intervals."""
        used = [model for model in self.models if model.name in needed]
        if self.intervals:
            self._past = self._past_dates(used, workload, say)
        failures: list[CoinFailure] = []
        for model in used:
            if not is_pooled(model):
                self._trained[model.name] = model
                continue
            try:
                training = Training(**self._training_of(model, workload, say))
                self._trained[model.name] = training.train()
            except ENDING:
                raise
            except Exception as error:  # noqa: BLE001 - other models go on
                failures += all_failed(workload.coins, model.name, error)
        return failures

    def _training_of(
        self, model: PooledModel, workload: Workload, say: Callable[[str], None]
    ) -> dict[str, Any]:
        """Return what a training needs."""
        session, spec = self.session, self.spec
        return {
            "client": session.executor,
            "model": model,
            "workload": workload.together(model, 2 * session.threads()),
            "row_filter": self.row_filter,
            "horizon": spec.horizon,
            "seed": spec.seed,
            "say": say,
        }

    def _past_dates(
        self, models: Sequence[Model], workload: Workload, say: Callable[[str], None]
    ) -> dict[str, PastDates]:
        """Return at which past dates each model forecasts.

        A pooled model is trained as of the dates of the latest cohort alone: each other one would
        take as many trainings again.
        """
        spec, session = self.spec, self.session
        every = replace(self.row_filter, max_points=None)
        first, lasts = session.date_span(workload.coins, every)
        how = Intervals(spec.calibrate, spec.warmup, spec.refit)
        grids = choose_cohorts(first, lasts, session.step, how)
        past = {}
        for model in models:
            cohorts = [Cohort(grid, model, grid.origins) for grid in grids]
            if is_pooled(model):
                training = PastTraining(
                    **self._training_of(model, workload, say),
                    origins=grids[0].origins,
                    window=spec.rows,
                )
                trained = training.train_every(spec.refit)
                cohorts = [Cohort(grid, [], grid.origins[:0]) for grid in grids]
                cohorts[0] = Cohort(grids[0], trained.models, trained.origins)
            past[model.name] = PastDates(cohorts, spec.refit)
        return past

    def ready(self, model: Model) -> bool:
        """Return whether the training of a model succeeded."""
        return model.name in self._trained

    def call(self, job: Job, model: Model, files: TaskFiles | None) -> Call:
        """Return the call that forecasts a job."""
        spec, trained = self.spec, self._trained[model.name]
        return forecast_job, (job, self.row_filter, trained, spec.horizon, spec.seed, files)

    def state_call(self, job: Job, model: Model) -> Call:
        """Return the call that forecasts a job as of now and of past dates."""
        spec, trained = self.spec, self._trained[model.name]
        past = self._past[model.name]
        return look_back_job, (job, self.row_filter, trained, spec.horizon, spec.seed, past)

    def result(self, outcome: Outcome) -> Forecasts:
        """Return the forecasts in memory, or on the workers."""
        names = [model.name for model in self.models]
        tables = [done.table for _, done in outcome.jobs if done.table is not None]
        frame = futures = None
        if outcome.tables:
            futures = self._dask_frame(outcome)
        else:
            frame = sort_forecasts(tables, names, self.intervals)
        return Forecasts(
            names,
            self.spec.horizon,
            self.failure_table(outcome.failures),
            lost_table(done for _, done in outcome.jobs),
            task_table((model.name, done) for model, done in outcome.jobs if done.worker),
            fingerprints(self.models),
            self.intervals,
            frame=frame,
            futures=futures,
        )

    def _dask_frame(self, outcome: Outcome) -> Any:
        """Return the forecasts as a Dask dataframe over futures."""
        import dask
        import dask.dataframe as dd

        with dask.config.set({"dataframe.convert-string": False}):
            meta: pd.DataFrame = empty_forecasts(self.intervals)
            return dd.from_delayed(list(outcome.tables), meta=meta, verify_meta=False)

    def open(self, path: AnyPath, manifest: Manifest) -> Forecasts:
        """Return the forecasts in a folder."""
        return open_forecasts(path, manifest)

    def event_tables(self, result: Forecasts) -> dict[str, Any]:
        """Return the forecasts for pages."""
        return {"forecasts": result.frame}

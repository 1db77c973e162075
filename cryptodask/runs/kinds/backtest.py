"""A backtest: what models forecast as of past dates, beside what came."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.evaluate.intervals.cohorts import calibration_origins
from cryptodask.evaluate.rolling import choose_origins
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model
from cryptodask.models.base import fingerprints
from cryptodask.models.pooled.base import is_pooled
from cryptodask.prices.days import read_day
from cryptodask.records import CoinFailure, DateArray
from cryptodask.results.backtest import Backtest, of_origins, open_backtest
from cryptodask.results.failures import all_failed
from cryptodask.results.jobs import JobDone, TaskFiles, lost_table, task_table
from cryptodask.results.manifest import Manifest
from cryptodask.runs.kind import Call, Kind, Outcome
from cryptodask.runs.own_checks import report_unknown_ahead
from cryptodask.runs.spec import BacktestSpec, SearchSpec
from cryptodask.runs.training import PastTraining
from cryptodask.runs.workload import Workload
from cryptodask.worker.backtest import BacktestPlan, backtest_job
from cryptodask.worker.intervals import BacktestState, backtest_state
from cryptodask.worker.job import Job

S = TypeVar("S", BacktestSpec, SearchSpec)
R = TypeVar("R")


class DatedKind(Kind[S, R]):
    """What backtests and searches share: all models at all origins.

    Attributes
    ----------
    origins : ndarray of datetime64[s], ``(n_origins,)``
        That count.
    all_origins : ndarray of datetime64[s]
        These, and those that only the intervals need.
    """

    tables = "backtest"
    event = "backtest"
    group = "backtest-"
    dated_failures = True

    def prepare(self) -> None:
        """Choose the origins by the dates of all coins."""
        self.origins: DateArray = np.empty(0, dtype="datetime64[s]")
        self._trained: dict[str, tuple[Model | list[Model], DateArray]] = {}
        if self.coins:
            first, lasts = self.session.date_span(self.coins, self.row_filter)
            given = self.spec.origins
            days = given if isinstance(given, int) else [read_day("origins", d) for d in given]
            self.origins = choose_origins(
                first, lasts[-1], self.session.step, self.spec.horizon, days, self.spec.step
            )
            self.first = first
        self.all_origins = self._with_calibration()

    def check_facts(self) -> None:
        """Refuse facts that no coin has, and report columns that are not known ahead today."""
        super().check_facts()
        report_unknown_ahead(self.session, self.coins, self.models)

    def _with_calibration(self) -> DateArray:
        """Return all origins at which models forecast."""
        return self.origins

    @property
    def intervals(self) -> bool:
        """Whether passes that make intervals follow."""
        return False

    @property
    def first_origin(self) -> np.datetime64 | None:
        """The first origin that counts."""
        return self.origins[0] if len(self.origins) else None

    @property
    def rows_per_coin(self) -> int:
        """How many rows a job makes of a coin."""
        return self.spec.horizon * max(1, len(self.all_origins))

    def facts(self) -> dict[str, Any]:
        """Return what decides every number of the result."""
        return super().facts() | {
            "origins": self.origins.astype(str).tolist(),
            "calibrated": self.all_origins.astype(str).tolist(),
        }

    def passes(self, model: Model) -> float:
        """Return how often a model goes over the rows that are read."""
        # Where it looks at a few rows of each origin, reading them is what it costs.
        few = model.batches_dates and model.rows_at_ends(self.spec.horizon) is not None
        return 1 if few else max(1, len(self.all_origins))

    def train(
        self, workload: Workload, needed: Collection[str], say: Callable[[str], None]
    ) -> list[CoinFailure]:
        """Train pooled models as of every origin."""
        spec, session = self.spec, self.session
        failures: list[CoinFailure] = []
        for model in self.models:
            self._trained[model.name] = model, self.all_origins
            if model.name not in needed or not is_pooled(model):
                continue
            trained = PastTraining(
                session.executor, model, workload.together(model, 2 * session.threads()),
                self.row_filter, spec.horizon, spec.seed, say,
                origins=self.all_origins, window=spec.rows,
            ).train_every(spec.refit)  # fmt: skip
            self._trained[model.name] = trained.models, trained.origins
            for origin, error in trained.failures:
                failures += all_failed(self.coins, model.name, error, origin)
        return failures

    def call(self, job: Job, model: Model, files: TaskFiles | None) -> Call:
        """Return the call that backtests a job."""
        spec = self.spec
        models, origins = self._trained[model.name]
        plan = BacktestPlan(
            self.row_filter, models, origins, spec.horizon, spec.seed, spec.rows, spec.refit
        )
        return backtest_job, (job, plan, files)

    def manifest_facts(self) -> Mapping[str, Any]:
        """Return the origins."""
        return {"origins": self.origins.astype(str).tolist()}

    def failure_table(self, failures: Sequence[CoinFailure]) -> pd.DataFrame:
        """Return the failures at the origins that count, and of whole coins."""
        return of_origins(super().failure_table(failures), self.origins)

    def backtest(self, outcome: Outcome) -> Backtest:
        """Return the backtest in memory."""
        names = [model.name for model in self.models]
        tables = [empty_backtest()]
        tables += [done.table for _, done in outcome.jobs if done.table is not None]
        table = pd.concat(tables, ignore_index=True)
        backtest = Backtest(
            names,
            self.spec.horizon,
            self.origins,
            self.failure_table(outcome.failures),
            frame=of_origins(table, self.origins),
            features=fingerprints(self.models),
            lost=lost_table(done for _, done in outcome.jobs),
            tasks=task_table((model.name, done) for model, done in outcome.jobs if done.worker),
        )
        return backtest.sorted()


class BacktestKind(DatedKind[BacktestSpec, Backtest]):
    """A backtest."""

    writes_parts = True

    @property
    def intervals(self) -> bool:
        """Whether intervals were asked for."""
        return self.spec.intervals

    def _with_calibration(self) -> DateArray:
        spec = self.spec
        if not (spec.intervals and spec.calibrate and len(self.origins)):
            return self.origins
        return calibration_origins(
            self.origins, self.first, self.session.step, spec.calibrate, spec.warmup
        )

    def state_call(self, job: Job, model: Model) -> Call:
        """Return the call that backtests a job and keeps its table."""
        _, (_, plan, _) = self.call(job, model, None)
        return backtest_state, (job, plan, self.all_origins, self.session.step)

    def state_of(self, done: JobDone, folder: AnyPath) -> BacktestState:
        """Return the state of a job whose table was written."""
        return BacktestState(done, folder, self.all_origins, self.spec.horizon, self.session.step)

    def result(self, outcome: Outcome) -> Backtest:
        """Return the backtest in memory."""
        return self.backtest(outcome)

    def open(self, path: AnyPath, manifest: Manifest) -> Backtest:
        """Return the backtest in a folder."""
        return open_backtest(path, manifest)

    def event_tables(self, result: Backtest) -> dict[str, Any]:
        """Return the scores for pages."""
        return {"scores": result.scores()}

"""What a kind of run says: everything else is the engine's."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd

from cryptodask.io.files import FileRecord
from cryptodask.io.modules import own_digests
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model
from cryptodask.models.base import fingerprints
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import CoinFailure
from cryptodask.results.jobs import JobDone, TaskFiles
from cryptodask.results.manifest import Manifest
from cryptodask.runs.fingerprints import coins_fingerprint, prices_fingerprint
from cryptodask.runs.own_checks import check_facts
from cryptodask.runs.placing import place_reading, place_run
from cryptodask.runs.plan import Plan
from cryptodask.runs.session import Session
from cryptodask.runs.spec import RunSpec
from cryptodask.runs.workload import Workload, seconds_per_row
from cryptodask.worker.job import Job

if TYPE_CHECKING:
    from dask.distributed import Future

S = TypeVar("S", bound=RunSpec)
R = TypeVar("R")

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""What a worker calls, and its arguments."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to, of any kind.

    Attributes
    ----------
    jobs : sequence of (Model, JobDone)
        In order of models and coins.
    failures : sequence of CoinFailure
    tables : sequence of Future
        Of runs whose rows stay on the workers.
    """

    jobs: Sequence[tuple[Model, JobDone]]
    failures: Sequence[CoinFailure]
    tables: "Sequence[Future]" = ()


class Kind(ABC, Generic[S, R]):
    """A kind of run: what a worker does, which passes follow, and what the result is.

    Parameters
    ----------
    spec : RunSpec
    session : Session
    models : sequence of Model
        In the order of the result.

    Attributes
    ----------
    coins : list of str
        To run; known after `prepare`.
    without : list of CoinFailure
        Of coins that have not one row.
    place : Path or UPath or None
        The run's folder, once it is locked.
    """

    tables: ClassVar[str]
    """How names of its tables begin."""

    event: ClassVar[str]
    """What pages call it."""

    group: ClassVar[str] = ""
    """What the names of calls begin with, by which Dask's dashboard groups them."""

    dated_failures: ClassVar[bool] = False
    """Whether a coin may fail as of one date and not of another."""

    writes_parts = False
    """Whether its rows are written before they have intervals."""

    def __init__(self, spec: S, session: Session, models: Sequence[Model]) -> None:
        self.spec, self.session, self.models = spec, session, list(models)
        session.read_own(self.models)
        self.row_filter: RowFilter = spec.row_filter(session.loader.freq)
        names = [model.name for model in self.models]
        self.coins, self.without = session.choose_coins(spec.coins, names)
        self.place: AnyPath | None = None
        place_reading(session, self.coins, self.runs, spec.timeout)
        self.prepare()

    def prepare(self) -> None:
        """Decide what depends on the prices, as origins do, before the run begins."""

    def check_facts(self) -> None:
        """Refuse models with a feature that would be the same for all coins.

        Raises
        ------
        OptionError
            It is of a fact that no coin has.
        """
        check_facts(self.session, self.coins, self.models)

    @property
    def runs(self) -> Sequence[Model]:
        """The models whose code is run, where those that are planned with stand for others."""
        return self.models

    @property
    @abstractmethod
    def intervals(self) -> bool:
        """Whether passes that make intervals follow."""

    @property
    def warmed(self) -> Sequence[Model]:
        """The models for which workers import and compile what the first task needs."""
        return self.models

    @property
    def sent(self) -> Sequence[Model]:
        """The models that workers forecast by, whose modules they need."""
        return self.models

    @property
    def pools_errors(self) -> bool:
        """Whether intervals take passes over the errors of past forecasts."""
        return self.intervals

    def place_calls(self, *, here: bool) -> None:
        """Decide what does the calls of the run: this process, or a client.

        Parameters
        ----------
        here : bool
            Whether this process may: not for the rest of a run that was stopped, nor where rows
            stay on workers.
        """
        if not here:
            self.session.place(here=False)
            return
        source = self.session.loader.source
        seconds = (seconds_per_row(source, model, self.passes) for model in self.models)
        place_run(self.session, self.coins, seconds, self.runs, self.spec.timeout)

    @property
    def first_origin(self) -> np.datetime64 | None:
        """The first past date that is forecast from and counts; None of next forecasts."""
        return None

    def facts(self) -> dict[str, Any]:
        """Return what decides every number of the result, as JSON has it."""
        from cryptodask import __version__

        facts = {k: v for k, v in self.spec.deciding().items() if k != "coins"}
        digests = own_digests(self.sent)
        return (
            facts
            | ({"own": digests} if digests else {})
            | {
                "models": [repr(model) for model in self.models],
                "features": fingerprints(self.models),
                "coins": coins_fingerprint(self.coins),
                "prices": prices_fingerprint(self.session.loader),
                "version": __version__,
            }
        )

    def plan(self) -> Plan:
        """Return the plan of the run, without tasks."""
        spec = self.spec if self.spec.is_repeatable else None
        names = [model.name for model in self.models]
        return Plan(self.spec.kind, spec, self.facts(), names, len(self.coins), ())

    @abstractmethod
    def passes(self, model: Model) -> float:
        """Return how often a model goes over the rows that are read."""

    @abstractmethod
    def train(
        self, workload: Workload, needed: Collection[str], say: Callable[[str], None]
    ) -> list[CoinFailure]:
        """Train what must be trained before jobs begin; return failures of whole models.

        Parameters
        ----------
        workload : Workload
        needed : collection of str
            Names of the models that have something left to do.
        say : callable
            Called with what is in progress.
        """

    def ready(self, model: Model) -> bool:
        """Return whether a model can forecast, after `train`."""
        del model
        return True

    @abstractmethod
    def call(self, job: Job, model: Model, files: TaskFiles | None) -> Call:
        """Return the call of a worker that does a job, without intervals."""

    def state_call(self, job: Job, model: Model) -> Call:
        """Return the call that makes what workers keep for intervals."""
        raise NotImplementedError

    def state_of(self, done: JobDone, folder: AnyPath) -> Any:
        """Return the same for a job whose rows were written before they have intervals."""
        raise NotImplementedError

    def failure_table(self, failures: Sequence[CoinFailure]) -> pd.DataFrame:
        """Return failures as the table of the result."""
        from cryptodask.results.failures import failure_table

        return failure_table(failures, dated=self.dated_failures)

    def rows(self, coins: int) -> int:
        """Return how many rows the files have of all coins (times models) together."""
        return coins * self.spec.horizon

    @property
    def rows_per_coin(self) -> int:
        """How many rows a job makes of a coin."""
        return self.spec.horizon

    def write_beside(self, path: AnyPath, outcome: Outcome) -> list[FileRecord]:
        """Write what the folder has beside what all kinds of runs do; the manifest names it."""
        del path, outcome
        return []

    def manifest_facts(self) -> Mapping[str, Any]:
        """Return what the manifest says besides what all do."""
        return {}

    @abstractmethod
    def result(self, outcome: Outcome) -> R:
        """Return the result of a run in memory."""

    @abstractmethod
    def open(self, path: AnyPath, manifest: Manifest) -> R:
        """Return the result of a run in a folder with this manifest."""

    def event_tables(self, result: R) -> dict[str, Any]:
        """Return what pages are sent at the end of a run in memory: forecasts or scores."""
        del result
        return {}

"""Training of pooled models, as of now and as of many past dates: what the client joins."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptodask.cluster import TaskCall, TaskOutcome, WorkerState, hold_tasks, run_rounds
from cryptodask.errors import ENDING
from cryptodask.models import Model
from cryptodask.models.pooled.base import PooledModel
from cryptodask.models.pooled.gathered import is_gathered
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import DateArray, IntArray
from cryptodask.runs.gathering import gather_and_fit
from cryptodask.runs.workload import Workload
from cryptodask.worker.train import (
    TrainingDates,
    contribute,
    contribute_histories,
    prepare_histories,
    prepare_job,
    read_histories,
)

if TYPE_CHECKING:
    from dask.distributed import Client


@dataclass(frozen=True)
class TrainedAt:
    """A model as of past dates.

    Attributes
    ----------
    models : list of Model
        One for each of the origins.
    origins : ndarray of datetime64[s], ``(n_origins,)``
        Those at which training did not fail.
    failures : list of (datetime64, Exception)
        Why it failed at the others.
    """

    models: list[Model]
    origins: DateArray
    failures: list[tuple[np.datetime64, Exception]]


@dataclass
class Training:
    """Trains a pooled model on coins which workers read and prepare once.

    A coin that kills workers is left out, with a warning. It is forecast like others.

    Parameters
    ----------
    client : Client
    model : PooledModel
    workload : Workload
        The model's coins, in at least one task.
    row_filter : RowFilter
        Rows that are kept, whatever the date.
    horizon, seed : int
    say : callable
        Called with what is in progress, and at the end with an empty text.
    """

    client: "Client"
    model: PooledModel
    workload: Workload
    row_filter: RowFilter
    horizon: int
    seed: int
    say: Callable[[str], None]
    _notes: dict[str, str] = field(default_factory=dict, init=False, kw_only=True)

    def __post_init__(self) -> None:
        self.model = self.model.for_horizon(self.horizon)

    def train(self) -> Model:
        """Return the model, trained on all coins.

        Raises
        ------
        Exception
            What reading, preparing or a step raised.
        """
        self.say(f"{self.model.name}: reading")
        prepared = self._hold(prepare_job, self.row_filter, self.model, self.horizon)
        model = self._in_rounds(prepared, self._leave_out)
        self._end()
        return model

    def _end(self) -> None:
        """Report what a user should know of the training; as of many dates, of the last one."""
        self.say("")
        for note in self._notes.values():
            logging.getLogger(__name__).warning("%s: %s", self.model.name, note)
        self._notes = {}

    def _hold(self, function: Callable[..., Any], *args: Any) -> WorkerState:
        """Have workers keep what a function returns for each job."""
        name, workload = f"{self.model.name}-prepare", self.workload
        work = TaskCall(
            function, lambda task: (workload.job(task), *args), lambda _: name, workload.cost,
            workload.size, limit=workload.limit,
        )  # fmt: skip
        state = WorkerState(self.client, work, workload.task_ids())
        hold_tasks(state, self._leave_out)
        return state

    def _in_rounds(self, prepared: WorkerState, on_lost: Callable[[TaskOutcome], None]) -> Model:
        """Train as of one date, on coins that are prepared."""
        model, seed = self.model, self.seed
        while True:
            state = self._rounds(
                prepared, partial(contribute, model, seed), partial(model.begin, seed), on_lost,
                combine=add, advance=model.advance, message=model.message,
            )  # fmt: skip
            if not is_gathered(model):
                return model.trained(state)
            self.say(f"{model.name}: fitting to the rows of all coins")
            state, lost = gather_and_fit(self.client, model, prepared, state, seed)
            for outcome in lost:
                prepared.drop(outcome.task)
                on_lost(outcome)
            if not lost:
                self._notes = dict(model.notes(state))
                return model.trained(state)
            if not prepared.tasks:
                assert lost[-1].error is not None
                raise lost[-1].error

    def _rounds(
        self,
        state: WorkerState,
        function: Callable[..., Any],
        begin: Callable[[], Any],
        on_lost: Callable[[TaskOutcome], None],
        **how: Any,
    ) -> Any:
        name, steps = self.model.name, self.model.steps
        if is_gathered(self.model):
            steps -= 1  # the last one is of `gather_and_fit`
        return run_rounds(
            self.client, state, function, begin, steps, name=f"{name}-step",
            on_round=lambda step: self.say(f"{name}: step {step + 1} of {steps}"),
            on_lost=on_lost, **how,
        )  # fmt: skip

    def _leave_out(self, outcome: TaskOutcome) -> None:
        [coin] = self.workload.job(outcome.task).coins
        logging.getLogger(__name__).warning(
            "%s is trained without %s, which killed its workers: %s",
            self.model.name, coin, outcome.error,
        )  # fmt: skip


@dataclass
class PastTraining(Training):
    """Trains as of past dates, on coins that workers read once for all of them.

    Parameters
    ----------
    origins : ndarray of datetime64[s], ``(n_origins,)``
        The dates, at least one.
    window : int or None
        Latest rows of a coin that are trained on; by default all.
    """

    origins: DateArray
    window: int | None
    _histories: WorkerState | None = field(default=None, init=False)

    def train_every(self, refit: int) -> TrainedAt:
        """Return the model as of all origins, retrained at every `refit`-th of them."""
        models: list[Model] = []
        kept = []
        failures: list[tuple[np.datetime64, Exception]] = []
        planned = np.arange(0, len(self.origins), refit)
        trained = dict(zip(planned.tolist(), self.train_at(planned), strict=True))
        for number, origin in enumerate(self.origins):
            if number not in trained and not models:
                [trained[number]] = self.train_at(np.array([number]))
            latest = trained[number] if number in trained else models[-1]
            if isinstance(latest, Exception):
                failures.append((origin, latest))
                continue
            models.append(latest)
            kept.append(origin)
        self._end()
        return TrainedAt(models, np.array(kept, dtype="datetime64[s]"), failures)

    def train_at(self, numbers: IntArray) -> list[Model | Exception]:
        """Return the model as of each of some origins, or why its training failed.

        Raises
        ------
        Exception
            What concerns every coin; see `cryptodask.errors.ENDING`.
        """
        self.say(f"{self.model.name}: reading")
        results: list[Model | Exception] = []
        for start in range(0, len(numbers), self.model.dates_at_once):
            chosen = numbers[start : start + self.model.dates_at_once]
            dates = TrainingDates(
                self.model, self.origins[chosen], self.window, self.horizon, self.seed
            )
            try:
                results += self._train_as_of(dates)
            except Exception as error:  # noqa: BLE001 - other dates and models go on
                results += [_one_dates_error(error)] * len(chosen)
        self.say("")
        return results

    def _train_as_of(self, training: TrainingDates) -> list[Model | Exception]:
        if self._histories is None:
            every = replace(self.row_filter, last=self.origins.max(), max_points=None)
            self._histories = self._hold(read_histories, every, self.model.columns)
        if self.model.dates_at_once > 1:
            return self._together(training, self._histories)
        return [self._alone(training, self._histories)]

    def _alone(self, training: TrainingDates, histories: WorkerState) -> Model:
        """Train as of one date, in separate rounds."""

        def lost(outcome: TaskOutcome) -> None:
            histories.drop(outcome.task)
            self._leave_out(outcome)

        prepared = histories.derive(prepare_histories, training)
        hold_tasks(prepared, lost)
        return self._in_rounds(prepared, lost)

    def _together(self, training: TrainingDates, histories: WorkerState) -> list[Model | Exception]:
        """Train as of several dates, each step of all of them in one round."""
        model, dates = self.model, range(len(training.dates))
        states = self._rounds(
            histories,
            partial(contribute_histories, training),
            lambda: {number: model.begin(training.seed) for number in dates},
            self._leave_out,
            combine=_add_by_date,
            advance=partial(_advance_by_date, model),
            message=partial(_messages_by_date, model),
        )
        return [_try_on(model.trained, states[number]) for number in dates]


def _add_by_date(left: dict[int, Any], right: dict[int, Any]) -> dict[int, Any]:
    """Return the sums of two divisions, date by date."""
    return {number: sums + right[number] for number, sums in left.items()}


def _messages_by_date(model: PooledModel, states: dict[int, Any]) -> dict[int, Any]:
    """Return the messages of the dates whose training has not failed."""
    good = {n: state for n, state in states.items() if not isinstance(state, Exception)}
    return {number: model.message(state) for number, state in good.items()}


def _advance_by_date(
    model: PooledModel, states: dict[int, Any], sums: dict[int, Any]
) -> dict[int, Any]:
    """Return the states after a step; of dates that failed, why."""
    return {
        number: _try_on(model.advance, state, sums.get(number)) for number, state in states.items()
    }


def _try_on(function: Callable[..., Any], state: Any, *sums: Any) -> Any:
    """Call a function on a state; return why that fails, or why the state had failed before."""
    if isinstance(state, Exception):
        return state
    try:
        return function(state, *sums)
    except Exception as error:  # noqa: BLE001 - other dates go on
        return _one_dates_error(error)


def _one_dates_error(error: Exception) -> Exception:
    """Return an error of one date; raise one that concerns every coin."""
    if isinstance(error, ENDING):
        raise error
    # Its traceback would keep what it refers to in workers' memory.
    return error.with_traceback(None)

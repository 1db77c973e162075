"""Tasks whose workers died: which is done again, which is split, and which coin is at fault.

When a worker dies, Dask runs elsewhere what it held, and gives up on a task whose workers died
several times (``KilledWorker``). That blames every task that lay on the worker, even if the worker
was killed from outside. So a task that Dask gave up is only suspected. When all others have ended,
suspects run alone, one on each worker. What dies alone is split into halves of its coins, and so
on, until what dies is a single coin. Most suspects are innocent, and are done twice.

`QuarantineQueue` decides and runs nothing; `run_tasks` does what it decides.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptodask.cluster.broadcast import NoWorkerWarning, workers_of
from cryptodask.cluster.futures import (
    TO_COME,
    FutureOutcome,
    GoneError,
    cancel,
    collect,
    killed_its_worker,
    outcome_of,
    submit,
    wait_a_bit,
)
from cryptodask.cluster.in_process import InProcess
from cryptodask.cluster.uploading import submit_sealed
from cryptodask.cluster.watch import watched
from cryptodask.errors import WorkerDiedError

if TYPE_CHECKING:
    from dask.distributed import Client, Future

ALONE = 3
"""Deaths alone on a worker after which a single coin is at fault: whoever kills workers from
outside would have to hit the same coin each of these times."""

POLL = 0.2
"""Seconds between looks at suspects that run."""


@dataclass(frozen=True, order=True)
class TaskId:
    """A job, or what is left of one that was split.

    Attributes
    ----------
    job : int
        Its number.
    path : str
        Which half of it (``0`` or ``1``), which half of that, and so on; empty of a whole job.
    """

    job: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.job:05d}" + (f".{self.path}" if self.path else "")

    @property
    def halves(self) -> "tuple[TaskId, TaskId]":
        """The two tasks that this one is split into."""
        return TaskId(self.job, self.path + "0"), TaskId(self.job, self.path + "1")


class NextStep(Enum):
    """What follows when a worker died of a task that it ran alone."""

    RETRY, SPLIT, GIVE_UP = "retry", "split", "give up"


class QuarantineQueue:
    """Tasks whose workers died, in the order in which they run alone.

    Parameters
    ----------
    size : callable
        Of a task: the number of its coins.

    Attributes
    ----------
    waiting : deque of TaskId
        The next one to run is the first.
    """

    def __init__(self, size: Callable[[TaskId], int]) -> None:
        self._size = size
        self._deaths: Counter[TaskId] = Counter()
        self.waiting: deque[TaskId] = deque()

    def add(self, task: TaskId) -> None:
        """Add a task whose worker died while it held others, too.

        Parameters
        ----------
        task : TaskId
        """
        self.waiting.append(task)

    def after_death(self, task: TaskId) -> NextStep:
        """Return what follows a death of a worker that ran a task alone.

        Unless it is given up, the task or its halves wait again.

        Parameters
        ----------
        task : TaskId

        Returns
        -------
        NextStep
        """
        self._deaths[task] += 1
        if self._size(task) > 1:
            # First, so that what is left to do is known soon.
            self.waiting.extendleft(reversed(task.halves))
            return NextStep.SPLIT
        if self._deaths[task] < ALONE:
            self.waiting.append(task)
            return NextStep.RETRY
        return NextStep.GIVE_UP


@dataclass(frozen=True)
class TaskCall:
    """How each task is called.

    Attributes
    ----------
    function : callable
        Of a module that workers can import.
    arguments : callable
        Of a task: the function's arguments.
    name : callable
        Of a task: the name under which the dashboard groups its call.
    cost : callable
        Of a task: its cost, in the same unit for all, such as seconds.
    size : callable
        Of a task: the number of its coins.
    on_split : callable
        Called with each task that is split, before its halves run.
    alone : callable, optional
        Of a task that runs alone: the function's arguments, if these are others.
    near : callable, optional
        Of a task: the workers on which it is best done.
    limit : callable
        Of a task: the seconds after which its worker ends itself, or None. It is found from outside
        where it can't; see `cryptodask.cluster.watch`.
    """

    function: Callable[..., Any]
    arguments: Callable[[TaskId], tuple[Any, ...]]
    name: Callable[[TaskId], str]
    cost: Callable[[TaskId], float]
    size: Callable[[TaskId], int]
    on_split: Callable[[TaskId], None] = lambda _: None
    alone: Callable[[TaskId], tuple[Any, ...]] | None = None
    near: Callable[[TaskId], Sequence[str]] | None = None
    limit: Callable[[TaskId], float | None] = lambda _: None


@dataclass(frozen=True)
class TaskOutcome:
    """How a task ended.

    Attributes
    ----------
    task : TaskId
    future : Future
    result : Any
        What the function returned, if it was brought here.
    error : Exception or None
        What it raised; a `WorkerDiedError` of a single coin that workers died of.
    """

    task: TaskId
    future: "Future"
    result: Any = None
    error: BaseException | None = None


def run_tasks(
    client: "Client", task_call: TaskCall, tasks: Sequence[TaskId], *, results: bool = True
) -> Generator[TaskOutcome]:
    """Run tasks, the costly first, and yield how each ended.

    A task whose workers died may be split; then its halves are yielded and not the task. When the
    iterator is closed before its end, tasks in progress are cancelled: use `contextlib.closing`.

    Parameters
    ----------
    client : Client
    task_call : TaskCall
    tasks : sequence of TaskId
    results : bool
        Whether results are brought here; see `cryptodask.cluster.collect`.

    Yields
    ------
    TaskOutcome

    Raises
    ------
    ClusterError
        The scheduler is gone.
    """
    if not tasks:
        return
    futures = submit_tasks(client, task_call, tasks)
    suspects = QuarantineQueue(task_call.size)
    try:
        with watched(client) as watch, watch.limiting() as limit:
            for task, future in zip(tasks, futures, strict=True):
                limit(future, task_call.limit(task))
            for outcome in collect(futures, results=results):
                task = tasks[outcome.index]
                if killed_its_worker(outcome.error):
                    suspects.add(task)
                else:
                    yield TaskOutcome(task, futures[outcome.index], outcome.result, outcome.error)
            yield from _run_alone(client, task_call, suspects, results, limit)
    except BaseException:
        cancel(client, futures)
        raise


def submit_tasks(client: "Client", task_call: TaskCall, tasks: Sequence[TaskId]) -> "list[Future]":
    """Submit a call of each task, the costly first.

    Parameters
    ----------
    client : Client
    task_call : TaskCall
    tasks : sequence of TaskId

    Returns
    -------
    list of Future
        In the order of the tasks.
    """
    return submit(
        client,
        task_call.function,
        [task_call.arguments(task) for task in tasks],
        [task_call.cost(task) for task in tasks],
        [task_call.name(task) for task in tasks],
        near=task_call.near and [task_call.near(task) for task in tasks],
    )


def is_coin_at_fault(error: BaseException | None) -> bool:
    """Whether an error is of a single coin that `run_tasks` gave up.

    Parameters
    ----------
    error : Exception or None
        Of a `TaskOutcome`.
    """
    return isinstance(error, WorkerDiedError | MemoryError)


def _run_alone(
    client: "Client",
    task_call: TaskCall,
    suspects: QuarantineQueue,
    results: bool,
    limit: "Callable[[Future, float | None], None]",
) -> Iterator[TaskOutcome]:
    """Run suspects, each alone on a worker."""
    running: dict[str, tuple[TaskId, Future]] = {}
    warning = NoWorkerWarning(client)
    try:
        while suspects.waiting or running:
            there = workers_of(client)
            for worker in [w for w in there if w not in running][: len(suspects.waiting)]:
                task = suspects.waiting.popleft()
                running[worker] = task, _start_on(client, worker, task_call, task)
                limit(running[worker][1], task_call.limit(task))
            for worker, (task, future) in list(running.items()):
                if future.status in TO_COME and worker in there:
                    continue
                del running[worker]
                outcome = _ending(client, future, results)
                if outcome is None:
                    suspects.waiting.append(task)
                elif not killed_its_worker(outcome.error):
                    if results:
                        future.release()  # or it would be made again where its worker dies later
                    yield TaskOutcome(task, future, outcome.result, outcome.error)
                else:
                    cancel(client, [future])
                    step = suspects.after_death(task)
                    if step is NextStep.SPLIT:
                        task_call.on_split(task)
                    elif step is NextStep.GIVE_UP:
                        yield TaskOutcome(task, future, error=_given_up(outcome.error))
            if suspects.waiting or running:
                wait_a_bit(client, POLL, warning)
    finally:
        cancel(client, [future for _, future in running.values()])


def _start_on(client: "Client", worker: str, task_call: TaskCall, task: TaskId) -> "Future":
    """Run a task on one worker and on no other."""
    logging.getLogger(__name__).info("running %s alone, since workers died of it", task)
    arguments = (task_call.alone or task_call.arguments)(task)
    return submit_sealed(
        client,
        task_call.function,
        arguments,
        key=(f"{task_call.name(task)}-alone-{uuid4().hex[:8]}", str(task)),
        workers=[worker],
        allow_other_workers=False,
        pure=False,
    )


def _ending(client: "Client", future: "Future", results: bool) -> FutureOutcome | None:
    """Return how a call on one worker only ended; None if it must be done again."""
    if future.status == "pending":
        # It has no other worker to go to, and would wait for ever.
        return FutureOutcome(0, error=GoneError())
    if future.status == "finished" and not isinstance(client, InProcess):
        # Or what it left on its worker could not be made again elsewhere.
        client.sync(client.scheduler.set_restrictions, worker={future.key: None})
        if future.status in TO_COME:
            cancel(client, [future])
            return None
    try:
        return outcome_of(0, future, results)
    except TimeoutError:
        cancel(client, [future])
        return None


def _given_up(error: BaseException | None) -> BaseException:
    if isinstance(error, MemoryError):
        return error
    return WorkerDiedError(f"{ALONE} workers died of it, one after the other, with nothing else")

"""Jobs whose workers died: which is run again, which is split, and which coin is at fault.

When a worker dies, Dask runs elsewhere what it held, and gives up on a task of which that happened
several times (``KilledWorker``). That blames every task that lay on the worker, and one that was
killed from outside, too. So a job that was given up on is only suspected. When all others have
ended, suspects are run alone, one a worker; what dies alone is split into halves of its coins,
and so on, until what dies is a single coin. Most suspects are innocent, and cost a second run.

`QuarantineQueue` decides and runs nothing; `run_pieces` does what it decides.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import uuid4

from dask.distributed import Client, Future, KilledWorker

from cryptodask.cluster.futures import (
    Outcome,
    Watch,
    cancel,
    collect,
    outcome_of,
    submit,
    workers_of,
)
from cryptodask.errors import WorkerDiedError

ALONE = 3
"""Deaths alone on a worker after which a single coin is held to be at fault: whoever kills workers
from outside would have to hit the same coin so many times in a row."""

POLL = 0.2
"""Seconds between looks at suspects that are being run."""


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
        """The two pieces that this one is split into."""
        return TaskId(self.job, self.path + "0"), TaskId(self.job, self.path + "1")


class Verdict(Enum):
    """What is to be done with a piece that a worker died of, alone."""

    AGAIN, SPLIT, GUILTY = "again", "split", "guilty"


class QuarantineQueue:
    """Pieces whose workers died, in the order in which they are to be run alone.

    Parameters
    ----------
    size : callable
        Of a piece, the number of its coins.
    """

    def __init__(self, size: Callable[[TaskId], int]) -> None:
        self._size = size
        self._deaths: Counter[TaskId] = Counter()
        self.waiting: deque[TaskId] = deque()

    def accuse(self, piece: TaskId) -> None:
        """Take a piece that a worker died of which others shared."""
        self.waiting.append(piece)

    def died(self, piece: TaskId) -> Verdict:
        """Tell what is to be done with a piece that a worker died of alone; it waits again then."""
        self._deaths[piece] += 1
        if self._size(piece) > 1:
            # First, so that what is left to do is known as soon as can be.
            self.waiting.extendleft(reversed(piece.halves))
            return Verdict.SPLIT
        if self._deaths[piece] < ALONE:
            self.waiting.append(piece)
            return Verdict.AGAIN
        return Verdict.GUILTY


@dataclass(frozen=True)
class Work:
    """What is to be run of each piece.

    Attributes
    ----------
    function : callable
        Of a module that workers can import.
    call : callable
        Of a piece: the function's arguments.
    name : callable
        Of a piece: under which the dashboard groups its call.
    cost : callable
        Of a piece: in any one unit.
    size : callable
        Of a piece: its coins.
    on_split : callable
        Told each piece that is split, before its halves are run.
    alone : callable, optional
        Of a piece that is run alone: the function's arguments, if these are others.
    near : callable, optional
        Of a piece: the workers on which it is best run.
    """

    function: Callable[..., Any]
    call: Callable[[TaskId], tuple[Any, ...]]
    name: Callable[[TaskId], str]
    cost: Callable[[TaskId], float]
    size: Callable[[TaskId], int]
    on_split: Callable[[TaskId], None] = lambda _: None
    alone: Callable[[TaskId], tuple[Any, ...]] | None = None
    near: Callable[[TaskId], Sequence[str]] | None = None


@dataclass(frozen=True)
class Ended:
    """How a piece ended.

    Attributes
    ----------
    piece : TaskId
    future : Future
    result : Any
        What the function returned, if it was brought here.
    error : Exception or None
        What it raised; a `WorkerDiedError` of a single coin that workers died of.
    """

    piece: TaskId
    future: Future
    result: Any = None
    error: BaseException | None = None


def run_pieces(
    client: Client, work: Work, pieces: Sequence[TaskId], *, results: bool = True
) -> Generator[Ended]:
    """Run pieces, the costly first, and yield how each ended; those of which workers died, split.

    What was split is not told of, but its halves are. When the iterator is closed before its end,
    what is under way is cancelled; do so with `contextlib.closing`.

    Parameters
    ----------
    client : Client
    work : Work
    pieces : sequence of TaskId
    results : bool
        Whether results are brought here; see `cryptodask.cluster.collect`.

    Raises
    ------
    ClusterError
        The scheduler is gone.
    """
    if not pieces:
        return
    futures = submit_pieces(client, work, pieces)
    suspects = QuarantineQueue(work.size)
    try:
        for outcome in collect(futures, results=results):
            piece = pieces[outcome.index]
            if is_death(outcome.error):
                suspects.accuse(piece)
            else:
                yield Ended(piece, futures[outcome.index], outcome.result, outcome.error)
        yield from _run_alone(client, work, suspects, results)
    except BaseException:
        cancel(client, futures)
        raise


def submit_pieces(client: Client, work: Work, pieces: Sequence[TaskId]) -> list[Future]:
    """Submit a future for each piece, the costly first; in the order of the pieces."""
    return submit(
        client,
        work.function,
        [work.call(piece) for piece in pieces],
        [work.cost(piece) for piece in pieces],
        [work.name(piece) for piece in pieces],
        near=work.near and [work.near(piece) for piece in pieces],
    )


def is_fatal(error: BaseException | None) -> bool:
    """Tell whether a single coin was found to be at fault, by `run_pieces`."""
    return isinstance(error, WorkerDiedError | MemoryError)


def is_death(error: BaseException | None) -> bool:
    """Tell whether a worker died of a call, or would have, had it got the memory it wanted."""
    return isinstance(error, KilledWorker | MemoryError | _GoneError)


def _run_alone(
    client: Client, work: Work, suspects: QuarantineQueue, results: bool
) -> Iterator[Ended]:
    """Run suspects, each on a worker of its own."""
    running: dict[str, tuple[TaskId, Future]] = {}
    watch = Watch(client)
    try:
        while suspects.waiting or running:
            there = workers_of(client)
            for worker in [w for w in there if w not in running][: len(suspects.waiting)]:
                piece = suspects.waiting.popleft()
                running[worker] = piece, _start_on(client, worker, work, piece)
            for worker, (piece, future) in list(running.items()):
                if future.status == "pending" and worker in there:
                    continue
                del running[worker]
                outcome = _ending(client, future, results)
                if outcome is None:
                    suspects.waiting.append(piece)
                elif not is_death(outcome.error):
                    if results:
                        future.release()  # or it would be made again where its worker dies later
                    yield Ended(piece, future, outcome.result, outcome.error)
                else:
                    cancel(client, [future])
                    verdict = suspects.died(piece)
                    if verdict is Verdict.SPLIT:
                        work.on_split(piece)
                    elif verdict is Verdict.GUILTY:
                        yield Ended(piece, future, error=_guilty(outcome.error))
            if suspects.waiting or running:
                time.sleep(POLL)
                watch.look()
    finally:
        cancel(client, [future for _, future in running.values()])


def _start_on(client: Client, worker: str, work: Work, piece: TaskId) -> Future:
    """Run a piece on one worker and on no other."""
    logging.getLogger(__name__).info("running %s alone, since workers died of it", piece)
    return client.submit(
        work.function,
        *(work.alone or work.call)(piece),
        key=(f"{work.name(piece)}-alone-{uuid4().hex[:8]}", str(piece)),
        workers=[worker],
        allow_other_workers=False,
        pure=False,
    )


def _ending(client: Client, future: Future, results: bool) -> Outcome | None:
    """Return how a call ended that was run on one worker only; None if it is to be run again."""
    if future.status == "pending":
        # It has no other worker to go to, and would wait for ever.
        return Outcome(0, error=_GoneError())
    if future.status == "finished":
        # Lest what it left on its worker could not be made again elsewhere.
        client.sync(client.scheduler.set_restrictions, worker={future.key: None})
        if future.status == "pending":
            cancel(client, [future])
            return None
    try:
        return outcome_of(0, future, results)
    except TimeoutError:
        cancel(client, [future])
        return None


class _GoneError(Exception):
    """The worker is not there any more."""


def _guilty(error: BaseException | None) -> BaseException:
    if isinstance(error, MemoryError):
        return error
    return WorkerDiedError(f"{ALONE} workers died of it, one after the other, with nothing else")

"""Run a callable over many arguments as futures: the longest first, results as they come."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from dask.distributed import Client, Future, KilledWorker
from distributed.comm import CommClosedError
from distributed.utils import CancelledError

from cryptodask.errors import ClusterError
from cryptodask.worker.calls import has_files

POLL, ANSWER, ATTEMPTS = 0.02, 30.0, 3
"""Seconds between looks at the futures, seconds to wait for one answer, and how often to ask."""

UNANSWERED = 5.0
"""Seconds to send workers what they need not answer."""

LOST = (OSError, RuntimeError, ValueError, AttributeError, CancelledError, asyncio.CancelledError)
"""What Dask raises of a scheduler that is gone, or does not answer."""

LOOK_FOR_WORKERS = 5.0
"""Seconds between looks for workers; two in a row without any are reported."""


@dataclass(frozen=True)
class FutureOutcome:
    """How one future ended.

    Attributes
    ----------
    index : int
        Its place among those submitted, from 0.
    result : Any
        What the callable returned, if it returned.
    error : Exception or None
        What it raised, or the error that the cluster gave it (``KilledWorker``).
    """

    index: int
    result: Any = None
    error: BaseException | None = None


def submit(
    client: Client,
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    costs: Sequence[float],
    names: Sequence[str],
    run: str | None = None,
    near: Sequence[Sequence[str]] | None = None,
) -> list[Future]:
    """Submit one future for each call, those that cost most first.

    Parameters
    ----------
    client : Client
    function : callable
        Of a module that workers can import.
    calls : sequence of tuple
        Arguments of each call.
    costs : sequence of float
        In the same unit for all, such as seconds.
    names : sequence of str
        The dashboard groups each call under its name.
    run : str, optional
        Part of the keys of these futures, unlike that of any other call; by default it is drawn.
    near : sequence of sequence of str, optional
        Workers on which each call is best done, if one of them is free.

    Returns
    -------
    list of Future
        In the order of the calls.
    """
    run = run or uuid4().hex[:8]
    futures: list[Future] = [None] * len(calls)
    for rank, i in enumerate(np.argsort(-np.asarray(costs, dtype=float), kind="stable")):
        futures[i] = client.submit(
            function,
            *calls[i],
            key=(f"{names[i]}-{run}", int(i)),
            priority=-rank,
            workers=list(near[i]) or None if near else None,
            allow_other_workers=bool(near and near[i]),
            pure=False,
        )
    return futures


def collect(futures: Sequence[Future], *, results: bool = True) -> Iterator[FutureOutcome]:
    """Yield how each future ended, in the order in which they end.

    A future whose worker died has been done again elsewhere by then. An error is yielded, not
    raised, so that the others continue.

    Parameters
    ----------
    futures : sequence of Future
    results : bool
        Whether results are brought here; otherwise they stay on the workers. Futures whose
        result was brought are released, so that workers and scheduler forget their arguments.

    Yields
    ------
    FutureOutcome

    Raises
    ------
    ClusterError
        The scheduler is gone.
    """
    waiting = dict(enumerate(futures))
    warning = NoWorkerWarning(futures[0].client) if futures else None
    while waiting:
        ended = {i: future for i, future in waiting.items() if future.status != "pending"}
        if not ended:
            time.sleep(POLL)
            assert warning is not None
            warning.look()
        for i, future in ended.items():
            try:
                outcome = outcome_of(i, future, results)
            except TimeoutError:
                if future.status == "pending":  # its worker died, and it is done again elsewhere
                    continue
                raise
            del waiting[i]
            if results:
                future.release()
            yield outcome


def outcome_of(index: int, future: Future, results: bool) -> FutureOutcome:
    """Return how a future ended.

    Parameters
    ----------
    index : int
        Its place among those submitted.
    future : Future
        One that is not pending.
    results : bool
        Whether a result is brought here.

    Raises
    ------
    ClusterError
        The scheduler is gone.
    TimeoutError
        The result did not come.
    """
    if future.status in ("cancelled", "lost"):
        # Nobody asks for the outcome of a future that was cancelled here.
        raise scheduler_lost(future.client)
    if future.status != "finished":
        return FutureOutcome(index, error=future.exception(timeout=ANSWER))
    try:
        return FutureOutcome(index, _fetch(future) if results else None)
    except KilledWorker as error:  # its worker died, and others in making it again
        return FutureOutcome(index, error=error)


def scheduler_lost(client: Client) -> ClusterError:
    """Return the error of a scheduler that is gone, and with it all that it knew.

    Parameters
    ----------
    client : Client
    """
    return ClusterError(
        f"{client.scheduler.address if client.scheduler else 'the scheduler'}: the connection to "
        "the scheduler was lost, and with it all tasks in progress; see whether it still runs"
    )


def workers_of(client: Client) -> dict[str, int]:
    """Return the threads of each worker that is there, by its address.

    Parameters
    ----------
    client : Client

    Raises
    ------
    ClusterError
        The scheduler does not answer.
    """
    with scheduler_errors(client):
        threads: dict[str, int] = client.nthreads()
    return threads


@contextmanager
def scheduler_errors(client: Client) -> Iterator[None]:
    """Raise what fails in this block, which asks the scheduler something, as a `ClusterError`.

    Parameters
    ----------
    client : Client

    Raises
    ------
    ClusterError
        The scheduler is gone.
    """
    try:
        yield
    except LOST as error:
        raise scheduler_lost(client) from error


def ask_workers(client: Client, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
    """Call a function on every worker, and return what each of them answered, by its address.

    One that goes away meanwhile has no answer, and one that comes meanwhile may have one.

    Parameters
    ----------
    client : Client
    function : callable
        Of a module that workers can import. It should not raise `OSError`, which stands for a
        worker that does not answer.
    *args
        Its arguments.

    Raises
    ------
    Exception
        What the function raises on a worker.
    ClusterError
        The scheduler is gone.
    """
    answers: dict[str, Any] = {}
    for _ in range(ATTEMPTS):
        left = [worker for worker in workers_of(client) if worker not in answers]
        if not left:
            break
        with scheduler_errors(client):
            replies = client.run(function, *args, workers=left, on_error="return")
        for worker, answer in replies.items():
            if isinstance(answer, OSError):
                continue  # it is gone, or else it is asked again
            if isinstance(answer, Exception):
                raise answer
            answers[worker] = answer
    return answers


def tell_workers(client: Client, function: Callable[[], Any]) -> None:
    """Have every worker call a function on which nothing depends; wait for none of them for long.

    Parameters
    ----------
    client : Client
    function : callable
        Of a module that workers can import.
    """
    if client.status == "running":
        with suppress(*LOST):
            client.run(function, wait=False, on_error="ignore", callback_timeout=UNANSWERED)


@contextmanager
def as_cluster_error() -> Iterator[None]:
    """Raise the error of a connection that was cut in this block as a `ClusterError`.

    Raises
    ------
    ClusterError
    """
    try:
        yield
    except CommClosedError as error:
        raise ClusterError(
            f"a connection of the cluster was cut: {error}; see whether scheduler and workers "
            "still run"
        ) from error


class NoWorkerWarning:
    """Warns once, on standard error, that no worker is left to do what the client waits for.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._next = time.monotonic() + LOOK_FOR_WORKERS
        self._was_empty = self._warned = False

    def look(self) -> None:
        """Look, if it is time to, whether there are workers."""
        if self._warned or time.monotonic() < self._next or self._client.status != "running":
            return
        self._next = time.monotonic() + LOOK_FOR_WORKERS
        was_empty, self._was_empty = self._was_empty, not workers_of(self._client)
        if was_empty and self._was_empty:
            self._warned = True
            logging.getLogger(__name__).warning(
                "no worker left; waiting for one: dask worker %s --nthreads 1",
                self._client.scheduler.address,
            )


def cancel(client: Client, futures: Sequence[Future]) -> None:
    """Cancel futures that have not ended; others may have been released by `collect`.

    Parameters
    ----------
    client : Client
    futures : sequence of Future
    """
    if client.status != "running":
        return  # the scheduler is gone, and all of them with it
    # Dask refuses to cancel any where one of them was released.
    client.cancel([future for future in futures if future.status == "pending"])


def _fetch(future: Future) -> Any:
    """Bring a result that is in a worker's memory, scheduler_errors again where no answer comes.

    Seen once with as_completed: all results in memory, all workers idle, and an answer that never
    came. Asking again costs nothing, since results are small.
    """
    for _ in range(ATTEMPTS):
        with suppress(TimeoutError):
            return future.result(timeout=ANSWER)
    return future.result(timeout=ANSWER)


def ordered_map(
    client: Client, function: Callable[[Any], Any], items: Sequence[Any]
) -> Iterator[Any]:
    """Call a function for each item on the workers, and yield results in the items' order.

    No more than two calls a worker are in progress or wait to be taken, so that neither workers
    nor client hold more results than that.

    Parameters
    ----------
    client : Client
    function : callable
        Of an item; of a module that workers can import.
    items : sequence

    Yields
    ------
    Any
        What the function returned.

    Raises
    ------
    Exception
        What the function raised.
    ClusterError
        The scheduler is gone, or workers die of a call each time.
    """
    limit = 2 * max(1, len(workers_of(client)))
    waiting: deque[tuple[Any, Future]] = deque()
    for item in items:
        if len(waiting) == limit:
            yield _result(client, function, *waiting.popleft())
        waiting.append((item, client.submit(function, item, pure=False)))
    while waiting:
        yield _result(client, function, *waiting.popleft())


def _result(client: Client, function: Callable[[Any], Any], item: Any, future: Future) -> Any:
    """Return what a call returned; call again where its workers were killed."""
    for _ in range(ATTEMPTS):
        try:
            return future.result()
        except KilledWorker as error:
            died = error
            future = client.submit(function, item, pure=False)
        except CancelledError as error:
            raise scheduler_lost(client) from error
    future.cancel()
    raise ClusterError(
        f"{died.last_worker.address}: worker after worker died of one task; see their logs for "
        "why (a crash, or more memory than a worker has)"
    ) from died


def paths_visible(client: Client, paths: Sequence[str]) -> bool:
    """Whether every worker sees these files, with the sizes that they have here.

    Parameters
    ----------
    client : Client
    paths : sequence of str
        Of files that this process sees.

    Raises
    ------
    ClusterError
        The scheduler is gone.
    """
    sizes = {path: Path(path).stat().st_size for path in paths}
    return all(ask_workers(client, has_files, sizes).values())

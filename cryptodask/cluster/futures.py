"""Run a callable over many arguments as futures, and yield results as they come.

Of calls of several names, as of a run with several models, those come first whose name costs least
in all, so that results come soon; of one name, the longest come first: workers end together.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptodask.cluster.broadcast import NoWorkerWarning, scheduler_lost, workers_of
from cryptodask.cluster.in_process import InProcess
from cryptodask.cluster.uploading import submit_sealed
from cryptodask.errors import ClusterError

if TYPE_CHECKING:
    from dask.distributed import Client, Future

POLL, ANSWER, ATTEMPTS = 0.02, 30.0, 3
"""Seconds between looks at the futures, seconds to wait for one answer, and how often to ask."""

TO_COME = ("pending", "lost")
"""Futures that the scheduler will end. One is lost while it is made again: its worker died with the
result. Those of a scheduler that is gone are cancelled."""

_LOOK = 1e-5  # seconds, ten times what a look at one future takes


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


class GoneError(Exception):
    """The worker is not there any more, on which alone a call could be done."""


def submit(
    client: "Client",
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    costs: Sequence[float],
    names: Sequence[str],
    run: str | None = None,
    near: Sequence[Sequence[str]] | None = None,
) -> "list[Future]":
    """Submit one future for each call: the names that cost least first, of each its longest calls.

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
    totals: Counter[str] = Counter()
    for name, cost in zip(names, costs, strict=True):
        totals[name] += cost  # type: ignore[assignment]
    order = sorted(range(len(calls)), key=lambda i: (totals[names[i]], names[i], -costs[i]))
    for rank, i in enumerate(order):
        futures[i] = submit_sealed(
            client,
            function,
            calls[i],
            key=(f"{names[i]}-{run}", int(i)),
            priority=-rank,
            workers=list(near[i]) or None if near else None,
            allow_other_workers=bool(near and near[i]),
            pure=False,
        )
    return futures


def collect(futures: "Sequence[Future]", *, results: bool = True) -> Iterator[FutureOutcome]:
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
    pause = 0.0
    while waiting:
        ended = {i: future for i, future in waiting.items() if future.status not in TO_COME}
        if not ended:
            # Short at first, for passes that take no longer than a pause would.
            pause = min(POLL, max(2 * pause, 0.001, _LOOK * len(waiting)))
            assert warning is not None
            wait_a_bit(futures[0].client, pause, warning)
        else:
            pause = 0.0
        for i, future in ended.items():
            try:
                outcome = outcome_of(i, future, results)
            except TimeoutError:
                # Its worker died, and it is done again elsewhere; or it is frozen, and is found.
                continue
            del waiting[i]
            if results:
                future.release()
            yield outcome


def wait_a_bit(client: "Client", seconds: float, warning: NoWorkerWarning) -> None:
    """Wait for workers; or do the next call, where this process does them.

    Parameters
    ----------
    client : Client
    seconds : float
    warning : NoWorkerWarning
        Looks afterwards whether there are workers.
    """
    if isinstance(client, InProcess):
        client.do_next()
        return
    time.sleep(seconds)
    warning.look()


def is_killed(error: BaseException) -> bool:
    """Return whether an error is Dask's of a call whose workers died.

    Parameters
    ----------
    error : Exception
    """
    from dask.distributed import KilledWorker

    return isinstance(error, KilledWorker)


def killed_its_worker(error: BaseException | None) -> bool:
    """Whether a worker died of a call, or would have with the memory that the call wanted.

    Parameters
    ----------
    error : Exception or None
        Of a `FutureOutcome`.
    """
    is_ours = isinstance(error, MemoryError | GoneError)
    return is_ours or (error is not None and is_killed(error))


def outcome_of(index: int, future: "Future", results: bool) -> FutureOutcome:
    """Return how a future ended.

    Parameters
    ----------
    index : int
        Its place among those submitted.
    future : Future
        One that has ended.
    results : bool
        Whether a result is brought here.

    Raises
    ------
    ClusterError
        The scheduler is gone.
    TimeoutError
        The result did not come, or was lost with its worker and is made again.
    """
    if future.status in TO_COME:
        raise TimeoutError
    if future.status == "cancelled":
        # Nobody asks for the outcome of a future that was cancelled here.
        raise scheduler_lost(future.client)
    if future.status != "finished":
        return FutureOutcome(index, error=future.exception(timeout=ANSWER))
    try:
        return FutureOutcome(index, _fetch(future) if results else None)
    except Exception as error:
        if not is_killed(error):
            raise
        # Its worker died, and others in making it again.
        return FutureOutcome(index, error=error)


def cancel(client: "Client", futures: "Sequence[Future]") -> None:
    """Cancel futures that have not ended; others may have been released by `collect`.

    Parameters
    ----------
    client : Client
    futures : sequence of Future
    """
    if client.status != "running":
        return  # the scheduler is gone, and all of them with it
    # Dask refuses to cancel any where one of them was released.
    client.cancel([future for future in futures if future.status in TO_COME])


def _fetch(future: "Future") -> Any:
    """Bring a result that is in a worker's memory, scheduler_errors again where no answer comes.

    Seen once with as_completed: all results in memory, all workers idle, and an answer that never
    came. Asking again costs nothing, since results are small.
    """
    for _ in range(ATTEMPTS):
        with suppress(TimeoutError):
            return future.result(timeout=ANSWER)
    return future.result(timeout=ANSWER)


def ordered_map(
    client: "Client", function: Callable[[Any], Any], items: Sequence[Any]
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
        waiting.append((item, submit_sealed(client, function, [item], pure=False)))
    while waiting:
        yield _result(client, function, *waiting.popleft())


def _result(client: "Client", function: Callable[[Any], Any], item: Any, future: "Future") -> Any:
    """Return what a call returned; call again where its workers were killed."""
    for _ in range(ATTEMPTS):
        try:
            return future.result()
        except CancelledError as error:
            raise scheduler_lost(client) from error
        except Exception as error:
            if not is_killed(error):
                raise
            died: Any = error
            future = submit_sealed(client, function, [item], pure=False)
    future.cancel()
    raise ClusterError(
        f"{died.last_worker.address}: worker after worker died of one task; see their logs for "
        "why (a crash, or more memory than a worker has)"
    ) from died

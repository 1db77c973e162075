"""Run a callable over many arguments as futures: the longest first, results as they come."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dask.distributed import Client, Future

POLL, ANSWER, ASKED = 0.02, 30.0, 3
"""Seconds between looks at the futures, seconds to wait for one answer, and how often to ask."""


@dataclass(frozen=True)
class Outcome:
    """How one future ended.

    Attributes
    ----------
    index : int
        Its place among those submitted.
    result : Any
        What the callable returned, if it returned.
    error : Exception or None
        What it raised, or what the cluster says of it (``KilledWorker``).
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
    run: str,
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
        In any one unit.
    names : sequence of str
        Under which the dashboard groups each call.
    run : str
        Tells the futures of this run from those of any other.

    Returns
    -------
    list of Future
        In the order of the calls.
    """
    futures: list[Future] = [None] * len(calls)
    for rank, i in enumerate(np.argsort(-np.asarray(costs, dtype=float), kind="stable")):
        futures[i] = client.submit(
            function,
            *calls[i],
            key=(f"{names[i]}-{run}", int(i)),
            priority=-rank,
            pure=False,
        )
    return futures


def collect(futures: Sequence[Future], *, results: bool = True) -> Iterator[Outcome]:
    """Yield how each future ended, in the order in which they end.

    A future whose worker died has been run again elsewhere by then; an error is yielded, not
    raised, so that the others go on.

    Parameters
    ----------
    futures : sequence of Future
    results : bool
        Whether results are brought here; otherwise they stay on the workers. Futures whose
        outcome was brought are released, so that workers and scheduler forget their arguments.
    """
    waiting = dict(enumerate(futures))
    while waiting:
        ended = {i: future for i, future in waiting.items() if future.status != "pending"}
        if not ended:
            time.sleep(POLL)
        for i, future in ended.items():
            del waiting[i]
            if future.status != "finished":
                outcome = Outcome(i, error=future.exception(timeout=ANSWER))
            else:
                outcome = Outcome(i, _fetch(future) if results else None)
            if results:
                future.release()
            yield outcome


def cancel(client: Client, futures: Sequence[Future]) -> None:
    """Cancel futures that have not ended; others may have been released by `collect`."""
    # Dask refuses to cancel any where one of them was released.
    client.cancel([future for future in futures if future.status == "pending"])


def _fetch(future: Future) -> Any:
    """Bring a result that is in a worker's memory, asking again where no answer comes.

    Seen once with as_completed: all results in memory, all workers idle, and an answer that never
    came. Asking again costs nothing, since results are small.
    """
    for _ in range(ASKED):
        with suppress(TimeoutError):
            return future.result(timeout=ANSWER)
    return future.result(timeout=ANSWER)


def ordered_map(
    client: Client, function: Callable[[Any], Any], items: Sequence[Any]
) -> Iterator[Any]:
    """Call a function for each item on the workers, and yield results in the items' order.

    No more than two calls a worker are under way or waiting to be taken, so that neither workers
    nor client hold more results than that. What a call raises is raised here.
    """
    limit = 2 * max(1, len(client.scheduler_info()["workers"]))
    waiting: deque[Future] = deque()
    for item in items:
        if len(waiting) == limit:
            yield waiting.popleft().result()
        waiting.append(client.submit(function, item, pure=False))
    while waiting:
        yield waiting.popleft().result()


def paths_visible(client: Client, paths: Sequence[str]) -> bool:
    """Tell whether every worker sees these files, with the sizes that they have here."""
    sizes = {path: Path(path).stat().st_size for path in paths}
    return all(client.run(_has_files, sizes).values())


def _has_files(sizes: dict[str, int]) -> bool:
    return all(
        Path(path).is_file() and Path(path).stat().st_size == size for path, size in sizes.items()
    )

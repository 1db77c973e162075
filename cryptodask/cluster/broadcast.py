"""What a client asks scheduler and workers outside tasks, and what it raises when none answers."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cryptodask.errors import ClusterError
from cryptodask.worker.calls import has_files

if TYPE_CHECKING:
    from dask.distributed import Client

ATTEMPTS = 3
"""How often workers are asked that have not answered."""

UNANSWERED = 5.0
"""Seconds to send workers what they need not answer."""

LOST = (OSError, RuntimeError, ValueError, AttributeError, CancelledError, asyncio.CancelledError)
"""What Dask raises of a scheduler that is gone, or does not answer."""

LOOK_FOR_WORKERS = 5.0
"""Seconds between looks for workers; two in a row without any are reported."""

_lost: "WeakKeyDictionary[Client, str]" = WeakKeyDictionary()


def workers_of(client: "Client") -> dict[str, int]:
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


def ask_workers(client: "Client", function: Callable[..., Any], *args: Any) -> dict[str, Any]:
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


def tell_workers(client: "Client", function: Callable[[], Any]) -> None:
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


def paths_visible(client: "Client", paths: Sequence[str]) -> bool:
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


class NoWorkerWarning:
    """Warns once, on standard error, that no worker is left to do what the client waits for.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: "Client") -> None:
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


@contextmanager
def scheduler_errors(client: "Client") -> Iterator[None]:
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


@contextmanager
def as_cluster_error() -> Iterator[None]:
    """Raise the error of a connection that was cut in this block as a `ClusterError`.

    Raises
    ------
    ClusterError
    """
    try:
        yield
    except OSError as error:
        if type(error).__name__ != "CommClosedError":
            raise
        raise ClusterError(
            f"a connection of the cluster was cut: {error}; see whether scheduler and workers "
            "still run"
        ) from error


def note_lost(client: "Client", message: str) -> None:
    """Note why a client left its scheduler, which errors say from now on.

    Parameters
    ----------
    client : Client
    message : str
    """
    _lost[client] = message


def scheduler_lost(client: "Client") -> ClusterError:
    """Return the error of a scheduler that is gone, and with it all that it knew.

    Parameters
    ----------
    client : Client
    """
    address = client.scheduler.address if client.scheduler else "the scheduler"
    return ClusterError(
        _lost.get(client)
        or f"{address}: the connection to the scheduler was lost, and with it all tasks in "
        "progress; see whether it still runs"
    )

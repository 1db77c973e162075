"""Finds what is frozen: workers and schedulers that are there, but answer nothing.

A process that was stopped, whose machine froze, or that waits for a file system that is gone keeps
its connections, so that nobody notices, and it can't watch its own time. So the client looks:
at when the scheduler last heard of each worker, at which calls a worker is, and at whether the
scheduler answers. A frozen worker is restarted by its nanny, or removed: its calls are done
elsewhere, as those of one that died; see `cryptodask.cluster.retry`. The client leaves a frozen
scheduler as one that died.

Time is counted look by look and by the client's own clock: where the client itself was stopped, or
the scheduler was busy for a while, nobody is blamed for it.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from cryptodask.cluster.broadcast import LOST, note_lost
from cryptodask.cluster.in_process import InProcess

if TYPE_CHECKING:
    from dask.distributed import Client, Future

T = TypeVar("T")

WORKER_SILENCE = 120.0
"""Seconds without word of a worker after which it counts as frozen. Python's lock may be held that
long. Dask's configuration has it as ``cryptodask.silence.worker``."""

CALL_SILENCE = 30.0
"""Seconds without word, after the time limit of a call, after which the worker that has the call
counts as frozen, if these are fewer: ``cryptodask.silence.call``."""

SCHEDULER_SILENCE = 60.0
"""Seconds without an answer of the scheduler after which it counts as frozen:
``cryptodask.silence.scheduler``."""

LOOKS, LONGEST_PAUSE = 10, 5.0
"""Looks in the shortest of these times, and seconds between two of them at most."""

NANNY_PATIENCE = 15.0
"""Seconds that a nanny has to end its worker; after that the scheduler removes the worker."""

LEAVE_PATIENCE = 5.0
"""Seconds to leave a scheduler that does not answer."""

logger = logging.getLogger(__name__)


class _SilentError(Exception):
    """The scheduler did not answer in time."""


class Watch:
    """Looks at a cluster from a client's event loop until it is stopped.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._worker_silence = _seconds("worker", WORKER_SILENCE)
        self._call_silence = _seconds("call", CALL_SILENCE)
        self._scheduler_silence = _seconds("scheduler", SCHEDULER_SILENCE)
        shortest = min(self._worker_silence, self._call_silence, self._scheduler_silence)
        self._pause = min(shortest / LOOKS, LONGEST_PAUSE)
        self._limits: dict[Any, float] = {}  # of calls, by their keys
        self.users = 0
        self._stopped = False
        self._task: asyncio.Task[None] | None = None
        self._unanswered = 0.0  # seconds since the scheduler last answered
        self._heard: dict[str, float] = {}  # of each worker, by the scheduler's clock
        self._silent: dict[str, float] = {}  # seconds that this has been so
        self._calls: dict[str, frozenset[Any]] = {}  # that a worker has
        self._stuck: dict[str, float] = {}  # seconds in which none of these ended
        self._restarts: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin to look."""
        self._client.loop.add_callback(self._begin)

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        with suppress(RuntimeError):  # the loop was closed
            self._client.loop.add_callback(self._end)

    @contextmanager
    def limiting(self) -> "Iterator[Callable[[Future, float | None], None]]":
        """Give a function that notes the time limit of a future, in seconds, for this block."""
        keys = []

        def limit(future: "Future", seconds: float | None) -> None:
            if seconds is not None:
                keys.append(future.key)
                self._limits[future.key] = seconds

        try:
            yield limit
        finally:
            for key in keys:
                self._limits.pop(key, None)

    def _begin(self) -> None:
        if not self._stopped:
            self._task = asyncio.ensure_future(self._look_on())

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _look_on(self) -> None:
        """Look at scheduler and workers until the client is closed."""
        while not self._stopped and self._client.status not in ("closing", "closed"):
            before = time.monotonic()
            await asyncio.sleep(self._pause)
            try:
                await self._look(before)
            except _SilentError:
                await self._leave()
            except LOST:
                pass  # the client knows that it died or closes; or it took no connection yet

    async def _look(self, before: float) -> None:
        """Look once; ``before`` is when the look before this one ended."""
        info = await self._answer(self._client.scheduler.identity(n_workers=-1))
        calls: Mapping[str, Any] = {}
        if self._limits:
            calls = await self._answer(self._client.scheduler.processing())
        passed = self._passed(before)
        heard = {address: worker["last_seen"] for address, worker in info["workers"].items()}
        held = {address: frozenset(calls.get(address, ())) for address in heard}
        self._silent = {
            address: self._silent.get(address, 0.0) + passed
            if self._heard.get(address) == last else 0.0
            for address, last in heard.items()
        }  # fmt: skip
        self._stuck = {
            address: self._stuck.get(address, 0.0) + passed
            if self._calls.get(address) and self._calls[address] <= keys else 0.0
            for address, keys in held.items()
        }  # fmt: skip
        self._heard, self._calls = heard, held
        for address in heard:
            reason = self._frozen(address)
            if reason is not None and address not in self._restarts:
                logger.warning(
                    "worker %s %s, and is taken for frozen: what it had is done elsewhere",
                    address, reason,
                )  # fmt: skip
                self._restarts[address] = asyncio.ensure_future(self._restart(address))

    def _frozen(self, address: str) -> str | None:
        """Return why a worker counts as frozen, or None where it does not."""
        silent, keys = self._silent[address], self._calls[address]
        limits = [self._limits[key] for key in keys if key in self._limits]
        patience = min([self._worker_silence, *(limit + self._call_silence for limit in limits)])
        if silent >= patience:
            return f"has not been heard of for {silent:.0f} seconds"
        # Calls of others, which have no limit, may take any time, and ours wait behind them.
        limit = max(limits) if len(limits) == len(keys) > 0 else math.inf
        if self._stuck[address] >= limit + self._worker_silence:
            return f"has ended no call for {self._stuck[address]:.0f} seconds"
        return None

    async def _restart(self, address: str) -> None:
        """Have a worker killed and started again by its nanny, or else removed."""
        stimulus = f"cryptodask-frozen-{uuid4().hex[:8]}"
        try:
            await self._client.scheduler.restart_workers(
                workers=[address], wait_for_workers=False, on_error="return",
                timeout=NANNY_PATIENCE, stimulus_id=stimulus,
            )  # fmt: skip
        except Exception:
            logger.debug("restarting %s failed", address, exc_info=True)
            with suppress(*LOST):
                await self._client.scheduler.unregister(address=address, stimulus_id=stimulus)
        finally:
            self._silent.pop(address, None)
            self._stuck.pop(address, None)
            del self._restarts[address]

    async def _answer(self, call: Awaitable[T]) -> T:
        """Return the scheduler's answer.

        Raises
        ------
        _SilentError
            None came in time.
        """
        task = asyncio.ensure_future(call)
        try:
            while True:
                before = time.monotonic()
                await asyncio.wait({task}, timeout=self._pause)
                if task.done():
                    answer = task.result()
                    self._unanswered = 0.0
                    return answer
                self._unanswered += self._passed(before)
                if self._unanswered >= self._scheduler_silence:
                    raise _SilentError
        finally:
            task.cancel()

    def _passed(self, before: float) -> float:
        """Return the seconds since a moment, but few where this process was stopped meanwhile."""
        return min(time.monotonic() - before, 2 * self._pause)

    async def _leave(self) -> None:
        """Leave the scheduler: whoever waits for it meets an error, as of one that died."""
        client = self._client
        note_lost(
            client,
            f"{client.scheduler.address}: the scheduler has not answered for "
            f"{self._unanswered:.0f} seconds, and all tasks in progress are given up; see whether "
            "it still runs, or its machine is frozen or cut off",
        )
        client.status = "closing"  # or it would connect anew
        if client.scheduler_comm is not None:
            client.scheduler_comm.abort()
        with suppress(*LOST, TimeoutError):
            await asyncio.wait_for(client._close(fast=True), LEAVE_PATIENCE)
        client.status = "closed"


_watches: "dict[Client, Watch]" = {}
_lock = threading.Lock()


@contextmanager
def watched(client: "Client") -> "Iterator[Watch | InProcess]":
    """Watch a client's cluster in this block; once, however many blocks there are.

    Parameters
    ----------
    client : Client

    Yields
    ------
    Watch or InProcess
        The latter where this process does the calls, which nobody else could end.
    """
    if isinstance(client, InProcess):
        yield client
        return
    with _lock:
        watch = _watches.get(client)
        if watch is None:
            watch = _watches[client] = Watch(client)
            watch.start()
        watch.users += 1
    try:
        yield watch
    finally:
        with _lock:
            watch.users -= 1
            if not watch.users:
                del _watches[client]
                watch.stop()


def _seconds(name: str, default: float) -> float:
    """Return a time of Dask's configuration."""
    import dask
    from dask.utils import parse_timedelta

    return float(parse_timedelta(dask.config.get(f"cryptodask.silence.{name}", default)))

"""Calls that this process does itself, one after the other, in the place of a cluster.

`InProcess` has as much of the interface of Dask's client as runs use, so that what cuts, submits
and collects work is the same for both. A call is done when somebody waits for it, in the thread of
whoever does, so that Ctrl-C ends it at once. Nothing of Dask is imported here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import uuid4

__all__ = ["InProcess", "LocalFuture"]

PENDING, FINISHED, ERROR = "pending", "finished", "error"


class LocalFuture:
    """A call that this process does when it is asked for.

    Parameters
    ----------
    client : InProcess
    key : Any
    function : callable
    args : tuple
        Among which futures may be: their results are taken.
    priority : int
        The highest of those that wait is done first.
    """

    def __init__(
        self,
        client: "InProcess",
        key: Any,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        priority: int,
    ) -> None:
        self.client, self.key, self.priority = client, key, priority
        self.status = PENDING
        self._call: tuple[Callable[..., Any], tuple[Any, ...]] | None = (function, args)
        self._result: Any = None

    def do(self) -> None:
        """Do the call, if it is not done; its error is kept."""
        if self._call is None:
            return
        function, args = self._call
        self._call = None
        try:
            self._result = function(*(_value(arg) for arg in args))
            self.status = FINISHED
        except Exception as error:  # noqa: BLE001 - raised, or kept by whoever asks for the result
            self._result, self.status = error, ERROR

    def result(self, timeout: float | None = None) -> Any:
        """Return what the call returned, and do it first if need be.

        Parameters
        ----------
        timeout : float, optional
            Without effect, as nobody else could do the call meanwhile.

        Raises
        ------
        Exception
            What the call raised.
        """
        del timeout
        self.do()
        if self.status == ERROR:
            raise cast("Exception", self._result)
        return self._result

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Return what the call raised, if it did; see `result`."""
        del timeout
        self.do()
        return cast("Exception", self._result) if self.status == ERROR else None

    def release(self) -> None:
        """Forget the result."""
        self._result = None


def _value(argument: Any) -> Any:
    return argument.result() if isinstance(argument, LocalFuture) else argument


class InProcess:
    """Does in this process what Dask's client has workers do: submit, cancel, ask.

    Attributes
    ----------
    status : str
        That of a client that is connected.
    """

    status = "running"

    def __init__(self) -> None:
        self._waiting: list[LocalFuture] = []

    def submit(
        self,
        function: Callable[..., Any],
        *args: Any,
        key: Any = None,
        priority: int = 0,
        **where: Any,
    ) -> LocalFuture:
        """Return a future of a call, which waits until somebody asks for it.

        Parameters
        ----------
        function : callable
        *args
            Futures of this class stand for their results.
        key : Any, optional
        priority : int
        **where
            What a cluster needs to know besides.
        """
        del where
        future = LocalFuture(self, key or uuid4().hex, function, args, priority)
        self._waiting.append(future)
        return future

    def do_next(self) -> None:
        """Do the call that has the highest priority; of the same, the first."""
        self._waiting = [future for future in self._waiting if future.status == PENDING]
        if self._waiting:
            max(self._waiting, key=lambda future: future.priority).do()

    def cancel(self, futures: Sequence[LocalFuture]) -> None:
        """Forget calls that were not done.

        Parameters
        ----------
        futures : sequence of LocalFuture
        """
        for future in futures:
            future.status = "cancelled"

    def nthreads(self) -> dict[str, int]:
        """Return the threads by worker: one."""
        return {"local": 1}

    def run(self, function: Callable[..., Any], *args: Any, **how: Any) -> dict[str, Any]:
        """Call a function, and return by worker what it returned, or its error.

        Parameters
        ----------
        function : callable
        *args
        **how
            What a cluster needs to know besides.
        """
        del how
        try:
            return {"local": function(*args)}
        except Exception as error:  # noqa: BLE001 - as ``on_error="return"`` has a client do
            return {"local": error}

    def gather(self, futures: Sequence[LocalFuture]) -> list[Any]:
        """Return the results of futures, in order.

        Parameters
        ----------
        futures : sequence of LocalFuture
        """
        return [future.result() for future in futures]

    def who_has(self, futures: Sequence[LocalFuture]) -> dict[Any, list[str]]:
        """Return by key which workers have results: none, as none has to be chosen.

        Parameters
        ----------
        futures : sequence of LocalFuture
        """
        del futures
        return {}

    @contextmanager
    def limiting(self) -> Iterator[Callable[[Any, float | None], None]]:
        """Give a function of a future and its time limit, which nothing here can end."""
        yield lambda *_: None

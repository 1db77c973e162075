"""Where the time of a piece of work goes: seconds by stage, each moment counted once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STAGES = ("start", "read", "trace", "fit", "predict", "write", "gather")
"""Stages of a forecast: starting processes and importing, reading prices, building and tracing
networks, fitting, predicting, writing files, and bringing results to the client."""


class _Watch:
    """Stages in progress, the innermost last, and the seconds of all stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = time.perf_counter()

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._open:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now

    def enter(self, name: str) -> None:
        """Begin a stage; the one around it pauses."""
        self._tick()
        self._open.append(name)

    def leave(self) -> None:
        """End the innermost stage."""
        self._tick()
        self._open.pop()


_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watching() -> Iterator[dict[str, float]]:
    """Count the stages of this block.

    Yields
    ------
    dict of str to float
        Stage -> seconds, which fills as the block runs.
    """
    watch = _Watch()
    token = _watch.set(watch)
    try:
        yield watch.seconds
    finally:
        _watch.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count this block as a stage, where anybody is `watching`; stages inside it do not count."""
    watch = _watch.get()
    if watch is None:
        yield
        return
    watch.enter(name)
    try:
        yield
    finally:
        watch.leave()

"""A time limit for work on a worker that may hang in code which no Python can interrupt."""

import faulthandler
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_deadlines: dict[int, float] = {}


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """End this process if the block takes longer than a limit.

    A thread of the C library waits for that, and needs neither Python's lock nor its help. It
    writes to standard error what all threads were doing. A nanny starts the worker again, and the
    scheduler gives what it held to another. Where several threads have limits, the first that is
    over ends the process.

    Parameters
    ----------
    seconds : float, optional
        By default the block may take any time.
    """
    if seconds is None:
        yield
        return
    thread = threading.get_ident()
    _arm(thread, time.monotonic() + seconds)
    try:
        yield
    finally:
        _arm(thread, None)


def _arm(thread: int, deadline: float | None) -> None:
    """Note or forget the deadline of a thread, and wait for the earliest of all."""
    with _lock:
        if deadline is None:
            _deadlines.pop(thread, None)
        else:
            _deadlines[thread] = deadline
        if not _deadlines:
            faulthandler.cancel_dump_traceback_later()
            return
        left = min(_deadlines.values()) - time.monotonic()
        # Standard error itself, since what takes its place in a notebook or a test has no file.
        assert sys.__stderr__ is not None
        faulthandler.dump_traceback_later(max(left, 1e-3), exit=True, file=sys.__stderr__)

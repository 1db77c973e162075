"""Ctrl-C and SIGTERM, from the first moment of a command on; nothing heavy is imported here."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ENDING_TIME", "stoppable"]

ENDING_TIME = 10.0
"""Seconds that a command has to end in order, in which no further SIGTERM disturbs it."""


@contextmanager
def stoppable() -> Iterator[None]:
    """End this block by SIGTERM as by Ctrl-C: in order, so that no process is left; with 143.

    Where nothing in the block reports that it was stopped, a line does.

    Raises
    ------
    SystemExit
        The block was stopped: 130 by Ctrl-C, 143 by SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[float] = []

    def interrupt(*_: Any) -> None:
        # A second one at once would cut off what the first one began.
        if not received or time.monotonic() - received[-1] > ENDING_TIME:
            received.append(time.monotonic())
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        if _is_silent(end):
            sys.stderr.write("stopped\n")
        if received:
            sys.exit(128 + signal.SIGTERM)
        if isinstance(end, KeyboardInterrupt):
            sys.exit(128 + signal.SIGINT)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_silent(end: BaseException) -> bool:
    """Return whether a command was stopped where nothing in it says so.

    Typer ends by ``raise Exit(130) from interrupt``; commands that report it, ``from None``.
    """
    cause = end.__context__.__cause__ if end.__context__ is not None else None
    return isinstance(end, KeyboardInterrupt) or isinstance(cause, KeyboardInterrupt)

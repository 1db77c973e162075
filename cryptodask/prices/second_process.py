"""A second process that reads files of a large import, while this one reads others.

``python -m cryptodask.prices.second_process`` is that process: it takes partitions from its input
and writes what it read to its output, until its input ends. It is started without
`multiprocessing`, which would run a user's script a second time. What it can't do is done here, so
that an import needs it for nothing but time.
"""

import io
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptodask.prices.read.price_file import PriceFile

LARGE = 1 << 25
"""Bytes of files from which it pays: reading them takes longer than starting a process."""


def pays_for(folder: Path) -> bool:
    """Return whether the files of a folder are large, and there is a second core.

    Parameters
    ----------
    folder : Path
        Or anything else, for which it does not.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (cores or 1) < 2 or not sys.executable or not folder.is_dir():
        return False
    with suppress(OSError), os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.is_file()) >= LARGE
    return False


class SecondProcess:
    """The other end of the process; see `second_process`.

    Parameters
    ----------
    process : Popen or None
        None, where it could not be started.
    """

    def __init__(self, process: "subprocess.Popen[bytes] | None") -> None:
        self.process = process
        self._thread = ThreadPoolExecutor(1)
        self._is_closed = False

    def map(self, call: Callable[[Any], Any], parts: Sequence[Any]) -> Iterator[Any]:
        """Yield what a call returns of partitions, in order; the process does every other one.

        One result waits at most, so that memory does not grow with their number.

        Parameters
        ----------
        call : callable
            That can be pickled.
        parts : sequence of Partition
        """
        theirs = iter(parts[1::2])
        ahead = self._begin(call, theirs)
        for i, part in enumerate(parts):
            if i % 2 == 0:
                yield call(part)
            else:
                assert ahead is not None
                result = ahead.result()
                ahead = self._begin(call, theirs)
                yield result

    def _begin(self, call: Callable[[Any], Any], parts: Iterator[Any]) -> "Future[Any] | None":
        part = next(parts, None)
        return None if part is None else self._thread.submit(self._do, call, part)

    def _do(self, call: Callable[[Any], Any], part: Any) -> Any:
        """Return what the process made of a partition, or make it here if it ended."""
        if self.process is not None:
            try:
                result, error = self._ask(call, part)
            except (OSError, EOFError, pickle.PickleError):
                self.process = None  # as if it had never been
            else:
                if error is not None:
                    raise error
                return result
        return None if self._is_closed else call(part)

    def _ask(self, call: Callable[[Any], Any], part: Any) -> tuple[Any, Exception | None]:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(_pickled((call, part)))
        self.process.stdin.flush()
        # What comes by this pipe is of a process that runs this very code.
        answer: tuple[Any, Exception | None] = pickle.load(self.process.stdout)  # noqa: S301
        return answer

    def close(self) -> None:
        """End the process, which holds nothing that can't be read again."""
        self._is_closed = True
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._thread.shutdown(cancel_futures=True)


@contextmanager
def second_process() -> Iterator[SecondProcess]:
    """Start the process, and end it after the block."""
    # As this process finds modules, so must that one.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = None
    with suppress(OSError):
        process = subprocess.Popen(
            [sys.executable, "-m", "cryptodask.prices.second_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
    second = SecondProcess(process)
    try:
        yield second
    finally:
        second.close()


def _pickled(message: tuple[Callable[[Any], Any], Any]) -> bytes:
    """Return a message with what is known of files, which does not travel to workers."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {PriceFile: _whole_file}
    pickler.dump(message)
    return buffer.getvalue()


def _whole_file(file: PriceFile) -> tuple[Any, ...]:
    return PriceFile, (file.coin, file.path, file.inside, file.reports_file, file.known)


def main() -> None:
    """Do what is asked for until the input ends."""
    # An interrupt is for the process that started this one, whose end ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What anything prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with suppress(EOFError, BrokenPipeError):
        while True:
            call, part = pickle.load(sys.stdin.buffer)  # noqa: S301 - of who started this process
            answer: tuple[Any, Exception | None]
            try:
                answer = call(part), None
            except Exception as error:  # noqa: BLE001 - raised where it was asked for
                answer = None, error
            pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()


if __name__ == "__main__":
    main()

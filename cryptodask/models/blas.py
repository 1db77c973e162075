"""The threads of NumPy's matrix products."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


class _OneThread:
    """The number of threads of NumPy's matrix products, which is the whole process's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._libraries: ThreadpoolController | None = None

    def enter(self) -> None:
        with self._lock:
            if self._libraries is None:
                self._libraries = ThreadpoolController()
            if not self._users:
                self._limit = self._libraries.limit(limits=1, user_api="blas")
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limit.restore_original_limits()


_one_thread = _OneThread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's matrix products run on one thread, the same way on every machine.

    More threads could change the order of sums. The first of several threads that need it sets
    it, and the last one puts back what was there.
    """
    _one_thread.enter()
    try:
        yield
    finally:
        _one_thread.leave()

"""`WarmUp`: what a worker imports and compiles before its first task."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module

from dask.distributed import Worker, WorkerPlugin
from distributed.protocol import pickle

from cryptodask.worker.calls import Action

logger = logging.getLogger(__name__)


class WarmUp(WorkerPlugin):  # type: ignore[misc]
    """Calls functions on a worker, now and on each that joins later, in the thread of its tasks.

    The worker still answers meanwhile, and its first task waits only for the calls that are left.

    Parameters
    ----------
    actions : mapping of str to callable
        By a name of each, for messages.
    modules : sequence of str
        Modules that tasks are of. They are imported first, in the thread that opens messages: two
        threads that import parts of one package at a time may see modules that are half made, and
        where that is the thread of messages, the worker answers no more.
    """

    name = "cryptodask-warm-up"

    def __init__(self, actions: Mapping[str, Action], modules: Sequence[str] = ()) -> None:
        self._modules = tuple(modules)
        # To be opened in that thread, since opening imports the modules that functions are of.
        self._pickled = {name: pickle.dumps(action) for name, action in actions.items()}

    def setup(self, worker: Worker) -> None:
        """Begin, on this worker.

        Parameters
        ----------
        worker : Worker
        """
        with suppress(ImportError):  # which the first task meets, and its client gets
            for module in self._modules:
                import_module(module)
        worker.executors["default"].submit(self._call_all)

    def _call_all(self) -> None:
        for name, pickled in self._pickled.items():
            try:
                pickle.loads(pickled)()  # from the client, as the tasks of this worker are
            except Exception:
                # The task that needs it meets the same error, and the client gets it.
                logger.warning("warming up for %s failed", name, exc_info=True)

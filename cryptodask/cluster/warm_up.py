"""Workers that import and compile what a run needs before its first task comes."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from dask.distributed import Client, Worker, WorkerPlugin
from distributed.protocol import pickle

from cryptodask.cluster.broadcast import LOST

logger = logging.getLogger(__name__)

Action = Callable[[], object]
"""Of a module that workers can import; done twice, it is as good as once."""

_known: "WeakKeyDictionary[Client, dict[str, Action]]" = WeakKeyDictionary()
_adding = threading.Lock()


class WarmUp(WorkerPlugin):  # type: ignore[misc]
    """Calls functions on a worker, now and on each that joins later, in the thread of its tasks.

    The worker still answers meanwhile, and its first task waits only for the calls that are left.

    Parameters
    ----------
    actions : mapping of str to callable
        By a name of each, for messages.
    """

    name = "cryptodask-warm-up"

    def __init__(self, actions: Mapping[str, Action]) -> None:
        # To be opened in that thread, since opening imports the modules that functions are of.
        self._pickled = {name: pickle.dumps(action) for name, action in actions.items()}

    def setup(self, worker: Worker) -> None:
        """Begin, on this worker.

        Parameters
        ----------
        worker : Worker
        """
        worker.executors["default"].submit(self._call_all)

    def _call_all(self) -> None:
        for name, pickled in self._pickled.items():
            try:
                pickle.loads(pickled)()  # from the client, as the tasks of this worker are
            except Exception:
                # The task that needs it meets the same error, and the client gets it.
                logger.warning("warming up for %s failed", name, exc_info=True)


def warm_up(client: Client, actions: Mapping[str, Action]) -> None:
    """Have all workers, and those that join later, call functions; not again what they called.

    Parameters
    ----------
    client : Client
    actions : mapping of str to callable
        By a name of each, such as the model's that needs it.
    """
    with _adding:
        known = _known.setdefault(client, {})
        new = {name: action for name, action in actions.items() if name not in known}
        if not new:
            return
        plugin: Any = WarmUp(known | new)
        # Nothing needs it: where the scheduler is gone, whatever asks next says so. Where a worker
        # leaves meanwhile, the others have the plugin, and those that join get it.
        with suppress(*LOST):
            client.register_plugin(plugin)
            known |= new

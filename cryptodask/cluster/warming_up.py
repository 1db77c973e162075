"""Workers that import and compile what a run needs before its first task comes."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cryptodask.cluster.broadcast import LOST
from cryptodask.worker.calls import Action
from cryptodask.worker.calls.warm_up import WarmUp

if TYPE_CHECKING:
    from dask.distributed import Client

_known: "WeakKeyDictionary[Client, dict[str, Action]]" = WeakKeyDictionary()
_adding = threading.Lock()


def warm_up(client: "Client", actions: Mapping[str, Action], modules: Sequence[str] = ()) -> None:
    """Have all workers, and those that join later, call functions; not again what they called.

    Parameters
    ----------
    client : Client
    actions : mapping of str to callable
        By a name of each, such as the model's that needs it.
    modules : sequence of str
        Those of all tasks that will come; see `WarmUp`.
    """
    with _adding:
        known = _known.setdefault(client, {})
        new = {name: action for name, action in actions.items() if name not in known}
        if not new:
            return
        plugin: Any = WarmUp(known | new, modules)
        # Nothing needs it: where the scheduler is gone, whatever asks next says so. Where a worker
        # leaves meanwhile, the others have the plugin, and those that join get it.
        with suppress(*LOST):
            client.register_plugin(plugin)
            known |= new

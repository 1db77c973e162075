"""Connecting to a cluster, and running a callable over partitions by futures. Never a model.

The names load on first use: a run in this process needs nothing of Dask.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.cluster.broadcast import (
        as_cluster_error,
        ask_workers,
        paths_visible,
        tell_workers,
        workers_of,
    )
    from cryptodask.cluster.connecting import (
        close_local,
        connect,
        local_client,
        most_workers,
        requiring,
    )
    from cryptodask.cluster.events import RunLog
    from cryptodask.cluster.futures import FutureOutcome, cancel, collect, ordered_map, submit
    from cryptodask.cluster.retry import TaskCall, TaskId, TaskOutcome, run_tasks
    from cryptodask.cluster.rounds import hold_tasks, run_rounds
    from cryptodask.cluster.uploading import upload_modules
    from cryptodask.cluster.warming_up import warm_up
    from cryptodask.cluster.watch import watched
    from cryptodask.cluster.worker_state import WorkerState

__all__ = [
    "TaskOutcome",
    "WorkerState",
    "FutureOutcome",
    "ask_workers",
    "as_cluster_error",
    "TaskId",
    "TaskCall",
    "RunLog",
    "cancel",
    "close_local",
    "collect",
    "connect",
    "hold_tasks",
    "local_client",
    "most_workers",
    "ordered_map",
    "paths_visible",
    "requiring",
    "run_tasks",
    "run_rounds",
    "submit",
    "tell_workers",
    "upload_modules",
    "warm_up",
    "watched",
    "workers_of",
]

_HOME = {
    **dict.fromkeys(
        ("as_cluster_error", "ask_workers", "paths_visible", "tell_workers", "workers_of"),
        "cryptodask.cluster.broadcast",
    ),
    **dict.fromkeys(
        ("close_local", "connect", "local_client", "most_workers", "requiring"),
        "cryptodask.cluster.connecting",
    ),
    "RunLog": "cryptodask.cluster.events",
    **dict.fromkeys(
        ("FutureOutcome", "cancel", "collect", "ordered_map", "submit"),
        "cryptodask.cluster.futures",
    ),
    **dict.fromkeys(("TaskCall", "TaskId", "TaskOutcome", "run_tasks"), "cryptodask.cluster.retry"),
    **dict.fromkeys(("hold_tasks", "run_rounds"), "cryptodask.cluster.rounds"),
    "upload_modules": "cryptodask.cluster.uploading",
    "warm_up": "cryptodask.cluster.warming_up",
    "watched": "cryptodask.cluster.watch",
    "WorkerState": "cryptodask.cluster.worker_state",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask.cluster' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value

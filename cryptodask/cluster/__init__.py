"""Connecting to a cluster, and running a callable over partitions by futures. Never a model."""

from cryptodask.cluster.broadcast import (
    as_cluster_error,
    ask_workers,
    paths_visible,
    tell_workers,
    workers_of,
)
from cryptodask.cluster.connect import (
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
from cryptodask.cluster.warm_up import warm_up
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

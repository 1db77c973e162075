"""Connecting to a cluster, and running a callable over partitions by futures. Never a model."""

from cryptodask.cluster.connect import (
    close_local,
    connect,
    local_client,
    most_workers,
    requiring,
)
from cryptodask.cluster.events import RunLog
from cryptodask.cluster.futures import (
    Outcome,
    ask_workers,
    cancel,
    collect,
    comms_lost,
    ordered_map,
    paths_visible,
    submit,
    tell_workers,
    workers_of,
)
from cryptodask.cluster.retry import Ended, TaskId, Work, run_pieces
from cryptodask.cluster.rounds import hold_all, run_rounds
from cryptodask.cluster.warm_up import warm_up
from cryptodask.cluster.worker_state import WorkerState

__all__ = [
    "Ended",
    "WorkerState",
    "Outcome",
    "ask_workers",
    "comms_lost",
    "TaskId",
    "Work",
    "RunLog",
    "cancel",
    "close_local",
    "collect",
    "connect",
    "hold_all",
    "local_client",
    "most_workers",
    "ordered_map",
    "paths_visible",
    "requiring",
    "run_pieces",
    "run_rounds",
    "submit",
    "tell_workers",
    "warm_up",
    "workers_of",
]

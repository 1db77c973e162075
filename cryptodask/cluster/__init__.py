"""Connecting to a cluster, and running a callable over partitions by futures. Never a model."""

from cryptodask.cluster.client import (
    close_local,
    connect,
    local_client,
    most_workers,
    requiring,
)
from cryptodask.cluster.events import RunLog
from cryptodask.cluster.rescue import Ended, Piece, Work, run_pieces
from cryptodask.cluster.rounds import run_rounds
from cryptodask.cluster.run import (
    Outcome,
    cancel,
    collect,
    ordered_map,
    paths_visible,
    submit,
    tell_workers,
)
from cryptodask.cluster.warm_up import warm_up

__all__ = [
    "Ended",
    "Outcome",
    "Piece",
    "Work",
    "RunLog",
    "cancel",
    "close_local",
    "collect",
    "connect",
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
]

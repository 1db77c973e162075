"""Connecting to a cluster, and running a callable over partitions by futures. Never a model."""

from cryptodask.cluster.client import close_local, connect, local_client
from cryptodask.cluster.events import RunLog
from cryptodask.cluster.rounds import run_rounds
from cryptodask.cluster.run import Outcome, cancel, collect, ordered_map, paths_visible, submit

__all__ = [
    "Outcome",
    "RunLog",
    "cancel",
    "close_local",
    "collect",
    "connect",
    "local_client",
    "ordered_map",
    "paths_visible",
    "run_rounds",
    "submit",
]

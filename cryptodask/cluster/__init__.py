"""Connecting to a cluster, and running a callable over partitions by futures. Never a model."""

from cryptodask.cluster.client import close_local, connect, local_client
from cryptodask.cluster.run import Outcome, collect, paths_visible, submit

__all__ = [
    "Outcome",
    "close_local",
    "collect",
    "connect",
    "local_client",
    "paths_visible",
    "submit",
]

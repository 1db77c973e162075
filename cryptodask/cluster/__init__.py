"""Connecting to a cluster, and running a callable over partitions by futures. Never a model."""

from cryptodask.cluster.connect import connect, local_client
from cryptodask.cluster.run import Outcome, collect, paths_visible, submit

__all__ = ["Outcome", "collect", "connect", "local_client", "paths_visible", "submit"]

"""A client of a cluster: one that runs already, or one started here."""

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

import psutil  # of distributed
from dask.distributed import Client, LocalCluster

from cryptodask.errors import ClusterError, OptionError

CONNECT_TIMEOUT = 10
"""Seconds to wait for a scheduler to answer."""

WORKER_TIMEOUT = 30
"""Seconds to wait for a first worker."""


@contextmanager
def connect(scheduler: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """Connect to a scheduler, or start a local cluster; closed at the end of the block.

    Parameters
    ----------
    scheduler : str, optional
        Its address, as ``tcp://host:8786``. Without one a local cluster is started.
    workers : int, optional
        Processes of the local cluster; by default one a core.

    Raises
    ------
    ClusterError
        No scheduler answers there, or it has no worker.
    OptionError
        Workers were asked for beside a scheduler, or less than one.
    """
    if scheduler is None:
        client = local_client(workers)
        try:
            yield client
        finally:
            close_local(client)
        return
    if workers is not None:
        raise OptionError(
            f"workers: {workers} were asked for, but the scheduler at {scheduler} has its own; "
            "start more with `dask worker`"
        )
    client = _remote_client(scheduler)
    try:
        yield client
    finally:
        client.close()


def local_client(workers: int | None = None) -> Client:
    """Start a scheduler and workers on this machine, on loopback, one thread a worker.

    Two processes of one thread are faster than one of two, since much of a fit holds Python's
    lock, and the sums of one thread have one order, so that forecasts are the same everywhere.

    The caller ends it with `close_local`.
    """
    if workers is not None and workers < 1:
        raise OptionError(f"workers: must be at least 1, got {workers}")
    with warnings.catch_warnings(), _ctrl_c_is_ours():
        # The usual port of the dashboard may be taken; the next free one does as well.
        warnings.filterwarnings("ignore", message="Port .* is already in use")
        cluster = LocalCluster(
            n_workers=workers or os.cpu_count() or 1,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:8787",
            # One may be killed from outside; see `cryptodask.cluster.rescue` for what comes then.
            scheduler_kwargs={"allowed_failures": 1},
        )
    return Client(cluster)


def close_local(client: Client) -> None:
    """Close a client that `local_client` gave, and its cluster."""
    # Nothing is left on the workers that anyone wants, and asked to leave, one in the middle of a
    # fit tells of it at length, or takes seconds if it has loaded much.
    with _quiet():
        for nanny in client.cluster.workers.values():
            nanny.auto_restart = False
            with suppress(psutil.NoSuchProcess):
                psutil.Process(nanny.pid).kill()
        client.close()
        client.cluster.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from telling, in this block, of workers that are gone.

    Each of its loggers is set by itself, since closing a local cluster resets the one above them.
    """
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed.")]
    levels = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started in this block.

    A terminal sends it to every process of a job. Workers would die of it with tracebacks while
    the client, which gets it too, is about to end them in order. A signal that is blocked while a
    process is started stays blocked there; here it is delivered at the end of the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Its helper process unblocks the signal where it is first started; so start it before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def reporting(path: Path | None) -> Iterator[None]:
    """Write Dask's performance report of this block, where a path is given."""
    if path is None:
        yield
        return
    from dask.distributed import performance_report

    with performance_report(filename=str(path)):
        yield


def _remote_client(scheduler: str) -> Client:
    # Made before it is started, to be closed if the start fails: left to be collected, whenever
    # that is, it takes a lock that Dask may hold just then to start another client, for ever.
    client = Client.__new__(Client)
    try:
        client.__init__(scheduler, timeout=CONNECT_TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        client.close()
        raise ClusterError(
            f"{scheduler}: no scheduler answers there ({error}); start one with `dask scheduler`, "
            "and give its address as tcp://host:8786"
        ) from error
    try:
        client.wait_for_workers(1, timeout=WORKER_TIMEOUT)
    except TimeoutError as error:
        client.close()
        raise ClusterError(
            f"{scheduler}: the scheduler has no worker; start some with "
            f"`dask worker {scheduler} --nthreads 1`"
        ) from error
    return client

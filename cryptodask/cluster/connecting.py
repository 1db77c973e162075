"""A client of a cluster: one that runs already, or one started here."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from typing import Any

import dask
import psutil  # of distributed
from dask.distributed import Client, LocalCluster, Security

from cryptodask.cluster.broadcast import LOST, scheduler_lost, workers_of
from cryptodask.cluster.security.origins import configured_origins, guard_pages
from cryptodask.cluster.security.tls import explain
from cryptodask.cluster.versions import check_versions
from cryptodask.cluster.watch import watched
from cryptodask.errors import ClusterError, OptionError

CONNECT_TIMEOUT = 10
"""Seconds to wait for a connection to a scheduler."""

GREETING_TIMEOUT = 15
"""Seconds to wait for a scheduler to answer, connecting among them."""

MOST_WORKERS = 1024
"""Processes on one machine, which Dask would try to start however many are asked for."""

WORKER_TIMEOUT = 30
"""Seconds to wait for a first worker."""

Workers = int | tuple[int, int]
"""How many processes; or the fewest and the most, between which the work decides."""

# Of workers here: nobody looks at them, and a name that leads to this machine could read them.
_NO_PAGES: Mapping[str, Any] = {"distributed": {"worker": {"http": {"routes": []}}}}

ADAPT = {"interval": "500ms", "target_duration": "1s", "wait_count": 6}
"""How a cluster grows and shrinks: a worker for each second of work that waits, so that it grows at
once, and none is let go that was not idle for three."""


@contextmanager
def connect(
    scheduler: str | None = None,
    workers: Workers | None = None,
    security: Security | None = None,
    *,
    check: bool = True,
) -> Iterator[Client]:
    """Connect to a scheduler, or start a local cluster; closed at the end of the block.

    Parameters
    ----------
    scheduler : str, optional
        Its address, as ``tcp://host:8786`` or, with TLS, ``tls://host:8786``. Without one a local
        cluster is started.
    workers : int or (int, int), optional
        Processes of the local cluster; by default one a core. Of a scheduler that runs already, a
        pair says that workers come and go as the work needs, so that there may be none yet.
    security : Security, optional
        The client's certificate, for a scheduler with TLS (`client_security`); by default that of
        Dask's configuration.
    check : bool
        Whether versions are compared; see `cryptodask.cluster.versions`.

    Raises
    ------
    ClusterError
        No scheduler answers there, it refuses this client, it has no worker, or versions differ
        that must not.
    OptionError
        Workers were asked for beside a scheduler, or less than one; or a certificate was given
        without a scheduler.
    """
    if scheduler is None:
        if security is not None:
            raise OptionError(
                "tls: a local cluster stays on loopback and needs no certificate; name a scheduler"
            )
        client = local_client(workers)
        try:
            with watched(client):
                yield client
        finally:
            close_local(client)
        return
    if isinstance(workers, int):
        raise OptionError(
            f"workers: {workers} were asked for, but the scheduler at {scheduler} has its own; "
            "start more with `dask worker`"
        )
    least = _bounds(workers)[0] if workers else 1
    client = _remote_client(scheduler, security)
    try:
        with watched(client):
            _wait_for_workers(client, least)
            if check:
                check_versions(client)
            yield client
    finally:
        client.close()


def local_client(workers: Workers | None = None) -> Client:
    """Start a scheduler and workers on this machine, on loopback, one thread a worker.

    Two processes of one thread are faster than one of two, since much of a fit holds Python's
    lock, and the sums of one thread have one order, so that forecasts are the same everywhere.

    The caller ends it with `close_local`.

    Parameters
    ----------
    workers : int or (int, int), optional
        Processes, by default one a core. With a pair of numbers, workers are started when there is
        work for them and ended when there is none.

    Raises
    ------
    OptionError
        Less than one worker or over `MOST_WORKERS`, or a fewest above the most; or Dask's setting
        of the dashboard's origins is not a list of hosts, or that of its certificate not one.
    """
    origins = configured_origins()
    least, most = _bounds(workers if workers is not None else os.cpu_count() or 1)
    if most > MOST_WORKERS:
        raise OptionError(
            f"workers: must be at most {MOST_WORKERS:,} on one machine, got {most}; start a "
            "cluster across machines and give its --scheduler"
        )
    cluster = client = None
    try:
        with warnings.catch_warnings(), _starting():
            # The usual port of the dashboard may be taken; the next free one does as well.
            warnings.filterwarnings("ignore", message="Port .* is already in use")
            cluster = LocalCluster(
                n_workers=least,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:8787",
                # One may be killed from outside; see `cryptodask.cluster.retry` for what follows.
                scheduler_kwargs={"allowed_failures": 1},
                config=dask.config.merge(dask.config.config, _NO_PAGES),
            )
            guard_pages(cluster.scheduler, origins)
            client = Client(cluster)
    except BaseException:
        if client is not None:
            close_local(client)
        elif cluster is not None:
            with _quiet():
                _kill_workers(cluster)
                cluster.close()
        raise
    if most > least:
        cluster.adapt(minimum=least, maximum=most, **ADAPT)
    return client


def most_workers(client: Client) -> int:
    """Return how many workers a cluster that was started here may grow to; 0 of others.

    Parameters
    ----------
    client : Client
    """
    adaptive = getattr(client.cluster, "_adaptive", None)
    return int(adaptive.maximum) if adaptive is not None else 0


def _bounds(workers: Workers) -> tuple[int, int]:
    """Return the fewest and the most workers."""
    least, most = (workers, workers) if isinstance(workers, int) else workers
    if most < 1 or least < 0:
        raise OptionError(f"workers: must be at least 1, got {most if most < 1 else least}")
    if least > most:
        raise OptionError(
            f"workers: at least {least} and at most {most} can't both hold; give the fewest first, "
            "as in 0:8"
        )
    return least, most


def close_local(client: Client) -> None:
    """Close a client that `local_client` returned, and its cluster.

    Parameters
    ----------
    client : Client
    """
    with _quiet():
        if most_workers(client):
            client.cluster.adapt(minimum=0, maximum=0).stop()  # none is started for one that goes
        _kill_workers(client.cluster)
        client.close()
        client.cluster.close()


def _kill_workers(cluster: LocalCluster) -> None:
    """Kill the workers of a cluster that is to be closed.

    Nobody needs what is left on them. One that is asked to leave in the middle of a fit logs much
    about it, or takes seconds if it has loaded much.
    """
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        with suppress(psutil.NoSuchProcess):
            if nanny.pid:  # none yet of one that is being started
                psutil.Process(nanny.pid).kill()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging, in this block, that workers are gone.

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
def _starting() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started in this block, which is not interrupted.

    A terminal sends it to every process of a job. Workers would die of it with tracebacks while
    the client, which gets it too, is about to end them in order. A signal that is blocked while a
    process is started stays blocked there; here it is delivered at the end of the block, as is
    SIGTERM, which workers may get: a cluster that has half started can't be closed.
    """
    with _sigterm_later():
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
def _sigterm_later() -> Iterator[None]:
    """Have a function of Python that deals with SIGTERM called at the end of this block."""
    handler = signal.getsignal(signal.SIGTERM)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(handler):  # it ends the process, or is ignored
        yield
        return
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        if received:
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def requiring(client: Client, resources: Mapping[str, float] | None) -> Iterator[None]:
    """Have what is submitted in this block run on workers with these resources only.

    Parameters
    ----------
    client : Client
    resources : mapping of str to float, optional
        Dask's resources, by name: what a worker was started with (``dask worker --resources
        "GPU=1"``), and what `dask.annotate` asks for. By default any worker will do.

    Raises
    ------
    ClusterError
        There are workers, and none of them has that much.
    """
    wanted = dict(resources or {})
    if not wanted:
        yield
        return
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if workers and not any(
        all(worker["resources"].get(name, 0) >= amount for name, amount in wanted.items())
        for worker in workers
    ):
        needed = " ".join(f"{name}={amount:g}" for name, amount in wanted.items())
        raise ClusterError(
            f"resources: no worker has {needed}; start one with `dask worker … --resources "
            f"'{needed}'`, or ask for less"
        )
    with dask.annotate(resources=wanted):
        yield


def _remote_client(scheduler: str, security: Security | None) -> Client:
    # Made before it is started, to be closed if the start fails: left to be collected, whenever
    # that is, it takes a lock that Dask may hold just then to start another client, for ever.
    client = Client.__new__(Client)
    # Dask limits the time to connect, but not the time until a scheduler, which may be frozen, says
    # anything.
    client.start = partial(client.start, callback_timeout=GREETING_TIMEOUT)
    try:
        client.__init__(scheduler, timeout=CONNECT_TIMEOUT, security=security)
    except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        client.close()
        why = explain(scheduler, error)
        if why is None and isinstance(error, TypeError | RuntimeError):
            raise
        nobody = (
            f"{scheduler}: no scheduler answers there ({error}); start one with `dask scheduler`, "
            "and give its address as tcp://host:8786"
        )
        raise ClusterError(why or nobody) from error
    return client


def _wait_for_workers(client: Client, least: int) -> None:
    """Wait until a scheduler has that many workers."""
    if not least:
        return
    scheduler = client.scheduler.address
    try:
        client.wait_for_workers(least, timeout=WORKER_TIMEOUT)
    except TimeoutError as error:
        workers = workers_of(client)
        raise ClusterError(
            f"{scheduler}: the scheduler has {len(workers) or 'no'} worker"
            f"{'s' * (len(workers) > 1)} after {WORKER_TIMEOUT} seconds; start some with "
            f"`dask worker {scheduler} --nthreads 1`, or say that they come as the work needs them "
            "(--workers 0:8)"
        ) from error
    except LOST as error:
        raise scheduler_lost(client) from error

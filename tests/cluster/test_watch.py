"""Processes that are there and answer nothing, as one that was stopped by a signal."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import pandas as pd
import psutil
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager
from cryptodask.cluster import connect, workers_of
from cryptodask.errors import ClusterError
from tests.chaos.poison import Poison
from tests.cluster.test_futures import until
from tests.conftest import Cluster

SOON = {"cryptodask.silence.worker": 6, "cryptodask.silence.call": 2,
        "cryptodask.silence.scheduler": 4}  # fmt: skip


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Take processes for frozen that do not answer for seconds."""
    with dask.config.set(SOON):
        yield


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    """A client of a cluster that nothing happens to."""
    with Client(cluster.address) as client:
        client.wait_for_workers(2)
        yield client


def worker_process(process: "subprocess.Popen[bytes]", nanny: bool) -> psutil.Process:
    """Return the process of a worker that does its calls."""
    if not nanny:
        return psutil.Process(process.pid)
    found: list[psutil.Process] = []

    def there() -> bool:
        children = psutil.Process(process.pid).children(recursive=True)
        found[:] = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        return bool(found)

    until(there)
    return found[0]


@contextmanager
def frozen(process: Any) -> Iterator[None]:
    """Stop a process in this block."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize("nanny", [True, False])
@pytest.mark.parametrize("timeout", [1.0, None])
def test_a_worker_that_freezes_in_a_task_loses_it_and_blames_no_coin(
    own_cluster: Cluster,
    client: Client,
    small_folder: Path,
    tmp_path: Path,
    nanny: bool,
    timeout: float | None,
) -> None:
    models = ["naive", Poison(seconds=0.2)]
    loader = CryptoLoader(small_folder, 6)
    expected = CryptoManager(loader, client).forecast(models, 3, progress=False)
    processes = [own_cluster.add_worker(*([] if nanny else ["--no-nanny"])) for _ in range(2)]
    with Client(own_cluster.address) as own, ThreadPoolExecutor() as pool:
        own.wait_for_workers(2)
        first = worker_process(processes[0], nanny)
        stopped: list[float] = []

        def freeze(_: int) -> None:
            if not stopped:
                stopped.append(time.monotonic())
                first.send_signal(signal.SIGSTOP)

        run = CryptoManager(loader, own).forecast
        out = tmp_path / "out"
        asked = pool.submit(
            run, models, 3, progress=False, on_done=freeze, timeout=timeout and 5.0, out=out
        )
        done = asked.result(120)
        print(time.monotonic() - stopped[0])
        until(lambda: len(workers_of(own)) == 1 + nanny)
    pd.testing.assert_frame_equal(done.get_df(), expected.get_df(), check_exact=True)
    pd.testing.assert_frame_equal(done.failures, expected.failures)
    if first.is_running():
        first.resume()


@pytest.mark.slow
def test_a_scheduler_that_freezes_is_told(
    own_cluster: Cluster, small_folder: Path, tmp_path: Path
) -> None:
    own_cluster.add_worker()
    out = tmp_path / "out"

    def freeze(_: int) -> None:
        own_cluster.scheduler.send_signal(signal.SIGSTOP)

    before = time.monotonic()
    try:
        with pytest.raises(
            ClusterError, match=f"has not answered for . seconds.*cryptodask resume {out}"
        ):
            with connect(own_cluster.address) as own:
                CryptoManager(CryptoLoader(small_folder, 6), own).forecast(
                    ["naive", Poison(seconds=0.2)], 3, progress=False, on_done=freeze, out=out
                )
        print(time.monotonic() - before)
        before = time.monotonic()
        with (
            pytest.raises(ClusterError, match="no scheduler answers there"),
            connect(own_cluster.address),
        ):
            pass
        print(time.monotonic() - before)
    finally:
        own_cluster.scheduler.send_signal(signal.SIGCONT)

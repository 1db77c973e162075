"""Processes that are there and answer nothing, as one that was stopped by a signal."""

import hashlib
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import pandas as pd
import psutil
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager
from cryptodask.cluster import TaskCall, TaskId, connect, run_tasks, workers_of
from cryptodask.errors import ClusterError
from tests.chaos.poison import Poison
from tests.cluster.test_futures import until
from tests.conftest import Cluster

PATIENCE = 120
"""Seconds after which a run is stuck: less than the times after which Dask itself would act."""


def process_of(worker: "subprocess.Popen[bytes]", *, nanny: bool) -> psutil.Process:
    """Return the process that runs the tasks of a worker."""
    found = [psutil.Process(worker.pid)]
    if nanny:
        children = found[0].children(recursive=True)
        found = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    [process] = found
    return process


def digests(folder: Path) -> dict[str, str]:
    """Return the checksum of each file but the lock."""
    files = [file for file in folder.iterdir() if file.name != "_lock"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("nanny", "timeout", "silence"),
    [(True, 2.0, {"worker": 300, "call": 3}), (False, None, {"worker": 5})],
    ids=["time limit", "no time limit"],
)
def test_what_a_frozen_worker_had_is_done_elsewhere_and_blames_no_coin(
    own_cluster: Cluster,
    client: Client,
    small_folder: Path,
    tmp_path: Path,
    nanny: bool,
    timeout: float | None,
    silence: dict[str, float],
) -> None:
    models = ["naive", Poison(seconds=0.2)]
    loader, out = CryptoLoader(small_folder, 6), tmp_path / "out"
    expected = CryptoManager(loader, client).forecast(models, 3, progress=False)
    options = () if nanny else ("--no-nanny",)
    workers = [own_cluster.add_worker(*options) for _ in range(2)]
    with (
        dask.config.set({f"cryptodask.silence.{name}": each for name, each in silence.items()}),
        Client(own_cluster.address) as own,
        ThreadPoolExecutor() as pool,
    ):
        own.wait_for_workers(2)
        frozen = process_of(workers[0], nanny=nanny)
        ended: list[int] = []

        def freeze(count: int) -> None:
            if not ended:  # once
                frozen.suspend()
            ended.append(count)

        run = CryptoManager(loader, own).forecast
        asked = pool.submit(
            run, models, 3, progress=False, on_done=freeze, timeout=timeout, out=out
        )
        try:
            done = asked.result(PATIENCE)
        finally:
            written = digests(out)
            if frozen.is_running():
                frozen.resume()
        pd.testing.assert_frame_equal(done.get_df(), expected.get_df(), check_exact=True)
        pd.testing.assert_frame_equal(done.failures, expected.failures)
        frozen.wait(PATIENCE)  # it is killed, or woke up and found that it is not wanted any more
        until(lambda: len(workers_of(own)) == 1 + nanny)
    assert digests(out) == written


def hang_once(folder: Path) -> str:
    """Hang when this is called for the first time, as a file system that is gone has it."""
    try:
        (folder / "called").mkdir()
    except FileExistsError:
        return "done"
    time.sleep(10 * PATIENCE)
    return "never"


@pytest.mark.slow
def test_a_worker_whose_call_can_not_end_itself_loses_it(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    own_cluster.add_worker()
    call = TaskCall(
        hang_once, lambda _: (tmp_path,), lambda _: "hang", lambda _: 1.0, lambda _: 1,
        limit=lambda _: 1.0,
    )  # fmt: skip
    with (
        dask.config.set({"cryptodask.silence.worker": 4}),
        Client(own_cluster.address) as own,
        ThreadPoolExecutor() as pool,
    ):
        own.wait_for_workers(1)
        asked = pool.submit(lambda: [o.result for o in run_tasks(own, call, [TaskId(0)])])
        try:
            assert asked.result(PATIENCE) == ["done"]
        finally:
            own_cluster.stop()  # or the thread would wait for it


@pytest.mark.slow
def test_a_frozen_scheduler_is_an_error_that_says_how_the_run_is_resumed(
    own_cluster: Cluster, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cluster.add_worker()
    loader, out = CryptoLoader(small_folder, 6), tmp_path / "out"
    models = ["naive", Poison(seconds=0.2)]
    ended: list[int] = []

    def freeze(count: int) -> None:
        if not ended:  # once
            own_cluster.scheduler.send_signal(signal.SIGSTOP)
        ended.append(count)

    def run(**options: Any) -> None:
        with connect(own_cluster.address) as own:
            CryptoManager(loader, own).forecast(models, 3, progress=False, **options)

    with ThreadPoolExecutor() as pool, dask.config.set({"cryptodask.silence.scheduler": 8}):
        try:
            lost = pool.submit(run, out=out, on_done=freeze).exception(PATIENCE)
            monkeypatch.setattr(sys.modules["cryptodask.cluster.connecting"], "GREETING_TIMEOUT", 3)
            later = pool.submit(run).exception(PATIENCE)
        finally:
            own_cluster.scheduler.send_signal(signal.SIGCONT)
    assert isinstance(lost, ClusterError)
    assert f"{own_cluster.address}: the scheduler has not answered for" in str(lost)
    assert f"`cryptodask resume {out}` continues from there" in str(lost)
    assert isinstance(later, ClusterError)
    assert f"{own_cluster.address}: no scheduler answers there" in str(later)

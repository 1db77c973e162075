"""What several test modules need: prices, a cluster of real processes, and an S3 server."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import pandas as pd
import pytest
from dask.distributed import Client
from upath import UPath

from cryptodask.prices.synthetic import synthetic_prices

SHARED = Path(__file__).parent.parent.parent / "shared"
REAL_DATA = SHARED / "data" / "crypto-prices-2017"
DASK = [sys.executable, "-m", "dask"]

IDLE = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "2s",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "500ms",
}
"""How seldom Dask's processes look at themselves. By default five that idle take a tenth of a core,
and a whole core those of all clusters that stay up for the tests that share them."""

MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30
"""A file system in memory, and how many free bytes it must have to be used."""


def pytest_configure(config: pytest.Config) -> None:
    """Make processes that idle cheap, and put temporary files where a sync costs nothing.

    All that the project writes is synced, some ten times a table, which is milliseconds each time
    on a disk. A ``TMPDIR`` that is set is left as it is.
    """
    del config
    os.environ.update({name: os.environ.get(name, value) for name, value in IDLE.items()})
    dask.config.refresh()
    usable = "TMPDIR" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    if usable and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # what it was before, if anyone asked


@pytest.hookimpl(trylast=True)  # after they were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first, so that no core idles while the last one of them runs."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def write_folder(folder: Path, prices: pd.DataFrame) -> Path:
    """Write prices as one CSV a coin, newest row first."""
    folder.mkdir(parents=True, exist_ok=True)
    for coin, rows in prices.groupby("coin"):
        rows.drop(columns="coin").iloc[::-1].to_csv(folder / f"{coin}.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def small_prices() -> pd.DataFrame:
    """Twelve coins of up to 200 days, the first of 20 and the second constant."""
    return synthetic_prices(12, 200, seed=5, short=(20,), broken=("constant",))


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory, small_prices: pd.DataFrame) -> Path:
    """The same as a folder of files."""
    return write_folder(tmp_path_factory.mktemp("prices") / "small", small_prices)


class Cluster:
    """A scheduler and workers, started by Dask's own commands as processes of their own.

    Where a folder of `cryptodask security init` is given, each of them is told of its part.
    """

    def __init__(self, folder: Path, *options: str, tls: Path | None = None) -> None:
        self.folder = folder
        self.tls = tls
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address",
            "127.0.0.1:0", "--scheduler-file", str(file), *options, name="scheduler",
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            assert time.monotonic() < deadline, (folder / "scheduler.log").read_text()
            time.sleep(0.05)
        told = json.loads(file.read_text())
        self.address = str(told["address"])
        self.dashboard = f"http://127.0.0.1:{told['services']['dashboard']}"

    def add_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start one worker of one thread, without pages, which take half of its time to start."""
        options = ("--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard",
                   "--local-directory", str(self.folder), *options)  # fmt: skip
        worker = self._start("worker", self.address, *options, name=f"worker-{len(self.workers)}")
        self.workers.append(worker)
        return worker

    def _start(self, *command: str, name: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("wb")
        env = os.environ | {"DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "info"}
        if self.tls:
            env["DASK_CONFIG"] = str(self.tls / command[0])
        return subprocess.Popen([*DASK, *command], stdout=log, stderr=log, env=env)

    def stop(self) -> None:
        """End all its processes; workers first, which else wait for the scheduler for seconds."""
        for processes in (self.workers, [self.scheduler]):
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def running(folder: Path, *options: str, workers: int) -> Iterator[Cluster]:
    """Run a cluster with so many workers in this block; options are the scheduler's."""
    cluster = Cluster(folder, *options)
    try:
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, for all tests that only use it."""
    with running(tmp_path_factory.mktemp("cluster"), workers=2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Client]:
    """A client of the cluster that nothing happens to, closed and with it all that it asked for."""
    with Client(cluster.address) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UPath]:
    """A bucket of an S3 server, which is a process; the environment tells how it is reached."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("store") / "server.log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file)
    settings = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline, log.read_text()
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            bucket = UPath("s3://forecasts")
            bucket.fs.mkdir("forecasts")
            yield bucket
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def store_cluster(store: UPath, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers that can use the store."""
    with running(tmp_path_factory.mktemp("store-cluster"), workers=2) as cluster:
        yield cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers, for a test that hurts them."""
    with running(tmp_path, workers=0) as cluster:
        yield cluster


@pytest.fixture
def own_cluster_of_one_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The same; its scheduler gives a task up when a worker dies of it for the first time."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    with running(tmp_path, workers=0) as cluster:
        yield cluster

"""Stores of both databases, empty, and runs to store."""

import os
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Client
from sqlalchemy import event

from cryptodask.runs import backtest, forecast
from cryptodask.store import open_store
from cryptodask.store.store import Store
from tests.conftest import Cluster

SERVER = os.environ.get("CRYPTODASK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
"""Where tests may make databases, and drop them."""


def _server() -> str:
    """Return PostgreSQL's address, or skip; where CI=true, fail."""
    import psycopg

    try:
        psycopg.connect(f"{SERVER}/postgres", connect_timeout=5).close()
    except psycopg.OperationalError as error:
        reason = f"tests of PostgreSQL need a server, and CRYPTODASK_TEST_POSTGRES for it: {error}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return SERVER


def killed_at(place: str, act: Callable[[Store], object], moment: float) -> bool:
    """Act on a store in a process that kills itself; return whether it did.

    A moment above 0 is a statement of SQL, before which it does; one below it, seconds.
    """
    child = os.fork()
    if child:
        if moment < 0:
            time.sleep(-moment)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    try:
        left = moment
        with open_store(place) as store:

            def count(*_: object) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            for name in ("before_cursor_execute", "commit"):
                event.listen(store._engine, name, count)
            act(store)
    except BaseException:  # noqa: BLE001 - it must not go on as a second run of tests
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def new_database() -> Iterator[str]:
    """Give the URL of a new database of PostgreSQL, and drop it."""
    import psycopg

    server, name = _server(), f"cryptodask_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place for a store, in which there is none yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "store.db")
    else:
        yield from new_database()


@pytest.fixture(scope="session")
def run_folder(
    cluster: Cluster, small_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A forecast of two models with intervals, of which one fails for a coin."""
    folder = tmp_path_factory.mktemp("stored") / "forecast"
    with Client(cluster.address) as client:
        forecast(
            small_folder,
            ["naive", "ridge"],
            4,
            intervals=True,
            warmup=60,
            client=client,
            out=folder,
        )
    return folder


@pytest.fixture(scope="session")
def backtest_folder(
    cluster: Cluster, small_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("stored") / "backtest"
    with Client(cluster.address) as client:
        backtest(
            small_folder,
            ["naive", "drift"],
            3,
            origins=3,
            intervals=False,
            client=client,
            out=folder,
        )
    return folder

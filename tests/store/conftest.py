"""Stores of both databases, empty, and runs to store."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from cryptodask.runs import backtest, forecast
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

"""Warming up: on the workers there are, and on those that join; an action that fails hurts none."""

import sys
import time
from functools import partial
from pathlib import Path

from cryptodask.cluster import connect
from cryptodask.cluster.warming_up import warm_up
from tests.conftest import Cluster


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_text() != text:
        assert time.monotonic() < deadline, path.read_text() if path.exists() else "no file"
        time.sleep(0.05)


def test_warms_the_workers_there_are_and_those_that_join(own_cluster: Cluster, tmp_path: Path):
    own_cluster.add_worker()
    told = tmp_path / "told"
    first = {"bad": partial(int, "x"), "good": partial(append, told, "a")}
    with connect(own_cluster.address) as client:
        warm_up(client, first)
        wait_for(told, "a")
        warm_up(client, first)  # nothing new
        own_cluster.add_worker()
        wait_for(told, "aa")  # once more, by the one that joined
        warm_up(client, first | {"more": partial(append, told, "b")})
        client.submit(sum, [1], pure=False).result()
        deadline = time.monotonic() + 60
        while sorted(told.read_text()) != list("aaaabb"):
            assert time.monotonic() < deadline, told.read_text()
            time.sleep(0.05)


def note_loaded(path: Path, module: str) -> None:
    append(path, f"{module in sys.modules}\n")


def test_modules_of_tasks_are_there_before_a_thread_imports_anything(
    own_cluster: Cluster, tmp_path: Path
):
    """A worker whose messages import what its thread is importing saw modules half made, and was
    silent from then on."""
    own_cluster.add_worker()
    told, module = tmp_path / "told", "cryptodask.worker.predict"
    with connect(own_cluster.address) as client:
        warm_up(client, {"note": partial(note_loaded, told, module)}, [module])
        wait_for(told, "True\n")
        # What can't be imported is met by the task that needs it.
        warm_up(client, {"more": partial(append, told, "more\n")}, ["cryptodask.no_such_module"])
        wait_for(told, "True\nTrue\nmore\n")
        assert client.submit(sum, [1, 2]).result() == 3

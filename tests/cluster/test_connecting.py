"""Connecting: local clusters on loopback, and clear errors where there is nothing to connect to."""

import gc
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module

import pytest
from dask.distributed import Client

from cryptodask.cluster import close_local, connect, local_client
from cryptodask.errors import ClusterError, OptionError
from tests.conftest import Cluster

CONNECT = import_module("cryptodask.cluster.connecting")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_local_cluster_has_one_thread_a_worker_and_listens_on_loopback():
    client = local_client(2)
    try:
        info = client.scheduler_info()
        assert info["address"].startswith("tcp://127.0.0.1:")
        assert [w["nthreads"] for w in info["workers"].values()] == [1, 1]
        assert client.dashboard_link.startswith("http://127.0.0.1:")
    finally:
        close_local(client)


def test_connects_to_a_running_scheduler(cluster: Cluster):
    with connect(cluster.address) as client:
        assert client.submit(sum, [1, 2]).result() == 3
    assert client.status == "closed"


def test_says_that_no_scheduler_answers(monkeypatch):
    monkeypatch.setattr(CONNECT, "CONNECT_TIMEOUT", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match="no scheduler answers") as info, connect(address):
        pass
    assert address in str(info.value)
    assert "dask scheduler" in str(info.value)


def test_says_that_a_scheduler_has_no_worker(monkeypatch, own_cluster: Cluster):
    monkeypatch.setattr(CONNECT, "WORKER_TIMEOUT", 1)
    with pytest.raises(ClusterError, match="has no worker"), connect(own_cluster.address):
        pass


@pytest.mark.parametrize("address", ["nonsense://x:1", "127.0.0.1:notaport"])
def test_says_that_an_address_is_none(monkeypatch, address: str):
    monkeypatch.setattr(CONNECT, "CONNECT_TIMEOUT", 1)
    with pytest.raises(ClusterError, match="no scheduler answers"), connect(address):
        pass


@pytest.mark.parametrize("workers", [10**9, (0, 10**9)])
def test_more_workers_than_a_machine_has_room_for_are_refused(
    monkeypatch: pytest.MonkeyPatch, workers: int | tuple[int, int]
) -> None:
    monkeypatch.delattr(CONNECT, "LocalCluster")  # or a fault would start them
    says = "workers: must be at most 1,024 on one machine, got 1000000000"
    with pytest.raises(OptionError, match=says):
        local_client(workers)


def test_refuses_workers_beside_a_scheduler():
    with pytest.raises(OptionError, match="has its own"), connect("tcp://127.0.0.1:1", workers=2):
        pass


@pytest.mark.parametrize("workers", [0, -1])
def test_refuses_less_than_one_worker(workers: int):
    with pytest.raises(OptionError, match="at least 1"):
        local_client(workers)


def test_closing_a_local_cluster_in_the_middle_of_work_tells_nothing_of_its_workers():
    script = (
        "import time\n"
        "from cryptodask.cluster import connect\n"
        "if __name__ == '__main__':\n"
        "    for pause in (0, 0.1, 0.3):\n"
        "        with connect(None, 2) as client:\n"
        "            futures = client.map(lambda i: time.sleep(0.01), range(500))\n"
        "            time.sleep(pause)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_client_that_found_nobody_is_closed_at_once(monkeypatch):
    """Collected later, it would wait for a lock that whoever starts the next client may hold."""
    monkeypatch.setattr(CONNECT, "CONNECT_TIMEOUT", 0.5)
    made = []
    monkeypatch.setattr(Client, "__del__", lambda self: made.append(self.status))
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://x:1", "127.0.0.1:notaport"):
        with pytest.raises(ClusterError), connect(address):
            pass
    gc.collect()
    assert len(made) >= 3
    assert set(made) <= {"closed", "newly-created"}


def test_says_of_a_scheduler_that_ends_as_one_connects_what_to_do(monkeypatch):
    """A connection that is reset has two reasons, and only one of them is TLS."""
    monkeypatch.setattr(CONNECT, "CONNECT_TIMEOUT", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=reset_all, args=(server,), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match="hung up") as info, connect(address):
            pass
    assert "has just ended: start it" in str(info.value)
    assert "tls://host:8786" in str(info.value)


def reset_all(server: socket.socket) -> None:
    """Reset each connection, as a process does that is killed with unread data."""
    with suppress(OSError):
        while True:
            taken, _ = server.accept()
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            taken.close()

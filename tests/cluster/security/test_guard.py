"""What listens beyond loopback without TLS is seen, and ends before it serves anyone."""

import asyncio
import socket
import subprocess
from pathlib import Path
from typing import Any

import dask
import pytest
from dask.distributed import Scheduler

from cryptodask.cluster.security.certificates import init
from cryptodask.cluster.security.guard import exposed_comms, exposed_http, is_loopback
from tests.conftest import DASK, Cluster

LOOPBACK = {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}


def found(**options: Any) -> tuple[list[str], list[str]]:
    """Start a scheduler and return what the guard sees of it."""

    async def look() -> tuple[list[str], list[str]]:
        async with Scheduler(**(LOOPBACK | options), dashboard=False) as scheduler:
            return exposed_comms(scheduler), exposed_http(scheduler)

    return asyncio.run(look())


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_loopback_is_let_pass():
    assert found() == ([], [])
    assert found(host="localhost") == ([], [])
    assert found(protocol="inproc", host=None, port=None)[0] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "", None])
def test_a_scheduler_on_all_interfaces_is_seen(host: str | None):
    comms, http = found(host=host)
    assert len(comms) == 1
    assert comms[0].startswith("tcp://")
    assert http == []


@pytest.mark.parametrize("address", [":0", "0.0.0.0:0", "127.0.0.1:0,0.0.0.0:0"])
def test_a_dashboard_on_all_interfaces_is_seen(address: str):
    comms, http = found(dashboard_address=address)
    assert comms == []
    assert len(http) == 1
    assert http[0].startswith("http://0.0.0.0:")


@pytest.mark.parametrize("authority", [True, False])
def test_a_dashboard_with_tls_is_seen_where_nothing_says_whose_certificates_to_believe(
    tmp_path: Path, authority: bool
):
    folder = init(tmp_path)[0]
    tls = {"cert": str(folder / "tls.crt"), "key": str(folder / "tls.key")}
    tls |= {"ca-file": str(folder / "ca.crt")} if authority else {}
    with dask.config.set({f"distributed.scheduler.dashboard.tls.{k}": v for k, v in tls.items()}):
        _, http = found(dashboard_address=":0")
    assert [url.split(":")[0] for url in http] == ([] if authority else ["https"])


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_it_is_seen_on_ipv6():
    assert found(host="tcp://[::1]") == ([], [])
    assert len(found(host="tcp://[::]")[0]) == 1


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_which_addresses_are_loopback(host: str, expected: bool):
    assert is_loopback(host) is expected


def start(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of Dask that is to end by itself."""
    command = [*DASK, *words, "--preload", "cryptodask.dashboard"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=folder, check=False
    )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_scheduler_that_anyone_can_reach_ends(tmp_path: Path):
    port = free_port()
    done = start("scheduler", "--port", str(port), "--dashboard-address", ":0", folder=tmp_path)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("error: scheduler: listens where anyone can reach it")
    assert f"tcp://0.0.0.0:{port}, http://0.0.0.0:" in message
    assert "cryptodask security init" in message
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0


def test_a_worker_that_anyone_can_reach_ends(cluster: Cluster, tmp_path: Path):
    """Dask's workers have an HTTP server on all interfaces even where ``--host`` is loopback."""
    done = start("worker", cluster.address, "--host", "127.0.0.1", "--nthreads", "1",
                 "--local-directory", str(tmp_path), folder=tmp_path)  # fmt: skip
    assert done.returncode == 1
    assert "error: worker: listens where anyone can reach it" in done.stderr
    assert "http://0.0.0.0:" in done.stderr


def until(process: subprocess.Popen[str], text: str) -> str:
    """Read what a process tells up to a line that has a text."""
    lines = []
    for line in process.stderr or ():
        lines.append(line)
        if text in line:
            break
    return "".join(lines)


@pytest.mark.parametrize(
    "options",
    [
        ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"],
        ["--dashboard-address", ":0", "--insecure"],
    ],
    ids=["loopback", "insecure"],
)
def test_a_scheduler_goes_on_on_loopback_or_when_that_is_said(tmp_path: Path, options: list[str]):
    command = [*DASK, "scheduler", "--port", "0", "--scheduler-file", str(tmp_path / "s.json")]
    # After the preload, as its options are read by it.
    command += ["--preload", "cryptodask.dashboard", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        told = until(process, "Run preload setup: cryptodask.dashboard")
        assert "Scheduler at" in told
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    finally:
        process.kill()
        process.communicate()

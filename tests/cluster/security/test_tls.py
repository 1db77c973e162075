"""A cluster with TLS lets in those whom its authority knows, and no one else."""

import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dask
import pandas as pd
import pytest
from dask.distributed import Security

from cryptodask.cluster import connect, local_client
from cryptodask.cluster.connecting import close_local
from cryptodask.cluster.security.certificates import Authority, dask_config, init
from cryptodask.cluster.security.tls import client_security
from cryptodask.errors import ClusterError, OptionError
from tests.conftest import DASK, Cluster

COMMAND = [sys.executable, "-m", "cryptodask.cli"]


def make_clients(folder: Path, hosts: tuple[str, ...] = ()) -> Path:
    """Make certificates of an authority, of a foreign one, and some that are no good."""
    ours, foreign = folder / "tls", folder / "foreign"
    init(ours, hosts)
    init(foreign)
    # A foreigner who has found out our certificate, which is no secret, and trusts it.
    shutil.copytree(foreign / "client", foreign / "disguised")
    shutil.copy(ours / "ca.crt", foreign / "disguised")
    shutil.copytree(ours / "client", ours / "expired")
    certificate, key = Authority.read(ours).issue("expired", [], days=0)
    (ours / "expired" / "tls.crt").write_bytes(certificate)
    (ours / "expired" / "tls.key").write_bytes(key)
    return folder


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clients(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, clients: Path) -> Iterator[Cluster]:
    """A cluster of Dask's commands on loopback that were told nothing but their folder."""
    cluster = Cluster(tmp_path_factory.mktemp("secured"), tls=clients / "tls")
    try:
        cluster.add_worker("--no-nanny")
        yield cluster
    finally:
        cluster.stop()


def test_who_has_a_certificate_is_let_in(secured: Cluster, clients: Path):
    assert secured.address.startswith("tls://127.0.0.1:")
    with connect(secured.address, security=client_security(clients / "tls" / "client")) as client:
        assert client.submit(sum, [1, 2]).result() == 3
        workers = client.scheduler_info()["workers"]
        assert [address.split(":")[0] for address in workers] == ["tls"]


def wait_for(text: str, log: Path, after: int = 0) -> None:
    """Wait for a log to tell something, after so many characters."""
    deadline = time.monotonic() + 60
    while text not in log.read_text()[after:]:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_a_command_needs_no_more_than_the_configuration(
    secured: Cluster, clients: Path, small_folder: Path
):
    command = [*COMMAND, "forecast", small_folder, "--model", "naive"]
    done = subprocess.run(
        [*command, "--scheduler", secured.address],
        env=os.environ | {"DASK_CONFIG": str(clients / "tls" / "client")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    assert "dashboard: https://127.0.0.1:" in done.stderr


def refusal(address: str, security: Security | None) -> str:
    with pytest.raises(ClusterError) as info, connect(address, security=security):
        pass
    return str(info.value)


@pytest.mark.parametrize(
    ("who", "told", "logged"),
    [
        ("foreign/client", "the certificate of the scheduler is not to be trusted", "unknown ca"),
        ("foreign/disguised", "refused the certificate of this client", "verify failed"),
        ("tls/expired", "or its time is over", "certificate has expired"),
    ],
)
def test_who_has_another_certificate_is_refused(
    secured: Cluster, clients: Path, who: str, told: str, logged: str
):
    log = secured.folder / "scheduler.log"
    before = log.stat().st_size
    message = refusal(secured.address, client_security(clients / who))
    assert told in message
    assert "`cryptodask security init`" in message
    wait_for(logged, log, before)
    assert "TLS handshake failed with remote" in log.read_text()[before:]


def test_who_has_none_is_refused(secured: Cluster):
    message = refusal(secured.address, None)
    assert "TLS needs a certificate of this client" in message
    message = refusal(secured.address.replace("tls://", "tcp://"), None)
    assert "the scheduler hung up" in message
    assert "tls://host:8786, and --tls FOLDER" in message


def test_a_client_with_a_certificate_talks_to_none_without(cluster: Cluster, clients: Path):
    security = client_security(clients / "tls" / "client")
    assert "give the address as tls://" in refusal(cluster.address, security)
    tls = cluster.address.replace("tcp://", "tls://")
    assert "does not speak TLS" in refusal(tls, security)


def status(url: str, folder: Path | None, authority: Path) -> int:
    """Ask a page, with the certificate of a folder."""
    context = ssl.create_default_context(cafile=authority)
    if folder is not None:
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with urllib.request.urlopen(url, context=context, timeout=20) as answer:
        return int(answer.status)


@pytest.mark.parametrize("server", ["scheduler", "worker"])
def test_pages_are_for_those_who_have_a_certificate(secured: Cluster, clients: Path, server: str):
    """Dask itself would let anyone see them, TLS or not."""
    ours = clients / "tls" / "client"
    with connect(secured.address, security=client_security(ours)) as client:
        info = client.scheduler_info()
    of = info if server == "scheduler" else next(iter(info["workers"].values()))
    url = f"https://127.0.0.1:{of['services']['dashboard']}/health"
    authority = clients / "tls" / "ca.crt"
    assert status(url, ours, authority) == 200
    for other in (None, clients / "foreign" / "client", clients / "tls" / "expired"):
        with pytest.raises(OSError, match=r"(?i)alert|EOF|reset|broken pipe|closed"):
            status(url, other, authority)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(url.replace("https", "http"), timeout=20)


def test_a_local_cluster_goes_by_the_same_configuration(clients: Path):
    config = dask_config(clients / "tls" / "client")
    with dask.config.set(dask.config.merge(dask.config.config, config)):
        client = local_client(1)
        try:
            assert client.scheduler_info()["address"].startswith("tls://127.0.0.1:")
            assert client.submit(sum, [1, 2]).result() == 3
        finally:
            close_local(client)


def test_a_certificate_for_a_local_cluster_is_told_to_be_of_no_use(clients: Path):
    security = client_security(clients / "tls" / "client")
    with pytest.raises(OptionError, match="stays on loopback"), connect(security=security):
        pass


def test_a_folder_that_can_not_be_used_is_named(clients: Path, tmp_path: Path):
    with pytest.raises(OptionError, match=r"tls\.crt is missing"):
        client_security(clients / "tls")
    mixed = tmp_path / "mixed"
    shutil.copytree(clients / "tls" / "client", mixed)
    shutil.copy(clients / "foreign" / "client" / "tls.key", mixed)
    with pytest.raises(OptionError, match="mixed: can't be used"):
        client_security(mixed)


# Three machines, as far as their network goes.


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def unavailable(reason: str) -> None:
    """Skip a test for want of namespaces, but not where there have to be some."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Net:
    """Three hosts with an address each, on one switch, in network namespaces of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hosts = ("scheduler", "worker", "client")
        self.addresses = {host: f"10.77.0.{i}" for i, host in enumerate(hosts, 1)}
        self.token = f"cryptodask-{os.getpid()}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def build(self) -> None:
        switch = f"{self.token}-switch"
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for host, address in self.addresses.items():
            name = f"{self.token}-{host}"
            ip("netns", "add", name)
            ip("-n", name, "link", "add", "net", "type", "veth", "peer", "name", host,
               "netns", switch)  # fmt: skip
            ip("-n", switch, "link", "set", host, "master", "bridge", "up")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "net")
            ip("-n", name, "link", "set", "net", "up")
            ip("-n", name, "link", "set", "lo", "up")

    def on(self, host: str, *words: object) -> list[str]:
        return ["ip", "netns", "exec", f"{self.token}-{host}", *map(str, words)]

    def start(self, host: str, tls: Path, *words: str) -> Path:
        """Start a command of Dask on a host; its log is returned."""
        log = self.folder / f"{host}.log"
        env = os.environ | {"DASK_CONFIG": str(tls / host)}
        command = self.on(host, *DASK, *words)
        with log.open("wb") as file:
            self.processes.append(subprocess.Popen(command, env=env, stdout=file, stderr=file))
        return log

    def run(self, host: str, *words: object) -> subprocess.CompletedProcess[str]:
        command = self.on(host, *words)
        env = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=180, env=env, check=False
        )

    def remove(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for name in ("switch", *self.addresses):
            subprocess.run(["ip", "netns", "del", f"{self.token}-{name}"], capture_output=True)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        unavailable("the test on three hosts needs root, and `ip` of iproute2")
    net = Net(tmp_path)
    try:
        try:
            net.build()
        except subprocess.CalledProcessError as error:
            unavailable(f"the test on three hosts needs network namespaces: {error.stderr}")
        yield net
    finally:
        net.remove()


PAGE = """
import ssl, sys, urllib.request
url, ca, *pair = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if pair:
    context.load_cert_chain(*pair)
print(urllib.request.urlopen(url, context=context, timeout=20).status)
"""


@pytest.mark.slow
def test_three_hosts_and_two_who_have_no_business_there(
    net: Net, small_folder: Path, tmp_path: Path
):
    folder = make_clients(tmp_path / "certificates", tuple(net.addresses.values()))
    tls, foreign = folder / "tls", folder / "foreign"
    at = net.addresses
    scheduler = net.start("scheduler", tls, "scheduler", "--host", at["scheduler"])
    wait_for("Scheduler at", scheduler)
    worker = net.start("worker", tls, "worker", f"tls://{at['scheduler']}:8786",
                       "--host", at["worker"], "--nthreads", "1",
                       "--local-directory", str(tmp_path))  # fmt: skip
    wait_for("Registered to", worker)
    out = tmp_path / "forecasts.parquet"
    forecast = [*COMMAND, "forecast", small_folder, "--model", "naive", "--out", out]
    encrypted = ["--scheduler", f"tls://{at['scheduler']}:8786"]

    plain = net.run("client", *forecast, "--scheduler", f"tcp://{at['scheduler']}:8786")
    assert plain.returncode == 1
    assert "the scheduler hung up" in plain.stderr
    wait_for(f"TLS handshake failed with remote 'tls://{at['client']}:", scheduler)
    other = net.run("client", *forecast, *encrypted, "--tls", foreign / "client")
    assert other.returncode == 1
    assert "the certificate of the scheduler is not to be trusted here" in other.stderr
    disguised = net.run("client", *forecast, *encrypted, "--tls", foreign / "disguised")
    assert disguised.returncode == 1
    assert "the scheduler refused the certificate of this client" in disguised.stderr
    assert not out.exists()

    for host, text in (("scheduler", scheduler), ("worker", worker)):
        port = text.read_text().partition("dashboard at:")[2].split()[0].rpartition(":")[2]
        page = [f"https://{at[host]}:{port.partition('/')[0]}/health", tls / "ca.crt"]
        pair = [tls / "client" / "tls.crt", tls / "client" / "tls.key"]
        seen = net.run("client", sys.executable, "-c", PAGE, *page)
        assert seen.returncode != 0, seen.stdout
        seen = net.run("client", sys.executable, "-c", PAGE, *page, *pair)
        assert seen.stdout.strip() == "200", seen.stderr

    done = net.run("client", *forecast, *encrypted, "--tls", tls / "client")
    assert f"dashboard: https://{at['scheduler']}:" in done.stderr
    # Of its coins, one is constant and one is short, which naive minds in part.
    assert done.returncode in (0, 3), done.stderr
    forecasts = pd.read_parquet(out)
    assert forecasts["coin"].nunique() >= 10

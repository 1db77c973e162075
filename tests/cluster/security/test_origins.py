"""Which pages in a browser may talk to a dashboard: its own, and those that are named."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
import psutil
import pytest
from bokeh.util.token import generate_jwt_token

from cryptodask.cluster import close_local, local_client
from cryptodask.cluster.security.certificates import init
from cryptodask.cluster.security.origins import configured_origins
from cryptodask.errors import OptionError
from tests.conftest import DASK, Cluster, running

EVIL = "http://evil.example"
NAMED = "https://dash.example"
SETTING = "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin"
VARIABLE = "DASK_" + SETTING.replace(".", "__").replace("-", "_").upper()
SOCKETS = ["crypto-runs/stream", "crypto-forecasts/ws", "crypto-scores/ws", "status/ws",
           "eventstream"]  # fmt: skip
PRELOAD = "--preload", "cryptodask.dashboard"


def answer(
    base: str, path: str, context: ssl.SSLContext | None = None, **headers: str
) -> tuple[int, str]:
    """Return status and text of the answer to a request with these headers."""
    secure = {"context": context} if context else {}
    kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
    connection = kind(urlsplit(base).netloc, timeout=20, **secure)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"/{path}", headers=named)
        got = connection.getresponse()
        return got.status, "" if got.status == 101 else got.read().decode()
    finally:
        connection.close()


def handshake(base: str, path: str, context: ssl.SSLContext | None = None, **headers: str) -> int:
    """Ask for a socket, as a browser does for a page; return the status: 101 opens it."""
    headers |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    headers |= {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    headers |= {"Sec_WebSocket_Protocol": f"bokeh, {generate_jwt_token('any', signed=False)}"}
    return answer(base, path, context, **headers)[0]


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("paged"), *PRELOAD, workers=0) as cluster:
        yield cluster


@pytest.mark.parametrize("path", SOCKETS)
def test_sockets_open_for_own_pages_only(paged: Cluster, path: str) -> None:
    base = paged.dashboard
    port = base.rpartition(":")[2]
    assert handshake(base, path, Origin=base) == 101
    assert handshake(base, path) == 101  # not of a browser
    # Another port of this machine, as a tunnel has it; but not a page that another program serves.
    for host in ("localhost:9000", f"127.0.0.1:{port}", "[::1]:9000", "10.1.2.3:80"):
        assert handshake(base, path, Host=host, Origin=f"http://{host}") == 101
    assert handshake(base, path, Origin="http://localhost:9000") == 403
    for origin in (EVIL, f"{EVIL}:{port}", "null", f"{base}.evil.example", "http://[", NAMED):
        assert handshake(base, path, Origin=origin) == 403
    # A name that leads here for a moment, by its owner's DNS.
    assert handshake(base, path, Host=f"evil.example:{port}", Origin=f"{EVIL}:{port}") == 403


def test_pages_of_others_read_nothing(paged: Cluster) -> None:
    base, autoload = paged.dashboard, "crypto-forecasts/autoload.js?bokeh-autoload-element=x"
    for path in ("json/identity.json", "metrics", "info/main/workers.html", autoload):
        assert answer(base, path)[0] == 200
        assert answer(base, path, Sec_Fetch_Site="same-origin")[0] == 200
        status, text = answer(base, path, Host="evil.example", Origin=EVIL)
        assert (status, "'evil.example'" in text, SETTING in text) == (403, True, True)
        status, text = answer(base, path, Origin=EVIL)
        assert (status, f"'{EVIL}'" in text, SETTING in text) == (403, True, True)
        for site in ("cross-site", "same-site"):  # as <script> or <img>, which name no origin
            headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "no-cors"}
            assert answer(base, path, **headers)[0] == 403
    # A link to a page is not a way to read it.
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert answer(base, "status", **followed)[0] == 200
    log = (paged.folder / "scheduler.log").read_text()
    assert "refused: origin 'http://evil.example'" in log


@pytest.mark.parametrize("page", ["crypto-forecasts", "status"])
def test_sessions_are_those_that_the_server_made(paged: Cluster, page: str) -> None:
    assert answer(paged.dashboard, page)[0] == 200
    assert answer(paged.dashboard, f"{page}?bokeh-session-id=mine")[0] == 403


def test_the_setting_adds_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps([urlsplit(NAMED).netloc]))
    with running(tmp_path, *PRELOAD, workers=0) as cluster:
        base = cluster.dashboard
        for path in SOCKETS:
            assert handshake(base, path, Origin=base) == 101
            # Dask's stream of events wants its host, whatever the setting says.
            assert path == "eventstream" or handshake(base, path, Origin=NAMED) == 101
            assert handshake(base, path, Origin=NAMED, Host="dash.example") == 101
            assert handshake(base, path, Origin=f"{NAMED}:9000") == 403
            assert handshake(base, path, Origin=EVIL) == 403


def test_a_scheduler_ends_that_can_not_be_guarded(tmp_path: Path) -> None:
    """Dask would log the exception, and start with pages that all may read."""
    part = init(tmp_path / "tls")[0]
    # In a form that OpenSSL takes, and that has no names for us.
    command = ["openssl", "x509", "-trustout", "-in", part / "tls.crt", "-out", part / "tls.crt"]
    subprocess.run(command, check=True, capture_output=True)
    command = [*DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", *PRELOAD]
    done = subprocess.run(
        command, env=os.environ | {"DASK_CONFIG": str(part)},
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    message = f"error: scheduler: {part / 'tls.crt'}: is not a certificate"
    assert done.stderr.splitlines()[-1].startswith(message)


def test_a_setting_that_is_not_hosts_is_named() -> None:
    with dask.config.set({SETTING: [NAMED]}), pytest.raises(OptionError, match="HOST:PORT"):
        local_client(1)


def test_everything_is_allowed_only_where_someone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    default = {"distributed": dask.config.get("distributed")}
    assert dask.config.get(SETTING) == ["*"]
    assert configured_origins() == []
    with monkeypatch.context() as patch:  # of a client that starts this process
        patch.setenv("DASK_INTERNAL_INHERIT_CONFIG", dask.config.serialize(default))
        assert configured_origins() == []
    monkeypatch.setenv(VARIABLE, "['*']")
    assert configured_origins() == ["*"]
    with dask.config.set({SETTING: "dash.example"}):  # of the environment, without brackets
        assert configured_origins() == ["dash.example:80"]


def test_everything_is_allowed_where_python_says_so() -> None:
    """The value equals Dask's default, which is not somebody's word."""
    with dask.config.set({SETTING: ["*"]}):
        assert configured_origins() == ["*"]
        client = local_client(1)
        try:
            base = client.dashboard_link.removesuffix("/status")
            assert handshake(base, "status/ws", Origin=EVIL) == 101
        finally:
            close_local(client)
    assert configured_origins() == []
    with dask.config.set({"distributed.scheduler.dashboard.link": "x"}):  # and nothing of this
        assert configured_origins() == []
    dask.config.refresh()
    assert configured_origins() == []


@pytest.mark.parametrize("how", ["inherited", "started"])
def test_a_default_that_another_process_hands_on_allows_nothing(how: str) -> None:
    code = (
        "import multiprocessing, os, dask\n"
        "from cryptodask.cluster.security.origins import INHERITED, SETTING, configured_origins\n"
        "def look(config):\n"
        "    dask.config.set(config)\n"
        "    assert configured_origins() == [], configured_origins()\n"
        "if __name__ == '__main__':\n"
        "    import distributed\n"
        "    if 'inherited' in os.environ['HOW']:\n"
        "        os.environ[INHERITED] = dask.config.serialize(dask.config.config)\n"
        "        dask.config.refresh()\n"
        "        look({})\n"
        "    else:\n"
        "        context = multiprocessing.get_context('fork')\n"
        "        import copy\n"
        "        child = context.Process(target=look, args=(copy.deepcopy(dask.config.config),))\n"
        "        child.start(); child.join()\n"
        "        assert child.exitcode == 0\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"HOW": how}, timeout=60
    )


def listed_port(log: Path) -> str:
    """Wait until the preload of a worker has run; return the port of its pages."""
    deadline = time.monotonic() + 60
    while "Registered to" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return log.read_text().partition("dashboard at:")[2].split()[0].rpartition(":")[2]


def test_it_is_the_same_by_tls(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    init(folder, ["scheduler.example"])
    client = folder / "client"
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.load_cert_chain(client / "tls.crt", client / "tls.key")
    cluster = Cluster(tmp_path, tls=folder)
    try:
        cluster.add_worker("--no-nanny", "--dashboard")
        base = cluster.dashboard.replace("http:", "https:")
        for path in ("crypto-forecasts/ws", "status/ws"):
            assert handshake(base, path, context, Origin=base) == 101
            host = "scheduler.example:8787"  # of its certificate
            assert handshake(base, path, context, Origin=f"https://{host}", Host=host) == 101
            assert handshake(base, path, context, Origin="https://evil.example") == 403
            assert handshake(base, path, context, Origin=EVIL, Host="evil.example") == 403
        worker = listed_port(tmp_path / "worker-0.log")
        base = f"https://127.0.0.1:{worker}"
        assert handshake(base, "status/ws", context, Origin=base) == 101
        assert handshake(base, "status/ws", context, Origin=EVIL) == 403
    finally:
        cluster.stop()


def test_a_local_cluster_does_so_too() -> None:
    client = local_client(1)
    try:
        base = client.dashboard_link.removesuffix("/status")
        assert handshake(base, "status/ws", Origin=base) == 101
        assert handshake(base, "status/ws", Origin=EVIL) == 403
        assert answer(base, "status?bokeh-session-id=mine")[0] == 403
    finally:
        close_local(client)


def pages_of(dask_worker: Any) -> int:
    return int(dask_worker.http_server.port)


def test_workers_of_a_local_cluster_have_no_pages() -> None:
    """A name that its owner's DNS leads here would read them, as they ask for no host."""
    client = local_client(1)
    try:
        [port] = client.run(pages_of).values()
        for path in ("metrics", "health", "status", ""):
            for host in ("127.0.0.1", "evil.example"):
                status, text = answer(f"http://127.0.0.1:{port}", path, Host=host)
                assert (status, "python" in text.lower()) == (404, False)
    finally:
        close_local(client)


def test_a_local_cluster_that_can_not_be_guarded_is_closed(tmp_path: Path) -> None:
    """As of a certificate in a form that OpenSSL takes, and that has no names for us."""
    part = init(tmp_path / "tls")[0]
    command = ["openssl", "x509", "-trustout", "-in", part / "tls.crt", "-out", part / "tls.crt"]
    subprocess.run(command, check=True, capture_output=True)
    tls = {"cert": str(part / "tls.crt"), "key": str(part / "tls.key"), "ca-file": None}
    before = set(psutil.Process().children(recursive=True))
    with (
        dask.config.set({"distributed.scheduler.dashboard.tls": tls}),
        pytest.raises(OptionError, match="is not a certificate as PEM"),
    ):
        local_client(1)
    left = [p for p in psutil.Process().children(recursive=True) if p not in before]
    assert [p.cmdline() for p in left if "resource_tracker" not in " ".join(p.cmdline())] == []

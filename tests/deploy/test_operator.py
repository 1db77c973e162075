"""What the Dask operator may ask of a scheduler that wants certificates of everyone."""

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import Build, find_tool, pods
from tests.deploy.processes import Services


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a container in the form of a service of Compose."""
    (container,) = [c for c in pod["containers"] if c["name"] == name]
    return {
        "command": container.get("command") or container["args"],
        "environment": {e["name"]: e["value"] for e in container.get("env", [])},
    }


@pytest.fixture(scope="module")
def api(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The containers of the operator's scheduler pod."""
    find_tool("nginx", hint="apt-get install nginx-light")
    resources = build("operator")
    (pod,) = [pod for _, pod in pods(resources) if pod["containers"][0]["name"] == "scheduler"]
    folder = tmp_path_factory.mktemp("operator")
    running = Services({n: container(pod, n) for n in ("scheduler", "api")}, folder)
    command = [sys.executable, "-m", "cryptodask.cli", "security", "init", str(folder / "made")]
    subprocess.run([*command, "--at", str(folder / "tls")], check=True, capture_output=True)
    shutil.copytree(folder / "made" / "scheduler", folder / "tls", dirs_exist_ok=True)
    (conf,) = [r["data"]["nginx.conf"] for r in resources if "nginx.conf" in r.get("data", {})]
    (folder / "etc" / "cryptodask" / "nginx.conf").write_text(running.translate(conf))
    try:
        for name in ("scheduler", "api"):
            running.start(name)
        url = f"http://127.0.0.1:{running.ports['8788']}"
        deadline = time.monotonic() + 60
        while not answers(url):
            assert time.monotonic() < deadline, (folder / "scheduler.log").read_text()
            time.sleep(0.3)
        yield url
    finally:
        running.stop()


def answers(url: str) -> bool:
    try:
        return status(f"{url}/api/v1/check_idle") == 200
    except urllib.error.URLError:
        return False


def status(url: str, body: dict[str, int] | None = None) -> int:
    """Return the status of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_the_operator_asks_what_it_needs_and_nothing_else(api: str):
    with urllib.request.urlopen(f"{api}/api/v1/adaptive_target", timeout=20) as answer:
        assert json.load(answer) == {"workers": 0}
    assert status(f"{api}/api/v1/retire_workers", {"n": 1}) == 200
    for path in ("/status", "/metrics", "/health", "/api/v1/get_workers", "/api/v1/check_idle/x"):
        assert status(f"{api}{path}") == 404, path


@pytest.mark.slow
def test_nginx_takes_the_configuration_for_openid_connect(build: Build, tmp_path: Path):
    nginx = find_tool("nginx", hint="apt-get install nginx-light")
    services = Services({}, tmp_path)
    (conf,) = [r["data"] for r in build("oidc") if "auth.conf.template" in r.get("data", {})]
    assert "oauth2" in conf["auth.conf.template"]
    command = [sys.executable, "-m", "cryptodask.cli", "security", "init", str(tmp_path / "made")]
    subprocess.run(command, check=True, capture_output=True)
    shutil.copytree(tmp_path / "made" / "client", tmp_path / "tls", dirs_exist_ok=True)
    for name, text in conf.items():
        text = text.replace("${SCHEDULER_HOST}", "localhost").replace("${DASK_CONFIG}", "/tls")
        (tmp_path / "tmp" / Path(name).stem).write_text(services.translate(text))
    command = [nginx, "-t", "-c", str(tmp_path / "tmp" / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr

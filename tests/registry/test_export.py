"""Versions on a real mlflow server: what is there after an export, and after another one.

The server is a process of an environment of its own, which these tests make: its packages are many,
and CryptoDask needs its client alone. ``MLFLOW_COMMAND`` names one that is installed already.
"""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from cryptodask.errors import OptionError, VersionError
from cryptodask.prices import import_prices
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.registry import Registry, export_mlflow, open_version, predict, train
from tests.cli.command import run
from tests.registry.build import NOW, keep_losses, make_losses, make_version
from tests.registry.changing import NO_GATES

try:
    from mlflow import MlflowClient
except ImportError:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip("the export needs mlflow's client", allow_module_level=True)

SERVER = "mlflow>=3,<4"


def unavailable(reason: str) -> None:
    """Skip a test for want of the server's packages, but not on CI."""
    pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command ``mlflow`` of an environment that has the server."""
    if "MLFLOW_COMMAND" in os.environ:
        return os.environ["MLFLOW_COMMAND"]
    folder = tmp_path_factory.mktemp("mlflow") / "env"
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", SERVER]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        unavailable(f"{SERVER} can't be installed: {done.stderr[-300:]}")
    return str(folder / "bin" / "mlflow")


@pytest.fixture(scope="session")
def server(command: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server, with a database and artifacts of its own."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri, log = f"http://127.0.0.1:{port}", folder / "server.log"
    words = [command, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
             "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
    env = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("wb") as file:
        process = subprocess.Popen(words, stdout=file, stderr=file, env=env, cwd=folder)
    try:
        deadline = time.monotonic() + 180
        while not answers(f"{uri}/health"):
            assert time.monotonic() < deadline, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield uri
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def models(tmp_path: Path) -> Registry:
    """Two versions of a name that no other test exports, of which the first is the champion."""
    registry = Registry(tmp_path / "models")
    name = tmp_path.name
    for _ in range(2):
        make_version(registry, name, options={"lags": 3}, parent=None, spec={"window": 50})
    keep_losses(registry, 1, make_losses(), name=name)
    registry.promote(f"{name}:1", gates=NO_GATES)
    return registry


def name_in(registry: Registry) -> str:
    (name,) = registry.names()
    return name


def runs_of(server: str, reference: str) -> list[Any]:
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("cryptodask")
    wanted = f"tags.`cryptodask.version` = '{reference}'"
    return list(client.search_runs([experiment.experiment_id], wanted)) if experiment else []


@pytest.mark.slow
def test_a_run_has_all_that_is_known_of_a_version(server: str, models: Registry):
    name = name_in(models)
    done = export_mlflow(models, name, server)
    assert (done.version, done.model_version, done.is_new) == (f"{name}:1", 1, True)
    (exported,) = runs_of(server, f"{name}:1")
    assert exported.info.run_id == done.run
    assert exported.info.status == "FINISHED"
    expected = {"model": "linear", "option.lags": "3", "freq": "1d", "horizon": "10", "seed": "0",
                "coins": "4", "intervals": "True", "window": "50"}  # fmt: skip
    assert expected.items() <= exported.data.params.items()
    metrics = {"relative_mae": 0.9, "coverage_80": 0.8, "origins": 12, "scored_coins": 4}
    assert exported.data.metrics == metrics
    tags = exported.data.tags
    assert tags["cryptodask.aliases"] == "champion"
    assert tags["cryptodask.prices"] == "of a test"
    assert tags["cryptodask.code"] == "0.2.0"
    registered = MlflowClient(server).get_model_version(name, "1")
    assert registered.run_id == done.run
    assert registered.source == f"{exported.info.artifact_uri}/version"
    assert registered.tags["cryptodask.version"] == f"{name}:1"


@pytest.mark.slow
def test_an_export_again_makes_no_second_one_and_brings_it_up_to_date(
    server: str, models: Registry
):
    name = name_in(models)
    first = export_mlflow(models, f"{name}:1", server)
    models.set_alias(f"{name}:1", "canary")
    later = (NOW + timedelta(days=1)).isoformat()
    keep_losses(models, 1, make_losses(), coverage=0.75, name=name, scored=later)
    second = export_mlflow(models, f"{name}@canary", server)
    assert (second.run, second.model_version, second.is_new) == (first.run, 1, False)
    (exported,) = runs_of(server, f"{name}:1")
    assert exported.data.tags["cryptodask.aliases"] == "canary, champion"
    assert exported.data.metrics["coverage_80"] == 0.75
    client = MlflowClient(server)
    assert client.get_model_version(name, "1").tags["cryptodask.aliases"] == "canary, champion"
    assert export_mlflow(models, f"{name}:2", server).model_version == 2
    assert len(client.search_model_versions(f"name = '{name}'")) == 2


@pytest.mark.slow
def test_what_is_downloaded_is_the_version_and_predicts_the_same(server: str, tmp_path: Path):
    prices = synthetic_prices(3, 80, seed=3)
    import_prices(prices, tmp_path / "table")
    how = {"registry": tmp_path / "models", "workers": 1, "progress": False}
    train(tmp_path / "table", "ridge", name=tmp_path.name, horizon=2, **how)
    done = export_mlflow(tmp_path / "models", f"{tmp_path.name}:1", server)
    client = MlflowClient(server)
    (tmp_path / "down").mkdir()
    there = Path(client.download_artifacts(done.run, "version", str(tmp_path / "down")))
    version = open_version(there)
    version.check()
    kept = open_version(tmp_path / "models" / tmp_path.name / "versions" / "1")
    assert version.manifest == kept.manifest
    other = Registry(tmp_path / "other")
    there.rename(other.take_number(tmp_path.name))
    how = {"workers": 1, "progress": False}
    reference = f"{tmp_path.name}:1"
    ours = predict(tmp_path / "table", reference, registry=tmp_path / "models", **how)
    theirs = predict(tmp_path / "table", reference, registry=other, **how)
    assert ours.get_df().equals(theirs.get_df())


@pytest.mark.slow
def test_an_export_that_was_stopped_is_completed(server: str, models: Registry):
    """The run is there, and its files are not."""
    name = name_in(models)
    client = MlflowClient(server)
    first = export_mlflow(models, f"{name}:1", server)
    client.update_run(first.run, status="RUNNING")
    client.delete_model_version(name, "1")
    second = export_mlflow(models, f"{name}:1", server)
    assert (second.run, second.is_new) == (first.run, True)
    assert len(runs_of(server, f"{name}:1")) == 1
    assert len(client.search_model_versions(f"name = '{name}'")) == 1


@pytest.mark.slow
def test_a_damaged_file_is_named_and_nothing_is_sent(server: str, models: Registry):
    name = name_in(models)
    file = models.path / name / "versions" / "1" / "parameters-0.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(VersionError, match=r"parameters-0\.safetensors is damaged"):
        export_mlflow(models, f"{name}:1", server)
    assert runs_of(server, f"{name}:1") == []


@pytest.mark.slow
def test_a_version_of_a_store_is_exported(server: str, store: UPath, models: Registry):
    name = name_in(models)
    there = store / "exported"
    for file in models.path.rglob("*"):
        if file.is_file():
            (there / str(file.relative_to(models.path))).write_bytes(file.read_bytes())
    done = export_mlflow(there, f"{name}:1", server)
    listed = MlflowClient(server).list_artifacts(done.run, "version")
    assert {Path(file.path).name for file in listed} == {
        "_manifest.json", "parameters-0.safetensors",
    }  # fmt: skip


@pytest.mark.slow
def test_the_command_exports_and_says_where(server: str, models: Registry):
    name = name_in(models)
    words = ("registry", "export", name, "--mlflow", server, "--registry", models.path)
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert f"{name}:1: exported: version 1 of {name}, {server}/#/experiments/" in done.stdout
    assert done.stderr == ""
    done = run(*words, "--json")
    assert json.loads(done.stdout)["is_new"] is False


class WithoutModels(http.server.BaseHTTPRequestHandler):
    """Passes requests on to a server, but for those about registered models, which it lacks."""

    behind = ""

    def do_GET(self) -> None:
        if "model" in self.path.partition("?")[0]:
            self.send_error(404)
            return
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else None
        kept = {k: v for k, v in self.headers.items() if k.lower() in ("content-type",)}
        asked = urllib.request.Request(
            self.behind + self.path, data=body, method=self.command, headers=kept
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.slow
def test_a_server_without_a_registry_of_models_gets_the_run(server: str, models: Registry):
    name = name_in(models)
    handler = type("Handler", (WithoutModels,), {"behind": server})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{front.server_port}"
        done = export_mlflow(models, f"{name}:1", uri)
        front.shutdown()
    assert done.model_version is None
    assert [run.info.status for run in runs_of(server, f"{name}:1")] == ["FINISHED"]


@pytest.mark.slow
def test_a_server_that_is_not_there_is_an_error_within_seconds(models: Registry):
    with socket.socket() as silent:  # takes connections, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent_uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for uri in ("http://127.0.0.1:1", silent_uri):
            words = ("registry", "export", name_in(models), "--mlflow", uri)
            done = run(*words, "--registry", models.path)
            assert done.returncode == 1, done.stderr
            assert f"{uri}: {name_in(models)}:1: can't be exported" in done.stderr
            assert "an mlflow server that runs" in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite:///mlflow.db", "must be the address of a server"),
        ("mlruns", "must be the address of a server"),
        ("http://user:word@host:5000", "MLFLOW_TRACKING_PASSWORD"),  # pragma: allowlist secret
        ("http://[", "must be the address of a server"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused(models: Registry, uri: str, message: str):
    with pytest.raises(OptionError, match=message) as raised:
        export_mlflow(models, name_in(models), uri)
    assert "word" not in str(raised.value).replace("password", "")


def test_a_version_that_is_not_there_is_refused(models: Registry):
    for reference, message in (("lstm:1", "has no model 'lstm'"),
                               (f"{name_in(models)}:9", "has no such version")):  # fmt: skip
        with pytest.raises(VersionError, match=message):
            export_mlflow(models, reference, "http://127.0.0.1:1")


def test_without_the_library_the_extra_is_named(models: Registry):
    script = (
        "import sys; sys.modules['mlflow'] = None\n"
        "from cryptodask.cli import main\n"
        f"sys.argv[1:] = ['registry', 'export', {name_in(models)!r}, '--mlflow', "
        f"'http://127.0.0.1:1', '--registry', {str(models.path)!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'cryptodask[mlflow]'" in " ".join(done.stderr.split())

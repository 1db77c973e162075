"""An environment that has Airflow, and answers from it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent
ENVIRONMENT = ".venv-airflow"
"""Made by ``make``, once, and kept."""


def airflow_python() -> Path:
    """Return the Python of Airflow's environment, or skip; where CI=true, fail."""
    given = os.environ.get("CRYPTODASK_TEST_AIRFLOW")
    folder = Path(given) if given else ROOT / ENVIRONMENT
    target = f"{folder}/.has-airflow"
    done = subprocess.run(
        ["make", "-C", str(ROOT), f"PYTHON={sys.executable}", f"AIRFLOW_VENV={folder}", target],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        reason = f"tests of Airflow need its packages: make {target}: {done.stderr[-500:]}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return folder / "bin" / "python"


class Airflow:
    """Airflow on SQLite, in a folder."""

    def __init__(self, python: Path, home: Path) -> None:
        self.python = python
        self.env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": str(ROOT),
        }
        self.run("-m", "airflow", "db", "migrate")

    def run(self, *arguments: object, **env: str) -> str:
        """Run its Python; return what it printed."""
        done = subprocess.run(
            [str(self.python), *map(str, arguments)],
            env=self.env | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def ask(self, *arguments: object, **env: str) -> dict[str, Any]:
        """Return what `in_airflow` answers."""
        text = self.run(SCRIPTS / "in_airflow.py", *arguments, **env)
        answer: dict[str, Any] = json.loads(text.splitlines()[-1])
        return answer


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """Airflow, with its database made."""
    return Airflow(airflow_python(), tmp_path_factory.mktemp("airflow"))


@contextmanager
def receiving(status: int) -> Iterator[tuple[str, list[Any]]]:
    """Give the URL of a server that answers with a status, and the JSON that it got."""
    bodies: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()

"""The Compose file's pipeline, as processes of this machine, and answers of its API server."""

import json
import secrets
import subprocess
import time
import urllib.request
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.airflow.conftest import ROOT, airflow_python
from tests.deploy.conftest import DEPLOY
from tests.deploy.processes import Services, free_ports

SCHEDULE = "30 0 1 * *"
"""Once a month: the latest is due at once, and more are past."""


class Pipeline(Services):
    """The services of the profile `pipeline`: volumes are folders, and all hosts are this one."""

    def __init__(
        self, services: dict[str, Any], folder: Path, databases: dict[str, str], webhook: str
    ) -> None:
        super().__init__(services, folder)
        self.databases, (self.ports["8080"],), self.webhook = databases, free_ports(1), webhook
        python = airflow_python()
        for name, command in {
            "airflow": f"{python} -m airflow",
            "python3": str(python),
            "airflow-start": str(DEPLOY / "airflow" / "start.sh"),
        }.items():
            (self.bin / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (self.bin / name).chmod(0o755)
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        for name in ("postgres", "airflow_key", "airflow_jwt"):
            (self.secrets / name).write_text(f"{secrets.token_hex(32)}\n")
        self.password = secrets.token_hex(16)
        (self.secrets / "airflow_users").write_text(f'{{"admin": "{self.password}"}}\n')

    def translate(self, text: str) -> str:
        for name, address in self.databases.items():
            text = text.replace(f"://cryptodask@postgres/{name}", f"://{address}")
        text = text.replace("//airflow-api:", "//127.0.0.1:")
        text = text.replace("/pipeline/", f"{self.folder}/pipeline/")
        return super().translate(text).replace("8080", str(self.ports["8080"]))

    def command(self, name: str, command: list[str]) -> tuple[list[str], dict[str, str]]:
        words, env = super().command(name, command)
        return words, env | {
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "CRYPTODASK_COMMAND": str(self.bin / "cryptodask"),
            "CRYPTODASK_PIPELINE": str(self.folder / "pipeline.toml"),
            "CRYPTODASK_POKE_SECONDS": "2",
            "CRYPTODASK_RETRY_SECONDS": "1",
            "CRYPTODASK_SCHEDULE": SCHEDULE,
            "CRYPTODASK_WEBHOOK": self.webhook,
            "CRYPTODASK_DEADLINE_SECONDS": "1",  # every run is late
            "SECRETS": str(self.secrets),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(ROOT),
        }

    def airflow(self, *arguments: str) -> str:
        """Run a command in the scheduler's container, as the README does."""
        words, env = self.command("airflow-scheduler", ["airflow-start", "airflow", *arguments])
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def unpause(self, dag: str) -> None:
        """Let the scheduler begin what is due, once the DAG was read."""
        until = time.monotonic() + 600
        while dag not in [d["dag_id"] for d in self.ask("dags")["dags"]]:
            assert time.monotonic() < until, self.logs()
            time.sleep(1)
        self.airflow("dags", "unpause", dag)

    def wait_for_runs(self, dag: str, count: int = 1) -> list[dict[str, Any]]:
        """Return all runs of a DAG once there are so many, and each succeeded."""
        until = time.monotonic() + 900
        while True:
            runs: list[dict[str, Any]] = self.ask(f"dags/{dag}/dagRuns")["dag_runs"]
            if len(runs) >= count and {r["state"] for r in runs} <= {"success", "failed"}:
                break
            assert time.monotonic() < until, (runs, self.logs())
            time.sleep(1)
        assert {run["state"] for run in runs} == {"success"}, self.logs()
        return runs

    def tasks(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the tasks of a run, by name and number of their group."""
        path = f"dags/{run['dag_id']}/dagRuns/{quote(run['dag_run_id'])}/taskInstances?limit=100"
        tasks = self.ask(path)["task_instances"]
        return {f"{task['task_id']}[{task['map_index']}]": task for task in tasks}

    def report_growth(self, date: str) -> None:
        """Report that prices up to a day are there, as whoever grows the table may."""
        known = self.ask("assets?name_pattern=cryptodask_prices")["assets"]
        self.ask("assets/events", {"asset_id": known[0]["id"], "extra": {"date": date}})

    @cached_property
    def token(self) -> str:
        """What the API server takes in place of the password."""
        login = {"username": "admin", "password": self.password}
        token: str = self.post("auth/token", login, {})["access_token"]
        return token

    def ask(self, path: str, body: Any = None) -> Any:
        """Return what the API server answers."""
        return self.post(f"api/v2/{path}", body, {"Authorization": f"Bearer {self.token}"})

    def post(self, path: str, body: Any, headers: dict[str, str]) -> Any:
        """Send a body, or get without one."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.ports['8080']}/{path}"
        headers = {"Content-Type": "application/json"} | headers
        with urllib.request.urlopen(
            urllib.request.Request(url, data, headers), timeout=120
        ) as sent:
            return json.load(sent)

    def logs(self) -> str:
        """Return how the logs end of the parts, and of tasks that failed."""
        tasks = [f for f in self.folder.rglob("attempt=*.log") if "ended with" in f.read_text()]
        files = [*self.folder.glob("*.log"), *tasks]
        return "\n".join(f"{f}:\n{f.read_text()[-3000:]}" for f in files)

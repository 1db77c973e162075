"""The Compose file's pipeline, as processes: PostgreSQL of this machine, and Airflow's parts."""

import json
import re
import secrets
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from cryptodask.pipeline.day import Day
from cryptodask.pipeline.settings import read_settings
from cryptodask.pipeline.steps import run_day
from cryptodask.store import open_store
from tests.airflow.conftest import ROOT, airflow_python
from tests.deploy.conftest import DEPLOY
from tests.deploy.processes import Services, free_ports
from tests.deploy.test_compose import read_services
from tests.store.conftest import new_database

DATE = "2026-06-30"
RULES = """
[[rules]]
name = "moved"
action = "request"
weight = 0.1
findings = ["large_move"]
"""

pytestmark = pytest.mark.slow


class Pipeline(Services):
    """The services of the profile `pipeline`: volumes are folders, and all hosts are this one."""

    def __init__(self, services: dict[str, Any], folder: Path, databases: dict[str, str]) -> None:
        super().__init__(services, folder)
        self.databases, (self.ports["8080"],) = databases, free_ports(1)
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
            "CRYPTODASK_SCHEDULE": "",  # triggered here, and not by the clock
            "SECRETS": str(self.secrets),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(ROOT),
        }

    def airflow(self, *arguments: str) -> str:
        """Run a command in the scheduler's container, as the README does."""
        words, env = self.command("airflow-scheduler", ["airflow-start", "airflow", *arguments])
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what a command of Airflow lists; its warnings are before that."""
        text = self.airflow(*arguments, "--output", "json")
        rows: list[dict[str, Any]] = json.loads(text[text.index("[{") :] if "[{" in text else "[]")
        return rows

    def report_growth(self, date: str) -> None:
        """Report that prices up to a day are there, as whoever grows the table may."""
        token = self.post("auth/token", {"username": "admin", "password": self.password})
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        known = self.post("api/v2/assets?name_pattern=cryptodask_prices", None, bearer)["assets"]
        body = {"asset_id": known[0]["id"], "extra": {"date": date}}
        self.post("api/v2/assets/events", body, bearer)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Return what the API server answers; without a body, it is asked."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.ports['8080']}/{path}"
        every = {"Content-Type": "application/json", **(headers or {})}
        with urllib.request.urlopen(urllib.request.Request(url, data, every), timeout=30) as answer:
            return json.load(answer)

    def states(self, dag: str) -> list[str]:
        """Return the state of each run of a DAG; of those that wait, too, ``running``."""
        states = [str(run["state"]) for run in self.listed("dags", "list-runs", dag)]
        return ["running" if state == "queued" else state for state in states]

    def logs(self) -> str:
        """Return how the logs end of the parts, and of tasks that failed."""
        tasks = [f for f in self.folder.rglob("attempt=*.log") if "ended with" in f.read_text()]
        files = [*self.folder.glob("*.log"), *tasks]
        return "\n".join(f"{f}:\n{f.read_text()[-3000:]}" for f in files)


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, str]]:
    """Addresses of a database for the store and of one for Airflow, without the scheme."""
    ours, airflows = new_database(), new_database()
    both = {"cryptodask": next(ours), "airflow": next(airflows)}
    try:
        yield {name: url.partition("://")[2] for name, url in both.items()}
    finally:
        for each in (ours, airflows):
            next(each, None)


@pytest.fixture(scope="module")
def running(
    databases: dict[str, str], small_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Airflow's parts, each once what it waits for is there."""
    folder = tmp_path_factory.mktemp("pipeline")
    started = Pipeline(read_services(), folder, databases)
    shutil.copytree(small_folder, folder / "prices")
    text = (DEPLOY / "kubernetes" / "pipeline" / "pipeline.toml").read_text()
    text = text.partition("[[rules]]")[0] + RULES
    for was, wanted in (("groups = 4", "groups = 2"), ('"naive", "ridge"', '"naive"')):
        assert was in text
        text = text.replace(was, wanted)
    text = text.replace("[check]", "[check]\ndays = 200")
    text = started.translate(text).replace('"/data"', f'"{folder / "prices"}"')
    (folder / "pipeline.toml").write_text(text)
    try:
        migrated = started.run("airflow-migrate")
        assert migrated.returncode == 0, migrated.stderr[-4000:]
        started.start("airflow-dags")
        started.start("airflow-api")
        assert started.healthy("airflow-api"), started.logs()
        started.start("airflow-scheduler")
        yield started
    finally:
        started.stop()


def wait_for(running: Pipeline, dag: str, run: str) -> dict[str, str]:
    """Return the state of each task of a run once it ended."""
    until = time.monotonic() + 240
    while True:
        state = {r["run_id"]: r["state"] for r in running.listed("dags", "list-runs", dag)}.get(run)
        if state in ("success", "failed"):
            break
        assert time.monotonic() < until, running.logs()
        time.sleep(1)
    tasks = running.listed("tasks", "states-for-dag-run", dag, run)
    states = {f"{t['task_id']}[{t.get('map_index', '')}]": t["state"] for t in tasks}
    assert state == "success", (states, running.logs())
    return states


def kill_first(settings: Path, step: str) -> bool:
    """Kill the first process of a step, as soon as there is one; return whether there was."""
    until = time.monotonic() + 200
    while time.monotonic() < until:
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if str(settings) in words and step in words and "pipeline" in words:
                process.kill()
                return True
        time.sleep(0.02)
    return False


def test_a_day_by_airflow_whose_step_is_killed_leaves_the_rows_of_one_without(
    running: Pipeline, databases: dict[str, str]
):
    settings = running.folder / "pipeline.toml"
    running.airflow("dags", "unpause", "cryptodask_daily")
    conf = f'{{"date": "{DATE}"}}'
    with ThreadPoolExecutor(1) as thread:
        killed = thread.submit(kill_first, settings, "store")
        running.airflow("dags", "trigger", "cryptodask_daily", "--run-id", "first", "--conf", conf)
        states = wait_for(running, "cryptodask_daily", "first")
        assert killed.result()
    assert states.pop("monitor[]") == "skipped"  # the settings have no section for it
    others = {state for task, state in states.items() if "request" not in task}
    assert others == {"success"}
    alone = running.folder / "alone.toml"
    text = settings.read_text().replace(f"{running.folder}/pipeline/", "alone/")
    alone.write_text(re.sub("^store = .*", 'store = "alone.db"', text, flags=re.M))
    reports = run_day(Day(read_settings(alone), DATE))
    with open_store(f"postgresql+psycopg://{databases['cryptodask']}") as store:
        forecasts, requests = store.forecasts(), store.requests()
    with open_store(running.folder / "alone.db") as store:
        pd.testing.assert_frame_equal(in_order(forecasts), in_order(store.forecasts()))
        assert requests["coin"].tolist() == store.requests()["coin"].tolist()
    assert len(forecasts) == sum(r["forecasts"] for r in reports if r["step"] == "judge") > 0
    asked = sorted(r["state"] for r in reports if r["step"] == "request")
    assert len(requests) > 0
    assert asked == ["done", "nothing"]
    assert sorted(s for task, s in states.items() if "request" in task) == ["skipped", "success"]


def test_an_event_of_the_prices_forecasts_the_day_that_it_names(running: Pipeline):
    running.airflow("dags", "unpause", "cryptodask_growth")
    # Later than the day before, whose poll was an event, too: of several, the latest counts.
    running.report_growth("2026-07-01")
    judged = running.folder / "pipeline" / "runs" / "2026-07-01"
    until = time.monotonic() + 200
    while len(list(judged.rglob("judged.json"))) < 2:
        assert time.monotonic() < until, running.logs()
        time.sleep(1)
    while "running" in (states := running.states("cryptodask_growth")):
        assert time.monotonic() < until, running.logs()
    assert set(states) == {"success"}, running.logs()


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows without the number of their run, in an order of their own."""
    rows = rows.drop(columns="run").sort_values(["coin", "model", "step"])
    return rows.reset_index(drop=True)

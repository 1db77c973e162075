"""The Compose file's pipeline, as processes: PostgreSQL of this machine, and Airflow's parts."""

import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from cryptodask.pipeline.day import Day
from cryptodask.pipeline.settings import read_settings
from cryptodask.pipeline.steps import run_day
from cryptodask.store import open_store
from tests.airflow.conftest import receiving
from tests.deploy.conftest import DEPLOY
from tests.deploy.pipeline import Pipeline
from tests.deploy.test_compose import read_services
from tests.store.conftest import new_database

PAST = ("2026-04-30", "2026-05-31")
"""Days before two of them, when the prices had not ended."""

RULES = """
[[rules]]
name = "moved"
action = "request"
weight = 0.1
findings = ["large_move"]
"""

pytestmark = pytest.mark.slow


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
def late() -> Iterator[tuple[str, list[Any]]]:
    """The URL of a webhook whose answers are errors, and what was posted there."""
    with receiving(500) as server:
        yield server


@pytest.fixture(scope="module")
def running(
    databases: dict[str, str],
    late: tuple[str, list[Any]],
    small_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pipeline]:
    """Airflow's parts, each once what it waits for is there."""
    folder = tmp_path_factory.mktemp("pipeline")
    started = Pipeline(read_services(), folder, databases, late[0])
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


def kill_first(settings: Path, step: str, *, task: bool = False) -> bool:
    """Kill the first process of a step, as soon as there is one; return whether there was.

    Of the two that a step has, it is the command's, or that of Airflow's task; the command then
    continues beside the next try.
    """
    until = time.monotonic() + 900
    while time.monotonic() < until:
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if str(settings) in words and step in words and "pipeline" in words:
                killed = process.parent() if task else process
                assert killed
                killed.kill()
                return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def first(running: Pipeline) -> dict[str, Any]:
    """The run that was due when the DAG was unpaused; two of its tasks were killed."""
    settings = running.folder / "pipeline.toml"
    with ThreadPoolExecutor(2) as threads:
        command = threads.submit(kill_first, settings, "judge")
        task = threads.submit(kill_first, settings, "store", task=True)
        running.unpause("cryptodask_daily")
        (run,) = running.wait_for_runs("cryptodask_daily")
        assert command.result()
        assert task.result()
    return run


@pytest.fixture(scope="module")
def backfilled(running: Pipeline, first: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of two past days."""
    begin, end = "2026-04-15", "2026-06-15"
    dates = ["--from-date", begin, "--to-date", end]
    running.airflow("backfill", "create", "--dag-id", "cryptodask_daily", *dates)
    runs = running.wait_for_runs("cryptodask_daily", 3)
    return [run for run in runs if run["dag_run_id"] != first["dag_run_id"]]


@pytest.fixture(scope="module")
def grown(running: Pipeline, backfilled: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """A day that an event of the prices names, and the runs that it began."""
    assert backfilled
    running.unpause("cryptodask_growth")
    # Later than the days before, whose polls were events, too: of several, the latest counts.
    day = str(date.today() + timedelta(days=1))
    running.report_growth(day)
    judged = running.folder / "pipeline" / "runs" / day
    until = time.monotonic() + 900
    while len(list(judged.rglob("judged.json"))) < 2:
        assert time.monotonic() < until, running.logs()
        time.sleep(1)
    return day, running.wait_for_runs("cryptodask_growth")


@pytest.fixture(scope="module")
def alone(
    running: Pipeline, first: dict[str, Any], grown: tuple[str, list[dict[str, Any]]]
) -> tuple[list[dict[str, Any]], dict[str, pd.DataFrame]]:
    """What the steps reported and stored of the same days, one after another without Airflow."""
    file = running.folder / "alone.toml"
    text = (running.folder / "pipeline.toml").read_text()
    text = text.replace(f"{running.folder}/pipeline/", "alone/")
    file.write_text(re.sub("^store = .*", 'store = "alone.db"', text, flags=re.M))
    settings = read_settings(file)
    days = (*PAST, day_of(first), grown[0])
    reports = [report for day in days for report in run_day(Day(settings, day))]
    return reports, stored(str(running.folder / "alone.db"))


def stored(place: str) -> dict[str, pd.DataFrame]:
    """Return what is in a store."""
    with open_store(place) as store:
        return {"forecasts": store.forecasts(), "requests": store.requests()}


def day_of(run: dict[str, Any]) -> str:
    """Return the last day whose prices are known: that before the date of a run."""
    return str(date.fromisoformat(run["logical_date"][:10]) - timedelta(days=1))


def test_tasks_that_are_killed_are_tried_again_and_rules_skip_requests(
    running: Pipeline, first: dict[str, Any]
):
    tasks = running.tasks(first)
    states = {name: task["state"] for name, task in tasks.items()}
    assert len(states) == 2 * 6 + 5
    # The settings have no section for it.
    assert states.pop("monitor[-1]") == "skipped"
    requests = [states.pop(f"group.request[{group}]") for group in range(2)]
    assert set(requests) == {"skipped", "success"}
    assert set(states.values()) == {"success"}
    for step in ("judge", "store"):
        tries = [tasks[f"group.{step}[{group}]"]["try_number"] for group in range(2)]
        assert sorted(tries) == [1, 2], step


def test_all_of_these_days_leave_the_rows_of_days_in_order_without_airflow(
    backfilled: list[dict[str, Any]],
    alone: tuple[list[dict[str, Any]], dict[str, pd.DataFrame]],
    databases: dict[str, str],
):
    assert sorted(map(day_of, backfilled)) == list(PAST)
    assert {run["run_type"] for run in backfilled} == {"backfill"}
    reports, same = alone
    ours = stored(f"postgresql+psycopg://{databases['cryptodask']}")
    pd.testing.assert_frame_equal(in_order(ours["forecasts"]), in_order(same["forecasts"]))
    assert len(ours["forecasts"]) == sum(r["forecasts"] for r in reports if r["step"] == "judge")
    assert ours["forecasts"]["cutoff"].nunique() > 2
    assert sorted(ours["requests"]["coin"]) == sorted(same["requests"]["coin"]) != []


def test_an_event_of_the_prices_forecasts_the_day_that_it_names(
    running: Pipeline, grown: tuple[str, list[dict[str, Any]]]
):
    tasks = [running.tasks(run) for run in grown[1]]
    began = [run for run in tasks if "group.store[1]" in run]
    assert began
    # Nothing is left to the scheduled DAG, and there is nobody else to poll.
    assert not [run for run in tasks if "poll[-1]" in run]


def test_each_day_was_late_and_none_was_harmed_by_a_webhook_that_fails(
    running: Pipeline, first: dict[str, Any], late: tuple[str, list[Any]]
):
    text = f"CryptoDask: cryptodask_daily: {first['dag_run_id']} is late"
    until = time.monotonic() + 300
    while {"text": text} not in late[1]:
        assert time.monotonic() < until, running.logs()
        time.sleep(1)
    assert late[1].count({"text": text}) == 1


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows without the number of their run, in an order of their own."""
    rows = rows.drop(columns="run").sort_values(["coin", "model", "cutoff", "step"])
    return rows.reset_index(drop=True)

"""The DAGs: how they are arranged, and a day of them with faults, beside one without Airflow."""

import ast
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cryptodask.pipeline.day import Day
from cryptodask.pipeline.settings import read_settings
from cryptodask.pipeline.steps import run_day
from cryptodask.store import open_store
from tests.airflow.conftest import ROOT, SCRIPTS, Airflow, receiving

DATE = "2026-06-30"
SETTINGS = """\
store = "store.db"

[prices]
table = "table"
folder = "prices"

[forecast]
models = ["naive"]
horizon = 5
groups = 2

[check]
days = 200

[[rules]]
name = "constant"
action = "skip"
findings = ["stale_run"]

[[rules]]
name = "moved"
action = "request"
weight = 0.1
findings = ["large_move"]
"""
STEPS = ["check", "send", "wait", "judge", "store", "request"]

pytestmark = pytest.mark.slow


def pipeline(folder: Path, prices: Path) -> Path:
    """Return the settings of a pipeline in a folder of its own."""
    shutil.copytree(prices, folder / "prices")
    file = folder / "pipeline.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def described(airflow: Airflow) -> dict[str, Any]:
    return airflow.ask("dags")


@pytest.mark.parametrize("name", ["cryptodask_daily", "cryptodask_growth"])
def test_groups_are_arranged_without_branches(described: dict[str, Any], name: str):
    assert described["errors"] == {}
    dag = described["dags"][name]
    assert dag["deadline"]
    assert not dag["catchup"]
    tasks = dag["tasks"]
    assert {task for task in tasks if tasks[task]["mapped"]} == {f"group.{s}" for s in STEPS}
    for task, about in tasks.items():
        # In a mapped group they skip nothing: apache/airflow issue 65745.
        assert not [c for c in about["classes"] if "Branch" in c or "ShortCircuit" in c], task
        assert about["retries"] >= 2, task
        assert about["backoff"], task
    for before, after in pairwise(STEPS):
        assert f"group.{before}" in tasks[f"group.{after}"]["upstream"]
    assert tasks["done"]["rule"] == "none_failed_min_one_success"
    assert {"group.store", "group.request"} <= set(tasks["done"]["upstream"])
    assert "BaseSensorOperator" in tasks["group.wait"]["classes"]


def test_the_dags_import_neither_pandas_nor_the_package(described: dict[str, Any]):
    assert described["loaded"] == []
    for file in (ROOT / "dags").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {n.split(".")[0] for n in names} <= sys.stdlib_module_names | {"airflow"}


@pytest.mark.parametrize("status", [200, 500])
def test_a_day_that_is_late_is_reported_to_the_webhook(airflow: Airflow, status: int):
    with receiving(status) as (url, bodies):
        env = {"CRYPTODASK_WEBHOOK": url, "CRYPTODASK_DEADLINE_SECONDS": "60"}
        if status == 200:
            airflow.ask("late", "by-hand-1", **env)
        else:  # Airflow logs that its callback failed; the day is not touched
            with pytest.raises(AssertionError, match="HTTP Error 500"):
                airflow.ask("late", "by-hand-1", **env)
    assert bodies == [{"text": "CryptoDask: cryptodask_daily: by-hand-1 is late"}]


class Days:
    """A day run twice by Airflow, with faults and then without, and once without Airflow."""

    def __init__(self, airflow: Airflow, folder: Path, prices: Path) -> None:
        self.settings = pipeline(folder / "airflow", prices)
        faults = folder / "faults"
        faults.mkdir()
        (faults / "check-0001").write_text("fail")
        (faults / "send-0000").write_text("run")
        (faults / "store-0000").write_text("kill")
        env = {
            "FAULTS": str(faults),
            "CRYPTODASK_COMMAND": f"{sys.executable} {SCRIPTS / 'faulty.py'}",
            "CRYPTODASK_PIPELINE": str(self.settings),
            "CRYPTODASK_POKE_SECONDS": "1",
            "CRYPTODASK_RETRY_SECONDS": "1",
            "CRYPTODASK_DEADLINE_SECONDS": "0",
        }
        self.hurt = airflow.ask("run", DATE, **env)
        self.left = list(faults.iterdir())
        self.first = stored(self.settings)
        for file in self.left:
            file.unlink()
        self.healed = airflow.ask("run", DATE, **env)
        alone = pipeline(folder / "alone", prices)
        self.reports = run_day(Day(read_settings(alone), DATE))
        self.alone = stored(alone)


def stored(settings: Path) -> dict[str, pd.DataFrame]:
    """Return what is in the store of a pipeline."""
    with open_store(settings.parent / "store.db") as store:
        return {"forecasts": store.forecasts(), "requests": store.requests()}


@pytest.fixture(scope="module")
def days(airflow: Airflow, small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Days:
    return Days(airflow, tmp_path_factory.mktemp("days"), small_folder)


def test_a_group_that_fails_harms_no_other(days: Days):
    tasks = days.hurt["tasks"]
    assert days.hurt["state"] == "failed"
    assert tasks["group.check[1]"] == ["failed", 3]
    assert {tasks[f"group.{step}[1]"][0] for step in STEPS[1:]} == {"upstream_failed"}
    assert {tasks[f"group.{step}[0]"][0] for step in STEPS[:-1]} == {"success"}
    assert tasks["done[-1]"][0] == "upstream_failed"
    assert set(days.first["forecasts"]["coin"]) < set(days.alone["forecasts"]["coin"])


def test_a_step_and_a_run_that_are_killed_and_retried_leave_the_same_rows(days: Days):
    assert [file.name for file in days.left] == ["check-0001"]
    assert days.hurt["tasks"]["group.store[0]"] == ["success", 2]
    coins = set(days.first["forecasts"]["coin"])
    alone = days.alone["forecasts"]
    same = alone[alone["coin"].isin(coins)].drop(columns="run")
    pd.testing.assert_frame_equal(sort(days.first["forecasts"].drop(columns="run")), sort(same))


def test_the_day_run_again_stores_what_it_forecast_and_nothing_twice(days: Days):
    assert days.healed["state"] == "success"
    again = stored(days.settings)
    forecasts = sum(r["forecasts"] for r in days.reports if r["step"] == "judge")
    skipped = sum(r["skipped"] for r in days.reports if r["step"] == "store")
    assert skipped == 1
    assert len(again["forecasts"]) == forecasts - 5 * skipped > 0
    pd.testing.assert_frame_equal(
        sort(again["forecasts"].drop(columns="run")),
        sort(days.alone["forecasts"].drop(columns="run")),
    )


def test_a_rule_skips_a_request_and_another_asks_for_one(days: Days):
    tasks = days.healed["tasks"]
    states = sorted(tasks[f"group.request[{group}]"][0] for group in (0, 1))
    assert states == ["skipped", "success"]
    assert tasks["done[-1]"][0] == "success"
    asked = stored(days.settings)["requests"]
    assert len(asked) == len(days.alone["requests"]) == 1
    assert asked["coin"].tolist() == days.alone["requests"]["coin"].tolist()


def sort(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows in an order that does not depend on when they came."""
    return rows.sort_values(["coin", "model", "step"]).reset_index(drop=True)

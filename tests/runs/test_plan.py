"""Plans: what was written is read back, and tasks have each coin once or are refused."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import InputError
from cryptodask.results.manifest import PLAN
from cryptodask.runs.plan import Plan, read_plan, write_plan
from cryptodask.runs.spec import ForecastSpec
from cryptodask.runs.workload import Task, covers


def plan_of(tasks: list[Task], models: int, coins: int) -> Plan:
    spec = ForecastSpec(source="prices", models=["naive", "linear"][:models])
    return Plan("forecast", spec, {"seed": 0}, ["naive", "linear"][:models], coins, tasks)


@st.composite
def whole_plans(draw: st.DrawFn) -> Plan:
    """Tasks of one or two models that have each of some coins once."""
    coins, models = draw(st.integers(1, 12)), draw(st.integers(1, 2))
    tasks = []
    for model in range(models):
        inner = draw(st.sets(st.integers(1, coins - 1))) if coins > 1 else set()
        edges = sorted({0, coins, *inner})
        spans = list(pairwise(edges))
        cut = draw(st.integers(0, len(spans) - 1))
        tasks += [Task(model, tuple(part)) for part in (spans[:cut], spans[cut:]) if part]
    return plan_of(draw(st.permutations(tasks)), models, coins)


@given(whole_plans())
@settings(deadline=None)
def test_what_was_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, plan: Plan):
    folder = tmp_path_factory.mktemp("plan")
    write_plan(folder, plan)
    again = read_plan(folder)
    assert (again.kind, again.spec, again.facts) == (plan.kind, plan.spec, plan.facts)
    assert (list(again.tasks), again.coins) == (list(plan.tasks), plan.coins)


@given(whole_plans(), st.data())
def test_tasks_that_are_dropped_doubled_or_moved_are_refused(plan: Plan, data: st.DataObject):
    tasks, models = list(plan.tasks), len(plan.models)
    assert covers(tasks, models, plan.coins) is None
    at = data.draw(st.integers(0, len(tasks) - 1))
    task = tasks[at]
    moved = Task(task.model, tuple((a + 1, b + 1) for a, b in task.spans))
    for wrong in (
        tasks[:at] + tasks[at + 1 :],
        [*tasks, task],
        [*tasks[:at], moved, *tasks[at + 1 :]],
        [*tasks[:at], Task(models, task.spans), *tasks[at + 1 :]],
        [*tasks[:at], Task(task.model, ()), *tasks[at + 1 :]],
    ):
        assert covers(wrong, models, plan.coins)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a list": (lambda _: [1], "format: "),
    "of an earlier version": (
        lambda p: {"version": 2, "call": {}, "kind": "forecasts"},
        "version: ",
    ),
    "of a later version": (lambda p: p | {"version": 4}, "version: 4"),
    "a key that is unknown": (lambda p: p | {"surprise": 1}, "'surprise': unknown key"),
    "no coins": (lambda p: {k: v for k, v in p.items() if k != "coins"}, "coins: is missing"),
    "an unknown kind": (lambda p: p | {"kind": "prophecy"}, "kind: "),
    "a spec of a wrong type": (lambda p: p | {"spec": p["spec"] | {"seed": "one"}}, "spec: seed: "),
    "a spec without a key": (
        lambda p: p | {"spec": {k: v for k, v in p["spec"].items() if k != "window"}},
        "spec: window: is missing",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_that_was_changed_is_refused_by_file_and_key(tmp_path: Path, change: str):
    write_plan(tmp_path, plan_of([Task(0, ((0, 3),))], 1, 3))
    alter, message = CHANGES[change]
    plan = json.loads((tmp_path / PLAN).read_text())
    (tmp_path / PLAN).write_text(json.dumps(alter(plan)))
    with pytest.raises(InputError) as caught:
        read_plan(tmp_path)
    assert str(tmp_path / PLAN) in str(caught.value)
    assert message in str(caught.value)

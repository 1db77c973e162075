"""Plans and manifests that no run wrote, derived from real ones."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Plan = dict[str, Any]

DEEP, DEEPER = 1_000, 100_000
"""How deep JSON is nested, that is written to exhaust a reader's stack."""


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


CONTENTS: Mapping[str, bytes] = {
    "empty file": b"",
    "zeros": bytes(2_000),
    "not JSON": b"a plan\n",
    "not UTF-8": b"\xff\xfe\x00{",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "made by hand": b"{}",
    "of another program": b'{"name": "web", "lockfileVersion": 3, "packages": {}}',
    "nested 1,000 deep": nested(DEEP).encode(),
    "nested 100,000 deep": nested(DEEPER).encode(),
}
"""Files that are neither a plan nor a manifest."""


def is_tasks(value: Any) -> bool:
    """Tell whether this is a list of models' numbers, each with starts and stops of coins."""

    def is_span(span: Any) -> bool:
        return isinstance(span, list) and len(span) == 2 and all(isinstance(n, int) for n in span)

    return (
        isinstance(value, list)
        and len(value) > 0
        and all(
            isinstance(task, list) and len(task) == 2 and isinstance(task[0], int)
            and isinstance(task[1], list) and len(task[1]) > 0 and all(map(is_span, task[1]))
            for task in value
        )
    )  # fmt: skip


def tasks_key(plan: Plan) -> str:
    """Return the key of a plan's tasks."""
    [key] = [key for key, value in plan.items() if is_tasks(value)]
    return key


def spec_key(plan: Plan) -> str:
    """Return the key of what was asked for: what has options of the command and the prices."""
    [key] = [k for k, v in plan.items() if isinstance(v, dict) and {"source", "horizon"} <= set(v)]
    return key


def _set(tasks: list[Any], number: int, place: int, value: Any) -> list[Any]:
    tasks[number][place] = value
    return tasks


def _last_coin(tasks: list[Any], more: int) -> list[Any]:
    """Move where the last task stops."""
    tasks[-1][1][-1][1] += more
    return tasks


def _first_coin(tasks: list[Any], more: int) -> list[Any]:
    """Move where the first task starts."""
    tasks[0][1][0][0] += more
    return tasks


def _overlapping(tasks: list[Any]) -> list[Any]:
    """Read coins by two spans of one task, the middle ones by both."""
    start, stop = tasks[-1][1][0][0], tasks[-1][1][-1][1]
    return _set(tasks, -1, 1, [[start, start + 3], [start + 2, stop]])


TASKS: Mapping[str, Callable[[list[Any]], Any]] = {
    "leave a model out": lambda tasks: tasks[:-1],
    "leave the last coin out": lambda tasks: _last_coin(tasks, -1),
    "leave the first coin out": lambda tasks: _first_coin(tasks, 1),
    "take coins twice": lambda tasks: [*tasks, copy.deepcopy(tasks[-1])],
    "overlap": _overlapping,
    "read past the last coin": lambda tasks: _last_coin(tasks, 5),
    "begin before the first coin": lambda tasks: _first_coin(tasks, -2),
    "stop before they start": lambda tasks: _set(tasks, -1, 1, [[10, 0]]),
    "have no coins": lambda tasks: _set(tasks, -1, 1, []),
    "name a model by a number too high": lambda tasks: _set(tasks, -1, 0, 99),
    "name a model by a number below 0": lambda tasks: _set(tasks, -1, 0, -1),
    "name a model by a name": lambda tasks: _set(tasks, -1, 0, "ridge"),
    "have half a coin": lambda tasks: _set(tasks, -1, 1, [[0, 0.5]]),
    "are none": lambda tasks: [],
    "are an object": lambda tasks: {},
    "are numbers": lambda tasks: [1, 2],
}
"""Tasks that would do too little, too much, or nothing that there is."""


def spec_changes(spec: Plan) -> Iterator[tuple[str, str, Any]]:
    """Yield what is wrong, the field, and what was asked for with that change."""
    for field, value in (
        ("horizon", "ten"), ("horizon", 0), ("horizon", True), ("seed", "x"), ("coins", 7),
        ("from_date", 12), ("gaps", "mend"), ("timeout", "soon"), ("partitions", -1),
        ("source", ["a", "list"]),
    ):  # fmt: skip
        yield f"{field} {value!r}", field, spec | {field: value}
    yield "horizon left out", "horizon", {k: v for k, v in spec.items() if k != "horizon"}
    yield "unknown key", "surprise", spec | {"surprise": 1}
    models = next(name for name in ("models", "search") if name in spec)
    yield f"{models} of a wrong type", models, spec | {models: 7}
    if models == "models":
        unknown = [{**spec[models][-1], "name": "oracle"}, *spec[models][1:]]
        yield "unknown model", "oracle", spec | {models: unknown}
    else:
        yield "unknown model", "oracle", spec | {models: {"oracle": {"alpha": [1]}}}
    deep = json.loads(nested(DEEP // 2))
    yield "nested deep", "coins", spec | {"coins": deep}


def plan_changes(plan: Plan) -> Iterator[tuple[str, str, Plan]]:
    """Yield what is wrong, the field that a message must name, and a plan with that change."""
    for key, value in plan.items():
        yield f"{key}: left out", key, {k: v for k, v in plan.items() if k != key}
        yield f"{key}: of another type", key, plan | {key: changed(value)}
    yield "unknown key", "surprise", plan | {"surprise": 1}
    yield "version: another", "version", plan | {"version": 999}
    yield "version: of another type", "version", plan | {"version": str(plan["version"])}
    yield "kind: unknown", "kind", plan | {"kind": "sermon"}
    spec, tasks = spec_key(plan), tasks_key(plan)
    for what, field, content in spec_changes(plan[spec]):
        yield f"{spec}: {what}", field, plan | {spec: content}
    for what, change in TASKS.items():
        yield f"{tasks}: {what}", tasks, plan | {tasks: change(copy.deepcopy(plan[tasks]))}


def manifest_changes(manifest: Plan) -> Iterator[tuple[str, str, Plan]]:
    """Yield what is wrong, the field that a message must name, and a manifest with that change."""
    for key, value in manifest.items():
        yield f"{key}: left out", key, {k: v for k, v in manifest.items() if k != key}
        yield f"{key}: of another type", key, manifest | {key: changed(value)}
    yield "unknown key", "surprise", manifest | {"surprise": 1}


def changed(value: Any) -> Any:
    """Return a value of another type of JSON."""
    return "text" if isinstance(value, dict | list) else ["a", "list"]

"""The plan of a run, which its folder holds from the start: what was asked, and the tasks."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs

from cryptodask.errors import InputError
from cryptodask.io.files import read_json
from cryptodask.io.paths import AnyPath
from cryptodask.io.sealed import unseal, write_sealed
from cryptodask.io.structure import structured
from cryptodask.results.manifest import PLAN, run_key
from cryptodask.runs.spec import RunSpec, to_json
from cryptodask.runs.specs import SPECS, spec_from_json
from cryptodask.runs.workload import Task, covers

FORMAT, VERSION = "cryptodask-plan", 3


@attrs.frozen(kw_only=True)
class _Content:
    """A plan as JSON has it."""

    format: str
    version: int
    kind: str
    spec: dict[str, Any] | None
    facts: dict[str, Any]
    models: list[str]
    coins: int
    tasks: list[Any]


@attrs.frozen
class Plan:
    """The plan of a run.

    Attributes
    ----------
    kind : str
        One of `cryptodask.runs.specs.SPECS`.
    spec : RunSpec or None
        What was asked; None where JSON can't hold it, as of models that were made in Python.
    facts : mapping of str to Any
        What decides every number of the result, as JSON has it.
    models : sequence of str
        Names.
    coins : int
        How many.
    tasks : sequence of Task
    """

    kind: str
    spec: RunSpec | None
    facts: Mapping[str, Any]
    models: Sequence[str]
    coins: int
    tasks: Sequence[Task]

    @property
    def key(self) -> str:
        """A digest of all that decides the result, by which the files of a run name it."""
        return run_key(
            {
                "kind": self.kind,
                "facts": self.facts,
                "models": list(self.models),
                "coins": self.coins,
            }
        )


def write_plan(folder: AnyPath, plan: Plan) -> None:
    """Write the plan of a run."""
    content = _Content(
        format=FORMAT,
        version=VERSION,
        kind=plan.kind,
        spec=None if plan.spec is None else to_json(plan.spec),
        facts=dict(plan.facts),
        models=list(plan.models),
        coins=plan.coins,
        tasks=[[task.model, [list(span) for span in task.spans]] for task in plan.tasks],
    )
    write_sealed(attrs.asdict(content, recurse=False), folder / PLAN)


def read_plan(folder: AnyPath) -> Plan:
    """Read the plan of a run.

    Raises
    ------
    FileNotFoundError
        There is none.
    InputError
        It is of another program or version, or was damaged or changed; the message names the
        key.
    """
    path = folder / PLAN
    content = read_json(path)
    damage = unseal(content)
    if isinstance(content, dict) and content.get("version") == 2 and "call" in content:
        raise InputError(
            f"{path}: version: was begun by an earlier CryptoDask; end the run with that, name "
            "another folder, or give --overwrite"
        )
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        shown = repr(content.get("format") if isinstance(content, dict) else content)[:60]
        raise InputError(
            f"{path}: format: is not a plan of a run, but {shown}; name another folder"
        )
    if content.get("version") != VERSION:
        raise InputError(
            f"{path}: version: {content.get('version')!r}, and this CryptoDask reads {VERSION}; "
            "use the one that began the run, or give --overwrite"
        )
    plan = structured(_Content, content, str(path))
    if plan.kind not in SPECS:
        raise InputError(f"{path}: kind: must be one of {', '.join(SPECS)}, got {plan.kind[:60]!r}")
    spec = None if plan.spec is None else spec_from_json(plan.kind, plan.spec, f"{path}: spec")
    if plan.coins < 0:
        raise InputError(f"{path}: coins: must be at least 0, got {plan.coins}")
    tasks = [_read_task(task, f"{path}: tasks[{i}]") for i, task in enumerate(plan.tasks)]
    fault = covers(tasks, len(plan.models), plan.coins)
    if fault:
        raise InputError(f"{path}: {fault}; it was damaged or changed: give --overwrite")
    if damage is not None:
        raise InputError(f"{path}: {damage}; restore it from a copy, or give --overwrite")
    return Plan(plan.kind, spec, plan.facts, plan.models, plan.coins, tasks)


def check_plan(folder: AnyPath) -> None:
    """Check that a plan, where a folder has one, can be read; see `read_plan`."""
    with suppress(FileNotFoundError, NotADirectoryError):
        read_plan(folder)


def _read_task(content: Any, where: str) -> Task:
    """Return a task of what JSON held: a model's place, and spans of coins."""
    match content:
        case [int(model), [*spans]]:
            for span in spans:
                match span:
                    case [int(), int()] if not any(isinstance(n, bool) for n in span):
                        continue
                break
            else:
                return Task(model, tuple((span[0], span[1]) for span in spans))
    shown = json.dumps(content)[:60]
    raise InputError(f"{where}: must be [model, [[start, stop], …]], got {shown}")

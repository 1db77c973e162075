"""The folder of a run: its plan first, then what is done, the manifest last.

What a run may go on with is decided under the folder's lock. A task is done when its record is
there and the file that the record names is as it was written.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from cryptodask.cluster import as_cluster_error
from cryptodask.cluster.retry import TaskId
from cryptodask.errors import ClusterError, InputError, MissingExtraError, TableError, WriteError
from cryptodask.evaluate.intervals.pooling import PooledErrors
from cryptodask.io.files import damage, read_json, write_json
from cryptodask.io.lock import locked
from cryptodask.io.paths import (
    AnyPath,
    each,
    exists,
    is_folder,
    make_folder,
    names_in,
    remove,
    resolved,
    storing,
)
from cryptodask.io.sealed import digest, unseal, write_sealed
from cryptodask.results.jobs import JobDone, TaskFiles, read_done
from cryptodask.results.manifest import (
    FAILURES,
    LOST,
    MANIFEST,
    PLAN,
    TASKS,
    Manifest,
    read_manifest,
    write_manifest,
)
from cryptodask.runs.plan import Plan, read_plan, write_plan
from cryptodask.runs.workload import Task

LOCK = "_lock"
INDEX, SHARED = "_index.parquet", "_shared."
POOLS = "_pools.json"

OWN = (
    MANIFEST, PLAN, LOCK, POOLS, FAILURES, LOST, TASKS, "_done-", "_split-",
    "_failures-", "_lost-", "_task-", "forecasts-probe", INDEX, SHARED,
)  # fmt: skip
"""How names of files begin that runs write into their folders, beside the tables."""


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path : Path or UPath
    tables : str
        How names of tables begin: ``forecasts``, ``backtest`` or ``parameters``.
    """

    def __init__(self, path: AnyPath, tables: str) -> None:
        self.path, self.tables, self.key = resolved(path), tables, ""
        self._suffix = "safetensors" if tables == "parameters" else "parquet"
        self._plan: Plan | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder, which is made if it is not there; add a resume hint to errors.

        Raises
        ------
        InputError
            It holds something other than a run of this kind.
        TableError
            Another process holds it.
        """
        with with_resume_hint(self.path):
            if exists(self.path):
                self._check_own()
            else:
                make_folder(self.path)
            with locked(self.path, LOCK):
                yield

    def _check_own(self) -> None:
        names = names_in(self.path) if is_folder(self.path) else None
        expected = (*OWN, f"{self.tables}-", *(["_part-"] if self.tables == "backtest" else []))
        if names is None:
            raise InputError(f"{self.path}: is a file; name a folder")
        foreign = sorted(name for name in names if not name.lstrip(".").startswith(expected))
        if foreign and PLAN in names:
            raise InputError(
                f"{self.path / PLAN}: kind: {foreign[0]} beside it is none of {self.tables}; name "
                "another folder"
            )
        if foreign:
            raise InputError(
                f"{self.path}: is there already and holds something other than {self.tables} "
                f"({foreign[0]}); name another"
            )

    def settle(self, plan: Plan, overwrite: bool) -> Plan | None:
        """Return the plan that is there, if it is of the same run; empty the folder otherwise.

        Parameters
        ----------
        plan : Plan
            Of this run; its tasks do not matter.
        overwrite : bool
            Whether another run may be replaced.

        Raises
        ------
        InputError
            Another run is there, and may not be replaced; or a plan that can't be read.
        """
        self._plan, self.key = plan, plan.key
        names = [name for name in names_in(self.path) if name != LOCK]
        try:
            there = read_plan(self.path)
            other = _difference(there, plan)
        except FileNotFoundError:
            holds = any(name.startswith((MANIFEST, f"{self.tables}-")) for name in names)
            there, other = None, f"holds {self.tables} without a plan" if holds else None
        except InputError as error:
            if not overwrite:
                raise
            there, other = None, str(error)
        if there is not None and other is None:
            return there
        if other and not overwrite:
            raise InputError(
                f"{self.path}: {other}; name another folder, or overwrite it (--overwrite)"
            )
        # What is left of a folder that is being emptied is not whole, and has no plan.
        for some in ([MANIFEST], [PLAN], names):
            remove(self.path / name for name in some)
        return None

    def write_plan(self, tasks: Sequence[Task]) -> None:
        """Write the plan of a run that begins, with its tasks."""
        assert self._plan is not None
        write_plan(self.path, attrs.evolve(self._plan, tasks=tasks))

    def whole(self, plan: Plan) -> Manifest | None:
        """Return the manifest, if it is of this plan's run, and all its files are as written."""
        try:
            manifest = read_manifest(self.path, [self.tables])
        except (TableError, InputError):
            return None
        if manifest.key != plan.key:
            return None
        records = [*manifest.files, *manifest.beside]
        paths = [self.path / record.name for record in records]
        by_path = dict(zip(paths, records, strict=True))
        return None if any(each(lambda p: damage(p, by_path[p]), paths)) else manifest

    def reopen(self) -> None:
        """Remove the manifest, since the run resumes."""
        remove([self.path / MANIFEST])

    def files(self, task: TaskId, content: Task, *, parts: bool = False) -> TaskFiles:
        """Return the files of a task; with ``parts``, those before it has intervals.

        Parameters
        ----------
        task : TaskId
        content : Task
            Its coins and its model.
        parts : bool
        """
        table, done = ("_part", "_part") if parts else (self.tables, "_done")
        return TaskFiles(
            self.path / f"{table}-{task}.{self._suffix}",
            self.path / f"{done}-{task}.json",
            digest([self.key, content.model, content.spans]),
            self.key,
        )

    def tasks(self, planned: Sequence[TaskId]) -> list[TaskId]:
        """Return the tasks of the run: those that were not split, and halves of the others."""
        names = set(names_in(self.path))
        return [leaf for task in planned for leaf in _leaves(task, names)]

    def done(self, files: Mapping[TaskId, TaskFiles]) -> dict[TaskId, JobDone]:
        """Return what was done of some tasks, by their files."""
        names = set(names_in(self.path))
        there = [task for task, paths in files.items() if paths.done.name in names]
        by_path = {files[task].done: files[task] for task in there}
        records = each(lambda path: read_done(by_path[path]), list(by_path))
        return {task: done for task, done in zip(there, records, strict=True) if done is not None}

    def note_split(self, task: TaskId) -> None:
        """Note that a task is done as two halves from now on."""
        write_json([str(half) for half in task.halves], self.path / _split(task))

    def read_pools(self, models: Collection[str]) -> dict[str, PooledErrors] | None:
        """Return the pooled errors by model, if those of these models were counted before."""
        try:
            content = read_json(self.path / POOLS)
            is_own = unseal(content) is None and content["key"] == self.key
            if not is_own or not set(models) <= set(content["models"]):
                return None
            return {str(m): PooledErrors.from_json(pool) for m, pool in content["models"].items()}
        except (FileNotFoundError, InputError, AttributeError, KeyError, TypeError):
            return None  # counted again

    def write_pools(self, pools: Mapping[str, PooledErrors]) -> None:
        """Write the pooled errors by model; JSON keeps every bit of a number."""
        content = {"key": self.key, "models": {m: pool.to_json() for m, pool in pools.items()}}
        write_sealed(content, self.path / POOLS)

    def close(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the result whole, and remove what led to it."""
        write_manifest(self.path, manifest)
        named = {record.name for record in manifest.files}
        leftovers = [
            name
            for name in names_in(self.path)
            if name.startswith(("_part-", "."))
            # Readers of Parquet take every table: also one of a task that was done by halves.
            or (name.startswith(f"{self.tables}-") and name not in named)
        ]
        remove(self.path / name for name in leftovers)


def _split(task: TaskId) -> str:
    return f"_split-{task}.json"


def _leaves(task: TaskId, names: Collection[str]) -> Iterator[TaskId]:
    if _split(task) not in names:
        yield task
        return
    for half in task.halves:
        yield from _leaves(half, names)


def _difference(there: Plan, plan: Plan) -> str | None:
    """Return in what a run differs from the one that is there; None where it is the same."""
    if there.kind != plan.kind:
        return f"holds a {there.kind}"
    if there.coins != plan.coins or list(there.models) != list(plan.models):
        return f"holds a {plan.kind} of other coins or models"
    keys = [key for key in {**plan.facts, **there.facts} if not _same(there, plan, key)]
    if keys == ["prices"]:
        return (
            "the prices changed since the run that it holds began, so that results of both would "
            "be mixed"
        )
    if keys == ["own"]:
        changed = ", ".join(_changed_code(there, plan))
        return (
            f"{changed} changed since the run that it holds began, so "
            "that forecasts of two codes would be mixed; undo the change"
        )
    keys = [
        name for key in keys for name in (_changed_code(there, plan) if key == "own" else [key])
    ]
    return f"holds a {plan.kind} of other {', '.join(keys)}" if keys else None


def _changed_code(there: Plan, plan: Plan) -> list[str]:
    """Return the users' files, or definitions of a script, that differ between two runs."""
    before, now = (dict(each.facts.get("own") or {}) for each in (there, plan))
    modules = sorted(m for m in {**before, **now} if before.get(m) != now.get(m))
    return [m.partition(":")[2] or f"{m.replace('.', '/')}.py" for m in modules]


def _same(there: Plan, plan: Plan, key: str) -> bool:
    absent: Any = object()
    return bool(there.facts.get(key, absent) == plan.facts.get(key, absent))


@contextmanager
def with_resume_hint(path: AnyPath | None) -> Iterator[None]:
    """Add to errors that end a run how to resume it, once its folder holds a plan."""
    try:
        with as_cluster_error():
            yield
    except (ClusterError, MissingExtraError, WriteError) as error:
        if path is None or not exists(path / PLAN):
            raise
        raise type(error)(
            f"{error}. What was written is kept; `cryptodask resume {path}` continues from there"
        ) from error


def check_shared(path: AnyPath, ask: Any) -> None:
    """See that the workers see a folder that they are to write to.

    Parameters
    ----------
    path : Path or UPath
    ask : callable
        Calls a function with arguments on every worker, and returns answers by address.

    Raises
    ------
    ClusterError
        They don't.
    """
    from cryptodask.worker.calls import visibility_error

    probe, text = path / ".forecasts-probe.parquet", "0" * 7
    with storing(path):
        probe.write_text(text)  # not synced: it is gone before the run begins
    try:
        answers = ask(visibility_error, probe, len(text))
    finally:
        remove([probe])
    for worker, reason in answers.items():
        if reason is not None:
            raise ClusterError(
                f"{path}: not every worker sees this folder (of {worker}: {reason}); name one on a "
                "file system that all share, with the settings and packages of a URL on each of "
                "them, or a file, which the client writes"
            )

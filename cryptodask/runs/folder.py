"""The folder of a run that can be resumed: its plan first, then what is done, the manifest last.

Forecasts and backtests alike. A run is tasks, each some coins and one model; `Task` says which
coins, and `Coins` makes jobs of them. A task of which a worker died is split into halves, see
`cryptodask.cluster.retry`; that is noted in the folder, so that a run that goes on knows of it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cryptodask.cluster import RunLog, comms_lost
from cryptodask.cluster.retry import TaskId
from cryptodask.errors import (
    ClusterError,
    CryptoDaskError,
    InputError,
    WorkerDiedError,
    WriteError,
)
from cryptodask.io.lock import locked
from cryptodask.io.paths import (
    AnyPath,
    exists,
    is_folder,
    make_folder,
    names_in,
    read_text,
    remove,
    resolved,
)
from cryptodask.models import Model, create_model, model_options
from cryptodask.prices import CryptoLoader
from cryptodask.prices.partition import Source
from cryptodask.prices.read.options import DEFAULT_OPTIONS
from cryptodask.prices.table.price_table import PriceTable
from cryptodask.results.forecasts import MANIFEST, write_json
from cryptodask.work import Job, join_jobs, seconds_a_row, share

PLAN = "_plan.json"

KINDS = {"forecasts": "forecasts", "backtest": "a backtest"}
"""How files of a run are named, and what it is called."""

LOCK = "_lock"

_VERSION = 2


@dataclass(frozen=True)
class Task:
    """Some coins and one model.

    Attributes
    ----------
    model : Model
    runs : tuple of (start, stop)
        Of the coins, those that are read together.
    """

    model: Model
    runs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return sum(b - a for a, b in self.runs)

    @property
    def halves(self) -> "tuple[Task, Task]":
        """Two tasks of half of the coins each, of at least two."""
        middle, left, right = len(self) // 2, [], []
        for a, b in self.runs:
            cut = min(max(a + middle, a), b)
            left += [(a, cut)] if a < cut else []
            right += [(cut, b)] if cut < b else []
            middle -= cut - a
        return Task(self.model, tuple(left)), Task(self.model, tuple(right))


def tasks_of(model: Model, jobs: Sequence[Job]) -> list[Task]:
    """Return as tasks the jobs that all coins were cut into, in order."""
    tasks, done = [], 0
    for job in jobs:
        edges = np.cumsum([done, *(len(part.coins) for part in job.parts)]).tolist()
        tasks.append(Task(model, tuple(pairwise(edges))))
        done = edges[-1]
    return tasks


Times = Callable[[Model], float]
"""Of a model, how often it goes over the rows that are read."""


def once(model: Model) -> float:
    """Return 1: a model goes over the rows that are read once."""
    del model
    return 1.0


class Coins:
    """The coins of a run's tasks, and of the pieces that these are split into.

    Parameters
    ----------
    source : Source
    coins : sequence of str
        That the tasks' runs count.
    tasks : sequence of Task
    at_hand : callable
        Gives jobs as workers can do them.
    times : callable
        Of a model, how often it goes over the rows that are read.
    timeout : float, optional
        Seconds that a worker may take for what it reads together.
    jobs : sequence of Job, optional
        Those of the tasks, where they are known.
    """

    def __init__(
        self,
        source: Source,
        coins: Sequence[str],
        tasks: Sequence[Task],
        at_hand: Callable[[Sequence[Job]], list[Job]],
        times: Times = once,
        timeout: float | None = None,
        jobs: Sequence[Job] | None = None,
    ) -> None:
        self._source, self.coins, self.tasks = source, coins, tasks
        self._at_hand, self._times, self.timeout = at_hand, times, timeout
        self._made = {
            TaskId(i): job for i, job in enumerate(self._jobs(tasks) if jobs is None else jobs)
        }

    def together(self, name: str, most: int) -> "Coins":
        """Return the coins of one model in so many pieces at most, of similar cost.

        For work that is done round by round. Of all its coins, even if some are done.
        """
        own = [piece for piece in map(TaskId, range(len(self.tasks)))
               if self.model(piece).name == name]  # fmt: skip
        groups = [[own[i] for i in group] for group in share([*map(self.cost, own)], most)]
        tasks = [
            Task(self.model(group[0]), tuple(run for p in group for run in self.task(p).runs))
            for group in groups
        ]
        jobs = [join_jobs([self.job(piece) for piece in group]) for group in groups]
        return Coins(
            self._source, self.coins, tasks, self._at_hand, self._times, self.timeout, jobs
        )

    def pieces(self, folder: "RunFolder | None") -> list[TaskId]:
        """Return the pieces that there are by now."""
        count = len(self.tasks)
        return folder.pieces(count) if folder else list(map(TaskId, range(count)))

    def left(
        self, folder: "RunFolder | None", log: RunLog, tell: Sequence[Callable[[int], None]]
    ) -> list[TaskId]:
        """Tell of what a run that was stopped has done, and return the pieces that are left."""
        todo, pieces = [], self.pieces(folder)
        done = set(folder.done(pieces)) if folder else set()
        for piece in pieces:
            if folder is None or folder.path / folder.name(piece) not in done:
                todo.append(piece)
                continue
            log.ended(self.model(piece).name, self.job(piece).coins)
            for one in tell:
                one(self.size(piece))
        return todo

    def task(self, piece: TaskId) -> Task:
        """Return the coins and the model of a piece."""
        task = self.tasks[piece.job]
        for half in piece.path:
            task = task.halves[int(half)]
        return task

    def job(self, piece: TaskId) -> Job:
        """Return the job of a piece."""
        if piece not in self._made:
            [self._made[piece]] = self._jobs([self.task(piece)])
        return self._made[piece]

    def size(self, piece: TaskId) -> int:
        """Return the number of its coins."""
        return len(self.task(piece))

    def cost(self, piece: TaskId) -> float:
        """Return the seconds that it takes, about."""
        return self.job(piece).seconds

    def model(self, piece: TaskId) -> Model:
        """Return its model."""
        return self.tasks[piece.job].model

    def died(self, piece: TaskId, error: BaseException) -> BaseException:
        """Say of a single coin that workers died of what it was, and what can be done."""
        if not isinstance(error, WorkerDiedError):
            return error
        [coin], slow = self.job(piece).coins, ""
        if self.timeout is not None:
            slow = f" or took longer than {self.timeout:g} seconds"
        return WorkerDiedError(
            f"{coin}: {self.model(piece).name}: each worker that ran it alone died{slow}; see "
            "their logs for why (a crash, or more memory than a worker has), give workers more "
            "memory or time (--timeout), or forecast it by another model"
        )

    def _jobs(self, tasks: Sequence[Task]) -> list[Job]:
        """Return the partitions of tasks, as jobs; of all at once, which a source looks up."""
        parts = iter(self._source.pick(self.coins, [run for task in tasks for run in task.runs]))
        jobs = []
        for task in tasks:
            own = tuple(next(parts) for _ in task.runs)
            a_row = seconds_a_row(self._source, task.model, self._times(task.model))
            jobs.append(Job(own, sum(part.rows for part in own) * a_row, self.timeout))
        return self._at_hand(jobs)


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path : Path or UPath
    kind : str
        One of `KINDS`.
    facts : dict
        What decides every number of the result, for JSON.
    call : dict or None
        What was asked for, for JSON, from which `cryptodask resume` asks for it again; None where
        that can't be told so.
    overwrite : bool
        Whether the results of another run in that folder may be replaced.

    Raises
    ------
    InputError
        There is something else, or another run.
    """

    def __init__(
        self,
        path: AnyPath,
        kind: str,
        facts: dict[str, Any],
        call: dict[str, Any] | None,
        overwrite: bool,
    ) -> None:
        self.path, self.kind, self.facts, self._call = resolved(path), kind, facts, call
        if not exists(path):
            make_folder(path)
            return
        names = names_in(path) if is_folder(path) else None
        if names is None or not all(_is_own(name, kind) for name in names):
            raise InputError(
                f"{path}: is there already and holds something other than {KINDS[kind]}; name "
                "another"
            )
        told = read_plan(path)
        if told is not None and told["facts"] == facts:
            return
        done = any(name.startswith((MANIFEST, kind)) for name in names)
        if done and not overwrite:
            raise InputError(f"{path}: {_why_other(told, facts, kind)} (--overwrite)")
        with self.locked():
            # What is left of a folder that is being emptied is no whole one, and has no plan.
            for some in ([MANIFEST], [PLAN], [name for name in names_in(path) if name != LOCK]):
                remove(path / name for name in some)

    def locked(self) -> AbstractContextManager[None]:
        """Keep others from doing the same at the same time."""
        return locked(self.path, LOCK)

    @property
    def is_whole(self) -> bool:
        """Tell whether all is done."""
        try:
            told = json.loads(read_text(self.path / MANIFEST))
        except (OSError, ValueError):
            return False
        return set(told["files"]) <= set(names_in(self.path))

    def plan(self, make: Callable[[], list[Task]], models: Sequence[Model]) -> list[Task]:
        """Return the tasks that were planned before, or plan them now.

        However many workers there are now, they are those of the run that began, of which files
        may be there.
        """
        told = read_plan(self.path)
        if told is None:
            tasks = make()
            rows = [[models.index(task.model), task.runs] for task in tasks]
            plan = {"version": _VERSION, "kind": self.kind, "call": self._call}
            write_json(self.path, PLAN, {**plan, "facts": self.facts, "tasks": rows})
            return tasks
        return [
            Task(models[number], tuple((int(a), int(b)) for a, b in runs))
            for number, runs in told["tasks"]
        ]

    def name(self, piece: TaskId) -> str:
        """Return the name of the file of a piece."""
        return f"{self.kind}-{piece}.parquet"

    def has(self, piece: TaskId) -> bool:
        """Tell whether a piece was done."""
        return exists(self.path / self.name(piece))

    def done(self, pieces: Sequence[TaskId]) -> list[AnyPath]:
        """Return the files of those pieces that were done."""
        there = set(names_in(self.path))
        return [self.path / name for name in map(self.name, pieces) if name in there]

    def pieces(self, count: int) -> list[TaskId]:
        """Return the pieces of so many tasks: those that were not split, halves of the others."""
        there = set(names_in(self.path))
        return [piece for i in range(count) for piece in _leaves(TaskId(i), there)]

    def note_split(self, piece: TaskId) -> None:
        """Note that a piece is run as two halves from now on."""
        write_json(self.path, _split(piece), [str(half) for half in piece.halves])

    def clear(self, names: Sequence[str] = ()) -> None:
        """Remove files of these beginnings, and drafts of workers that were killed."""
        own = [name for name in names_in(self.path) if name.startswith((*names, "."))]
        remove(self.path / name for name in own)


def _split(piece: TaskId) -> str:
    return f"_split-{piece}.json"


def _leaves(piece: TaskId, there: Collection[str]) -> Iterator[TaskId]:
    if _split(piece) not in there:
        yield piece
        return
    for half in piece.halves:
        yield from _leaves(half, there)


@contextmanager
def naming(folder: RunFolder | None) -> Iterator[None]:
    """Say of errors that end a run in this block how it goes on."""
    try:
        with comms_lost():
            yield
    except (ClusterError, WriteError) as error:
        if folder is None:
            raise
        raise type(error)(
            f"{error}. What was written is kept, and `cryptodask resume {folder.path}` goes on "
            "from there"
        ) from error


def read_plan(path: AnyPath) -> dict[str, Any] | None:
    """Read the plan of a run, if there is one of this version."""
    try:
        told = json.loads(read_text(path / PLAN))
    except (OSError, ValueError):
        return None
    known = isinstance(told, dict) and told.get("version") == _VERSION
    return told if known else None


def fingerprint(loader: CryptoLoader) -> str:
    """Return what changes when the prices do: the table's version, or the files' looks."""
    source = loader.source
    if isinstance(source, PriceTable):
        return f"{source.manifest['index']}, generation {source.generation}"
    looks = [
        f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}"
        for path in sorted(source.folder.iterdir())  # type: ignore[attr-defined]
        if path.is_file()
    ]
    looks.append(repr(source.options))  # type: ignore[attr-defined]
    return hashlib.sha256("\n".join(looks).encode()).hexdigest()


def coins_hash(coins: Sequence[str]) -> str:
    """Return what changes when the coins do."""
    return hashlib.sha256("\0".join(coins).encode()).hexdigest()


def names_text(coins: Sequence[str] | None) -> list[str] | None:
    """Return the coins that a user named, if any were."""
    if coins is None:
        return None
    return [coins] if isinstance(coins, str) else list(coins)


def describe_call(
    loader: CryptoLoader, models: Sequence[Model], options: dict[str, Any]
) -> dict[str, Any] | None:
    """Return what was asked for as text, numbers and lists of them, or None where it is more."""
    settings = [_settings(model) for model in models]
    try:
        told = {
            "source": str(loader.path.resolve()),
            "partitions": loader.n_partitions,
            "models": settings,
            **json.loads(json.dumps(options)),
        }
    except TypeError:
        return None
    plain = loader.options == DEFAULT_OPTIONS
    return told if plain and all(one is not None for one in settings) else None


def models_of(call: dict[str, Any]) -> list[Model]:
    """Create the models that `describe_call` told of."""
    return [
        create_model(one["name"], **{k: _tupled(v) for k, v in one["options"].items()})
        for one in call["models"]
    ]


def _settings(model: Model) -> dict[str, Any] | None:
    """Return name and options of a model of the catalog, from which it can be made again."""
    try:
        known = model_options(model.name)
        options = {name: getattr(model, name) for name in known if hasattr(model, name)}
        options |= dict(getattr(model, "params", ()))  # of other libraries' models
        told: dict[str, Any] = json.loads(json.dumps({"name": model.name, "options": options}))
        [again] = models_of({"models": [told]})
    except (CryptoDaskError, TypeError, ValueError, AttributeError):
        return None
    return told if again == model else None


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _why_other(told: dict[str, Any] | None, facts: dict[str, Any], kind: str) -> str:
    """Say in what a run differs from the one that is there, and what to do."""
    if told is None:
        return f"holds {KINDS[kind]} without a plan; name another folder, or overwrite it"
    other = [key for key in facts if told["facts"].get(key) != facts[key]]
    if other == ["prices"]:
        return (
            f"the prices changed since the run that it holds began, so that {KINDS[kind]} of both "
            "would be mixed; name another folder, or overwrite it"
        )
    return f"holds {KINDS[kind]} of other {', '.join(other)}; name another folder, or overwrite it"


def _is_own(name: str, kind: str) -> bool:
    """Tell whether a file of this name is one that a run writes into its folder."""
    starts = (
        MANIFEST, PLAN, LOCK, "_failures", "_lost", "_task", "_split-", "_pools", f"{kind}-",
        "forecasts-probe",
    )  # fmt: skip
    return "/" not in name and name.lstrip(".").startswith(starts)

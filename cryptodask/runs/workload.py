"""The work of a run: coins × models, cut into tasks.

A task is some coins and one model; `Workload` knows the job of each, and of the halves of a task
whose workers died.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import numpy as np

from cryptodask.cluster.plan import cut_into_jobs, workers_to_plan_for
from cryptodask.cluster.retry import TaskId
from cryptodask.models import Model
from cryptodask.prices.partition import Source, pack, pack_files
from cryptodask.records import IntArray
from cryptodask.worker.job import Job, join_jobs

ROW_SECONDS = 2e-7
"""Seconds that a row of ``naive`` takes, in which models state their cost; a core of 2025."""

Passes = Callable[[Model], float]
"""Of a model, how often it goes over the rows that are read."""


def one_pass(_: Model) -> float:
    """Return 1: a model goes over the rows that are read once."""
    return 1.0


@dataclass(frozen=True)
class Task:
    """Some coins and one model.

    Attributes
    ----------
    model : int
        The place of the model among those of the run.
    spans : tuple of (start, stop)
        Places of coins that are read together.
    """

    model: int
    spans: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    @property
    def halves(self) -> "tuple[Task, Task]":
        """Two tasks of half of the coins each, of at least two."""
        middle, left, right = len(self) // 2, [], []
        for start, stop in self.spans:
            cut = min(max(start + middle, start), stop)
            left += [(start, cut)] if start < cut else []
            right += [(cut, stop)] if cut < stop else []
            middle -= cut - start
        return Task(self.model, tuple(left)), Task(self.model, tuple(right))


def plan_tasks(
    source: Source,
    coins: Sequence[str],
    models: Sequence[Model],
    workers: int,
    n: int | None,
    passes: Passes = one_pass,
) -> list[Task]:
    """Cut the work of some models into tasks.

    Parameters
    ----------
    source : Source
    coins : sequence of str
        In order.
    models : sequence of Model
        Whose cost counts beside that of reading.
    workers : int
        Threads of all workers that are there now.
    n : int, optional
        Number of tasks of each model, of similar cost; by default guided, see
        `cryptodask.cluster.plan`.
    passes : callable
        How often a model goes over the rows that are read.
    """
    if not coins:
        return []
    return [
        Task(number, tuple(spans))
        for number, model in enumerate(models)
        for spans in plan_spans(source, coins, seconds_per_row(source, model, passes), workers, n)
    ]


def seconds_per_row(source: Source, model: Model, passes: Passes) -> float:
    """Return the estimated seconds of a row: reading, plus all passes of the model."""
    return source.seconds_a_row + passes(model) * model.cost * ROW_SECONDS


def plan_spans(
    source: Source, coins: Sequence[str], row_seconds: float, workers: int, n: int | None
) -> list[list[tuple[int, int]]]:
    """Cut coins into tasks, each of spans of coins that are read together."""
    rows, boundaries = source.rows_of(coins), source.file_boundaries(coins)
    seconds = rows * row_seconds
    if n is not None or source.is_shared:
        edges = pack(rows, n or workers)
    else:
        planned_for = workers_to_plan_for(float(seconds.sum()), workers)
        edges = cut_into_jobs(seconds, planned_for, boundaries)
    return [_cut_to_memory(rows, boundaries, start, stop) for start, stop in edges]


def _cut_to_memory(
    rows: IntArray, boundaries: IntArray, start: int, stop: int
) -> list[tuple[int, int]]:
    """Cut the coins of one task into spans that fit into memory."""
    first, last = np.searchsorted(boundaries, (start + 1, stop))
    cuts = pack_files(rows[start:stop], boundaries[first:last] - start)
    return [(start + a, start + b) for a, b in cuts]


class Workload:
    """The coins of a run's tasks, and of the halves that these are split into.

    Parameters
    ----------
    source : Source
    coins : sequence of str
        That the tasks' spans count.
    models : sequence of Model
    tasks : sequence of Task
    localised : callable
        Gives jobs as workers can do them: with their prices, where workers see no files.
    passes : callable
        Of a model, how often it goes over the rows that are read.
    timeout : float, optional
        Seconds that a worker may take for coins that it reads together.
    jobs : sequence of Job, optional
        Those of the tasks, where they are known.
    """

    def __init__(
        self,
        source: Source,
        coins: Sequence[str],
        models: Sequence[Model],
        tasks: Sequence[Task],
        localised: Callable[[Sequence[Job]], list[Job]],
        passes: Passes = one_pass,
        timeout: float | None = None,
        jobs: Sequence[Job] | None = None,
    ) -> None:
        self._source, self.coins, self.models, self.tasks = source, coins, models, tasks
        self._localised, self._passes, self.timeout = localised, passes, timeout
        known = self._make_jobs(tasks) if jobs is None else jobs
        self._jobs = {TaskId(number): job for number, job in enumerate(known)}

    def together(self, model: Model, most: int) -> "Workload":
        """Return the coins of one model in at most this many tasks of similar cost.

        For work that is done round by round. Of all its coins, even if some are done.
        """
        of_model = [task for task in self.task_ids() if self.model(task) is model]
        costs = [self.cost(task) for task in of_model]
        groups = [[of_model[i] for i in group] for group in share(costs, most)]
        tasks = [
            Task(self.task(group[0]).model, tuple(s for t in group for s in self.task(t).spans))
            for group in groups
        ]
        jobs = [join_jobs([self.job(task) for task in group]) for group in groups]
        return Workload(
            self._source, self.coins, self.models, tasks, self._localised, self._passes,
            self.timeout, jobs,
        )  # fmt: skip

    def task_ids(self) -> list[TaskId]:
        """Return the tasks, none of them split."""
        return [TaskId(number) for number in range(len(self.tasks))]

    def task(self, task: TaskId) -> Task:
        """Return the coins and the model of a task, or of a half of one."""
        planned = self.tasks[task.job]
        for half in task.path:
            planned = planned.halves[int(half)]
        return planned

    def job(self, task: TaskId) -> Job:
        """Return the job of a task."""
        if task not in self._jobs:
            [self._jobs[task]] = self._make_jobs([self.task(task)])
        return self._jobs[task]

    def size(self, task: TaskId) -> int:
        """Return the number of its coins."""
        return len(self.task(task))

    def cost(self, task: TaskId) -> float:
        """Return its estimated seconds."""
        return self.job(task).seconds

    def limit(self, task: TaskId) -> float | None:
        """Return the seconds after which its worker ends itself, or None if it may take any time.

        Each partition may take that of the run.
        """
        return None if self.timeout is None else self.timeout * len(self.job(task).partitions)

    def model(self, task: TaskId) -> Model:
        """Return its model."""
        return self.models[self.tasks[task.job].model]

    def model_name(self, task: TaskId) -> str:
        """Return its model's name."""
        return self.model(task).name

    def _make_jobs(self, tasks: Iterable[Task]) -> list[Job]:
        """Return the jobs of tasks; of all at once, which a source looks up together."""
        tasks = list(tasks)
        spans = list(chain.from_iterable(task.spans for task in tasks))
        partitions = iter(self._source.pick(self.coins, spans))
        jobs = []
        for task in tasks:
            picked = tuple(islice(partitions, len(task.spans)))
            row_seconds = seconds_per_row(self._source, self.models[task.model], self._passes)
            rows = sum(partition.rows for partition in picked)
            jobs.append(Job(picked, rows * row_seconds, self.timeout))
        return self._localised(jobs)


def share(costs: Sequence[float], n: int) -> list[list[int]]:
    """Share out numbered jobs among at most this many groups of similar cost.

    The longest goes to whichever has least so far (Graham, SIAM Journal on Applied Mathematics 17,
    1969).

    Parameters
    ----------
    costs : sequence of float
        Seconds, say.
    n : int
        Groups.

    Returns
    -------
    list of list of int
        The places of the jobs of each group.
    """
    groups: list[list[int]] = [[] for _ in range(min(max(n, 1), len(costs)))]
    sums = [0.0] * len(groups)
    for i in np.argsort(-np.asarray(costs, dtype=float), kind="stable").tolist():
        least = sums.index(min(sums))
        groups[least].append(i)
        sums[least] += costs[i]
    return groups


def covers(tasks: Sequence[Task], models: int, coins: int) -> str | None:
    """Return why tasks do not have each coin once for each model, or None where they do."""
    for number, task in enumerate(tasks):
        if not 0 <= task.model < models:
            return f"tasks[{number}]: model {task.model} is none of the {models}"
        if not task.spans or any(start >= stop for start, stop in task.spans):
            return f"tasks[{number}]: a span of no coins: {list(task.spans)}"
    for model in range(models if coins else 0):
        spans = sorted(span for task in tasks if task.model == model for span in task.spans)
        edges = [(0, 0), *spans, (coins, coins)]
        for (_, stop), (start, _) in pairwise(edges):
            if start != stop:
                what = "left out" if start > stop else "there twice"
                low, high = min(start, stop), max(start, stop)
                return f"tasks: of model {model}, coins {low} to {high - 1} of {coins} are {what}"
    return None

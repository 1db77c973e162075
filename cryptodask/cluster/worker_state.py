"""What workers hold of each task while the client joins the results of all of them.

A pass over the tasks calls a function on the state of each, on the worker that holds it. A worker
that dies costs what it held, which Dask makes again elsewhere. A task that workers die of runs
alone, and then that one call makes all that it needs, so that no other task is lost with it. What
is split or given up stays so in later passes. See `cryptodask.cluster.retry`.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptodask.cluster.broadcast import scheduler_errors
from cryptodask.cluster.retry import TaskCall, TaskId, TaskOutcome, run_tasks, submit_tasks
from cryptodask.worker.calls import Rebuild, call_on, same

if TYPE_CHECKING:
    from dask.distributed import Client, Future


class WorkerState:
    """What workers hold of each of some tasks.

    Parameters
    ----------
    client : Client
    task_call : TaskCall
        Returns what is held.
    tasks : sequence of TaskId

    Attributes
    ----------
    tasks : list of TaskId
        Those that are left: without those that failed, and with halves of those that were split.
    """

    def __init__(self, client: "Client", task_call: TaskCall, tasks: Sequence[TaskId]) -> None:
        self._client, self._task_call = client, task_call
        self._futures: dict[TaskId, Future] = {}
        self._known: dict[TaskId, Any] = {}
        self.tasks = list(tasks)

    def hold(self) -> Generator[TaskOutcome]:
        """Have workers make and hold the state of each task; yield how each ended, no result."""
        task_call = replace(self._task_call, on_split=self._split)
        return self._pass(task_call, results=False, hold=True)

    def map(
        self,
        function: Callable[..., Any],
        args: Callable[[TaskId], tuple[Any, ...]],
        name: str,
        *,
        alone: Callable[[TaskId], tuple[Any, ...]] | None = None,
        results: bool = True,
    ) -> Generator[TaskOutcome]:
        """Call a function on the state of each task, where it lies, and yield how each ended.

        Parameters
        ----------
        function : callable
            Of a state and of more arguments; of a module that workers can import.
        args : callable
            Of a task: those arguments.
        name : str
            The dashboard groups the calls under it.
        alone : callable, optional
            Of a task that runs alone: those arguments, if `args` returns futures, which may be lost
            with a worker.
        results : bool
            Whether results are brought here.

        Yields
        ------
        TaskOutcome

        Raises
        ------
        ClusterError
            The scheduler is gone.
        """
        task_call = self._calling(function, args, alone or args)
        task_call = replace(task_call, name=lambda _: name, near=self._holders())
        return self._pass(task_call, results=results, hold=False)

    def derive(self, function: Callable[..., Any], *args: Any) -> "WorkerState":
        """Return a second state: what a function returns of the state of each task.

        Parameters
        ----------
        function : callable
            Of a state and of `args`; of a module that workers can import.
        *args

        Returns
        -------
        WorkerState
            Of the same tasks; not held yet.
        """
        calling = self._calling(function, lambda _: args, lambda _: args)
        return WorkerState(self._client, calling, self.tasks)

    def futures(self) -> list[Any]:
        """Return what is held of each task, as arguments of other calls, in the order of tasks.

        What tasks that ran alone have left is held again first.
        """
        self._fill()
        return [self._futures[task] for task in self.tasks]

    def put(self, task: TaskId, value: Any) -> None:
        """Add a task whose state is known here.

        Parameters
        ----------
        task : TaskId
        value : Any
            Small, such as a path: it travels with each call.
        """
        self._known[task] = value
        self.tasks.append(task)

    def drop(self, task: TaskId) -> None:
        """Leave a task out of later passes.

        Parameters
        ----------
        task : TaskId
        """
        self._forget(task)
        if task in self.tasks:
            self.tasks.remove(task)

    def _calling(
        self,
        function: Callable[..., Any],
        args: Callable[[TaskId], tuple[Any, ...]],
        alone: Callable[[TaskId], tuple[Any, ...]],
    ) -> TaskCall:
        """Return how a function is called on the state of each task, held or made again."""
        self._fill()
        return replace(
            self._task_call,
            function=call_on,
            arguments=lambda task: (function, self._held(task), *args(task)),
            alone=lambda task: (function, self._recipe(task), *alone(task)),
            on_split=self._split,
        )

    def _pass(self, task_call: TaskCall, *, results: bool, hold: bool) -> Generator[TaskOutcome]:
        tasks = tuple(self.tasks)
        with closing(run_tasks(self._client, task_call, tasks, results=results)) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None:
                    self.drop(outcome.task)
                elif hold:
                    self._futures[outcome.task] = outcome.future
                yield outcome

    def _fill(self) -> None:
        """Have workers hold again the state of tasks that ran alone, and ended well."""
        missing = [task for task in self.tasks if task not in {**self._futures, **self._known}]
        futures = submit_tasks(self._client, self._task_call, missing)
        self._futures |= zip(missing, futures, strict=True)

    def _forget(self, task: TaskId) -> None:
        self._futures.pop(task, None)
        self._known.pop(task, None)

    def _held(self, task: TaskId) -> "Future | Rebuild | Any":
        if task in self._known:
            return self._known[task]
        return self._futures.get(task) or self._recipe(task)

    def _recipe(self, task: TaskId) -> Rebuild:
        """Return how a worker that runs this task alone, and holds nothing, makes its state."""
        if task in self._known:
            return Rebuild(same, (self._known[task],))
        self._futures.pop(task, None)
        make = self._task_call
        return Rebuild(make.function, (make.alone or make.arguments)(task))

    def _split(self, task: TaskId) -> None:
        self._task_call.on_split(task)
        place = self.tasks.index(task)
        self._forget(task)
        self.tasks[place : place + 1] = task.halves

    def _holders(self) -> Callable[[TaskId], Sequence[str]]:
        """Return a function of a task: the workers that hold its state.

        Without that hint Dask might take another argument for the larger one, and bring the state
        to a worker that has that argument.
        """
        with scheduler_errors(self._client):
            holders = self._client.who_has(
                [self._futures[task] for task in self.tasks if task in self._futures]
            )

        def of(task: TaskId) -> Sequence[str]:
            future = self._futures.get(task)
            return () if future is None else tuple(holders.get(future.key, ()))

        return of

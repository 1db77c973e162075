"""The engine: runs any kind of run. Plan, train, submit, collect, report, close.

Failures, rows that were lost, time limits, coins that kill workers, resuming and messages to pages
are dealt with here, so that no kind can forget them.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cryptodask.cluster import RunLog, TaskCall, TaskOutcome, WorkerState, run_tasks, watched
from cryptodask.cluster.broadcast import ask_workers
from cryptodask.cluster.retry import TaskId, is_coin_at_fault
from cryptodask.errors import ENDING, WorkerDiedError
from cryptodask.evaluate.intervals.pooling import PooledErrors
from cryptodask.io.paths import AnyPath
from cryptodask.records import CoinFailure
from cryptodask.results.failures import all_failed
from cryptodask.results.jobs import JobDone, TaskFiles, write_done
from cryptodask.runs.closing import close_folder, run_log
from cryptodask.runs.folder import RunFolder, check_shared
from cryptodask.runs.kind import Call, Kind, Outcome
from cryptodask.runs.pooling import pool_errors, warn_of_few
from cryptodask.runs.progress import progress_bar
from cryptodask.runs.session import Session
from cryptodask.runs.size import check_size, fit_tasks
from cryptodask.runs.workload import Task, Workload, plan_tasks
from cryptodask.worker.intervals import bound_state
from cryptodask.worker.sink import rows_of, without_rows

if TYPE_CHECKING:
    from dask.distributed import Future

R = TypeVar("R")
OnDone = Callable[[int], None]
"""Called with the number of coins (times models) that were done since the last call."""


def run_kind(
    kind: Kind[Any, R],
    *,
    out: AnyPath | None = None,
    overwrite: bool = False,
    as_dask: bool = False,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> R:
    """Run a kind of run, or go on with one that was stopped in a folder.

    Parameters
    ----------
    kind : Kind
    out, overwrite, as_dask, progress, on_done
        See `cryptodask.runs.start.run_spec`.

    Returns
    -------
    Forecasts, Backtest or SearchResult
        By the kind.
    """
    session = kind.session
    session.check_timeout(kind.spec.timeout)
    check_size(kind, comes_back=out is None and not as_dask)
    with ExitStack() as stack:
        folder, there = None, None
        if out is not None:
            folder = RunFolder(out, kind.tables)
            stack.enter_context(folder.held())
            there = folder.settle(kind.plan(), overwrite)
            manifest = folder.whole(there) if there is not None else None
            if manifest is not None:
                return kind.open(folder.path, manifest)
            folder.reopen()
            kind.place = folder.path
        if kind.coins:
            kind.place_calls(here=there is None and not as_dask)
            stack.enter_context(watched(session.executor))
            if folder is not None:
                check_shared(folder.path, lambda *call: ask_workers(session.executor, *call))
        bar = stack.enter_context(progress_bar(len(kind.coins) * len(kind.models), progress))
        log = stack.enter_context(run_log(kind, folder))
        report: list[OnDone] = [bar, *([on_done] if on_done else [])]
        run = _Run(kind, session, folder, log, report, bar.say, as_dask=as_dask)
        result: R = run.execute(None if there is None else there.tasks)
        session.release_memory()
        is_sent = folder is None and not as_dask and log.listens
        log.end(**(kind.event_tables(result) if is_sent else {}))
        return result


@dataclass
class _Run:
    """A run that is in progress."""

    kind: Kind[Any, Any]
    session: Session
    folder: RunFolder | None
    log: RunLog
    report: Sequence[OnDone]
    say: Callable[[str], None]
    as_dask: bool
    done: dict[TaskId, JobDone] = field(default_factory=dict)
    futures: "dict[TaskId, Future]" = field(default_factory=dict)
    failures: list[CoinFailure] = field(default_factory=list)

    def execute(self, tasks: Sequence[Task] | None) -> Any:
        """Do all that is left, and return the result."""
        kind = self.kind
        if kind.coins:
            self.session.upload(kind.sent)
            self.session.warm_up(kind.warmed)
        self.workload = self._plan(tasks)
        self._fail(kind.without)
        todo = self._left()
        if todo:
            pools = self._read_pools(todo)
            # Errors of all coins are pooled, so that all are needed until they were counted once.
            used = [*self.done, *todo] if kind.pools_errors and pools is None else todo
            needed = {self.workload.model_name(task) for task in used}
            self._fail(kind.train(self.workload, needed, self.say), count=True)
            todo = [task for task in todo if kind.ready(self.workload.model(task))]
        if todo and kind.pools_errors:
            self._run_with_intervals(todo, pools)
        elif todo:
            work = self._work(self._call, todo)
            self._collect(run_tasks(self.session.executor, work, todo, results=not self.as_dask))
        return self._close()

    def _plan(self, tasks: Sequence[Task] | None) -> Workload:
        """Cut the work, or take the tasks of a resumed run, whatever workers there are."""
        kind, session = self.kind, self.session
        source, coins = session.loader.source, kind.coins
        if tasks is None:
            kind.check_facts()
            workers, n = session.threads() if coins else 1, session.loader.n_partitions
            planned = plan_tasks(source, coins, kind.models, workers, n, kind.passes)
            tasks = fit_tasks(planned, kind.rows_per_coin)
            if self.folder is not None:
                self.folder.write_plan(tasks)
        return Workload(
            source, coins, kind.models, tasks, session.localised, kind.passes, kind.spec.timeout
        )

    def _left(self) -> list[TaskId]:
        """Report what a run that was stopped has done, and return the tasks that are left."""
        planned = self.workload.task_ids()
        if self.folder is None:
            return planned
        tasks = self.folder.tasks(planned)
        self.done = self._done(tasks)
        for task, done in self.done.items():
            self._log_done(task, done)
            self._count(self.workload.size(task))
        return [task for task in tasks if task not in self.done]

    def _files(self, task: TaskId, *, parts: bool = False) -> TaskFiles | None:
        """Return the files of a task, or None without a folder."""
        if self.folder is None:
            return None
        return self.folder.files(task, self.workload.task(task), parts=parts)

    def _done(self, tasks: Iterable[TaskId], *, parts: bool = False) -> dict[TaskId, JobDone]:
        """Return what the folder has of some tasks; with ``parts``, before they had intervals."""
        if self.folder is None:
            return {}
        content, files = self.workload.task, self.folder.files
        return self.folder.done({task: files(task, content(task), parts=parts) for task in tasks})

    def _call(self, task: TaskId, *, parts: bool = False) -> Call:
        files = self._files(task, parts=parts)
        return self.kind.call(self.workload.job(task), self.workload.model(task), files)

    def _state_call(self, task: TaskId) -> Call:
        return self.kind.state_call(self.workload.job(task), self.workload.model(task))

    def _work(self, call: Callable[[TaskId], Call], tasks: Sequence[TaskId]) -> TaskCall:
        """Return how tasks are submitted; all of a run have one function."""
        workload, folder = self.workload, self.folder
        function = call(tasks[0])[0]
        return TaskCall(
            function,
            lambda task: call(task)[1],
            lambda task: f"{self.kind.group}{workload.model_name(task)}",
            workload.cost,
            workload.size,
            folder.note_split if folder else lambda _: None,
            limit=workload.limit,
        )

    def _collect(
        self, outcomes: Any, *, keep: bool = True, counted: bool = False
    ) -> list[TaskOutcome]:
        """Wait for tasks; keep what they did, and return how each ended.

        Parameters
        ----------
        outcomes : generator of TaskOutcome
        keep : bool
            Whether the tasks are done then.
        counted : bool
            Whether their coins have been counted in an earlier pass.
        """
        ended = []
        with closing(outcomes):
            for outcome in outcomes:
                ended.append(outcome)
                task = outcome.task
                if outcome.error is not None:
                    self._give_up(task, outcome.error, counted=counted)
                elif keep:
                    self._keep(task, outcome, counted=counted)
                else:
                    self.log.ended(self.workload.model_name(task), self.workload.job(task).coins)
                if not counted:
                    self._count(self.workload.size(task))
        return ended

    def _keep(self, task: TaskId, outcome: TaskOutcome, *, counted: bool) -> None:
        """Keep what a task did, or where it stays."""
        if self.as_dask:
            self.futures[task] = outcome.future
            model, coins = self.workload.model_name(task), self.workload.job(task).coins
            self.log.ended(model, coins, counted=counted)
            return
        self.done[task] = outcome.result
        self._log_done(task, outcome.result, counted=counted)

    def _log_done(self, task: TaskId, done: JobDone, *, counted: bool = False) -> None:
        """Send a message of a task that ended, with the coins that failed throughout."""
        throughout = [failure for failure in done.failures if failure.cutoff is None]
        self.log.ended(
            self.workload.model_name(task), self.workload.job(task).coins, throughout,
            rows=done.rows, seconds=done.seconds, counted=counted,
            table=None if self.kind.dated_failures else done.table,
        )  # fmt: skip

    def _count(self, coins: int) -> None:
        for report in self.report:
            report(coins)

    def _fail(self, failures: Iterable[CoinFailure], *, count: bool = False) -> None:
        """Keep failures of coins that no job reports."""
        failures = list(failures)
        self.failures += failures
        throughout = [failure for failure in failures if failure.cutoff is None]
        self.log.failed(throughout)
        if count:
            self._count(len(throughout))

    def _give_up(self, task: TaskId, error: BaseException, *, counted: bool) -> None:
        """Report the coins of a task that failed as a whole, as of a coin that killed its workers.

        The latter is noted in the folder, so that no resumed run tries it again.

        Raises
        ------
        Exception
            What concerns every coin; see `cryptodask.errors.ENDING`.
        """
        if isinstance(error, ENDING):
            raise error
        model, coins = self.workload.model_name(task), self.workload.job(task).coins
        if isinstance(error, WorkerDiedError):
            [coin] = coins
            error = WorkerDiedError.of(coin, model, self.workload.timeout)
        failures = all_failed(coins, model, error)
        self.done[task] = JobDone(failures=tuple(failures))
        self.log.ended(model, coins, failures, counted=counted)
        files = self._files(task)
        if files is not None and is_coin_at_fault(error):
            write_done(files, self.done[task])

    def _read_pools(self, todo: Sequence[TaskId]) -> dict[str, PooledErrors] | None:
        """Return the pooled errors of a resumed run, if it had those of all models."""
        if self.folder is None or not self.kind.pools_errors:
            return None
        return self.folder.read_pools({self.workload.model_name(task) for task in todo})

    def _run_with_intervals(
        self, todo: Sequence[TaskId], pools: dict[str, PooledErrors] | None
    ) -> None:
        """Forecast as of now and of past dates, count errors, and make intervals."""
        needed = todo if pools is not None else [*self.done, *todo]
        state = self._states(sorted(task for task in needed if self._has_rows(task)))

        def lost(outcome: TaskOutcome) -> None:
            assert outcome.error is not None
            self._give_up(outcome.task, outcome.error, counted=True)

        if pools is None:
            pools = pool_errors(state, self.workload.model_name, lost, self.kind.first_origin)
            if self.folder is not None:
                self.folder.write_pools(pools)
        for task in [task for task in state.tasks if task in self.done]:
            state.drop(task)
        known = pools
        warn_of_few(known, self.kind.first_origin)

        def arguments(task: TaskId) -> tuple[Any, ...]:
            return known[self.workload.model_name(task)], self._files(task)

        passes = state.map(bound_state, arguments, "intervals", results=not self.as_dask)
        self._collect(passes, counted=True)

    def _has_rows(self, task: TaskId) -> bool:
        """Return whether a task was not given up."""
        return task not in self.done or self.done[task].file is not None

    def _states(self, tasks: Sequence[TaskId]) -> WorkerState:
        """Have workers keep what intervals need of each task, or write it to the folder."""
        if self.folder is None or not self.kind.writes_parts:
            state = WorkerState(self.session.executor, self._work(self._state_call, tasks), tasks)
            self._collect(state.hold(), keep=False)
            return state
        call = self._work(partial(self._call, parts=True), tasks)
        state = WorkerState(self.session.executor, call, [])
        parts = self._done(tasks, parts=True)
        for task, done in parts.items():
            state.put(task, self.kind.state_of(done, self.folder.path))
            self._count(self.workload.size(task))
        left = [task for task in tasks if task not in parts]
        for outcome in self._collect(run_tasks(self.session.executor, call, left), keep=False):
            if outcome.error is None:
                state.put(outcome.task, self.kind.state_of(outcome.result, self.folder.path))
        return state

    def _close(self) -> Any:
        """Return the result: of the folder, which is made whole, or in memory."""
        if self.as_dask:
            self._bring_reports()
        jobs = [(self.workload.model(task), self.done[task]) for task in sorted(self.done)]
        failures = [*self.failures, *(f for _, done in jobs for f in done.failures)]
        outcome = Outcome(jobs, failures, [self.futures[task] for task in sorted(self.futures)])
        if self.folder is None:
            return self.kind.result(outcome)
        return self.kind.open(self.folder.path, close_folder(self.folder, self.kind, outcome))

    def _bring_reports(self) -> None:
        """Bring what jobs did, without their rows, which stay on the workers."""
        tasks = sorted(self.futures)
        client = self.session.client
        calls = [client.submit(without_rows, self.futures[task], pure=False) for task in tasks]
        for task, done in zip(tasks, client.gather(calls), strict=True):
            self.done[task] = done
            # Its coins were counted with its job.
            for failure in done.failures:
                self.log.ended(failure.model, (), [failure])
            self.futures[task] = client.submit(rows_of, self.futures[task], pure=False)

"""A backtest and its prices part by part: in this process, or on the workers of a cluster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pandas as pd

from cryptodask.cluster import TaskCall, TaskId, ordered_map, paths_visible, run_tasks
from cryptodask.errors import InputError
from cryptodask.models import create_model
from cryptodask.prices import CryptoLoader
from cryptodask.prices.partition import partitions_for
from cryptodask.results import Backtest
from cryptodask.runs.session import Session
from cryptodask.runs.workload import Workload, plan_tasks
from cryptodask.worker.job import Job
from cryptodask.worker.results import (
    call_by_part,
    contents,
    file_contents,
    parts_of,
    without_rows,
)


class Partwise:
    """A backtest and the prices that it saw, read a part at a time.

    Parameters
    ----------
    backtest : Backtest
    prices : CryptoLoader or Session
        A session has workers do what there is to do; otherwise this process does.

    Attributes
    ----------
    contents : DataFrame
        ``coin, model, first, forecasts``; see `cryptodask.worker.results.Contents`.
    coins : list of str
        In order.

    Raises
    ------
    InputError
        The prices have not all coins of the backtest.
    DamagedFileError
        A file of the backtest is not as it was written.
    """

    def __init__(self, backtest: Backtest, prices: CryptoLoader | Session) -> None:
        self._session = prices if isinstance(prices, Session) else None
        self._loader = prices.loader if isinstance(prices, Session) else prices
        self._backtest = without_rows(backtest)
        self._is_seen = self._session is not None and self._sees_files(self._session)
        self.contents = self._contents()
        self.coins = sorted(self.contents["coin"].unique().tolist())
        if self.coins:
            known = self._loader.check_names(self.coins)
            other = sorted(set(self.coins).difference(known))
            if other:
                raise InputError(
                    f"{other[0]}: the backtest has it, and these prices write it another way; "
                    "simulate with the prices that it saw"
                )

    def map(
        self, function: Callable[..., Any], arguments: Callable[[Sequence[str]], tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Call a pure function on each part; results come in any order.

        Parameters
        ----------
        function : callable
            Of rows of the backtest, prices, and ``arguments``, of a module that workers can
            import.
        arguments : callable
            Of coins: the arguments of a call on these.

        Raises
        ------
        Exception
            What the function raised.
        """
        if self._session is None:
            source, coins = self._loader.source, self.coins
            n = self._loader.n_partitions or partitions_for(int(sum(source.rows_of(coins))))
            for partition in source.partitions(coins, n):
                job = Job((partition,))
                yield from parts_of(job, self._of(job), function, *arguments(job.coins))
            return
        yield from self._map_on_workers(self._session, function, arguments)

    def _map_on_workers(
        self,
        session: Session,
        function: Callable[..., Any],
        arguments: Callable[[Sequence[str]], tuple[Any, ...]],
    ) -> Iterator[Any]:
        source, naive = session.loader.source, [create_model("naive")]
        tasks = plan_tasks(
            source, self.coins, naive, session.threads(), session.loader.n_partitions
        )
        workload = Workload(source, self.coins, naive, tasks, session.localised)

        def call(task: TaskId) -> tuple[Any, ...]:
            job = workload.job(task)
            return job, self._of(job), function, *arguments(job.coins)

        work = TaskCall(
            call_by_part, call, lambda _: f"simulate-{function.__name__}", workload.cost,
            workload.size,
        )  # fmt: skip
        with closing(run_tasks(session.client, work, workload.task_ids())) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                yield from outcome.result

    def _of(self, job: Job) -> Backtest:
        """Return the backtest with what a job needs of it: files, or rows where there are none."""
        here = self.contents[self.contents["coin"].isin(job.coins)]
        names = set(here["file"].dropna()) if "file" in here else set()
        files = tuple(record for record in self._backtest.files if record.name in names)
        frame = self._backtest.frame
        if frame is not None:
            frame = frame[frame["coin"].isin(job.coins)]
        some = replace(self._backtest, files=files, frame=frame)
        if self._session is None or self._is_seen or some.path is None:
            return some
        rows = list(some.coin_parts(job.coins, checked=True))
        return replace(some, files=(), path=None, frame=pd.concat(rows, ignore_index=True))

    def _contents(self) -> pd.DataFrame:
        """Return which coins and models there are, and in which files."""
        files = [(replace(self._backtest, files=()), record) for record in self._backtest.files]
        if self._session is not None and self._is_seen:
            tables = list(ordered_map(self._session.client, file_contents, files))
        else:
            tables = [file_contents(file) for file in files]
        joined: pd.DataFrame = pd.concat([contents(self._backtest), *tables], ignore_index=True)
        return joined

    def _sees_files(self, session: Session) -> bool:
        """Return whether workers see the files of the backtest."""
        path = self._backtest.path
        if path is None or not self._backtest.files:
            return False
        first = str(path / self._backtest.files[0].name)
        return "://" in first or paths_visible(session.client, [first])

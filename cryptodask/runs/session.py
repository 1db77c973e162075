"""`Session`: prices, and what does the calls of runs: this process, or the client of a cluster."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from cryptodask.charts import facts_html
from cryptodask.cluster import TaskCall, run_tasks
from cryptodask.cluster.in_process import InProcess
from cryptodask.cluster.retry import is_coin_at_fault
from cryptodask.errors import NoPricesError, OptionError
from cryptodask.models import Model, allocator, create_model
from cryptodask.prices import CryptoLoader
from cryptodask.prices.frames.dask_source import DaskFrameSource
from cryptodask.prices.frames.kinds import is_dask
from cryptodask.prices.freq import step_of
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.sources import Prices
from cryptodask.prices.table.price_table import PriceTable
from cryptodask.records import CoinFailure, DateArray
from cryptodask.runs.workload import Workload, plan_tasks
from cryptodask.text import counted
from cryptodask.worker.job import Job, embed_prices
from cryptodask.worker.process import release_memory, warm_up_model
from cryptodask.worker.read import date_span
from cryptodask.worker.remote import remote_prices

if TYPE_CHECKING:
    from dask.distributed import Client

TASK_MODULES = tuple(
    f"cryptodask.worker.{name}"
    for name in (
        "backtest", "forecast", "gather", "intervals", "learn", "predict", "read", "remote",
        "train",
    )
)  # fmt: skip
"""Modules whose functions are sent to workers."""


class Session:
    """Prices, and the client of the cluster that runs use.

    Parameters
    ----------
    loader : CryptoLoader, path or frame
        Where the prices are; see `CryptoLoader`.
    client : dask.distributed.Client, optional
        Of the cluster to use. Without one, small runs of models of this package are done in this
        process (`cryptodask.runs.placing`). The first that is not starts a local cluster, with
        one thread a worker, which all later ones use and which is closed by `close` or at the end
        of a ``with`` block.
    workers : int, optional
        Processes of that local cluster, by which each run is done then; by default one a core.
    say : callable, optional
        Called with a line each time something is started that takes long.

    Attributes
    ----------
    ready : float
        When the last run had what does its calls, in seconds since 1970.

    Raises
    ------
    OptionError
        Workers are given beside a client.
    """

    def __init__(
        self,
        loader: CryptoLoader | Prices,
        client: "Client | None" = None,
        *,
        workers: int | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        if client is not None and workers is not None:
            raise OptionError(f"workers: got {workers} beside a client, which has its workers")
        self._client = client
        self._workers = workers
        self._owned = False
        self._here: InProcess | None = None
        self._say = say
        self.ready = time.time()
        self.loader = loader if isinstance(loader, CryptoLoader) else self._open(loader)

    def _open(self, prices: Prices) -> CryptoLoader:
        """Open prices; a Dask frame on the cluster where it is used."""
        if not is_dask(prices):
            return CryptoLoader(prices)
        with self.client.as_current():
            return CryptoLoader(prices)

    @property
    def client(self) -> "Client":
        """The client; of a local cluster that is started if there is none yet."""
        if self._client is None:
            count = self._workers or os.cpu_count() or 1
            self._say(f"starting {counted(count, 'worker')} on this machine")
            from cryptodask.cluster import local_client

            self._client = local_client(self._workers)
            self._owned = True
            self.ready = time.time()
            if self._client.dashboard_link:
                self._say(f"dashboard: {self._client.dashboard_link}")
        return self._client

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.loader!r}, cluster: {self._cluster()})"

    def _repr_html_(self) -> str:
        """Return the prices and the cluster for a notebook; none is started for it."""
        return facts_html(type(self).__name__, {"prices": self.loader, "cluster": self._cluster()})

    def _cluster(self) -> str:
        """Return where runs are done."""
        if self._client is not None:
            scheduler = self._client.scheduler
            return f"{'its own at ' * self._owned}{scheduler.address if scheduler else 'closed'}"
        workers = "a worker a core" if self._workers is None else counted(self._workers, "worker")
        return f"not started yet ({workers} on this machine)"

    @property
    def executor(self) -> "Client | InProcess":
        """Whatever does the calls of the run: this process, or the client; see `place`."""
        return self.client if self._here is None else self._here

    @property
    def pages(self) -> "Client | None":
        """The client whose scheduler pages listen to; None where this process does the calls."""
        return None if self._here is not None else self.client

    def place(self, *, here: bool) -> None:
        """Have this process do the calls of a run, if it has no client and no workers.

        Parameters
        ----------
        here : bool
            Whether it may; otherwise a client does them.
        """
        has_cluster = self._client is not None or self._workers is not None
        self._here = InProcess() if here and not has_cluster else None
        if self._here is not None:
            self.ready = time.time()

    def close(self) -> None:
        """Close the local cluster, if one was started here."""
        if self._owned and self._client is not None:
            from cryptodask.cluster import close_local

            close_local(self._client)
            self._client, self._owned = None, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def step(self) -> np.timedelta64:
        """From one bar to the next."""
        return step_of(self.loader.freq)

    def read_own(self, models: Iterable[Model]) -> None:
        """Have the own columns that some models ask for read with the prices.

        Raises
        ------
        OptionError
            The prices have no such column.
        """
        columns = [name for model in models for name in model.columns]
        is_dask_frame = isinstance(self.loader.source, DaskFrameSource)
        with self.client.as_current() if is_dask_frame else nullcontext():
            self.loader.source = self.loader.source.with_own(columns)

    def warm_up(self, models: Sequence[Model]) -> None:
        """Have workers, and those that join later, import and compile what these models need."""
        if self._here is not None:
            return  # what a model needs is imported by its first call, and compiled once
        from cryptodask.cluster import warm_up

        actions = {repr(model): partial(warm_up_model, model) for model in models}
        warm_up(self.client, actions, TASK_MODULES)

    def upload(self, models: Sequence[Model]) -> None:
        """Have workers, and those that join later, use the modules of users' models."""
        if self._here is not None:
            return  # this process has them
        from cryptodask.cluster import upload_modules

        upload_modules(self.client, models)

    def release_memory(self) -> None:
        """Have what did the run give back the memory that it kept for the next batch."""
        if self._here is not None:
            allocator.release_memory()
        elif self._client is not None:
            from cryptodask.cluster import tell_workers

            tell_workers(self._client, release_memory)

    def check_timeout(self, timeout: float | None) -> None:
        """See that a time limit would end workers and not this process.

        Raises
        ------
        OptionError
            The workers are threads of this process.
        """
        if timeout is None:
            return
        if getattr(getattr(self.client, "cluster", None), "processes", True) is False:
            raise OptionError(
                f"timeout: {timeout:g} seconds were given, but what takes longer is ended with its "
                "process, and the workers are threads of this one; start workers as processes"
            )

    def threads(self) -> int:
        """Return the threads of all workers, or of those that may come, if these are more."""
        if self._here is not None:
            return 1
        from cryptodask.cluster import most_workers, workers_of

        return max(most_workers(self.client), sum(workers_of(self.client).values()))

    def localised(self, jobs: Sequence[Job]) -> list[Job]:
        """Return jobs as workers can do them: with their prices, where they don't see the files."""
        source = self.loader.source
        if isinstance(source, DaskFrameSource):
            source.hold(self.client)
            return [remote_prices(job) for job in jobs]
        if jobs and self._client is not None and not self._owned:
            from cryptodask.cluster import paths_visible

            if not paths_visible(self._client, jobs[0].partitions[0].paths[:1]):
                return [embed_prices(job) for job in jobs]
        return list(jobs)

    def choose_coins(
        self, coins: Sequence[str] | None, models: Sequence[str]
    ) -> tuple[list[str], list[CoinFailure]]:
        """Return the coins to run, and the failures of those that have not one row.

        Raises
        ------
        UnknownCoinError
            The source has no coin of that name.
        """
        empty, names = self.loader.source.empty, self.loader.names
        if coins is not None:
            coins = [names.find(coin) or coin for coin in coins]
        without = [coin for coin in empty if coins is None or coin in coins]
        failures = [
            CoinFailure.of(coin, model, NoPricesError(empty[coin]))
            for coin in without
            for model in models
        ]
        if coins is not None:
            coins = [coin for coin in coins if coin not in empty]
            if not coins and without:
                return [], failures
        return self.loader.check_names(coins), failures

    def date_span(
        self, coins: Sequence[str], row_filter: RowFilter
    ) -> tuple[np.datetime64, DateArray]:
        """Return the first date of all rows that are kept, and the last one of each coin.

        Of a table the index says it, and a last date may be one on which a coin has no row, if it
        has later ones that are not kept.

        Returns
        -------
        first : datetime64[s]
        lasts : ndarray of datetime64[s], ``(n_coins,)``
            Rising, at least one.
        """
        spans = self._date_spans(coins, row_filter)
        start = row_filter.first.astype("datetime64[s]")
        if not spans:
            return start, start.reshape(1)
        first = max(min(first for first, _ in spans), start).astype("datetime64[s]")
        lasts = np.concatenate([lasts for _, lasts in spans]).astype("datetime64[s]")
        # What is kept ends with a day, and the bar in which it ends began before.
        day = np.timedelta64(1, "D")
        end = row_filter.last.astype("datetime64[D]").astype("datetime64[s]") + (day - self.step)
        return first, np.sort(np.minimum(lasts, end))

    def _date_spans(
        self, coins: Sequence[str], row_filter: RowFilter
    ) -> list[tuple[np.datetime64, DateArray]]:
        """Return first and last dates, of some coins each: from the index, or by reading all."""
        source = self.loader.source
        if isinstance(source, PriceTable):
            index = source.index[source.index["coin"].isin(coins)]
            return [(index["first"].to_numpy().min(), index["last"].to_numpy())] if coins else []
        naive = [create_model("naive")]
        workers = self.threads() if coins else 1
        tasks = plan_tasks(source, coins, naive, workers, self.loader.n_partitions)
        workload = Workload(source, coins, naive, tasks, self.localised)
        work = TaskCall(
            date_span, lambda task: (workload.job(task), row_filter), lambda _: "date-span",
            workload.cost, workload.size,
        )  # fmt: skip
        outcomes = list(run_tasks(self.executor, work, workload.task_ids()))
        for outcome in outcomes:
            # A coin that kills workers is named where it is to be forecast.
            if outcome.error is not None and not is_coin_at_fault(outcome.error):
                raise outcome.error
        return [outcome.result for outcome in outcomes if outcome.result is not None]


@contextmanager
def open_session(
    source: CryptoLoader | Session | Prices, client: "Client | None", workers: int | None
) -> Iterator[Session]:
    """Give a session in this block: the one that is given, or else one that is closed after it.

    Raises
    ------
    OptionError
        A session is given, and a client or workers beside it.
    """
    if not isinstance(source, Session):
        with Session(source, client, workers=workers) as session:
            yield session
        return
    if client is not None or workers is not None:
        raise OptionError("source: a manager has its own cluster; give no client or workers")
    yield source

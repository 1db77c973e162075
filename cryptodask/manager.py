"""`CryptoManager`: the one place where prices, models and a cluster meet."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import add
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pandas as pd

from cryptodask.errors import (
    ClusterError,
    InputError,
    MissingExtraError,
    NoPricesError,
    OptionError,
)
from cryptodask.models import Model, create_model
from cryptodask.models.base import check_horizon, fingerprints
from cryptodask.models.pooled import PooledModel, contribute, is_pooled
from cryptodask.prices import CryptoLoader
from cryptodask.prices.findings import join_findings
from cryptodask.prices.gaps import Gaps, How
from cryptodask.prices.loader import Cut, Day
from cryptodask.records import CoinFailure
from cryptodask.results import (
    ForecastFolder,
    Forecasts,
    close_folder,
    empty_forecasts,
    failure_table,
    open_folder,
    sort_forecasts,
)
from cryptodask.stages import STAGES
from cryptodask.work import Job, JobResult, merge_jobs, plan_jobs, prepare_job, run_job, ship

if TYPE_CHECKING:
    import dask.dataframe as dd
    from dask.distributed import Client, Future
    from rich.progress import Progress

    from cryptodask.cluster import RunLog

OnDone = Callable[[int], None]
"""Called with the number of coins (times models) that were done since the last call."""

COUNTED = "coins × models"


class CryptoManager:
    """Forecasts of many coins, by many models, on a cluster.

    Parameters
    ----------
    loader : CryptoLoader or path
        Where the prices are.
    client : dask.distributed.Client, optional
        Of the cluster to run on. Without one a local cluster is started by the first run, with
        one thread a worker, and closed by `close` or at the end of a ``with`` block.
    workers : int, optional
        Processes of that local cluster; by default one a core.

    Examples
    --------
    >>> with CryptoManager("data") as manager:                          # doctest: +SKIP
    ...     forecasts = manager.send_tasks(model="linear", predict=10)
    ...     forecasts.failures
    """

    def __init__(
        self,
        loader: CryptoLoader | str | Path,
        client: "Client | None" = None,
        *,
        workers: int | None = None,
    ) -> None:
        if client is not None and workers is not None:
            raise OptionError(f"workers: {workers} were asked for, but the client has its own")
        self.loader = loader if isinstance(loader, CryptoLoader) else CryptoLoader(loader)
        self._client = client
        self._workers = workers
        self._owned = False

    @property
    def client(self) -> "Client":
        """The client, of a local cluster that is started if there is none yet."""
        if self._client is None:
            from cryptodask.cluster import local_client

            self._client = local_client(self._workers)
            self._owned = True
        return self._client

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

    def send_tasks(
        self,
        model: str | Model = "linear",
        predict: int = 10,
        coins: Sequence[str] | None = None,
        *,
        seed: int = 0,
        progress: bool = True,
    ) -> Forecasts:
        """Forecast coins with one model; see `forecast`."""
        result = self.forecast([model], predict, coins, seed=seed, progress=progress)
        assert isinstance(result, Forecasts)
        return result

    def forecast(
        self,
        models: Sequence[str | Model] = ("linear",),
        horizon: int = 10,
        coins: Sequence[str] | None = None,
        *,
        from_date: Day | None = None,
        to_date: Day | None = None,
        max_points: int | None = None,
        gaps: How = "leave",
        gap_limit: int | None = None,
        seed: int = 0,
        as_dask: bool = False,
        out: str | Path | None = None,
        progress: bool = True,
        on_done: OnDone | None = None,
    ) -> "Forecasts | ForecastFolder | dd.DataFrame":
        """Forecast coins with several models, as futures of some coins and one model each.

        The same prices, models, options and seed give the same forecasts, bit for bit, whatever
        the number of workers, the partitioning, or the order in which partitions end.

        Parameters
        ----------
        models : sequence of str or Model
            Names in the catalog, or models made by `create_model` with options.
        horizon : int
            Days ahead; bars, of prices that are not daily.
        coins : sequence of str, optional
            By default all coins of the source.
        from_date, to_date, max_points
            Which rows the models see; see `CryptoLoader.get_df`.
        gaps : {"leave", "fill", "split"}
            What models see of coins with gaps: all rows, and each model does what it says of
            itself (`cryptodask.models.base.Model.gaps`); short gaps filled; or the rows after the
            last gap.
        gap_limit : int, optional
            For "fill": missing bars at most of a gap that is filled.
        seed : int
            Of all random numbers.
        as_dask : bool
            Whether the forecasts stay on the workers and a Dask dataframe of them is returned.
        out : path, optional
            A folder that the workers see: they write the forecasts there, as Parquet, and only
            failures and counts come back. One that holds forecasts already is emptied first.
        progress : bool
            Whether a bar of coins is shown on standard error.
        on_done : callable, optional
            Told how many coins were done, each time some are.

        Returns
        -------
        Forecasts, ForecastFolder or dask.dataframe.DataFrame
            Each with the attribute ``failures``. Coins fail alone, by name; only what concerns
            every coin is raised.

        Raises
        ------
        UnknownCoinError, UnknownModelError, OptionError
            What was asked for can't be done.
        InputError
            ``out`` holds something other than forecasts.
        ClusterError
            The workers do not see ``out``.
        MissingExtraError
            A model's packages are not installed on the workers.
        """
        chosen = choose_models(models)
        check_horizon(horizon)
        if as_dask and out is not None:
            raise OptionError("out: forecasts are either left on the workers or written; not both")
        cut = Cut.of(max_points, from_date, to_date, Gaps(gaps, gap_limit), self.loader.freq)
        wanted, failures = self.wanted(coins, chosen)
        folder = None if out is None else self._open(Path(out))
        jobs = self.plan(wanted, chosen)
        total = len(wanted) * len(chosen)
        log = self.log("forecast", chosen, wanted, failures, horizon, folder, jobs)
        with progress_bar(total, progress) as bar, log:
            log.failed(failures)
            done: list[OnDone] = [bar, *([on_done] if on_done else [])]
            jobs, untrained = self._train(jobs, cut, horizon, seed, bar.say)
            failures += untrained
            log.failed(untrained)
            for tell in done:
                tell(len(untrained))
            futures = self._submit(jobs, cut, horizon, seed, folder)
            outcomes = self._wait(futures, jobs, done, log, results=not as_dask)
        if as_dask:
            return self._as_dask(futures, outcomes, jobs, failures, log)
        for job, outcome in zip(jobs, outcomes, strict=True):
            failures += _failures(job, outcome)
        names = [m.name for m in chosen]
        good = [o for o in outcomes if isinstance(o, JobResult)]
        # Every model of a partition read the same files.
        losses = join_findings(o.lost for o in good).drop_duplicates(ignore_index=True)
        told = failure_table(failures)
        tasks, features = _tasks(jobs, outcomes), fingerprints(chosen)
        if folder is not None:
            files = [_file_of(i) for i, o in enumerate(outcomes) if isinstance(o, JobResult)]
            rows = int(tasks["coins"].sum()) * horizon
            facts = {"models": names, "horizon": horizon, "seed": seed, "rows": rows}
            close_folder(folder, files, told, facts | {"features": features})
            log.end()
            return ForecastFolder(folder, rows, told, losses, tasks, features)
        result = Forecasts(sort_forecasts([o.forecasts for o in good], names))
        result.failures, result.lost, result.tasks = told, losses, tasks
        result.features = features
        log.end(result)
        return result

    def log(
        self,
        kind: str,
        models: Sequence[Model],
        wanted: Sequence[str],
        without: Sequence[CoinFailure],
        horizon: int,
        folder: str | Path | None,
        jobs: Sequence[Any],
    ) -> "RunLog":
        """Return what tells the scheduler of a run; see `cryptodask.cluster.events`."""
        from cryptodask.cluster import RunLog

        names, coins = [m.name for m in models], sorted({*wanted, *(f.coin for f in without)})
        client = self.client if jobs else None
        return RunLog(client, kind, names, coins, horizon, self.loader.path, folder)

    def _open(self, out: Path) -> Path:
        """Make the folder to write to, and see that the workers see it."""
        folder = open_folder(out)
        self.check_shared(folder)
        return folder

    def check_shared(self, folder: Path) -> None:
        """See that the workers see a folder that they are to write to.

        Raises
        ------
        ClusterError
            They don't.
        """
        from cryptodask.cluster import paths_visible

        probe = folder / ".forecasts-probe.parquet"
        probe.write_bytes(b"0" * 7)
        try:
            if not paths_visible(self.client, [str(probe)]):
                raise ClusterError(
                    f"{folder}: not every worker sees this folder; name one on a file system that "
                    "all share, or a file, which the client writes"
                )
        finally:
            probe.unlink()

    def wanted(
        self, coins: Sequence[str] | None, models: Sequence[Model]
    ) -> tuple[list[str], list[CoinFailure]]:
        """Return the coins to run, and the failures of those that have nothing to run on."""
        empty = self.loader.source.empty
        wanted = [coins] if isinstance(coins, str) else coins
        without = [c for c in empty if wanted is None or c in wanted]
        failures = [
            CoinFailure.of(coin, model.name, NoPricesError(empty[coin]))
            for coin in without
            for model in models
        ]
        if wanted is not None:
            wanted = [c for c in wanted if c not in empty]
            if not wanted and without:
                return [], failures
        return self.loader.check_names(wanted), failures

    def plan(self, coins: Sequence[str], models: Sequence[Model]) -> list[tuple[Model, Job]]:
        """Cut the work into jobs; where workers do not see the files, prices travel with them."""
        if not coins:
            return []
        source, n = self.loader.source, self.loader.n_partitions
        workers = self.threads()
        jobs = [(m, job) for m in models for job in plan_jobs(source, coins, m, workers, n)]
        return list(zip([m for m, _ in jobs], self.at_hand([job for _, job in jobs]), strict=True))

    def at_hand(self, jobs: Sequence[Job]) -> list[Job]:
        """Return jobs as workers can do them: with their prices, where they don't see the files."""
        if jobs and self._client is not None and not self._owned:
            from cryptodask.cluster import paths_visible

            if not paths_visible(self._client, jobs[0].parts[0].paths[:1]):
                return [ship(job) for job in jobs]
        return list(jobs)

    def threads(self) -> int:
        """Return the threads of all workers."""
        return sum(w["nthreads"] for w in self.client.scheduler_info()["workers"].values())

    def _train(
        self,
        jobs: Sequence[tuple[Model, Job]],
        cut: Cut,
        horizon: int,
        seed: int,
        say: Callable[[str], None],
    ) -> tuple[list[tuple[Model, Job]], list[CoinFailure]]:
        """Train the models that are trained on all coins before they forecast any.

        Returns
        -------
        jobs : list
            With the trained models in their places, without those whose training failed.
        failures : list of CoinFailure
            All coins of the latter.
        """
        trained: dict[str, Model] = {}
        failures: list[CoinFailure] = []
        for model in {m.name: m for m, _ in jobs}.values():
            trained[model.name] = model
            if is_pooled(model):
                own = [job for m, job in jobs if m.name == model.name]
                try:
                    trained[model.name] = self.train_pooled(model, own, cut, horizon, seed, say)
                except (InputError, MissingExtraError, ImportError):
                    raise
                except Exception as error:  # noqa: BLE001 - other models go on
                    del trained[model.name]
                    failures += [f for job in own for f in _failures((model, job), error)]
        return [(trained[m.name], job) for m, job in jobs if m.name in trained], failures

    def train_pooled(
        self,
        model: PooledModel,
        jobs: Sequence[Job],
        cut: Cut,
        horizon: int,
        seed: int,
        say: Callable[[str], None],
    ) -> Model:
        """Train one model in rounds over its coins, which are read and prepared once.

        ``say`` is told what is under way, and at the end an empty text.
        """
        from cryptodask.cluster import run_rounds, submit

        jobs = merge_jobs(jobs, 2 * self.threads())
        names, run = [f"{model.name}-prepare"] * len(jobs), uuid4().hex[:8]
        calls = [(job, cut, model, horizon) for job in jobs]
        costs = [job.seconds for job in jobs]
        say(f"{model.name}: reading")
        state = run_rounds(
            self.client,
            submit(self.client, prepare_job, calls, costs, names, run),
            partial(contribute, model, seed),
            model.begin(seed),
            model.steps,
            combine=add,
            advance=model.advance,
            message=model.message,
            name=f"{model.name}-step",
            on_round=lambda step: say(f"{model.name}: step {step + 1} of {model.steps}"),
        )
        say("")
        return model.trained(state)

    def _submit(
        self,
        jobs: Sequence[tuple[Model, Job]],
        cut: Cut,
        horizon: int,
        seed: int,
        folder: Path | None,
    ) -> "list[Future]":
        from cryptodask.cluster import submit

        if not jobs:
            return []
        return submit(
            self.client,
            run_job,
            [
                (job, cut, model, horizon, seed, folder and (folder, _file_of(i)))
                for i, (model, job) in enumerate(jobs)
            ],
            costs=[job.seconds for _, job in jobs],
            names=[model.name for model, _ in jobs],
            run=uuid4().hex[:8],
        )

    def _wait(
        self,
        futures: "Sequence[Future]",
        jobs: Sequence[tuple[Model, Job]],
        done: Sequence[OnDone],
        log: "RunLog",
        *,
        results: bool,
    ) -> list[Any]:
        """Return what came of each job, in the order of the jobs; cancel them if one raises."""
        from cryptodask.cluster import cancel, collect

        outcomes: list[Any] = [None] * len(jobs)
        try:
            for outcome in collect(futures, results=results):
                if isinstance(outcome.error, (InputError, MissingExtraError, ImportError)):
                    raise outcome.error
                outcomes[outcome.index] = outcome.error or outcome.result
                _tell(log, jobs[outcome.index], outcomes[outcome.index])
                for tell in done:
                    tell(len(jobs[outcome.index][1].coins))
        except BaseException:
            cancel(self.client, futures)
            raise
        return outcomes

    def _as_dask(
        self,
        futures: "Sequence[Future]",
        outcomes: Sequence[Any],
        jobs: Sequence[tuple[Model, Job]],
        failures: list[CoinFailure],
        log: "RunLog",
    ) -> "dd.DataFrame":
        """Return the forecasts as a Dask dataframe over the futures; only failures come here."""
        import dask
        import dask.dataframe as dd

        good = [f for f, o in zip(futures, outcomes, strict=True) if not isinstance(o, Exception)]
        frames = [self.client.submit(_forecasts_of, f, pure=False) for f in good]
        told = self.client.gather([self.client.submit(_failures_of, f, pure=False) for f in good])
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                failures += _failures(job, outcome)
        failures += [failure for some in told for failure in some]
        for failure in (failure for some in told for failure in some):
            log.ended(failure.model, (), [failure])  # its coin was counted with its job
        log.end()
        with dask.config.set({"dataframe.convert-string": False}):
            if frames:
                result = dd.from_delayed(frames, meta=empty_forecasts(), verify_meta=False)
            else:
                result = dd.from_pandas(empty_forecasts(), npartitions=1)
        result.failures = failure_table(failures)
        return result


def choose_models(models: Sequence[str | Model]) -> list[Model]:
    """Return models, those that are named with their default options.

    Raises
    ------
    OptionError
        None is given, or one twice.
    UnknownModelError
        The catalog has no model of a name.
    """
    given = [models] if isinstance(models, str) else list(models)
    chosen = [create_model(m) if isinstance(m, str) else m for m in given]
    names = [m.name for m in chosen]
    if not names:
        raise OptionError("models: none given; name at least one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"models: {', '.join(twice)} given twice; give each model once")
    return chosen


def _failures(job: tuple[Model, Job], outcome: Any) -> list[CoinFailure]:
    """Return the failures of one job, all of whose coins fail where the job as a whole did."""
    if isinstance(outcome, JobResult):
        return outcome.failures
    return [CoinFailure.of(coin, job[0].name, outcome) for coin in job[1].coins]


def _tell(log: "RunLog", job: tuple[Model, Job], outcome: Any) -> None:
    """Tell of a job that ended; what it did is not known where that stayed on the worker."""
    failures = [] if outcome is None else _failures(job, outcome)
    name, coins = job[0].name, job[1].coins
    if isinstance(outcome, JobResult):
        rows, seconds, table = outcome.rows, outcome.seconds, outcome.forecasts
        log.ended(name, coins, failures, rows=rows, seconds=seconds, table=table)
    else:
        log.ended(name, coins, failures)


def _tasks(jobs: Sequence[tuple[Model, Job]], outcomes: Sequence[Any]) -> pd.DataFrame:
    """Return what each job did that came to an end."""
    rows = [
        {
            "model": model.name,
            "coins": o.coins,
            "rows": o.rows,
            "worker": o.worker,
            "began": o.began,
            "ended": o.ended,
            **{name: o.seconds.get(name, 0.0) for name in STAGES},
        }
        for (model, _), o in zip(jobs, outcomes, strict=True)
        if isinstance(o, JobResult)
    ]
    columns = ["model", "coins", "rows", "worker", "began", "ended", *STAGES]
    return pd.DataFrame(rows, columns=columns)


def _file_of(number: int) -> str:
    return f"forecasts-{number:05d}.parquet"


def _forecasts_of(result: JobResult) -> pd.DataFrame:
    return result.forecasts


def _failures_of(result: JobResult) -> list[CoinFailure]:
    return result.failures


class Bar:
    """A progress bar over coins, which can say what else is under way."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.tasks[0].id

    def __call__(self, coins: int) -> None:
        """Count coins that were done."""
        self._progress.advance(self._task, coins)

    def say(self, what: str = "") -> None:
        """Show what is under way before coins are done; nothing, for the coins themselves."""
        self._progress.update(self._task, description=what or COUNTED)


@contextmanager
def progress_bar(total: int, shown: bool) -> Iterator[Bar]:
    """Show a progress bar over coins on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as progress:
        progress.add_task(COUNTED, total=total)
        yield Bar(progress)

"""`CryptoManager`: the one place where prices, models and a cluster meet."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from cryptodask.cluster.retry import Ended, Work, is_fatal, run_pieces
from cryptodask.errors import ENDING, ClusterError, NoPricesError, OptionError
from cryptodask.evaluate.intervals.cohorts import Intervals, choose_cohorts
from cryptodask.evaluate.intervals.past_errors import Cohort
from cryptodask.forecasting import ForecastWork, OnDone, Past
from cryptodask.forecasts import ForecastRun, open_forecasts
from cryptodask.io.files import write_text
from cryptodask.io.paths import AnyPath, path_of, remove, visibility_error
from cryptodask.models import Model, create_model
from cryptodask.models.allocator import release_memory_soon
from cryptodask.models.base import check_horizon, fingerprints
from cryptodask.models.pooled.base import PooledModel, is_pooled
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.gaps import Gaps, How
from cryptodask.prices.freq import step_of
from cryptodask.prices.loader import Day, RowFilter, day_text
from cryptodask.prices.table.price_table import PriceTable
from cryptodask.records import CoinFailure, DateArray
from cryptodask.results.forecasts import (
    ForecastFolder,
    Forecasts,
    empty_forecasts,
    failure_table,
)
from cryptodask.runs.folder import (
    Coins,
    RunFolder,
    Task,
    Times,
    coins_hash,
    describe_call,
    fingerprint,
    names_text,
    naming,
    once,
    tasks_of,
)
from cryptodask.training import PastTraining, Training
from cryptodask.work import Job, JobResult, plan_jobs, ship, span_of, warm

if TYPE_CHECKING:
    import dask.dataframe as dd
    from dask.distributed import Client
    from rich.progress import Progress

    from cryptodask.cluster import RunLog

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
        intervals: bool | Intervals = False,
        seed: int = 0,
        as_dask: bool = False,
        out: str | AnyPath | None = None,
        overwrite: bool = False,
        timeout: float | None = None,
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
        intervals : bool or Intervals
            Whether 80 and 95% intervals are put beside the forecasts, and from which past dates'
            errors. That takes one forecast of each of them, forty by default, and training too,
            of models that are trained, but for ``Intervals(refit=…)``. Where no error was known,
            or a forecast is not above 0, there is NaN, and the coin does not count as ``bounded``
            in ``tasks``.
        seed : int
            Of all random numbers.
        as_dask : bool
            Whether the forecasts stay on the workers and a Dask dataframe of them is returned.
        out : path, optional
            A folder that the workers see, or a URL that fsspec knows, as ``s3://bucket/folder``:
            they write the forecasts there, as Parquet, and only failures and counts come back. What
            is there already of the same forecasts is not done again. What a URL's file system needs
            to know is set in fsspec's configuration, here and on the workers.
        overwrite : bool
            Whether forecasts of another run may be replaced in that folder.
        timeout : float, optional
            Seconds that a worker may take for coins that it reads together, after which its
            process is ended. By default there is no limit.
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
            ``out`` holds something else, or forecasts of another run.
        ClusterError
            The workers do not see ``out``, or the scheduler is gone.
        WriteError
            ``out`` can't be written to: the disk is full.
        MissingExtraError
            A model's packages are not installed on the workers, or those of a URL's file system
            are not here.
        """
        place = None if out is None else path_of(out)
        chosen = choose_models(models)
        check_horizon(horizon)
        if as_dask and place is not None:
            raise OptionError("out: forecasts are either left on the workers or written; not both")
        cut = RowFilter.of(max_points, from_date, to_date, Gaps(gaps, gap_limit), self.loader.freq)
        wanted, failures = self.wanted(coins, chosen)
        how = (Intervals() if intervals else None) if isinstance(intervals, bool) else intervals
        self.check_timeout(timeout)
        folder: ForecastRun | None = None
        if place is not None:
            asked = {
                "horizon": horizon, "coins": names_text(coins), "max_points": max_points,
                "from_date": day_text(from_date), "to_date": day_text(to_date), "gaps": gaps,
                "gap_limit": gap_limit, "intervals": how and asdict(how), "seed": seed,
                "timeout": timeout,
            }  # fmt: skip
            facts = self.facts(chosen, horizon, cut, seed, wanted) | {"intervals": repr(how)}
            call = describe_call(self.loader, chosen, asked)
            folder = ForecastRun(place, "forecasts", facts, call, overwrite)
            if folder.is_whole:
                return open_forecasts(folder.path)
        if wanted:
            self.warm_up(chosen)
        shape = cut, horizon, seed
        log = self.log("forecast", chosen, wanted, failures, horizon, place)
        with (
            progress_bar(len(wanted) * len(chosen), progress) as bar,
            self.going_on(folder),
            log,
        ):
            log.failed(failures)
            done: list[OnDone] = [bar, *([on_done] if on_done else [])]
            times = once if how is None else how.times
            tasks = self.tasks(wanted, chosen, times, folder)
            work = Coins(self.loader.source, wanted, tasks, self.at_hand, times, timeout)
            run = ForecastWork(self.client if wanted else None, work, shape, folder, done, log)
            todo = work.left(folder, log, done)
            needed = {work.model(piece).name for piece in todo}
            used = [model for model in chosen if model.name in needed]
            past = self._past(used, work, *shape, how, bar.say) if how and todo else None
            trained, untrained = self._train(used, work, *shape, bar.say)
            failures += untrained
            log.failed(untrained)
            for tell in done:
                tell(len(untrained))
            ended = run.execute(todo, trained, past, results=not as_dask)
            failures += [failure for one in ended for failure in run.failures(one)]
            if folder is not None:
                run.close(chosen, failures, intervals=how is not None)
                self.release_memory()
                log.end()
                return open_forecasts(folder.path)
        if as_dask:
            return self._as_dask(ended, failures, how is not None, log)
        self.release_memory()
        result = run.gather(ended, chosen, failures, intervals=how is not None)
        log.end(result)
        return result

    def warm_up(self, models: Sequence[Model]) -> None:
        """Have workers, and those that join later, import and compile what these models need."""
        from cryptodask.cluster import warm_up

        warm_up(self.client, {repr(model): partial(warm, model) for model in models})

    def log(
        self,
        kind: str,
        models: Sequence[Model],
        wanted: Sequence[str],
        without: Sequence[CoinFailure],
        horizon: int,
        folder: AnyPath | None,
    ) -> "RunLog":
        """Return what tells the scheduler of a run; see `cryptodask.cluster.events`."""
        from cryptodask.cluster import RunLog

        names, coins = [m.name for m in models], sorted({*wanted, *(f.coin for f in without)})
        client = self.client if wanted else None
        return RunLog(client, kind, names, coins, horizon, self.loader.path, folder)

    def facts(
        self,
        models: Sequence[Model],
        horizon: int,
        cut: RowFilter,
        seed: int,
        coins: Sequence[str],
    ) -> dict[str, Any]:
        """Return what decides every number of a run, whatever its kind, for JSON."""
        from cryptodask import __version__

        return {
            "models": [repr(model) for model in models],
            "features": fingerprints(models),
            "horizon": horizon,
            "rows": repr(cut),
            "seed": seed,
            "coins": coins_hash(coins),
            "prices": fingerprint(self.loader),
            "version": __version__,
        }

    @contextmanager
    def going_on(self, folder: RunFolder | None) -> Iterator[None]:
        """Hold the folder of a run in this block, and say of errors that end it how it goes on."""
        with naming(folder):
            if folder is None:
                yield
                return
            with folder.locked():
                self.check_shared(folder.path)
                yield

    def check_timeout(self, timeout: float | None) -> None:
        """See that a time limit is one, and that it would end workers and not this process.

        Raises
        ------
        OptionError
            It is no time, or the workers are threads of this process.
        """
        if timeout is None:
            return
        if not timeout > 0:
            raise OptionError(f"timeout: must be more than 0 seconds, got {timeout}")
        if getattr(getattr(self.client, "cluster", None), "processes", True) is False:
            raise OptionError(
                f"timeout: {timeout:g} seconds were given, but what takes longer is ended with its "
                "process, and the workers are threads of this one; start workers as processes"
            )

    def release_memory(self) -> None:
        """Have workers give back the memory that they kept for the next batch of a run."""
        from cryptodask.cluster import tell_workers

        if self._client is not None:
            tell_workers(self._client, release_memory_soon)

    def tasks(
        self, coins: Sequence[str], models: Sequence[Model], times: Times, folder: RunFolder | None
    ) -> list[Task]:
        """Cut the work into tasks, or return those of the run that goes on in a folder.

        ``times`` is how often a model goes over the rows that are read.
        """

        def make() -> list[Task]:
            source, n = self.loader.source, self.loader.n_partitions
            workers = self.threads() if coins else 1
            return [
                task
                for model in (models if coins else ())
                for task in tasks_of(
                    model, plan_jobs(source, coins, model, workers, n, times(model))
                )
            ]

        return make() if folder is None else folder.plan(make, models)

    def check_shared(self, folder: AnyPath) -> None:
        """See that the workers see a folder that they are to write to.

        Raises
        ------
        ClusterError
            They don't.
        """
        from cryptodask.cluster import ask_workers

        probe, text = folder / ".forecasts-probe.parquet", "0" * 7
        write_text(text, probe)
        try:
            told = ask_workers(self.client, visibility_error, probe, len(text))
        finally:
            remove([probe])
        for worker, why in told.items():
            if why is not None:
                raise ClusterError(
                    f"{folder}: not every worker sees this folder (of {worker}: {why}); name one "
                    "on a file system that all share, with the settings and packages of a URL on "
                    "each of them, or a file, which the client writes"
                )

    def wanted(
        self, coins: Sequence[str] | None, models: Sequence[Model]
    ) -> tuple[list[str], list[CoinFailure]]:
        """Return the coins to run, and the failures of those that have nothing to run on."""
        empty = self.loader.source.empty
        wanted = names_text(coins)
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

    def work(self, coins: Sequence[str], models: Sequence[Model]) -> Coins:
        """Cut the work on coins by models, and nothing that a run noted, into tasks."""
        return Coins(self.loader.source, coins, self.tasks(coins, models, once, None), self.at_hand)

    def at_hand(self, jobs: Sequence[Job]) -> list[Job]:
        """Return jobs as workers can do them: with their prices, where they don't see the files."""
        if jobs and self._client is not None and not self._owned:
            from cryptodask.cluster import paths_visible

            if not paths_visible(self._client, jobs[0].parts[0].paths[:1]):
                return [ship(job) for job in jobs]
        return list(jobs)

    def threads(self) -> int:
        """Return the threads of all workers, or of those that may come, if these are more."""
        from cryptodask.cluster import most_workers, workers_of

        return max(most_workers(self.client), sum(workers_of(self.client).values()))

    def span(self, coins: Sequence[str], cut: RowFilter) -> tuple[np.datetime64, DateArray]:
        """Return the first date of all rows that are kept, and the last one of each coin.

        Of a table the index tells, and a last date may be one on which a coin has no row, if it
        has later ones that are not kept.

        Returns
        -------
        first : datetime64[s]
        lasts : ndarray of datetime64[s]
            Rising, at least one.
        """
        source, bar = self.loader.source, step_of(self.loader.freq)
        if isinstance(source, PriceTable):
            index = source.index[source.index["coin"].isin(coins)]
            spans = [(index["first"].to_numpy().min(), index["last"].to_numpy())] if coins else []
        else:
            work = self.work(coins, [create_model("naive")])
            asked = Work(
                span_of, lambda piece: (work.job(piece), cut), lambda _: "span", work.cost,
                work.size,
            )  # fmt: skip
            ended = list(run_pieces(self.client, asked, work.pieces(None)))
            for one in ended:
                # A coin that workers die of is named where it is to be forecast.
                if one.error is not None and not is_fatal(one.error):
                    raise one.error
            spans = [one.result for one in ended if one.result is not None]
        if not spans:
            return cut.first.astype("datetime64[s]"), cut.first.astype("datetime64[s]").reshape(1)
        first = max(min(first for first, _ in spans), cut.first).astype("datetime64[s]")
        lasts = np.concatenate([lasts for _, lasts in spans]).astype("datetime64[s]")
        # What is kept ends with a day, and the bar in which it ends began before.
        day = np.timedelta64(1, "D")
        end = cut.last.astype("datetime64[D]").astype("datetime64[s]") + (day - bar)
        return first, np.sort(np.minimum(lasts, end))

    def _past(
        self,
        models: Sequence[Model],
        work: Coins,
        cut: RowFilter,
        horizon: int,
        seed: int,
        how: Intervals,
        say: Callable[[str], None],
    ) -> Past:
        """Return at which past dates each model forecasts, and how often it is trained.

        One that is trained on all coins is trained here, as of the dates of the latest cohort
        alone: of each other one it would take as many trainings again.
        """
        first, lasts = self.span(work.coins, replace(cut, max_points=None))
        grids = choose_cohorts(first, lasts, step_of(self.loader.freq), how)
        past: Past = {}
        for model in models:
            cohorts = [Cohort(grid, model, grid.origins) for grid in grids]
            if is_pooled(model):
                trained, _ = self.train_at(
                    model, work, cut, horizon, seed, grids[0].origins, say,
                    window=cut.max_points, refit=how.refit,
                )  # fmt: skip
                cohorts = [Cohort(grid, [], grid.origins[:0]) for grid in grids]
                cohorts[0] = Cohort(grids[0], *trained)
            past[model.name] = cohorts, how.refit
        return past

    def _train(
        self,
        models: Sequence[Model],
        work: Coins,
        cut: RowFilter,
        horizon: int,
        seed: int,
        say: Callable[[str], None],
    ) -> tuple[dict[str, Model], list[CoinFailure]]:
        """Train the models that are trained on all coins before they forecast any.

        Returns
        -------
        models : dict of str to Model
            All by name, ready to forecast, but those whose training failed.
        failures : list of CoinFailure
            All coins of the latter.
        """
        trained: dict[str, Model] = {}
        failures: list[CoinFailure] = []
        for model in models:
            trained[model.name] = model
            if is_pooled(model):
                try:
                    trained[model.name] = self.train_pooled(model, work, cut, horizon, seed, say)
                except ENDING:
                    raise
                except Exception as error:  # noqa: BLE001 - other models go on
                    del trained[model.name]
                    failures += [CoinFailure.of(coin, model.name, error) for coin in work.coins]
        return trained, failures

    def train_pooled(
        self,
        model: PooledModel,
        work: Coins,
        cut: RowFilter,
        horizon: int,
        seed: int,
        say: Callable[[str], None],
    ) -> Model:
        """Train one model of a run in rounds over its coins; see `cryptodask.training`."""
        coins = work.together(model.name, 2 * self.threads())
        return Training(self.client, model, coins, cut, horizon, seed, say).train()

    def train_at(
        self,
        model: PooledModel,
        work: Coins,
        cut: RowFilter,
        horizon: int,
        seed: int,
        origins: DateArray,
        say: Callable[[str], None],
        *,
        window: int | None,
        refit: int,
    ) -> tuple[tuple[list[Model], DateArray], list[tuple[np.datetime64, Exception]]]:
        """Train one model of a run as of past dates, at every so many of them.

        Returns
        -------
        models : list of Model
            One for each of the dates that follow.
        origins : ndarray of datetime64[s]
            Those without the ones at which training failed.
        failures : list of (datetime64, Exception)
            Why it failed there.
        """
        each: list[Model] = []
        kept = []
        failures: list[tuple[np.datetime64, Exception]] = []
        if not len(origins):
            return (each, origins), failures
        coins = work.together(model.name, 2 * self.threads())
        past = PastTraining(self.client, model, coins, cut, horizon, seed, say, origins, window)
        planned = np.arange(0, len(origins), refit)
        found = dict(zip(planned.tolist(), past.train_at(planned), strict=True))
        for number, origin in enumerate(origins):
            if number not in found and not each:
                [found[number]] = past.train_at(np.array([number]))
            last = found[number] if number in found else each[-1]
            if isinstance(last, Exception):
                failures.append((origin, last))
                continue
            each.append(last)
            kept.append(origin)
        return (each, np.array(kept, dtype="datetime64[s]")), failures

    def _as_dask(
        self,
        ended: Sequence[Ended],
        failures: list[CoinFailure],
        intervals: bool,
        log: "RunLog",
    ) -> "dd.DataFrame":
        """Return the forecasts as a Dask dataframe over the futures; only failures come here."""
        import dask
        import dask.dataframe as dd

        good = [one.future for one in ended if one.error is None]
        frames = [self.client.submit(_forecasts_of, f, pure=False) for f in good]
        told = self.client.gather([self.client.submit(_failures_of, f, pure=False) for f in good])
        lost = [failure for some in told for failure in some]
        failures += lost
        for failure in lost:
            log.ended(failure.model, (), [failure])  # its coin was counted with its job
        log.end()
        with dask.config.set({"dataframe.convert-string": False}):
            meta = empty_forecasts(intervals)
            if frames:
                result = dd.from_delayed(frames, meta=meta, verify_meta=False)
            else:
                result = dd.from_pandas(meta, npartitions=1)
        result.failures = failure_table(failures)
        return result


@contextmanager
def managing(
    source: CryptoLoader | CryptoManager | str | Path,
    client: "Client | None",
    workers: int | None,
) -> Iterator[CryptoManager]:
    """Give a manager in this block: the one that is given, or else one that is closed after it.

    Raises
    ------
    OptionError
        A manager is given, and a client or workers beside it.
    """
    if not isinstance(source, CryptoManager):
        with CryptoManager(source, client, workers=workers) as manager:
            yield manager
        return
    if client is not None or workers is not None:
        raise OptionError("source: a manager has its own cluster; give no client or workers")
    yield source


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

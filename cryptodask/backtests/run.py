"""Backtests over partitions by futures: what models said as of past dates, beside what came."""

import dataclasses
import hashlib
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from cryptodask.backtests.bounds import Place, add_bounds
from cryptodask.backtests.folder import BacktestFolder
from cryptodask.backtests.result import (
    NEVER,
    Backtest,
    counting,
    failure_frame,
    file_of,
    join_failures,
    lost,
    open_backtest,
)
from cryptodask.backtests.task import Span, Task, TaskResult, run_task, span_of
from cryptodask.errors import InputError, MissingExtraError, OptionError
from cryptodask.evaluate.backtest import OriginFailure, empty_backtest
from cryptodask.evaluate.rolling import choose_origins
from cryptodask.manager import CryptoManager, OnDone, choose_models, progress_bar
from cryptodask.models import Model
from cryptodask.models.base import check_horizon, fingerprints
from cryptodask.models.pooled import is_pooled
from cryptodask.prices import CryptoLoader
from cryptodask.prices.freq import step_of
from cryptodask.prices.gaps import Gaps, How
from cryptodask.prices.loader import Cut, Day, read_day
from cryptodask.prices.table import PriceTable
from cryptodask.records import CoinFailure, DateArray
from cryptodask.work import Job, plan_jobs

if TYPE_CHECKING:
    from dask.distributed import Client

    from cryptodask.cluster import RunLog

EVERY, WARMUP = 5, 200
"""Bars from one origin of intervals to the next, and from the first of these to the first that
counts. Coins move together, so that it takes many origins, and not many coins, to know how wide
intervals have to be."""


def backtest(
    source: CryptoLoader | CryptoManager | str | Path,
    models: Sequence[str | Model] = ("naive",),
    horizon: int = 10,
    *,
    origins: int | Sequence[Day] = 12,
    step: int | None = None,
    window: int | Literal["expanding"] = "expanding",
    refit: int = 1,
    calibrate: int = EVERY,
    warmup: int = WARMUP,
    coins: Sequence[str] | None = None,
    from_date: Day | None = None,
    to_date: Day | None = None,
    gaps: How = "leave",
    gap_limit: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    client: "Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> Backtest:
    """Forecast coins as of past dates, and put beside it what came.

    A model is given copies of the rows up to an origin and of nothing later; a coin takes part in
    the origins on which it has a row. ``naive`` is always run, since others are measured by it.
    The result is the same, bit for bit, whatever the number of workers and the partitioning.

    Parameters
    ----------
    source : CryptoLoader, CryptoManager or path
        Where the prices are; or a manager, which is used with its cluster.
    models : sequence of str or Model
    horizon : int
        Bars ahead: days, of daily prices.
    origins : int or sequence of day
        How many, the last of which has a whole horizon after it; or which.
    step : int, optional
        Bars from one origin to the next; by default the horizon, so that none overlap.
    window : int or "expanding"
        Latest rows that a model sees; by default all since the first.
    refit : int
        Models that are trained are so at every so many origins.
    calibrate, warmup : int
        Intervals are made from errors at origins so many bars apart, from so many bars before the
        first origin on, as far as prices go back. These are no part of the result, but take as long
        as others: for a model that is dear, let there be none but the others (``calibrate=0``),
        of which the first then has no intervals, and the next have vague ones.
    coins, from_date, to_date, gaps, gap_limit, seed
        See `CryptoManager.forecast`.
    out : path, optional
        A folder that the workers see. They write the table there, file by file; what is there
        already of the same backtest is not done again. Without it the table comes to the client.
    overwrite : bool
        Whether another backtest may be replaced in that folder.
    client : dask.distributed.Client, optional
    workers : int, optional
        Of a local cluster that is started where there is no client.
    progress : bool
        Whether a bar of coins is shown on standard error.
    on_done : callable, optional
        Told how many coins (times models) were done, each time some are.

    Raises
    ------
    UnknownCoinError, UnknownModelError, OptionError
        What was asked for can't be done.
    InputError
        ``out`` holds something else, or another backtest.
    MissingExtraError
        A model's packages are not installed on the workers.
    """
    if isinstance(source, CryptoManager):
        if client is not None or workers is not None:
            raise OptionError("source: a manager has its own cluster; give no client or workers")
        manager, owned = source, False
    else:
        manager, owned = CryptoManager(source, client, workers=workers), True
    named = [m if isinstance(m, str) else m.name for m in models]
    chosen = choose_models(models if "naive" in named else ["naive", *models])
    chosen.sort(key=lambda model: model.name != "naive")
    check_horizon(horizon)
    if refit < 1:
        raise OptionError(f"refit: must be at least 1, got {refit}")
    for name, bars in (("calibrate", calibrate), ("warmup", warmup)):
        if bars < 0:
            raise OptionError(f"{name}: must be at least 0 bars, got {bars}")
    rows = None if window == "expanding" else window
    if rows is not None and (not isinstance(rows, int) or rows < 1):
        raise OptionError(f"window: must be 'expanding' or a number of rows, got {window!r}")
    cut = Cut.of(None, from_date, to_date, Gaps(gaps, gap_limit), manager.loader.freq)
    try:
        names, without = manager.wanted(coins, chosen)
        run = _Run(manager, cut, chosen, names, horizon, rows, refit, seed)
        run.choose(origins, step, calibrate, warmup)
        folder = None if out is None else BacktestFolder(Path(out), run.facts(), overwrite)
        if folder is not None:
            if folder.is_whole:
                return open_backtest(folder.path)
            manager.check_shared(folder.path)
        run.log = manager.log("backtest", chosen, names, without, horizon, out, names)
        with run.log:
            run.log.failed(without)
            with progress_bar(len(names) * len(chosen), progress) as bar:
                tell: list[OnDone] = [bar, *([on_done] if on_done else [])]
                tables, failures = run.execute(folder, tell, bar.say)
            failures = [failure_frame([OriginFailure(NEVER, f) for f in without]), *failures]
            told = counting(join_failures(failures), run.origins)
            names_of = [model.name for model in chosen]
            if folder is not None:
                run.bound(folder.tables())
                folder.close(told, names_of, run.origins)
                run.log.end()
                return open_backtest(folder.path)
            bounded = [place for place in run.bound(tables) if isinstance(place, pd.DataFrame)]
            table = counting(
                pd.concat([empty_backtest(), *bounded], ignore_index=True), run.origins
            )
            done = Backtest(names_of, horizon, run.origins, told, frame=table)
            run.log.end(scores=done.scores() if run.log.listens else None)
            return dataclasses.replace(done, frame=done.get_df())
    finally:
        if owned:
            manager.close()


class _Run:
    """A backtest that is being run."""

    def __init__(
        self,
        manager: CryptoManager,
        cut: Cut,
        models: Sequence[Model],
        coins: Sequence[str],
        horizon: int,
        window: int | None,
        refit: int,
        seed: int,
    ) -> None:
        self.manager, self.cut, self.models, self.coins = manager, cut, models, coins
        self.horizon, self.window, self.refit, self.seed = horizon, window, refit, seed
        self.origins: DateArray = np.empty(0, dtype="datetime64[s]")
        self.all_origins = self.origins
        self.log: RunLog

    def choose(
        self, origins: int | Sequence[Day], step: int | None, calibrate: int, warmup: int
    ) -> None:
        """Decide on the origins, and on those of intervals, by the dates of all coins."""
        given: int | list[np.datetime64]
        if isinstance(origins, int):
            given = origins
        else:
            given = [read_day("origins", day) for day in origins]
        if not self.coins:
            return
        first, last = self._span()
        bar = step_of(self.manager.loader.freq)
        self.origins = choose_origins(first, last, bar, self.horizon, given, step)
        self.all_origins = self.origins
        if calibrate:
            since = max(self.origins[0] - warmup * bar, first + bar)
            apart = calibrate * bar
            others = self.origins[-1] - np.arange((self.origins[-1] - since) // apart + 1) * apart
            self.all_origins = np.union1d(self.origins, others.astype("datetime64[s]"))

    def facts(self) -> dict[str, Any]:
        """Return what decides every number of the result."""
        from cryptodask import __version__

        return {
            "models": [repr(model) for model in self.models],
            "features": fingerprints(self.models),
            "horizon": self.horizon,
            "origins": self.origins.astype(str).tolist(),
            "calibrated": self.all_origins.astype(str).tolist(),
            "window": self.window,
            "refit": self.refit,
            "seed": self.seed,
            "rows": repr(self.cut),
            "coins": hashlib.sha256("\0".join(self.coins).encode()).hexdigest(),
            "prices": _fingerprint(self.manager.loader),
            "version": __version__,
        }

    def execute(
        self,
        folder: "BacktestFolder | None",
        tell: Sequence[OnDone],
        say: Callable[[str], None],
    ) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
        """Do all tasks that were not done before; return tables and failures that came here."""
        from cryptodask.cluster import cancel, collect, submit

        tasks = self._tasks() if folder is None else folder.plan(self._tasks, self.models)
        jobs = self.manager.at_hand(self._jobs(tasks))
        todo = [i for i in range(len(tasks)) if folder is None or not folder.has(i)]
        for i in set(range(len(tasks))) - set(todo):
            _say(tell, len(jobs[i].coins))
            self.log.ended(tasks[i].model.name, jobs[i].coins)
        needed = {tasks[i].model.name for i in todo}
        trained, failures = self._train(tasks, jobs, needed, say)
        calls = [
            (
                jobs[i],
                self.cut,
                *trained[tasks[i].model.name],
                self.horizon,
                self.seed,
                self.window,
                self.refit,
                folder and (folder.path, file_of(i)),
            )
            for i in todo
        ]
        futures = submit(
            self.manager.client,
            run_task,
            calls,
            costs=[jobs[i].seconds for i in todo],
            names=[f"backtest-{tasks[i].model.name}" for i in todo],
            run=uuid4().hex[:8],
        )
        tables = []
        try:
            for outcome in collect(futures, results=True):
                i = todo[outcome.index]
                if isinstance(outcome.error, (InputError, MissingExtraError, ImportError)):
                    raise outcome.error
                if outcome.error is not None:
                    failures.append(lost(tasks[i].model, jobs[i].coins, outcome.error))
                else:
                    tables.append(outcome.result.table)
                    failures.append(outcome.result.failures)
                _tell(self.log, tasks[i].model.name, jobs[i].coins, failures[-1], outcome.result)
                _say(tell, len(jobs[i].coins))
        except BaseException:
            cancel(self.manager.client, futures)
            raise
        return tables, failures

    def bound(self, places: Sequence[Place]) -> list[Place]:
        """Put intervals beside forecasts, model by model, each in tables or files of its own."""
        from cryptodask.cluster import ordered_map

        shape = self.all_origins, self.horizon, step_of(self.manager.loader.freq)
        on_workers = partial(ordered_map, self.manager.client)
        done: list[Place] = []
        for model in self.models:
            own = [place for place in places if _model_of(place) == model.name]
            remote = bool(own) and isinstance(own[0], Path)
            done += add_bounds(own, *shape, run=on_workers if remote else map)
        return done

    def _span(self) -> Span:
        """Return the first and the last date of the coins' rows that are kept."""
        from cryptodask.cluster import collect, submit

        source = self.manager.loader.source
        if isinstance(source, PriceTable):
            rows = source.index[source.index["coin"].isin(self.coins)]
            spans = [(rows["first"].to_numpy().min(), rows["last"].to_numpy().max())]
        else:
            first_model = [task for task in self._tasks() if task.model is self.models[0]]
            jobs = self.manager.at_hand(self._jobs(first_model))
            calls = [(job, self.cut) for job in jobs]
            costs, names = [job.seconds for job in jobs], ["span"] * len(jobs)
            run = uuid4().hex[:8]
            futures = submit(self.manager.client, span_of, calls, costs, names, run)
            outcomes = list(collect(futures, results=True))
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
            spans = [o.result for o in outcomes if o.result is not None]
        first = max([min(s[0] for s in spans), self.cut.first]) if spans else self.cut.first
        last = min([max(s[1] for s in spans), self.cut.last]) if spans else self.cut.first
        return first.astype("datetime64[s]"), last.astype("datetime64[s]")

    def _tasks(self) -> list[Task]:
        """Cut the work: each model's coins into runs by what they cost."""
        if not self.coins:
            return []
        loader, workers = self.manager.loader, self.manager.threads()
        times, tasks = max(1, len(self.all_origins)), []
        for model in self.models:
            jobs = plan_jobs(loader.source, self.coins, model, workers, loader.n_partitions, times)
            done = 0
            for job in jobs:
                edges = np.cumsum([done, *(len(part.coins) for part in job.parts)]).tolist()
                tasks.append(Task(model, tuple(pairwise(edges))))
                done = edges[-1]
        return tasks

    def _jobs(self, tasks: Sequence[Task]) -> list[Job]:
        """Return the partitions of each task, as jobs."""
        source = self.manager.loader.source
        parts = iter(source.pick(self.coins, [run for task in tasks for run in task.runs]))
        jobs = []
        for task in tasks:
            own = tuple(next(parts) for _ in task.runs)
            times = task.model.cost * max(1, len(self.all_origins))
            jobs.append(Job(own, sum(part.rows for part in own) * times))
        return jobs

    def _train(
        self,
        tasks: Sequence[Task],
        jobs: Sequence[Job],
        needed: Collection[str],
        say: Callable[[str], None],
    ) -> tuple[dict[str, tuple[Any, DateArray]], list[pd.DataFrame]]:
        """Train those of the models needed that are trained on all coins, as of every origin.

        Returns
        -------
        dict
            Of each model's name: the model, or one for each origin, and the origins at which it
            forecasts.
        list of DataFrame
            Failures of all coins at origins whose training failed.
        """
        found: dict[str, tuple[Any, DateArray]] = {}
        failures = []
        for model in self.models:
            found[model.name] = model, self.all_origins
            if model.name not in needed or not is_pooled(model):
                continue
            # Of all its coins, even if some were forecast by a run that was stopped.
            own = [job for task, job in zip(tasks, jobs, strict=True) if task.model is model]
            each: list[Model] = []
            kept = []
            for number, origin in enumerate(self.all_origins):
                cut = dataclasses.replace(self.cut, last=origin, max_points=self.window)
                try:
                    if number % self.refit == 0 or not each:
                        last = self.manager.train_pooled(
                            model, own, cut, self.horizon, self.seed, say
                        )
                except (InputError, MissingExtraError, ImportError):
                    raise
                except Exception as error:  # noqa: BLE001 - other origins and models go on
                    failures.append(lost(model, self.coins, error, origin))
                    continue
                each.append(last)
                kept.append(origin)
            found[model.name] = each, np.array(kept, dtype="datetime64[s]")
        return found, failures


def _model_of(place: Place) -> str | None:
    """Return the model whose rows a table or a file has; None of no rows."""
    if isinstance(place, pd.DataFrame):
        return None if place.empty else str(place["model"].iloc[0])
    with pq.ParquetFile(place) as file:
        if not file.metadata.num_rows:
            return None
        return str(file.read_row_group(0, columns=["model"])["model"][0])


def _fingerprint(loader: CryptoLoader) -> str:
    """Return what changes when the prices do: the table's version, or the files' looks."""
    source = loader.source
    if isinstance(source, PriceTable):
        return f"{source.manifest['index']}, generation {source.generation}"
    looks = [
        f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}"
        for path in sorted(loader.source.folder.iterdir())  # type: ignore[attr-defined]
        if path.is_file()
    ]
    return hashlib.sha256("\n".join(looks).encode()).hexdigest()


def _tell(
    log: "RunLog", model: str, coins: Sequence[str], failures: pd.DataFrame, done: TaskResult | None
) -> None:
    """Tell the scheduler of a task that ended, and of the coins that failed at all origins."""
    whole = failures[failures["cutoff"].isna()].drop(columns="cutoff")
    told = [CoinFailure(*row) for row in whole.itertuples(index=False, name=None)]
    if done is None:
        log.ended(model, coins, told)
    else:
        log.ended(model, coins, told, rows=done.rows, seconds=done.seconds)


def _say(tell: Sequence[OnDone], coins: int) -> None:
    for one in tell:
        one(coins)

"""Backtests over partitions by futures: what models said as of past dates, beside what came."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from cryptodask.backtests.bounds import Place, add_bounds
from cryptodask.backtests.folder import BacktestFolder
from cryptodask.backtests.result import (
    NEVER,
    Backtest,
    counting,
    failure_frame,
    join_failures,
    lost,
    no_failures,
    open_backtest,
)
from cryptodask.backtests.task import TaskResult, run_task
from cryptodask.cluster.retry import TaskId, Work, is_fatal, run_pieces
from cryptodask.errors import ENDING, OptionError
from cryptodask.evaluate.backtest import OriginFailure, empty_backtest
from cryptodask.evaluate.intervals.cohorts import EVERY, WARMUP, calibration_origins
from cryptodask.evaluate.rolling import choose_origins
from cryptodask.forecasting import OnDone
from cryptodask.io.parquet import open_parquet
from cryptodask.io.paths import AnyPath, path_of
from cryptodask.manager import CryptoManager, choose_models, managing, progress_bar
from cryptodask.models import Model
from cryptodask.models.base import check_horizon, ends_needed, fingerprints, takes_repeats
from cryptodask.models.pooled.base import is_pooled
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.gaps import Gaps, How
from cryptodask.prices.freq import step_of
from cryptodask.prices.loader import Day, RowFilter, day_text, read_day
from cryptodask.records import CoinFailure, DateArray
from cryptodask.runs.folder import Coins, describe_call, names_text

if TYPE_CHECKING:
    from dask.distributed import Client

    from cryptodask.cluster import RunLog


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
    out: str | AnyPath | None = None,
    overwrite: bool = False,
    timeout: float | None = None,
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
        A folder, or a URL that fsspec knows, that the workers see. They write the table there, file
        by file; what is there already of the same backtest is not done again. Without it the table
        comes to the client.
    overwrite : bool
        Whether another backtest may be replaced in that folder.
    timeout : float, optional
        See `CryptoManager.forecast`.
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
    place = None if out is None else path_of(out)
    with managing(source, client, workers) as manager:
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
        cut = RowFilter.of(None, from_date, to_date, Gaps(gaps, gap_limit), manager.loader.freq)
        manager.check_timeout(timeout)
        names, without = manager.wanted(coins, chosen)
        run = _Run(manager, cut, chosen, names, horizon, rows, refit, seed)
        run.choose(origins, step, calibrate, warmup)
        folder = None
        if place is not None:
            asked = {
                "horizon": horizon, "step": step, "window": window, "refit": refit,
                "origins": origins if isinstance(origins, int) else [*map(day_text, origins)],
                "calibrate": calibrate, "warmup": warmup, "coins": names_text(coins),
                "from_date": day_text(from_date), "to_date": day_text(to_date), "gaps": gaps,
                "gap_limit": gap_limit, "seed": seed, "timeout": timeout,
            }  # fmt: skip
            call = describe_call(manager.loader, chosen, asked)
            folder = BacktestFolder(place, "backtest", run.facts(), call, overwrite)
            if folder.is_whole:
                return open_backtest(folder.path)
        names_of = [model.name for model in chosen]
        if names:
            manager.warm_up(chosen)
        run.log = manager.log("backtest", chosen, names, without, horizon, place)
        with (
            progress_bar(len(names) * len(chosen), progress) as bar,
            manager.going_on(folder),
            run.log,
        ):
            run.log.failed(without)
            tell: list[OnDone] = [bar, *([on_done] if on_done else [])]
            run.prepare(folder, timeout)
            tables, failures = run.execute(tell, bar.say)
            failures = [failure_frame([OriginFailure(NEVER, f) for f in without]), *failures]
            told = counting(join_failures(failures), run.origins)
            if folder is not None:
                pieces = run.work.pieces(folder)
                run.bound(folder.done(pieces))
                folder.close(pieces, told, names_of, run.origins)
                manager.release_memory()
                run.log.end()
                return open_backtest(folder.path)
            bounded = [place for place in run.bound(tables) if isinstance(place, pd.DataFrame)]
        manager.release_memory()
        table = counting(pd.concat([empty_backtest(), *bounded], ignore_index=True), run.origins)
        features = fingerprints(chosen)
        done = Backtest(names_of, horizon, run.origins, told, frame=table, features=features)
        run.log.end(scores=done.scores() if run.log.listens else None)
        return dataclasses.replace(done, frame=done.get_df())


class _Run:
    """A backtest that is being run."""

    def __init__(
        self,
        manager: CryptoManager,
        cut: RowFilter,
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
        first, lasts = self.manager.span(self.coins, self.cut)
        bar = step_of(self.manager.loader.freq)
        self.origins = choose_origins(first, lasts[-1], bar, self.horizon, given, step)
        self.all_origins = self.origins
        if calibrate:
            self.all_origins = calibration_origins(self.origins, first, bar, calibrate, warmup)

    def facts(self) -> dict[str, Any]:
        """Return what decides every number of the result."""
        of_any = self.manager.facts(self.models, self.horizon, self.cut, self.seed, self.coins)
        return of_any | {
            "origins": self.origins.astype(str).tolist(),
            "calibrated": self.all_origins.astype(str).tolist(),
            "window": self.window,
            "refit": self.refit,
        }

    def prepare(self, folder: "BacktestFolder | None", timeout: float | None) -> None:
        """Cut the work, or read how it was cut where a run goes on."""
        manager = self.manager
        tasks = manager.tasks(self.coins, self.models, self._times, folder)
        source = manager.loader.source
        self.work = Coins(source, self.coins, tasks, manager.at_hand, self._times, timeout)
        self.folder = folder

    def _times(self, model: Model) -> float:
        """Return how often a model goes over the rows that are read."""
        # Where it looks at a few rows of each origin, what is read is what it costs.
        few = takes_repeats(model) and ends_needed(model, self.horizon) is not None
        return 1 if few else max(1, len(self.all_origins))

    def execute(
        self, tell: Sequence[OnDone], say: Callable[[str], None]
    ) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
        """Do all tasks that were not done before; return tables and failures that came here."""
        folder, work = self.folder, self.work
        todo = work.left(folder, self.log, tell)
        if not todo:
            return [], []
        trained, failures = self._train({work.model(piece).name for piece in todo}, say)

        def call(piece: TaskId) -> tuple[Any, ...]:
            place = folder and (folder.path, folder.name(piece))
            models = trained[work.model(piece).name]
            rest = self.horizon, self.seed, self.window, self.refit, place
            return work.job(piece), self.cut, *models, *rest

        asked = Work(
            run_task, call, lambda piece: f"backtest-{work.model(piece).name}", work.cost,
            work.size, folder.note_split if folder else lambda _: None,
        )  # fmt: skip
        tables = []
        with closing(run_pieces(self.manager.client, asked, todo)) as endings:
            for one in endings:
                if isinstance(one.error, ENDING):
                    raise one.error
                if one.error is None:
                    tables.append(one.result.table)
                    failures.append(one.result.failures)
                else:
                    failures.append(self._given_up(one.piece, one.error))
                self._tell(one.piece, failures[-1], one.result)
                for told in tell:
                    told(work.size(one.piece))
        return tables, failures

    def _tell(self, piece: TaskId, failures: pd.DataFrame, done: TaskResult | None) -> None:
        """Tell the scheduler of a piece that ended, and of coins that failed at all origins."""
        whole = failures[failures["cutoff"].isna()].drop(columns="cutoff")
        told = [CoinFailure(*row) for row in whole.itertuples(index=False, name=None)]
        model, coins = self.work.model(piece).name, self.work.job(piece).coins
        rows, seconds = (0, None) if done is None else (done.rows, done.seconds)
        self.log.ended(model, coins, told, rows=rows, seconds=seconds)

    def _given_up(self, piece: TaskId, error: BaseException) -> pd.DataFrame:
        """Return failures of a piece that failed as a whole, which may be in a file already."""
        coins, model = self.work.job(piece).coins, self.work.model(piece)
        failures = lost(model, coins, self.work.died(piece, error))
        if self.folder is None or not is_fatal(error):
            return failures
        self.folder.give_up(piece, failures)
        return no_failures()

    def bound(self, places: Sequence[Place]) -> list[Place]:
        """Put intervals beside forecasts, model by model, each in tables or files of its own."""
        from cryptodask.cluster import ordered_map

        shape = self.all_origins, self.horizon, step_of(self.manager.loader.freq)
        on_workers = partial(ordered_map, self.manager.client)
        names = [_model_of(place) for place in places]
        done: list[Place] = []
        for model in self.models:
            own = [one for one, name in zip(places, names, strict=True) if name == model.name]
            remote = bool(own) and not isinstance(own[0], pd.DataFrame)
            done += add_bounds(own, *shape, run=on_workers if remote else map)
        return done

    def _train(
        self, needed: Collection[str], say: Callable[[str], None]
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
            found[model.name], lost_at = self.manager.train_at(
                model, self.work, self.cut, self.horizon, self.seed, self.all_origins, say,
                window=self.window, refit=self.refit,
            )  # fmt: skip
            failures += [lost(model, self.coins, error, origin) for origin, error in lost_at]
        return found, failures


def _model_of(place: Place) -> str | None:
    """Return the model whose rows a table or a file has; None of no rows."""
    if isinstance(place, pd.DataFrame):
        return None if place.empty else str(place["model"].iloc[0])
    with open_parquet(place) as file:
        if not file.metadata.num_rows:
            return None
        return str(file.read_row_group(0, columns=["model"])["model"][0])

"""The forecasting of all pieces of a run, when all that they need is there."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptodask.bands import bound_job, hold_job, know
from cryptodask.cluster import RunLog, WorkerState
from cryptodask.cluster.retry import Ended, TaskId, Work, is_fatal, run_pieces
from cryptodask.errors import ENDING
from cryptodask.evaluate.intervals.past_errors import Cohort
from cryptodask.forecasts import ForecastRun, task_row, task_table
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model
from cryptodask.models.base import fingerprints
from cryptodask.prices.clean.findings import join_findings
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import CoinFailure
from cryptodask.results.forecasts import Forecasts, failure_table, sort_forecasts
from cryptodask.runs.folder import Coins
from cryptodask.work import JobResult, run_job

if TYPE_CHECKING:
    from dask.distributed import Client

OnDone = Callable[[int], None]
"""Called with the number of coins (times models) that were done since the last call."""

Past = dict[str, tuple[list[Cohort], int]]
"""Of each model's name: the past dates at which it forecasts, and at how many of them one training
does."""


class ForecastWork:
    """The forecasting of all pieces of a run.

    Parameters
    ----------
    client : Client or None
        None of a run that has nothing to do.
    work : Coins
    shape : (RowFilter, int, int)
        Which rows models see, the horizon, and the seed.
    folder : ForecastRun, optional
        That workers write to.
    done : sequence of callable
        Told of coins that are done.
    log : RunLog
    """

    def __init__(
        self,
        client: "Client | None",
        work: Coins,
        shape: tuple[RowFilter, int, int],
        folder: ForecastRun | None,
        done: Sequence[OnDone],
        log: RunLog,
    ) -> None:
        self.client, self.work, self.shape = client, work, shape
        self.folder, self.done, self.log = folder, done, log
        self.models: dict[str, Model] = {}
        self.past: Past | None = None

    def execute(
        self,
        pieces: Sequence[TaskId],
        models: dict[str, Model],
        past: Past | None,
        *,
        results: bool,
    ) -> list[Ended]:
        """Forecast pieces, with intervals where past dates are given, and return how each ended.

        Parameters
        ----------
        pieces : sequence of TaskId
        models : dict of str to Model
            By name, ready to forecast; pieces of others are left.
        past : Past, optional
        results : bool
            Whether forecasts are brought here.
        """
        self.models, self.past = models, past
        todo = [piece for piece in pieces if self.work.model(piece).name in models]
        if self.client is None or not todo:
            return []
        if past is None:
            work = self._work(run_job, self._call)
            return self._ended(run_pieces(self.client, work, todo, results=results))
        return self._bounded(todo, results=results)

    def close(
        self, models: Sequence[Model], failures: Sequence[CoinFailure], *, intervals: bool
    ) -> None:
        """Make the folder a whole forecast table."""
        assert self.folder is not None
        _, horizon, seed = self.shape
        pieces = self.work.pieces(self.folder)
        told = {"models": [m.name for m in models], "horizon": horizon, "seed": seed}
        told |= {"features": fingerprints(models), "intervals": intervals}
        self.folder.close(pieces, [self.work.model(p).name for p in pieces], failures, told)

    def gather(
        self,
        ended: Sequence[Ended],
        models: Sequence[Model],
        failures: Sequence[CoinFailure],
        *,
        intervals: bool,
    ) -> Forecasts:
        """Return the forecasts that came here as one table."""
        good = [one for one in ended if isinstance(one.result, JobResult)]
        frames = [one.result.forecasts for one in good]
        result = Forecasts(sort_forecasts(frames, [m.name for m in models], intervals))
        result.failures = failure_table(failures)
        # Every model of a partition read the same files.
        told = join_findings(one.result.lost for one in good)
        result.lost = told.drop_duplicates(ignore_index=True)
        result.tasks = task_table(
            [task_row(self.work.model(one.piece).name, one.result) for one in good]
        )
        result.features = fingerprints(models)
        return result

    def failures(self, one: Ended) -> list[CoinFailure]:
        """Return the failures of a piece, all of whose coins fail where it did as a whole."""
        if isinstance(one.result, JobResult):
            return [] if self.folder else one.result.failures
        if one.error is None or (self.folder and self.folder.has(one.piece)):
            return []
        name = self.work.model(one.piece).name
        return [CoinFailure.of(coin, name, one.error) for coin in self.work.job(one.piece).coins]

    def _call(self, piece: TaskId) -> tuple[Any, ...]:
        cut, horizon, seed = self.shape
        return self.work.job(piece), cut, self._model(piece), horizon, seed, self._place(piece)

    def _hold(self, piece: TaskId) -> tuple[Any, ...]:
        assert self.past is not None
        model = self._model(piece)
        return self.work.job(piece), self.shape[0], model, *self.shape[1:], *self.past[model.name]

    def _model(self, piece: TaskId) -> Model:
        return self.models[self.work.model(piece).name]

    def _place(self, piece: TaskId) -> tuple[AnyPath, str] | None:
        return None if self.folder is None else (self.folder.path, self.folder.name(piece))

    def _work(
        self, function: Callable[..., Any], call: Callable[[TaskId], tuple[Any, ...]]
    ) -> Work:
        return Work(
            function, call, lambda piece: self.work.model(piece).name, self.work.cost,
            self.work.size, self.folder.note_split if self.folder else lambda _: None,
        )  # fmt: skip

    def _ended(self, endings: Generator[Ended]) -> list[Ended]:
        """Wait for pieces, and return how each ended, in their order."""
        ended = []
        with closing(endings):
            for one in endings:
                ended.append(self._given_up(one))
                self._tell(ended[-1])
                for tell in self.done:
                    tell(self.work.size(one.piece))
        return sorted(ended, key=lambda one: one.piece)

    def _bounded(self, pieces: Sequence[TaskId], *, results: bool) -> list[Ended]:
        """Forecast pieces as of now and of past dates, and put intervals around what comes."""
        assert self.client is not None
        held = WorkerState(self.client, self._work(hold_job, self._hold), pieces)
        # Halves of a piece that is split later are in place of it.
        ended = {one.piece: one for one in self._ended(held.make()) if one.error is not None}

        def lost(one: Ended) -> None:
            ended[one.piece] = self._given_up(one)
            self._tell(ended[one.piece], counted=True)

        def model_of(piece: TaskId) -> str:
            return self.work.model(piece).name

        known = self.folder.read_pools() if self.folder else None
        if known is None:
            known = know(held, model_of, lost)
            if self.folder is not None:
                self.folder.write_pools(known)
        typical, found = known

        def args(piece: TaskId) -> tuple[Any, ...]:
            model = model_of(piece)
            return typical.get(model, {}), found.get(model, {}), self._place(piece)

        with closing(held.each(bound_job, args, "intervals", results=results)) as endings:
            for one in endings:
                if one.error is not None:
                    lost(one)
                    continue
                ended[one.piece] = one
                self._tell(one, counted=True)
        return sorted(ended.values(), key=lambda one: one.piece)

    def _tell(self, one: Ended, *, counted: bool = False) -> None:
        """Tell of a piece that ended; what it did is not known where that stayed on a worker.

        Its coins may have been counted when it was forecast, before there were intervals.
        """
        name, coins = self.work.model(one.piece).name, self.work.job(one.piece).coins
        if isinstance(one.result, JobResult):
            told = one.result
            self.log.ended(
                name, coins, told.failures, rows=told.rows, seconds=told.seconds,
                table=told.forecasts, counted=counted,
            )  # fmt: skip
        elif one.error is not None:
            lost = [CoinFailure.of(coin, name, one.error) for coin in coins]
            self.log.ended(name, coins, lost, counted=counted)
        else:
            self.log.ended(name, coins, counted=counted)

    def _given_up(self, one: Ended) -> Ended:
        """Name the coin that workers died of, and note it where a run that goes on finds it.

        Raises
        ------
        Exception
            What concerns every coin; see `cryptodask.errors.ENDING`.
        """
        if one.error is None:
            return one
        if isinstance(one.error, ENDING):
            raise one.error
        error = self.work.died(one.piece, one.error)
        if self.folder is not None and is_fatal(error):
            [coin], name = self.work.job(one.piece).coins, self.work.model(one.piece).name
            failure = CoinFailure.of(coin, name, error)
            self.folder.give_up(one.piece, failure, intervals=self.past is not None)
        return replace(one, error=error)

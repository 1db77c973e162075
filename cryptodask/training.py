"""Training of pooled models, as of now and of many past dates: what workers do, and what is joined.

As of past dates, workers read their coins once and hold all their rows. A model whose dates can
take their steps together is trained as of many of them in as many rounds as of one; another date
after date. Either way each is trained on what was to be seen as of its date, by the same sums.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.cluster import Ended, Work, WorkerState, hold_all, run_rounds
from cryptodask.errors import ENDING, SeriesError
from cryptodask.evaluate.origins import suspects
from cryptodask.evaluate.rolling import Rolling, Spans
from cryptodask.features.rows import rows_at
from cryptodask.features.segments import Segments
from cryptodask.models import Model
from cryptodask.models.base import check_series, columns_needed
from cryptodask.models.pooled.base import DatedModel, PooledModel, contribute, takes_dates
from cryptodask.prices.panels import to_panel
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import DateArray, Panel
from cryptodask.runs.folder import Coins
from cryptodask.work import Job, prepare_job

if TYPE_CHECKING:
    from dask.distributed import Client

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """All rows of some coins, of which it can be told which were to be seen as of a date.

    Attributes
    ----------
    panel : Panel
        By date, up to the last of the dates.
    latest : ndarray of int64, ``(n_rows,)``
        The last row at or before each that was read and not filled in: a gap is filled once a row
        has come after it.
    begins : ndarray of int64, ``(n_rows,)``
        The first row that is seen with each: of its coin, or, where gaps split, of its run.
    """

    panel: Panel
    latest: IntArray
    begins: IntArray

    def spans(self, dates: DateArray, window: int | None) -> Spans:
        """Return the rows that were to be seen as of dates, or the latest so many of a coin."""
        shape = len(self.panel), len(dates)
        last = rows_at(self.panel, np.broadcast_to(dates, shape)).T
        origins, places = np.nonzero(last >= 0)
        rows = self.latest[last[origins, places]]
        starts = self.begins[rows]
        if window is not None:
            starts = np.maximum(starts, rows + 1 - window)
        return Spans(places, origins, starts, rows + 1)


@dataclass(frozen=True)
class Seen:
    """How a model that is trained as of past dates sees coins.

    Attributes
    ----------
    model : PooledModel
    dates : ndarray of datetime64[s], ``(n_dates,)``
    window : int or None
        Latest rows of a coin at most.
    horizon, seed : int
    """

    model: PooledModel
    dates: DateArray
    window: int | None
    horizon: int
    seed: int

    def sound(self, history: History) -> Spans:
        """Return the rows of the coins that the model can be trained on as of each date.

        The same that `cryptodask.models.base.sound_coins` leaves of the panel of a date.
        """
        panel, spans = history.panel, history.spans(self.dates, self.window)
        sound = np.ones(len(spans), dtype=np.bool_)
        for i in np.flatnonzero(suspects(self.model, panel, spans, self.horizon)).tolist():
            rows = slice(spans.starts[i], spans.stops[i])
            series = panel.coins[spans.places[i]], panel.values[rows], panel.dates[rows]
            try:
                check_series(*series, self.model, self.horizon, panel.step)
            except SeriesError:  # told by name where the coin is to be forecast
                sound[i] = False
        return spans.take(sound)


def read_histories(job: Job, cut: RowFilter, columns: Sequence[str]) -> list[History]:
    """Read the coins of a job, part by part, once for all dates."""
    found = []
    for part in job.parts:
        prices = cut(part.load(("close", *columns)).prices)
        panel = to_panel(prices, cut.freq, columns)
        rows = np.arange(len(panel.values))
        latest, begins = rows, np.repeat(panel.indptr[:-1], panel.lengths)
        if cut.gaps.mode == "fill":
            latest = np.maximum.accumulate(np.where(prices["filled"].to_numpy(), 0, rows))
        if cut.splits:
            begins = Segments.of(panel).begins
        found.append(History(panel, latest, begins))
    return found


def prepare_histories(histories: Sequence[History], seen: Seen) -> list[Any]:
    """Return what a model trains on as of one date, as `cryptodask.work.prepare_job` does."""
    return [
        seen.model.prepare(Rolling(history.panel).copy(seen.sound(history)))
        for history in histories
    ]


def contribute_histories(
    seen: Seen, histories: Sequence[History], messages: dict[int, Any], step: int
) -> dict[int, Any]:
    """Return sums over some coins as of those of the dates that there is a message for."""
    total: dict[int, Any] = {}
    for history in histories:
        for number, sums in _contributions(seen, history, messages, step):
            total[number] = total[number] + sums if number in total else sums
    return total


def _contributions(
    seen: Seen, history: History, messages: dict[int, Any], step: int
) -> Iterator[tuple[int, Any]]:
    """Yield the sums of one history as of each date, together if the model can, or by each."""
    model, spans = seen.model, seen.sound(history)
    assert takes_dates(model)
    starts = np.zeros((len(seen.dates), len(history.panel)), dtype=np.int64)
    stops = starts.copy()
    starts[spans.origins, spans.places] = spans.starts
    stops[spans.origins, spans.places] = spans.stops
    together = model.contribute_at(history.panel, starts, stops, step, seen.seed)
    if together is not None:
        yield from ((n, sums) for n, sums in enumerate(together) if n in messages)
        return
    rolling = Rolling(history.panel)
    for number, message in messages.items():
        prepared = model.prepare(rolling.copy(spans.take(spans.origins == number)))
        yield number, model.contribute(prepared, message, step, seen.seed)


@dataclass
class Training:
    """A pooled model that is trained on coins which workers read and prepare once.

    A coin of which workers die is left out, and told on standard error. It is forecast like others.

    Parameters
    ----------
    client : Client
    model : PooledModel
    coins : Coins
        Of its tasks, at least one.
    cut : RowFilter
        Rows that are kept, whatever the date.
    horizon, seed : int
    say : callable
        Told what is under way, and at the end an empty text.
    """

    client: "Client"
    model: PooledModel
    coins: Coins
    cut: RowFilter
    horizon: int
    seed: int
    say: Callable[[str], None]

    def train(self) -> Model:
        """Return the model, trained on all coins.

        Raises
        ------
        Exception
            What reading, preparing or a step raised.
        """
        self.say(f"{self.model.name}: reading")
        prepared = self._hold(prepare_job, self.cut, self.model, self.horizon)
        model = self._in_rounds(prepared, self._left_out)
        self.say("")
        return model

    def _hold(self, function: Callable[..., Any], *args: Any) -> WorkerState:
        """Have workers hold what a function makes of each job."""
        name, coins = f"{self.model.name}-prepare", self.coins
        work = Work(
            function, lambda piece: (coins.job(piece), *args), lambda _: name, coins.cost,
            coins.size,
        )  # fmt: skip
        holding = WorkerState(self.client, work, coins.pieces(None))
        hold_all(holding, self._left_out)
        return holding

    def _in_rounds(self, prepared: WorkerState, on_lost: Callable[[Ended], None]) -> Model:
        """Train as of one date, on coins that are prepared."""
        model, seed = self.model, self.seed
        state = self._rounds(
            prepared, partial(contribute, model, seed), partial(model.begin, seed), on_lost,
            combine=add, advance=model.advance, message=model.message,
        )  # fmt: skip
        return model.trained(state)

    def _rounds(
        self,
        holding: WorkerState,
        function: Callable[..., Any],
        begin: Callable[[], Any],
        on_lost: Callable[[Ended], None],
        **how: Any,
    ) -> Any:
        name, steps = self.model.name, self.model.steps
        return run_rounds(
            self.client, holding, function, begin, steps, name=f"{name}-step",
            on_round=lambda step: self.say(f"{name}: step {step + 1} of {steps}"),
            on_lost=on_lost, **how,
        )  # fmt: skip

    def _left_out(self, one: Ended) -> None:
        [coin] = self.coins.job(one.piece).coins
        logging.getLogger(__name__).warning(
            "%s is trained without %s, of which workers died: %s", self.model.name, coin, one.error
        )


@dataclass
class PastTraining(Training):
    """The same as of past dates, on coins that workers read once for all of them.

    Parameters
    ----------
    origins : ndarray of datetime64[s], ``(n_origins,)``
        The dates, at least one.
    window : int or None
        Latest rows of a coin that are trained on; by default all.
    """

    origins: DateArray
    window: int | None
    _histories: WorkerState | None = field(default=None, init=False)

    def train_at(self, numbers: IntArray) -> list[Model | Exception]:
        """Return the model as of each of some origins, or why its training failed.

        Raises
        ------
        Exception
            What concerns every coin; see `cryptodask.errors.ENDING`.
        """
        self.say(f"{self.model.name}: reading")
        found: list[Model | Exception] = []
        at_once = self.model.dates_at_once if takes_dates(self.model) else 1
        for start in range(0, len(numbers), at_once):
            chosen = numbers[start : start + at_once]
            seen = Seen(self.model, self.origins[chosen], self.window, self.horizon, self.seed)
            try:
                found += self._train_as(seen)
            except Exception as error:  # noqa: BLE001 - other dates and models go on
                found += [_no_ones_fault(error)] * len(chosen)
        self.say("")
        return found

    def _train_as(self, seen: Seen) -> list[Model | Exception]:
        if self._histories is None:
            whole = replace(self.cut, last=self.origins.max(), max_points=None)
            self._histories = self._hold(read_histories, whole, columns_needed(self.model))
        if takes_dates(self.model):
            return self._together(self.model, seen, self._histories)
        return [self._alone(seen, self._histories)]

    def _alone(self, seen: Seen, histories: WorkerState) -> Model:
        """Train as of one date, in rounds of its own."""

        def lost(one: Ended) -> None:
            histories.drop(one.piece)
            self._left_out(one)

        prepared = histories.then(prepare_histories, seen)
        hold_all(prepared, lost)
        return self._in_rounds(prepared, lost)

    def _together(
        self, model: DatedModel, seen: Seen, histories: WorkerState
    ) -> list[Model | Exception]:
        """Train as of several dates, each step of all of them in one round."""
        dates = range(len(seen.dates))
        states = self._rounds(
            histories,
            partial(contribute_histories, seen),
            lambda: {number: model.begin(seen.seed) for number in dates},
            self._left_out,
            combine=_added, advance=partial(_advanced, model), message=partial(_messages, model),
        )  # fmt: skip
        return [_tried(model.trained, states[number]) for number in dates]


def _added(one: dict[int, Any], other: dict[int, Any]) -> dict[int, Any]:
    """Return the sums of two divisions, date by date."""
    return {number: sums + other[number] for number, sums in one.items()}


def _messages(model: DatedModel, states: dict[int, Any]) -> dict[int, Any]:
    """Return the messages of the dates whose training has not failed."""
    good = {n: state for n, state in states.items() if not isinstance(state, Exception)}
    return {number: model.message(state) for number, state in good.items()}


def _advanced(model: DatedModel, states: dict[int, Any], sums: dict[int, Any]) -> dict[int, Any]:
    """Return the states after a step, and in place of some why they have failed."""
    return {
        number: _tried(model.advance, state, sums.get(number)) for number, state in states.items()
    }


def _tried(function: Callable[..., Any], state: Any, *sums: Any) -> Any:
    """Return what comes of a state, or why nothing does, now or since before."""
    if isinstance(state, Exception):
        return state
    try:
        return function(state, *sums)
    except Exception as error:  # noqa: BLE001 - other dates go on
        return _no_ones_fault(error)


def _no_ones_fault(error: Exception) -> Exception:
    """Return an error of one date; raise one that concerns every coin."""
    if isinstance(error, ENDING):
        raise error
    # What its traceback knows of would be held on workers as long as it is kept.
    return error.with_traceback(None)

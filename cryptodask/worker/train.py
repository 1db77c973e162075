"""Training of pooled models: what workers read, keep and add up.

As of past dates, workers read their coins once and keep all their rows. A model whose dates can
take their steps together is trained as of many of them in one round; another date after date.
Either way each is trained on the rows that were there on its date, by the same sums.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from cryptodask.errors import SeriesError
from cryptodask.evaluate.origins import suspects
from cryptodask.evaluate.rolling import Rolling, Spans
from cryptodask.features.rows import rows_at
from cryptodask.features.segments import Segments
from cryptodask.models.fitting import check_series, sound_coins
from cryptodask.models.pooled.base import PooledModel
from cryptodask.prices.own import add_own
from cryptodask.prices.panels import to_panel
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import DateArray, IntArray, Panel
from cryptodask.worker.deadline import within
from cryptodask.worker.job import Job
from cryptodask.worker.read import price_columns, read_panel


def prepare_job(job: Job, row_filter: RowFilter, model: PooledModel, horizon: int) -> list[Any]:
    """Read the coins of a job and return what a pooled model trains on, by partition.

    Coins that the model can't forecast are left out, and reported when they are to be forecast.
    """
    prepared = []
    for partition in job.partitions:
        with within(job.timeout):
            panel, _, _ = read_panel(partition, row_filter, columns=model.columns)
            sound, _ = sound_coins(model, panel, horizon)
            prepared.append(model.prepare(sound))
    return prepared


def contribute(
    model: PooledModel, seed: int, prepared: Sequence[Any], message: Any, step: int
) -> Any:
    """Return the sums of one step over what was prepared of several partitions, at least one."""
    return reduce(add, (model.contribute(part, message, step, seed) for part in prepared))


@dataclass(frozen=True)
class CoinHistories:
    """All rows of some coins, with those visible as of any date.

    Attributes
    ----------
    panel : Panel
        By date, up to the last of the dates.
    latest : ndarray of int64, ``(n_rows,)``
        The last row at or before each that was read and not filled in: a gap is filled once a row
        has come after it.
    begins : ndarray of int64, ``(n_rows,)``
        The first row that is seen with each: of its coin, or, where gaps split, of its segment.
    """

    panel: Panel
    latest: IntArray
    begins: IntArray

    def spans(self, dates: DateArray, window: int | None) -> Spans:
        """Return the rows that are visible as of dates: all of a coin, or the latest ones.

        Parameters
        ----------
        dates : ndarray of datetime64[s], ``(n_dates,)``
        window : int, optional
            Latest rows of a coin at most.
        """
        shape = len(self.panel), len(dates)
        last = rows_at(self.panel, np.broadcast_to(dates, shape)).T
        origins, places = np.nonzero(last >= 0)
        rows = self.latest[last[origins, places]]
        starts = self.begins[rows]
        if window is not None:
            starts = np.maximum(starts, rows + 1 - window)
        return Spans(places, origins, starts, rows + 1)


@dataclass(frozen=True)
class TrainingDates:
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

    def sound(self, history: CoinHistories) -> Spans:
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
            except SeriesError:  # reported where the coin is to be forecast
                sound[i] = False
        return spans.take(sound)


def read_histories(job: Job, row_filter: RowFilter, columns: Sequence[str]) -> list[CoinHistories]:
    """Read the coins of a job, partition by partition, once for all dates."""
    histories = []
    for partition in job.partitions:
        with within(job.timeout):
            reading = partition.load(("close", *price_columns(columns)))
            prices = row_filter(reading.prices)
        panel = to_panel(prices, row_filter.freq, price_columns(columns))
        panel = add_own(panel, reading.further, columns)
        rows = np.arange(len(panel.values))
        latest, begins = rows, np.repeat(panel.indptr[:-1], panel.lengths)
        if row_filter.gaps.mode == "fill":
            latest = np.maximum.accumulate(np.where(prices["filled"].to_numpy(), 0, rows))
        if row_filter.splits:
            begins = Segments.of(panel).begins
        histories.append(CoinHistories(panel, latest, begins))
    return histories


def prepare_histories(histories: Sequence[CoinHistories], training: TrainingDates) -> list[Any]:
    """Return what a model trains on as of one date, as `prepare_job` does."""
    return [
        training.model.prepare(Rolling(history.panel).copy(training.sound(history)))
        for history in histories
    ]


def contribute_histories(
    training: TrainingDates,
    histories: Sequence[CoinHistories],
    messages: dict[int, Any],
    step: int,
) -> dict[int, Any]:
    """Return sums over some coins by date, for the dates that have a message."""
    total: dict[int, Any] = {}
    for history in histories:
        for number, sums in _contributions(training, history, messages, step):
            total[number] = total[number] + sums if number in total else sums
    return total


def _contributions(
    training: TrainingDates, history: CoinHistories, messages: dict[int, Any], step: int
) -> Iterator[tuple[int, Any]]:
    """Yield the sums of one history as of each date, together if the model can do that."""
    model, spans = training.model, training.sound(history)
    starts = np.zeros((len(training.dates), len(history.panel)), dtype=np.int64)
    stops = starts.copy()
    starts[spans.origins, spans.places] = spans.starts
    stops[spans.origins, spans.places] = spans.stops
    together = model.contribute_at(history.panel, starts, stops, step, training.seed)
    if together is not None:
        yield from ((n, sums) for n, sums in enumerate(together) if n in messages)
        return
    rolling = Rolling(history.panel)
    for number, message in messages.items():
        prepared = model.prepare(rolling.copy(spans.take(spans.origins == number)))
        yield number, model.contribute(prepared, message, step, training.seed)

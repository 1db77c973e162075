"""A model's forecasts at many dates of a panel, as one batch where the model allows that."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import InputError, MissingExtraError
from cryptodask.evaluate.rolling import Rolling, Spans
from cryptodask.models import Model, run_model
from cryptodask.models.base import PanelForecast, check_horizon
from cryptodask.records import CoinFailure, FloatArray, Panel

ROWS = 200_000
"""Rows that are copied at once, unless one date has more."""

Lost = list[tuple[int, CoinFailure]]
"""Of which of the dates, and why."""


def forecast_spans(
    model: Model, rolling: Rolling, spans: Spans, horizon: int, seed: int
) -> tuple[FloatArray, Lost]:
    """Forecast spans of rows by a model that takes repeats, many dates in one batch.

    The same, bit for bit, as `run_model` date by date, which is what is done of all that is not
    plainly sound.

    Parameters
    ----------
    model : Model
        One that ``batches_dates``.
    rolling : Rolling
    spans : Spans
        By date.
    horizon, seed : int

    Returns
    -------
    ndarray of float64, ``(n_spans, horizon)``
        NaN where there is no forecast.
    list of (int, CoinFailure)
        By date.
    """
    check_horizon(horizon)
    values = np.full((len(spans), horizon), np.nan)
    doubtful = suspects(model, rolling.panel, spans, horizon)
    ends = model.rows_at_ends(horizon)
    for chosen in _batches(spans, np.flatnonzero(~doubtful), ends):
        batch = rolling.copy(spans.take(chosen), ends)
        try:
            values[chosen] = model.forecast(batch, horizon, seed)
        except (MemoryError, MissingExtraError, InputError):
            raise  # no coin's fault
        except Exception:  # noqa: BLE001 - told below, by the coin and the date
            doubtful[chosen] = True
    doubtful |= ~np.isfinite(values).all(axis=1)
    lost: Lost = []
    for chosen in by_origin(spans, np.flatnonzero(doubtful)):
        panel = rolling.copy(spans.take(chosen))
        result = run_model(model, panel, horizon, seed)
        values[chosen], failures = placed([result], panel.coins, horizon)
        lost += [(int(spans.origins[chosen[0]]), failure) for failure in failures]
    return values, lost


def placed(
    results: Iterable[PanelForecast], coins: Sequence[str], horizon: int
) -> tuple[FloatArray, list[CoinFailure]]:
    """Return forecasts in the order of some coins, NaN where there is none, and all failures."""
    values, failures = np.full((len(coins), horizon), np.nan), list[CoinFailure]()
    place = {coin: i for i, coin in enumerate(coins)}
    for result in results:
        values[[place[coin] for coin in result.coins]] = result.values
        failures += result.failures
    return values, failures


def by_origin(spans: Spans, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield those of some spans that are of one date, date after date."""
    if len(chosen):
        yield from np.split(chosen, np.flatnonzero(np.diff(spans.origins[chosen])) + 1)


def _batches(
    spans: Spans, chosen: NDArray[np.int64], ends: tuple[int, int] | None
) -> Iterator[NDArray[np.int64]]:
    """Yield runs of some spans that have so many rows, or at least one date each."""
    rows = spans.stops[chosen] - spans.starts[chosen]
    if ends is not None:
        rows = np.minimum(rows, sum(ends))
    dates = list(by_origin(spans, chosen))
    begins = np.cumsum([0, *(len(date) for date in dates)])
    sums = np.concatenate([[0], np.cumsum(rows)])[begins]
    start = 0
    while start < len(dates):
        stop = max(int(np.searchsorted(sums, sums[start] + ROWS, side="right")) - 1, start + 1)
        yield chosen[begins[start] : begins[stop]]
        start = stop


def suspects(model: Model, panel: Panel, spans: Spans, horizon: int) -> NDArray[np.bool_]:
    """Return which spans `check_series` is to look at: none that it would refuse is left out.

    By counting over all rows once, so that no span's rows are looked at one by one.
    """
    starts, stops, n = spans.starts, spans.stops, len(panel.values)

    def rows_before(holds: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(holds)])

    sound = np.isfinite(panel.values) & (panel.values > 0) & ~np.isnat(panel.dates)
    step = np.diff(panel.dates, prepend=panel.dates[:1])
    moved = np.diff(panel.values, prepend=panel.values[:1]) != 0
    bad, back, moves = (rows_before(a) for a in (~sound, ~(step > np.timedelta64(0)), moved))
    needed = model.min_length(horizon)
    suspect: NDArray[np.bool_] = stops - starts < needed
    suspect |= bad[stops] > bad[starts]
    # From a span's first row to the one before it nothing is asked.
    suspect |= back[stops] > back[starts + 1]
    if model.needs_variation:
        suspect |= moves[stops] == moves[starts + 1]
    if model.gaps == "split" and n:
        last = np.maximum.accumulate(np.where(step != panel.step, np.arange(n), -1))
        suspect |= stops - np.maximum(last[stops - 1], starts) < needed
    return suspect

"""A model's forecasts at many dates of a panel, as one batch where the model allows that."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cryptodask.evaluate.rolling import Rolling, Spans
from cryptodask.models import Model, run_model
from cryptodask.models.base import PanelForecast
from cryptodask.models.fitting import NO_COINS_FAULT, check_horizon, forecast_batch
from cryptodask.records import CoinFailure, FloatArray, Panel

ROWS = 200_000
"""Rows of one batch, unless one date has more."""


def forecast_spans(
    model: Model, rolling: Rolling, spans: Spans, horizon: int, seed: int
) -> tuple[FloatArray, list[CoinFailure]]:
    """Forecast spans of rows, many dates in one batch.

    Bit for bit the same as `run_model` date by date, which forecasts all spans that are not
    plainly sound.

    Parameters
    ----------
    model : Model
        One that ``batches_dates``.
    rolling : Rolling
    spans : Spans
        By date.
    horizon : int
        Bars ahead.
    seed : int

    Returns
    -------
    values : ndarray of float64, ``(n_spans, horizon)``
        Prices in the quote currency; NaN without a forecast.
    failures : list of CoinFailure
        By cutoff.
    """
    check_horizon(horizon)
    values = np.full((len(spans), horizon), np.nan)
    doubtful = suspects(model, rolling.panel, spans, horizon)
    ends = model.rows_at_ends(horizon)
    for chosen in _batches(spans, np.flatnonzero(~doubtful), ends):
        batch = rolling.copy(spans.take(chosen), ends)
        try:
            values[chosen] = forecast_batch(model, batch, horizon, seed)
        except NO_COINS_FAULT:
            raise
        except (Exception, SystemExit):  # noqa: BLE001 - raised again below, for the coin and date at fault
            doubtful[chosen] = True
    doubtful |= ~np.isfinite(values).all(axis=1)
    failures: list[CoinFailure] = []
    for chosen in split_by_origin(spans, np.flatnonzero(doubtful)):
        panel = rolling.copy(spans.take(chosen))
        forecast = run_model(model, panel, horizon, seed)
        values[chosen], failed = join_forecasts([forecast], panel.coins, horizon)
        failures += at_cutoff(failed, panel)
    return values, failures


def join_forecasts(
    forecasts: Iterable[PanelForecast], coins: Sequence[str], horizon: int
) -> tuple[FloatArray, list[CoinFailure]]:
    """Join forecasts of parts of a panel.

    Parameters
    ----------
    forecasts : iterable of PanelForecast
        Prices in the quote currency.
    coins : sequence of str
        All coins of the parts, in the order wanted.
    horizon : int
        Bars ahead.

    Returns
    -------
    values : ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency; NaN without a forecast.
    failures : list of CoinFailure
    """
    values, failures = np.full((len(coins), horizon), np.nan), list[CoinFailure]()
    place = {coin: i for i, coin in enumerate(coins)}
    for forecast in forecasts:
        values[[place[coin] for coin in forecast.coins]] = forecast.values
        failures += forecast.failures
    return values, failures


def at_cutoff(failures: Iterable[CoinFailure], panel: Panel) -> list[CoinFailure]:
    """Return failures with the cutoff of a panel.

    Parameters
    ----------
    failures : iterable of CoinFailure
    panel : Panel
        All its coins, ``(n_coins,)``, at least one, end on the cutoff.
    """
    cutoff = panel.last_dates[0].astype("datetime64[s]")
    return [replace(failure, cutoff=cutoff) for failure in failures]


def split_by_origin(spans: Spans, chosen: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the places of chosen spans date by date.

    Parameters
    ----------
    spans : Spans
        By date.
    chosen : ndarray of int64, ``(n_chosen,)``
        Places of some spans, rising.

    Yields
    ------
    ndarray of int64, ``(n_chosen_of_date,)``
    """
    if len(chosen):
        yield from np.split(chosen, np.flatnonzero(np.diff(spans.origins[chosen])) + 1)


def _batches(
    spans: Spans, chosen: NDArray[np.int64], ends: tuple[int, int] | None
) -> Iterator[NDArray[np.int64]]:
    """Yield the places of chosen spans, whole dates at a time, up to `ROWS` rows or one date."""
    rows = spans.stops[chosen] - spans.starts[chosen]
    if ends is not None:
        rows = np.minimum(rows, sum(ends))
    dates = list(split_by_origin(spans, chosen))
    begins = np.cumsum([0, *(len(date) for date in dates)])
    sums = np.concatenate([[0], np.cumsum(rows)])[begins]
    start = 0
    while start < len(dates):
        stop = max(int(np.searchsorted(sums, sums[start] + ROWS, side="right")) - 1, start + 1)
        yield chosen[begins[start] : begins[stop]]
        start = stop


def suspects(model: Model, panel: Panel, spans: Spans, horizon: int) -> NDArray[np.bool_]:
    """Return which spans `check_series` must look at: all that it would refuse, and some more.

    All rows are counted once, so that no span's rows are looked at one by one.

    Parameters
    ----------
    model : Model
    panel : Panel
    spans : Spans
        Rows of the panel.
    horizon : int
        Bars ahead.

    Returns
    -------
    ndarray of bool, ``(n_spans,)``
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
    # The step from the row before a span to its first one does not count.
    suspect |= back[stops] > back[starts + 1]
    if model.needs_variation:
        suspect |= moves[stops] == moves[starts + 1]
    if model.gaps == "split" and n:
        last = np.maximum.accumulate(np.where(step != panel.step, np.arange(n), -1))
        suspect |= stops - np.maximum(last[stops - 1], starts) < needed
    return suspect

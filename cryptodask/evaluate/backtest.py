"""A model's forecasts of one panel as of past dates, beside the actual prices."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.evaluate.intervals.volatility import spreads
from cryptodask.evaluate.origins import at_cutoff, forecast_spans, join_forecasts, split_by_origin
from cryptodask.evaluate.rolling import Rolling, Spans
from cryptodask.evaluate.rows import BACKTEST_COLUMNS, BOUNDS
from cryptodask.models import Model, run_model
from cryptodask.models.base import PanelForecast
from cryptodask.models.fitting import check_horizon, sound_coins
from cryptodask.models.trained import TrainableModel
from cryptodask.records import CoinFailure, DateArray, FloatArray, Panel

TrainedCoins = tuple[frozenset[str], Model]
"""Coins, and the model that was trained on them."""


@dataclass(frozen=True)
class PanelBacktest:
    """A backtest of one model on one panel.

    Attributes
    ----------
    table : DataFrame
        In `cryptodask.evaluate.rows.BACKTEST_COLUMNS`, by origin, coin and step.
    failures : list of CoinFailure
        With their cutoffs, rising.
    """

    table: pd.DataFrame
    failures: list[CoinFailure] = field(default_factory=list)


def empty_backtest() -> pd.DataFrame:
    """Return a backtest table of no rows, with the dtypes that every one has."""
    kinds = {"coin": "str", "model": "str", "step": "int64"}
    kinds |= dict.fromkeys(("cutoff", "date"), "datetime64[s]")
    return pd.DataFrame({c: pd.Series(dtype=kinds.get(c, "float64")) for c in BACKTEST_COLUMNS})


def backtest_panel(
    panel: Panel,
    models: Model | Sequence[Model],
    origins: DateArray,
    horizon: int,
    seed: int = 0,
    *,
    window: int | None = None,
    refit: int = 1,
    splits: bool = False,
) -> PanelBacktest:
    """Forecast a panel as of past dates.

    A model gets copies of the rows up to an origin, of the coins that have a row on that date; of
    several origins at once if it batches dates.

    Parameters
    ----------
    panel : Panel
        Dates rise from row to row of each coin.
    models : Model, or sequence of Model
        The model; or one for each origin, all of one name, if it is trained on more coins than
        the panel's.
    origins : ndarray of datetime64, ``(n_origins,)``
        Dates to forecast from, rising.
    horizon : int
        Bars ahead, at least 1.
    seed : int
    window : int, optional
        Rows of each coin that the model sees, the latest ones; by default all.
    refit : int
        Retrain every N origins; between them, the older training forecasts from newer rows. A
        coin that was not there yet is trained when it comes.
    splits : bool
        Whether a model sees only the rows of each coin after its last gap before an origin.
    """
    rolling = Rolling(panel, splits)
    spans = rolling.spans(origins, window)
    if not len(spans):
        check_horizon(horizon)
        return PanelBacktest(empty_backtest())
    each = list(models) if isinstance(models, Sequence) else [models] * len(origins)
    model = each[0]
    if isinstance(models, Sequence) or not _in_batches(model, refit):
        values, failures = _date_by_date(each, rolling, spans, horizon, seed, refit)
    else:
        values, failures = forecast_spans(model, rolling, spans, horizon, seed)
    return PanelBacktest(_table(model.name, values, rolling, spans, origins), failures)


def scales(
    panel: Panel, starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Return the mean absolute and the mean squared change of closes, from row to row.

    MASE and RMSSE divide by them (Hyndman and Koehler, Another look at measures of forecast
    accuracy, 2006), with a lag of 1.

    Parameters
    ----------
    panel : Panel
    starts, stops : ndarray of int64, ``(n_spans,)``
        Spans of rows of one coin each, at least one row.

    Returns
    -------
    absolute, squared : ndarray of float64, ``(n_spans,)``
        In the quote currency, and its square; NaN for a span of one row.
    """
    with np.errstate(invalid="ignore"):
        change = np.diff(panel.values, append=[0.0, 0.0])
    # Sums from every start to its stop, and, left out, from there to the next start: in order of
    # the stops there is next to nothing in between.
    order = np.argsort(stops, kind="stable")
    edges = np.column_stack([starts, stops - 1])[order].ravel()
    counts = (stops - starts - 1).astype(np.float64)
    absolute, squared = np.full((2, len(starts)), np.nan)
    some = counts > 0
    with np.errstate(over="ignore"):
        powers = np.abs(change), change * change
    for means, of in zip((absolute, squared), powers, strict=True):
        means[order] = np.add.reduceat(of, edges)[::2] if len(edges) else np.empty(0)
        means[some] /= counts[some]
        means[~some] = np.nan
    return absolute, squared


def _in_batches(model: Model, refit: int) -> bool:
    """Whether one call of the model may forecast several origins."""
    return model.batches_dates and not (refit > 1 and isinstance(model, TrainableModel))


def _date_by_date(
    models: Sequence[Model],
    rolling: Rolling,
    spans: Spans,
    horizon: int,
    seed: int,
    refit: int,
) -> tuple[FloatArray, list[CoinFailure]]:
    """Forecast date by date, each by its own model; returns the same as `forecast_spans`."""
    check_horizon(horizon)
    values = np.full((len(spans), horizon), np.nan)
    failures: list[CoinFailure] = []
    trained: list[TrainedCoins] = []
    for chosen in split_by_origin(spans, np.arange(len(spans))):
        visible = spans.take(chosen)
        number = int(visible.origins[0])
        model = models[number]
        panel = rolling.copy(visible)
        if refit > 1 and isinstance(model, TrainableModel):
            trained = [] if number % refit == 0 else trained
            forecasts = _forecast_trained(model, trained, panel, horizon, seed)
        else:
            forecasts = [run_model(model, panel, horizon, seed)]
        values[chosen], failed = join_forecasts(forecasts, panel.coins, horizon)
        failures += at_cutoff(failed, panel)
    return values, failures


def _forecast_trained(
    model: TrainableModel, trained: list[TrainedCoins], panel: Panel, horizon: int, seed: int
) -> list[PanelForecast]:
    """Forecast by earlier trainings; train the coins that have none, and add that to the list."""
    known = frozenset[str]().union(*(coins for coins, _ in trained))
    new, _ = sound_coins(model, _only(panel, set(panel.coins) - known), horizon)
    if len(new):
        trained.append((frozenset(new.coins), model.train(new, seed)))
        known |= trained[-1][0]
    unsound = _only(panel, set(panel.coins) - known)
    parts = [(_only(panel, coins), fitted) for coins, fitted in trained] + [(unsound, model)]
    return [run_model(fitted, part, horizon, seed) for part, fitted in parts if len(part)]


def _only(panel: Panel, coins: Set[str]) -> Panel:
    """Return the panel of its coins that are among these."""
    return panel.take([i for i, coin in enumerate(panel.coins) if coin in coins])


def _table(
    model: str, values: FloatArray, rolling: Rolling, spans: Spans, origins: DateArray
) -> pd.DataFrame:
    """Return the rows of all spans that have a forecast."""
    panel, horizon = rolling.panel, values.shape[1]
    kept = np.flatnonzero(np.isfinite(values[:, 0]))
    values, spans = values[kept], spans.take(kept)
    cutoffs = origins.astype("datetime64[s]")[spans.origins]
    ahead = np.arange(1, horizon + 1)
    dates = cutoffs[:, None] + ahead * panel.step.astype("timedelta64[s]")
    absolute, squared = scales(panel, spans.starts, spans.stops)
    expected = spreads(panel, origins, horizon)[spans.places, spans.origins]
    columns = {
        "coin": pd.array(panel.coins, dtype="str").take(np.repeat(spans.places, horizon)),
        "model": pd.array([model], dtype="str").take(np.zeros(values.size, dtype=np.int64)),
        "cutoff": np.repeat(cutoffs, horizon),
        "date": dates.ravel(),
        "step": np.tile(ahead, len(values)),
        "forecast": values.ravel(),
        **{name: np.full(values.size, np.nan) for name in BOUNDS},
        "actual": rolling.closes(spans.places, dates).ravel(),
        "last": np.repeat(panel.values[spans.stops - 1], horizon),
        "scale": np.repeat(absolute, horizon),
        "scale_sq": np.repeat(squared, horizon),
        "volatility": expected.ravel(),
    }
    return pd.DataFrame(columns)

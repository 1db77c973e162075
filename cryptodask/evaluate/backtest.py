"""A model's forecasts of one panel as of past dates, beside what came."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.evaluate.intervals.volatility import volatility
from cryptodask.evaluate.origins import Lost, by_origin, forecast_spans, placed
from cryptodask.evaluate.rolling import Rolling, Spans
from cryptodask.models import Model, run_model
from cryptodask.models.base import PanelForecast, TrainableModel, check_horizon, sound_coins
from cryptodask.records import CoinFailure, DateArray, FloatArray, Panel

Trained = tuple[frozenset[str], Model]
"""Coins, and the model that was trained on them."""

KEY = ("coin", "model", "cutoff", "date", "step")
BOUNDS = ("lower_80", "upper_80", "lower_95", "upper_95")
COLUMNS = (*KEY, "forecast", *BOUNDS, "actual", "last", "scale", "scale_sq", "volatility")
"""Of a backtest table; prices in the quote currency. ``actual`` is NaN where no row came on that
date, bounds where nothing was calibrated. ``last`` is the close at the cutoff; ``scale`` and
``scale_sq`` are the means of absolute and squared changes from row to row up to it, by which
MASE and RMSSE measure errors, and ``volatility`` (see `cryptodask.evaluate.intervals.volatility`) is what
intervals are scaled by."""


@dataclass(frozen=True)
class PanelBacktest:
    """A backtest of one model on one panel.

    Attributes
    ----------
    table : DataFrame
        In `COLUMNS`, by origin, coin and step.
    failures : list of CoinFailure
        With the cutoff of each.
    """

    table: pd.DataFrame
    failures: list[CoinFailure] = field(default_factory=list)


def empty_backtest() -> pd.DataFrame:
    """Return a backtest table of no rows, with the dtypes that every one has."""
    kinds = {"coin": "str", "model": "str", "step": "int64"}
    kinds |= dict.fromkeys(("cutoff", "date"), "datetime64[s]")
    return pd.DataFrame({c: pd.Series(dtype=kinds.get(c, "float64")) for c in COLUMNS})


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

    A model gets copies of the rows up to an origin, of the coins that have a row on that date; if
    it takes repeats, of several origins at once.

    Parameters
    ----------
    panel : Panel
        Dates rise from row to row of each coin.
    models : Model, or sequence of Model
        The model; or one for each origin, all of one name, as of one that is trained on more
        coins than the panel's.
    origins : ndarray of datetime64, ``(n_origins,)``
        In order.
    horizon : int
        Bars ahead, at least 1.
    seed : int
    window : int, optional
        Rows that the model sees at most; by default all.
    refit : int
        A model that is trained is so at every so many origins, and forecasts from newer rows by
        the older training in between. A coin that was not there yet is trained when it comes.
    splits : bool
        Whether a model sees of each coin only the rows after its last gap before an origin.
    """
    rolling = Rolling(panel, splits)
    spans = rolling.spans(origins, window)
    one = None if isinstance(models, Sequence) else models
    if (
        one is not None
        and one.batches_dates
        and not (refit > 1 and isinstance(one, TrainableModel))
    ):
        values, lost = forecast_spans(one, rolling, spans, horizon, seed)
    else:
        each = list(models) if isinstance(models, Sequence) else [models] * len(origins)
        values, lost = _one_by_one(each, rolling, spans, horizon, seed, refit)
    failures = [replace(failure, cutoff=origins[origin]) for origin, failure in lost]
    if not len(spans):
        return PanelBacktest(empty_backtest(), failures)
    name = (one or each[0]).name
    return PanelBacktest(_table(name, values, rolling, spans, origins), failures)


def scales(
    panel: Panel, starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Return the mean absolute and the mean squared change of closes over spans of rows, ``(n,)``.

    From row to row; NaN of one row. What MASE and RMSSE divide by (Hyndman and Koehler, Another
    look at measures of forecast accuracy, 2006), with a lag of 1.

    Parameters
    ----------
    panel : Panel
    starts, stops : ndarray of int64, ``(n,)``
        Rows of one coin each, at least one.
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


def _one_by_one(
    models: Sequence[Model],
    rolling: Rolling,
    spans: Spans,
    horizon: int,
    seed: int,
    refit: int,
) -> tuple[FloatArray, Lost]:
    """Forecast date by date, each by its own model; see `forecast_spans`."""
    check_horizon(horizon)
    values = np.full((len(spans), horizon), np.nan)
    lost: Lost = []
    trained: list[Trained] = []
    for chosen in by_origin(spans, np.arange(len(spans))):
        seen = spans.take(chosen)
        number = int(seen.origins[0])
        model = models[number]
        panel = rolling.copy(seen)
        if refit > 1 and isinstance(model, TrainableModel):
            trained = [] if number % refit == 0 else trained
            results = _forecast_trained(model, trained, panel, horizon, seed)
        else:
            results = [run_model(model, panel, horizon, seed)]
        values[chosen], failures = placed(results, panel.coins, horizon)
        lost += [(number, failure) for failure in failures]
    return values, lost


def _forecast_trained(
    model: TrainableModel, trained: list[Trained], panel: Panel, horizon: int, seed: int
) -> list[PanelForecast]:
    """Forecast by what was trained before; train what was not, and add it to the list."""
    known = frozenset[str]().union(*(coins for coins, _ in trained))
    new, _ = sound_coins(model, _only(panel, set(panel.coins) - known), horizon)
    if len(new):
        trained.append((frozenset(new.coins), model.train(new, seed)))
        known |= trained[-1][0]
    unsound = _only(panel, set(panel.coins) - known)
    parts = [(_only(panel, coins), own) for coins, own in trained] + [(unsound, model)]
    return [run_model(own, part, horizon, seed) for part, own in parts if len(part)]


def _only(panel: Panel, coins: Set[str]) -> Panel:
    """Return the panel of those of its coins that are among these."""
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
    moves = volatility(panel, origins)[spans.places, spans.origins]
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
        "volatility": np.repeat(moves, horizon),
    }
    return pd.DataFrame(columns)

"""A model's forecasts of one panel as of past dates, beside what came."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.evaluate.rolling import Rolling, Seen
from cryptodask.evaluate.volatility import volatility
from cryptodask.models import Model, run_model
from cryptodask.models.base import PanelForecast, sound_coins
from cryptodask.models.trained import Trainable, is_trainable
from cryptodask.records import CoinFailure, DateArray, FloatArray, Panel

Trained = tuple[frozenset[str], Model]
"""Coins, and the model that was trained on them."""

KEY = ("coin", "model", "cutoff", "date", "step")
BOUNDS = ("lower_80", "upper_80", "lower_95", "upper_95")
COLUMNS = (*KEY, "forecast", *BOUNDS, "actual", "last", "scale", "scale_sq", "volatility")
"""Of a backtest table; prices in the quote currency. ``actual`` is NaN where no row came on that
date, bounds where nothing was calibrated. ``last`` is the close at the cutoff; ``scale`` and
``scale_sq`` are the means of absolute and squared changes from row to row up to it, by which
MASE and RMSSE measure errors, and ``volatility`` (see `cryptodask.evaluate.volatility`) is what
intervals are scaled by."""


@dataclass(frozen=True)
class OriginFailure:
    """Why one coin has no forecast of one model as of one date."""

    cutoff: np.datetime64
    failure: CoinFailure


@dataclass(frozen=True)
class PanelBacktest:
    """A backtest of one model on one panel.

    Attributes
    ----------
    table : DataFrame
        In `COLUMNS`, by origin, coin and step.
    failures : list of OriginFailure
    """

    table: pd.DataFrame
    failures: list[OriginFailure] = field(default_factory=list)


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
) -> PanelBacktest:
    """Forecast a panel as of past dates.

    A model gets copies of the rows up to an origin, of the coins that have a row on that date.

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
    """
    rolling, moves = Rolling(panel), volatility(panel, origins)
    each = list(models) if isinstance(models, Sequence) else [models] * len(origins)
    tables, failures = [empty_backtest()], list[OriginFailure]()
    trained: list[Trained] = []
    for number, (origin, model) in enumerate(zip(origins, each, strict=True)):
        seen = rolling.at(origin, window)
        if not len(seen.panel):
            continue
        if refit > 1 and is_trainable(model):
            trained = [] if number % refit == 0 else trained
            results = _forecast_trained(model, trained, seen.panel, horizon, seed)
        else:
            results = [run_model(model, seen.panel, horizon, seed)]
        for result in results:
            failures += [OriginFailure(origin, failure) for failure in result.failures]
            tables.append(_table(result, seen, rolling, moves[:, number]))
    return PanelBacktest(pd.concat(tables, ignore_index=True), failures)


def scales(panel: Panel) -> tuple[FloatArray, FloatArray]:
    """Return the mean absolute and the mean squared change of each coin's closes, ``(n_coins,)``.

    From row to row; NaN of a coin with one row. What MASE and RMSSE divide by (Hyndman and
    Koehler, Another look at measures of forecast accuracy, 2006), with a lag of 1.
    """
    change = np.diff(panel.values, append=0.0)
    ends = panel.indptr[1:] - 1
    change[ends] = 0.0  # from one coin to the next
    with np.errstate(invalid="ignore", divide="ignore"):
        counts = (panel.lengths - 1).astype(np.float64)
        starts = panel.indptr[:-1]
        absolute = np.add.reduceat(np.abs(change), starts) / counts
        squared = np.add.reduceat(change * change, starts) / counts
    return absolute, squared


def _forecast_trained(
    model: Trainable, trained: list[Trained], panel: Panel, horizon: int, seed: int
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


def _table(result: PanelForecast, seen: Seen, rolling: Rolling, moves: FloatArray) -> pd.DataFrame:
    """Return the rows of one origin."""
    n, horizon = result.values.shape
    place = dict(zip(seen.panel.coins, range(len(seen.panel)), strict=True))
    kept: NDArray[np.int64] = np.array([place[coin] for coin in result.coins], dtype=np.int64)
    absolute, squared = scales(seen.panel)
    columns = {
        "coin": np.repeat(np.array(result.coins, dtype=object), horizon),
        "model": result.model,
        "cutoff": np.repeat(result.cutoffs, horizon),
        "date": result.dates.ravel(),
        "step": np.tile(np.arange(1, horizon + 1), n),
        "forecast": result.values.ravel(),
        **dict.fromkeys(BOUNDS, np.nan),
        "actual": rolling.closes(seen.places[kept], result.dates).ravel(),
        "last": np.repeat(seen.panel.values[seen.panel.indptr[1:] - 1][kept], horizon),
        "scale": np.repeat(absolute[kept], horizon),
        "scale_sq": np.repeat(squared[kept], horizon),
        "volatility": np.repeat(moves[seen.places[kept]], horizon),
    }
    return pd.DataFrame(columns).astype(empty_backtest().dtypes.to_dict())

"""The columns of forecasts over actuals, from a backtest, coin by coin: no drawing here.

Of a coin and model, the forecasts of all origins lie one after another in one slice. Each starts
at the close at its cutoff, and ends in a row without a forecast, where line and band break off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cryptodask.dashboard.history import milliseconds_of, with_breaks
from cryptodask.dashboard.view import Pack, milliseconds, pack
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.records import DateArray, FloatArray

MOST_POINTS = 200_000
"""Points of forecasts on a page at most: some 15 MB."""

BEFORE = 4
"""Horizons of closes that are drawn before an origin."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """Forecasts over actuals.

    Attributes
    ----------
    coins : tuple of str, ``(n_coins,)``
    models : tuple of str, ``(n_models,)``
    origins : ndarray of float64, ``(n_origins,)``
        Cutoffs, in ms since 1970-01-01 UTC.
    closes : Pack
        Columns ``date`` and ``close``, a slice a coin; a close is NaN where days are missing.
    ahead : Pack
        Columns ``date``, ``cutoff``, ``step``, ``forecast``, bounds of intervals and ``actual``;
        slice ``i * n_models + j`` is of coin ``i`` and model ``j``. ``step`` is 0 at the cutoff.
    captions : tuple of str, ``(n_coins * n_models,)``
    bar : float
        Milliseconds from one row to the next.
    """

    coins: tuple[str, ...]
    models: tuple[str, ...]
    origins: FloatArray
    closes: Pack
    ahead: Pack
    captions: tuple[str, ...]
    bar: float

    @property
    def has_bands(self) -> bool:
        """Whether there is any interval."""
        return any(np.isfinite(self.ahead.columns[bound]).any() for bound in BOUNDS)


def how_many(n_models: int, n_origins: int, horizon: int) -> tuple[int, int]:
    """Return how many coins, and how many of the latest origins, a page can hold.

    Parameters
    ----------
    n_models, n_origins : int
        Of the backtest.
    horizon : int
        In bars.
    """
    points = n_models * (horizon + 2)
    origins = min(n_origins, max(1, MOST_POINTS // points))
    return max(1, MOST_POINTS // (points * max(1, origins))), origins


def build_overlay(
    table: pd.DataFrame,
    coins: Sequence[str],
    models: Sequence[str],
    origins: DateArray,
    captions: Sequence[str],
    prices: pd.DataFrame | None = None,
) -> Overlay:
    """Return the columns of some coins of a backtest.

    Parameters
    ----------
    table : DataFrame
        All rows of these coins; see `cryptodask.evaluate.rows.BACKTEST_COLUMNS`.
    coins, models : sequence of str
        In the order in which they are chosen from.
    origins : ndarray of datetime64
        Those to draw, rising.
    captions : sequence of str
        Of each coin and model.
    prices : DataFrame, optional
        ``coin, date, close``, for days that no forecast of the backtest reaches.
    """
    rows = table[table["cutoff"].isin(origins) & table["forecast"].notna()]
    rows = rows[rows["coin"].isin(coins) & rows["model"].isin(models)]
    place = pd.Series(np.arange(len(coins)), index=list(coins))
    rank = pd.Series(np.arange(len(models)), index=list(models))
    rows = rows.assign(coin=rows["coin"].map(place), model=rows["model"].map(rank))
    more = [] if prices is None else [prices.assign(coin=prices["coin"].map(place))]
    bar = ((rows["date"] - rows["cutoff"]) / rows["step"]).min()
    return Overlay(
        coins=tuple(coins),
        models=tuple(models),
        origins=milliseconds(pd.Series(origins)),
        closes=pack(_closes(rows, bar, more), len(coins)),
        ahead=pack(_ahead(rows, len(models)), len(coins) * len(models)),
        captions=tuple(captions),
        bar=milliseconds_of(bar),
    )


def _ahead(rows: pd.DataFrame, n_models: int) -> pd.DataFrame:
    """Put a point at the cutoff before each forecast, and one that ends it after it."""
    numbers = ["cutoff", "date", "step", "forecast", *BOUNDS, "actual", "last"]
    rows = rows[numbers].assign(coin=rows["coin"] * n_models + rows["model"])
    rows = rows.sort_values(["coin", "cutoff", "step"], kind="stable")
    key = ["coin", "cutoff"]
    first, end = rows.drop_duplicates(key).copy(), rows.drop_duplicates(key, keep="last").copy()
    for bound in BOUNDS:
        first[bound] = first["last"].where(first[bound].notna())
        # A band that ends in a point has no edge to the next one, wherever that begins.
        end[bound] = end["forecast"].where(end[bound].notna())
    first = first.assign(step=0, date=first["cutoff"], forecast=first["last"], actual=first["last"])
    end = end.assign(step=end["step"] + 1, forecast=np.nan, actual=np.nan)
    joined = pd.concat([first, rows, end]).sort_values([*key, "step"], kind="stable")
    return joined.drop(columns="last").assign(cutoff=milliseconds(joined["cutoff"]))


def _closes(rows: pd.DataFrame, bar: pd.Timedelta, more: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the closes that the rows hold, with a row of NaN where days are missing."""
    before = rows[["coin", "cutoff", "last"]].set_axis(["coin", "date", "close"], axis="columns")
    after = rows[["coin", "date", "actual"]].set_axis(["coin", "date", "close"], axis="columns")
    others = [prices[["coin", "date", "close"]] for prices in more]
    known = pd.concat([before, after, *others]).dropna(subset=["coin", "close"])
    known = known.drop_duplicates(["coin", "date"]).sort_values(["coin", "date"])
    return with_breaks(known, bar)

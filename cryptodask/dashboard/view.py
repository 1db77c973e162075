"""The columns of a plot, from prices and forecasts, coin by coin: no drawing here.

All coins lie one after another in flat columns (:class:`Pack`), and a coin is a slice of them,
in Python as in the browser. Forecasts are wide: one row a day, one column a model, so that one
slice holds all lines of a coin.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.dashboard.history import OTHERS, bar_of, drawn_history, milliseconds_of
from cryptodask.errors import OptionError, UnknownCoinError
from cryptodask.evaluate.rows import LEVELS
from cryptodask.records import FloatArray
from cryptodask.text import counted

BAND_LEVELS = tuple(str(level) for level in sorted(LEVELS, reverse=True))
"""Coverage of the intervals that are drawn, in percent, widest first."""

DAY_MS = 86_400_000
"""Milliseconds of a day."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Columns of many coins in a row; coin ``i`` has rows ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes
    ----------
    columns : dict of str to ndarray of float64
        Each ``(n_rows,)``. ``date`` is in milliseconds since 1970-01-01 UTC, the others are
        prices in the quote currency (USD by default), NaN where there is none.
    offsets : ndarray of int32
        ``(n_coins + 1,)``.
    """

    columns: dict[str, FloatArray]
    offsets: NDArray[np.int32]

    def of(self, position: int) -> dict[str, FloatArray]:
        """Return the columns of the coin at this position.

        Parameters
        ----------
        position : int

        Returns
        -------
        dict of str to ndarray of float64
            Each ``(n_rows_of_coin,)``.
        """
        rows = slice(self.offsets[position], self.offsets[position + 1])
        return {name: column[rows] for name, column in self.columns.items()}

    def for_browser(self) -> dict[str, Any]:
        """Return columns and offsets by name, as scripts of a page get them."""
        return {"columns": self.columns, "offsets": self.offsets}


@dataclass(frozen=True, slots=True)
class ForecastView:
    """All that a plot shows.

    Attributes
    ----------
    coins : tuple of str
        Coins with a forecast, in alphabetical order, ``(n_coins,)``.
    models : tuple of str
        In alphabetical order, so that the order of arrival changes no colour, ``(n_models,)``;
        model ``j`` has the columns ``forecast_j`` and, with intervals, ``lower_80_j``,
        ``upper_80_j``, ``lower_95_j`` and ``upper_95_j``.
    bands : tuple of (str, int)
        Coverage in percent and model of each band there is, the widest first.
    captions : tuple of str
        One line on each coin: cutoff, last day, what is missing, ``(n_coins,)``.
    cutoffs : ndarray of float64
        Latest cutoff of each coin, ms since 1970-01-01 UTC, ``(n_coins,)``.
    history : Pack
        Columns ``date`` and ``close``, and perhaps those of `cryptodask.dashboard.history.OTHERS`;
        numbers are NaN in a gap, where a line breaks off.
    ahead : Pack
        Columns ``date``, ``middle`` (mean of the models, NaN at the cutoff) and those of the
        models. Every line starts at the last close that its model saw.
    without_forecast : tuple of str
        Coins with prices but no forecast, in alphabetical order.
    history_days : int
        Days of closes that ``history`` holds at most; `ALL_DAYS` where it holds all.
    bar : float
        Milliseconds from one row to the next.
    """

    coins: tuple[str, ...]
    models: tuple[str, ...]
    bands: tuple[tuple[str, int], ...]
    captions: tuple[str, ...]
    cutoffs: FloatArray
    history: Pack
    ahead: Pack
    without_forecast: tuple[str, ...]
    history_days: int
    bar: float

    @property
    def summary(self) -> str:
        """Number of coins and models, as ``2 coins · 1 model``."""
        parts = [counted(len(self.coins), "coin"), counted(len(self.models), "model")]
        if self.without_forecast:
            parts.append(f"{counted(len(self.without_forecast), 'coin')} without a forecast")
        return " · ".join(parts)

    def position(self, coin: str) -> int:
        """Return the position of a coin.

        Parameters
        ----------
        coin : str

        Raises
        ------
        UnknownCoinError
            It has no forecast; the message says whether it has prices, or names similar coins.
        """
        if coin in self.coins:
            return self.coins.index(coin)
        if coin in self.without_forecast:
            raise UnknownCoinError(
                f"coin {coin!r} has prices but no forecast, so there is nothing to plot; "
                "see the failures of the run, or choose another coin"
            )
        similar = difflib.get_close_matches(coin, self.coins, n=5, cutoff=0.5)
        similar = similar or list(self.coins[:5])
        raise UnknownCoinError(
            f"no forecast of coin {coin!r}; the forecasts hold "
            f"{counted(len(self.coins), 'coin')}, such as {', '.join(map(repr, similar))}"
        )


def build_view(
    prices: pd.DataFrame,
    forecasts: pd.DataFrame,
    *,
    history_days: int | None = None,
    models: Sequence[str] = (),
) -> ForecastView:
    """Return the columns of a plot of prices and forecasts.

    Of each coin and model only the forecast of the latest cutoff is kept.

    Parameters
    ----------
    prices : DataFrame
        Long: ``coin``, ``date``, ``close``, and perhaps ``open``, ``high``, ``low``, ``volume``;
        other columns don't matter.
    forecasts : DataFrame
        Long: ``coin``, ``model``, ``cutoff``, ``date``, ``forecast``, and perhaps ``lower_80``,
        ``upper_80``, ``lower_95``, ``upper_95``.
    history_days : int, optional
        Days of closes to keep, up to and with the last one of each coin; by default as many as a
        page without a server can hold (`cryptodask.dashboard.history.drawn_history`).
    models : sequence of str, optional
        Models that have a place, and with it a colour, whether there is a forecast or not.

    Raises
    ------
    OptionError
        A column is missing or holds no dates, ``history_days`` is below 1, or no
        forecast is finite.
    """
    if history_days is not None and history_days < 1:
        raise OptionError(f"history_days must be 1 or more, not {history_days}")
    others = [name for name in OTHERS if name in prices.columns]
    closes = _clean(prices, "prices", ["coin"], ["date"], ["close", *others])
    levels = [level for level in BAND_LEVELS if {*bounds_of(level)} <= set(forecasts.columns)]
    numbers = ["forecast", *(bound for level in levels for bound in bounds_of(level))]
    rows = _clean(forecasts, "forecasts", ["coin", "model"], ["cutoff", "date"], numbers)
    if rows.empty:
        raise OptionError("the forecasts hold no finite forecast, so there is nothing to plot")

    coins = tuple(sorted_names(rows["coin"]))
    models = tuple(sorted_names([*rows["model"], *models]))
    unforecast = tuple(sorted_names(set(closes["coin"].unique()) - set(coins)))
    rows["coin"] = _codes(rows["coin"], coins)
    rows["model"] = _codes(rows["model"], models)
    rows = rows[rows["cutoff"] == rows.groupby(["coin", "model"])["cutoff"].transform("max")]
    closes = closes[closes["coin"].isin(coins)]
    closes["coin"] = _codes(closes["coin"], coins)
    closes = closes.sort_values(["coin", "date"], kind="stable")
    wide = _wide(rows, closes[["coin", "date", "close"]], numbers, len(models))
    history, days = drawn_history(closes, history_days)
    return ForecastView(
        coins=coins,
        models=models,
        bands=_bands(wide, levels, len(models)),
        captions=_captions(rows, set(closes["coin"]), models),
        cutoffs=milliseconds(rows.groupby("coin")["cutoff"].max()),
        history=pack(history, len(coins)),
        ahead=pack(wide, len(coins)),
        without_forecast=unforecast,
        history_days=days,
        bar=milliseconds_of(bar_of(closes)),
    )


def _clean(
    frame: pd.DataFrame, what: str, names: list[str], dates: list[str], numbers: list[str]
) -> pd.DataFrame:
    """Return these columns alone, of one type each, and no row without its first number."""
    missing = [name for name in names + dates + numbers if name not in frame.columns]
    if missing:
        present = ", ".join(map(str, frame.columns))
        raise OptionError(f"the {what} lack the column {', '.join(missing)}; they have {present}")
    columns: dict[str, pd.Series] = {name: frame[name].astype("str") for name in names}
    for name in dates:
        try:
            moments = pd.to_datetime(frame[name], utc=True)
        except (ValueError, TypeError) as error:
            raise OptionError(f"column {name!r} of the {what} holds no dates: {error}") from error
        columns[name] = moments.dt.tz_localize(None).astype("datetime64[ms]")
    columns |= {name: frame[name].astype("float64") for name in numbers}
    clean = pd.DataFrame(columns).replace([np.inf, -np.inf], np.nan)
    return clean.dropna(subset=[*names, *dates, numbers[0]]).reset_index(drop=True)


def _wide(
    rows: pd.DataFrame, closes: pd.DataFrame, numbers: list[str], n_models: int
) -> pd.DataFrame:
    """Return a row a coin and day, a column a model and number; each line starts at its close."""
    lines = rows.drop_duplicates(["coin", "model"])[["coin", "model", "cutoff"]]
    starts = pd.merge_asof(
        lines.sort_values("cutoff"),
        closes.sort_values("date"),
        left_on="cutoff",
        right_on="date",
        by="coin",
    ).dropna(subset=["close"])
    for name in numbers:
        # A model without intervals gets no band, so no starting point of one either.
        has = rows[rows[name].notna()].set_index(["coin", "model"]).index.unique()
        joined = pd.MultiIndex.from_frame(starts[["coin", "model"]]).isin(has)
        starts[name] = starts["close"].where(joined)
    points = pd.concat([rows, starts])[["coin", "model", "date", *numbers]]
    points = points.drop_duplicates(["coin", "model", "date"])
    wide = points.pivot(index=["coin", "date"], columns="model", values=numbers)
    wide.columns = wide.columns.map("{0[0]}_{0[1]}".format)
    wide = wide.reindex(columns=[f"{name}_{j}" for name in numbers for j in range(n_models)])
    wide.insert(0, "middle", rows.groupby(["coin", "date"])["forecast"].mean())
    return wide.reset_index()


def _bands(wide: pd.DataFrame, levels: list[str], n_models: int) -> tuple[tuple[str, int], ...]:
    """Return coverage and model of each band that has a bound on any day."""
    return tuple(
        (level, model)
        for level in levels
        for model in range(n_models)
        if wide[bounds_of(level, model)[0]].notna().any()
    )


def _captions(rows: pd.DataFrame, with_prices: set[int], models: Sequence[str]) -> tuple[str, ...]:
    captions = []
    for coin, of_coin in rows.groupby("coin"):
        cutoff, end = of_coin["cutoff"].max(), of_coin["date"].max()
        parts = [f"Cutoff {cutoff:%Y-%m-%d}", f"forecasts to {end:%Y-%m-%d}"]
        lacking = sorted(set(range(len(models))) - set(of_coin["model"]))
        if lacking:
            parts.append(f"no forecast of {', '.join(models[model] for model in lacking)}")
        if coin not in with_prices:
            parts.append("no prices of this coin")
        captions.append(" · ".join(parts))
    return tuple(captions)


def pack(frame: pd.DataFrame, n_coins: int) -> Pack:
    """Return the columns of a frame, by coin.

    Parameters
    ----------
    frame : DataFrame
        Sorted by ``coin``, a number from 0; the other columns are ``date`` and numbers.
    n_coins : int
    """
    offsets = np.searchsorted(frame["coin"], np.arange(n_coins + 1)).astype(np.int32)
    numbers = frame.drop(columns=["coin", "date"])
    columns = {str(name): numbers[name].to_numpy(np.float64) for name in numbers.columns}
    return Pack({"date": milliseconds(frame["date"]), **columns}, offsets)


def sorted_names(names: Iterable[str]) -> list[str]:
    """Return names in alphabetical order, without repetitions.

    Parameters
    ----------
    names : iterable of str
    """
    return sorted(set(names), key=lambda name: (name.casefold(), name))


def bounds_of(level: str, model: int | None = None) -> tuple[str, str]:
    """Return the names of the lower and the upper bound of an interval.

    Parameters
    ----------
    level : str
        Coverage in percent.
    model : int, optional
        Position of a model, where columns name it.
    """
    end = level if model is None else f"{level}_{model}"
    return f"lower_{end}", f"upper_{end}"


def _codes(names: pd.Series, known: Sequence[str]) -> NDArray[np.int64]:
    return pd.Index(list(known)).get_indexer(pd.Index(names)).astype(np.int64)


def milliseconds(dates: pd.Series) -> FloatArray:
    """Return dates in milliseconds since 1970-01-01 UTC, as a browser counts them.

    Parameters
    ----------
    dates : Series of datetime64, ``(n,)``

    Returns
    -------
    ndarray of float64, ``(n,)``
    """
    return dates.to_numpy("datetime64[ms]").astype(np.int64).astype(np.float64)

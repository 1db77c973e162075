"""The columns of a backtest table, and its rows, checked, each beside the naive forecast."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import InputError
from cryptodask.records import FloatArray

LEVELS = (80, 95)
"""Levels of intervals, in percent."""

BOUNDS = ("lower_80", "upper_80", "lower_95", "upper_95")
"""Columns of the intervals of a forecast, prices in the quote currency."""

BOUND_QUANTILES = {"lower_95": 0.025, "lower_80": 0.1, "upper_80": 0.9, "upper_95": 0.975}
"""Level of the quantile that each bound is, rising."""

KEPT_LEVELS = dict(sorted((BOUND_QUANTILES | {"middle": 0.5}).items(), key=lambda item: item[1]))
"""The same, and the median: what is kept of pooled errors."""

QUANTILES = dict(sorted((BOUND_QUANTILES | {"forecast": 0.5}).items(), key=lambda item: item[1]))
"""Columns of a backtest that are quantiles, and their levels; the forecast is the median."""

SCORED_COLUMNS = (
    "coin", "model", "cutoff", "date", "step", "forecast", *BOUNDS, "actual", "last", "scale",
    "scale_sq",
)  # fmt: skip
"""Columns of a backtest table that scores need; prices in the quote currency.

``actual`` is NaN where no row came on that date, bounds where no spread was known. ``last`` is the
close at the cutoff. ``scale`` and ``scale_sq`` are the means of absolute and squared changes from
row to row up to the cutoff, by which MASE and RMSSE measure errors."""

BACKTEST_COLUMNS = (*SCORED_COLUMNS, "volatility")
"""Columns of a backtest table. Intervals are scaled by ``volatility``, the expected absolute log
return from the cutoff to the date, see `cryptodask.evaluate.intervals.volatility`."""

ROUNDING = 1e-12
"""Share of the price: forecasts that differ by less differ by rounding only."""


def scored_rows(table: pd.DataFrame, naive: str) -> pd.DataFrame:
    """Return the rows of a backtest table by coin, model, step and cutoff.

    Parameters
    ----------
    table : DataFrame
        With `SCORED_COLUMNS`.
    naive : str
        The model that the others are measured against.

    Returns
    -------
    DataFrame
        `SCORED_COLUMNS`, ``group``, which numbers (coin, model, step) from 0, and ``naive``: the
        naive forecast of that coin, cutoff and step, NaN where it is missing.

    Raises
    ------
    InputError
        A column is missing, a row is there twice, a forecast or an actual is infinite, or the
        bounds of an interval are the wrong way round.
    """
    missing = [name for name in SCORED_COLUMNS if name not in table.columns]
    if missing:
        raise InputError(f"backtest table: has no column {missing[0]!r}; it needs {SCORED_COLUMNS}")
    rows = table.loc[:, list(SCORED_COLUMNS)]
    coin, model, step, cutoff = (_ranks(rows[k]) for k in ("coin", "model", "step", "cutoff"))
    n_steps, n_cutoffs = (int(ranks.max(initial=0)) + 1 for ranks in (step, cutoff))
    n_models = int(model.max(initial=0)) + 1
    group = (coin * n_models + model) * n_steps + step
    order = np.argsort(group * n_cutoffs + cutoff, kind="stable")
    rows = rows.iloc[order].reset_index(drop=True)
    group, moment = group[order], ((coin * n_steps + step) * n_cutoffs + cutoff)[order]
    _refuse(rows, (np.diff(group, prepend=-1) == 0) & (np.diff(moment, prepend=-1) == 0), "twice")
    for name in ("forecast", "actual"):
        _refuse(rows, np.isinf(rows[name].to_numpy()), f"with an infinite {name}")
    for level in LEVELS:
        crossed = rows[f"lower_{level}"].to_numpy() > rows[f"upper_{level}"].to_numpy()
        _refuse(rows, crossed, f"with lower_{level} above upper_{level}")
    rows["group"] = np.cumsum(np.diff(group, prepend=group[:1]) != 0)
    rows["naive"] = _naive_forecasts(rows, moment, naive)
    return rows


def bounded(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a backtest that have a forecast, an actual and all four bounds.

    Parameters
    ----------
    table : DataFrame
    """
    return table[table[["actual", "forecast", *BOUNDS]].notna().all(axis="columns")]


def _ranks(column: pd.Series) -> NDArray[np.int64]:
    """Return the rank of each value of a column, from 0, ``(n_rows,)``."""
    codes, _ = pd.factorize(column, sort=True)
    if (codes < 0).any():
        raise InputError(f"backtest table: {column.name} is missing in {(codes < 0).sum()} rows")
    return codes.astype(np.int64)


def _refuse(rows: pd.DataFrame, wrong: NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        row = rows.iloc[int(wrong.argmax())]
        raise InputError(
            f"backtest table: {wrong.sum()} rows are there {what}, the first is of coin "
            f"{row['coin']!r}, model {row['model']!r}, cutoff {row['cutoff']}, step {row['step']}"
        )


def _naive_forecasts(rows: pd.DataFrame, moment: NDArray[np.int64], naive: str) -> FloatArray:
    """Return the naive forecast of every row's coin, step and cutoff.

    Parameters
    ----------
    rows : DataFrame
    moment : ndarray of int64, ``(n_rows,)``
        A number for coin, step and cutoff.
    naive : str

    Returns
    -------
    ndarray of float64, ``(n_rows,)``
        Prices; NaN where it is missing.
    """
    is_naive = (rows["model"] == naive).to_numpy()
    known, forecasts = moment[is_naive], rows["forecast"].to_numpy()[is_naive]
    if not len(known):
        return np.full(len(rows), np.nan)
    # Of one model, rows by coin, step and cutoff are in the order of this number.
    places = np.minimum(np.searchsorted(known, moment), len(known) - 1)
    beside: FloatArray = np.where(known[places] == moment, forecasts[places], np.nan)
    return beside


def common_rows(table: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Return the rows of each coin, cutoff and step that all of these models forecast.

    Their scores compare like with like: a model that gives up on hard coins gains nothing by it.

    Parameters
    ----------
    table : DataFrame
        A backtest, of whole coins; rows of other models are left out.
    models : sequence of str
        All models, also those that have no row in this part of the backtest.
    """
    rows = table[table["model"].isin(list(models))]
    scored = rows["forecast"].notna() & rows["actual"].notna()
    forecasts = scored.groupby([rows[key] for key in ("coin", "cutoff", "step")]).transform("sum")
    return rows[scored & (forecasts == len(set(models)))]

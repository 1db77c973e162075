"""The rows of a backtest table, checked, in one order, each beside the naive forecast."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import InputError
from cryptodask.records import FloatArray

LEVELS = (80, 95)
BOUNDS = ("lower_80", "upper_80", "lower_95", "upper_95")
BOUND_QUANTILES = {"lower_95": 0.025, "lower_80": 0.1, "upper_80": 0.9, "upper_95": 0.975}
"""Which quantile each bound is, rising."""
NUMBERS = ("forecast", *BOUNDS, "actual", "last", "scale", "scale_sq")
DUST = 1e-12
"""Forecasts that differ by less than this share of the price differ by rounding."""

NEEDED = ("coin", "model", "cutoff", "date", "step", *NUMBERS)


def scored_rows(table: pd.DataFrame, naive: str) -> pd.DataFrame:
    """Return the rows of a backtest table by coin, model, step and cutoff.

    Parameters
    ----------
    table : DataFrame
        With the columns of `NEEDED`; see `cryptodask.evaluate.backtest`.
    naive : str
        The model that the others are measured against.

    Returns
    -------
    DataFrame
        Also ``group``, which counts (coin, model, step) from 0, and ``naive``: what the naive
        model said of that coin, cutoff and step, NaN where it said nothing.

    Raises
    ------
    InputError
        A column is missing, a row is there twice, a forecast or an actual is infinite, or the
        bounds of an interval are the wrong way round.
    """
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise InputError(f"backtest table: has no column {missing[0]!r}; it needs {NEEDED}")
    rows = table.loc[:, list(NEEDED)]
    coin, model, step, cutoff = (_places(rows[k]) for k in ("coin", "model", "step", "cutoff"))
    n_steps, n_cutoffs = (int(places.max(initial=0)) + 1 for places in (step, cutoff))
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
    rows["naive"] = _beside(rows, moment, naive)
    return rows


def _places(column: pd.Series) -> NDArray[np.int64]:
    """Return the rank of each value of a column, from 0."""
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


def _beside(rows: pd.DataFrame, moment: NDArray[np.int64], naive: str) -> FloatArray:
    """Return the naive forecast of every row's coin, step and cutoff."""
    own = (rows["model"] == naive).to_numpy()
    known, forecasts = moment[own], rows["forecast"].to_numpy()[own]
    if not len(known):
        return np.full(len(rows), np.nan)
    # Of one model, rows by coin, step and cutoff are in the order of this number.
    found = np.minimum(np.searchsorted(known, moment), len(known) - 1)
    beside: FloatArray = np.where(known[found] == moment, forecasts[found], np.nan)
    return beside


def common_rows(table: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Return the rows of each coin, cutoff and step that every one of these models has a say on.

    Scores of them compare like with like: a model that gives up on hard coins gains nothing by it.

    Parameters
    ----------
    table : DataFrame
        A backtest, of whole coins; rows of other models are left out.
    models : sequence of str
        All models, also those that have no row in this part of the backtest.
    """
    rows = table[table["model"].isin(list(models))]
    scored = rows["forecast"].notna() & rows["actual"].notna()
    said = scored.groupby([rows[key] for key in ("coin", "cutoff", "step")]).transform("sum")
    return rows[scored & (said == len(set(models)))]

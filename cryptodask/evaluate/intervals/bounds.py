"""Errors of past forecasts out of tables, and the quantiles that intervals end at."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.evaluate.intervals.conformal import log_errors
from cryptodask.evaluate.intervals.error_counts import History
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.records import DateArray, FloatArray

LEVELS = {"lower_95": 0.025, "lower_80": 0.1, "upper_80": 0.9, "upper_95": 0.975}
"""Of each bound the quantile that it is, rising."""

IN_ORDER = [list(LEVELS).index(name) for name in BOUNDS]
"""Where the bounds are among the levels."""

Shape = tuple[DateArray, int, np.timedelta64]
"""Origins, horizon, and the time from one bar to the next."""


def history_of(
    table: pd.DataFrame, shape: Shape, coins: Sequence[str] | None = None
) -> tuple[History, tuple[Any, Any, Any]]:
    """Return the errors of a table of one model, and where each of its rows is in them.

    Parameters
    ----------
    table : DataFrame
        A backtest; see `cryptodask.evaluate.backtest.COLUMNS`.
    shape : Shape
    coins : sequence of str, optional
        Whose errors are wanted, in this order, those of the table among them; by default those of
        the table, as they come.
    """
    origins, horizon, step = shape
    coin, known = pd.factorize(table["coin"])
    if coins is not None:
        known, found = pd.Index(coins), pd.Index(coins).get_indexer(known)
        coin = found[coin]
    origin = np.searchsorted(origins, table["cutoff"].to_numpy().astype("datetime64[s]"))
    at = coin, origin, table["step"].to_numpy() - 1
    errors = np.full((len(known), len(origins), horizon), np.nan)
    errors[at] = log_errors(table["actual"].to_numpy(), table["forecast"].to_numpy())
    volatility: FloatArray = np.full(errors.shape[:2], np.nan)
    volatility[coin, origin] = table["volatility"]
    return History(origins, errors, volatility, step), at

"""The columns of a price table, and the empty frame that every read agrees with."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PRICE_COLUMNS = ("open", "high", "low", "close")
"""Prices in the quote currency, USD by default."""

AMOUNT_COLUMNS = ("volume", "market_cap")
"""Amounts in USD; missing is NaN, never 0."""

NUMBER_COLUMNS = PRICE_COLUMNS + AMOUNT_COLUMNS

TABLE_COLUMNS = ("coin", "date", *NUMBER_COLUMNS)
"""Long form, one row a coin and day, sorted by coin and date."""

DATE_DTYPE: Final = "datetime64[s]"
"""``date`` is the UTC day whose end the close marks, without a time zone."""


def empty_prices() -> pd.DataFrame:
    """Return a price frame of no rows, with the dtypes that every price frame has."""
    types = {"coin": "str", "date": DATE_DTYPE} | dict.fromkeys(NUMBER_COLUMNS, "float64")
    return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in TABLE_COLUMNS})


def as_price_dtypes(frame: pd.DataFrame, columns: Sequence[str] = TABLE_COLUMNS) -> pd.DataFrame:
    """Return a price frame with the order and dtypes of the schema (Parquet keeps no seconds).

    Parameters
    ----------
    frame : DataFrame
        With these columns at least.
    columns : sequence of str
        Those to return, by default all of the schema.
    """
    return frame.loc[:, list(columns)].astype({"coin": "str", "date": DATE_DTYPE})


def codes_of(names: pd.Series) -> NDArray[np.int64]:
    """Return a number for each name, in the order of names: equal for equal names.

    Parameters
    ----------
    names : Series of str or category, ``(n_rows,)``

    Returns
    -------
    ndarray of int64, ``(n_rows,)``
    """
    is_category = isinstance(names.dtype, pd.CategoricalDtype)
    if is_category and names.cat.categories.is_monotonic_increasing:
        return names.cat.codes.to_numpy().astype(np.int64)
    return pd.factorize(names, sort=True)[0].astype(np.int64)

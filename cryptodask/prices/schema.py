"""The columns of a price table, and the empty frame that every read agrees with."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
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
    frame = frame.loc[:, list(columns)]
    return frame.assign(coin=as_text(frame["coin"])).astype({"date": DATE_DTYPE})


def as_text(names: pd.Series) -> "pd.Series[str]":
    """Return names as text, in the index that they have.

    Parameters
    ----------
    names : Series of str or category, ``(n_rows,)``
    """
    if isinstance(names.dtype, pd.CategoricalDtype) and names.cat.categories.dtype == "str":
        codes = names.cat.codes.to_numpy()
        if len(codes) and codes.min() >= 0:
            # pandas takes ten times as long for that.
            texts = pa.array(names.cat.categories, type=pa.large_string()).take(pa.array(codes))
            column = pd.array(pa.chunked_array([texts]), dtype="str")
            return pd.Series(column, index=names.index, name=names.name)
    return names.astype("str")


def starts_of(names: pd.Series) -> NDArray[np.int64]:
    """Return the places at which a name differs from the one before it, and 0 where there is one.

    Parameters
    ----------
    names : Series of str or category, ``(n_rows,)``

    Returns
    -------
    ndarray of int64, ``(n_starts,)``
    """
    if isinstance(names.dtype, pd.CategoricalDtype):
        codes = names.cat.codes.to_numpy()
        return np.flatnonzero(np.append([True], codes[1:] != codes[:-1])[: len(codes)])
    texts = pa.chunked_array(pa.array(names, type=pa.large_string())).combine_chunks()
    differs = pc.not_equal(texts[1:], texts[:-1])
    return np.flatnonzero(np.append([True], np.asarray(differs))[: len(texts)])


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

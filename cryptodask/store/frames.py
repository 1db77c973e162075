"""Rows of the store as dataframes."""

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Select
from sqlalchemy.types import Boolean, Float, Integer

from cryptodask.store.schema import Stamp


def frame_of(connection: Connection, query: "Select[Any]") -> pd.DataFrame:
    """Return the rows of a query, with the dtypes that this project's tables have.

    Parameters
    ----------
    connection : Connection
    query : Select

    Returns
    -------
    DataFrame
        Texts are ``str``, moments ``datetime64[s]``, missing numbers NaN.
    """
    rows = connection.execute(query).fetchall()
    columns = zip(*rows, strict=True) if rows else ((),) * len(query.selected_columns)
    series = {
        column.name: _series(values, column.type)
        for column, values in zip(query.selected_columns, columns, strict=True)
    }
    return pd.DataFrame(series)


def _series(values: "tuple[Any, ...]", kind: Any) -> "pd.Series[Any]":
    if isinstance(kind, Stamp):
        moments = np.array(["NaT" if v is None else v for v in values], dtype="datetime64[s]")
        return pd.Series(moments)
    if isinstance(kind, Boolean):
        return pd.Series(values, dtype="bool")
    if isinstance(kind, Float):
        return pd.Series(values, dtype="float64")
    if isinstance(kind, Integer):
        return pd.Series(values, dtype="int64")
    return pd.Series(values, dtype="str")

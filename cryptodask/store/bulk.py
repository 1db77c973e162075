"""Writing many forecasts, by each database's fastest way."""

from io import BytesIO
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection

from cryptodask.evaluate.rows import BOUNDS
from cryptodask.store.schema import FORECASTS

if TYPE_CHECKING:
    import pandas as pd

VALUES = ("forecast", *BOUNDS)
"""Columns of numbers, prices in the quote currency."""

COLUMNS = tuple(column.name for column in FORECASTS.columns)


def insert_forecasts(connection: Connection, run: int, part: "pd.DataFrame") -> None:
    """Insert forecasts of a run that is new, so that no row can be there.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    run : int
        Of the table ``runs``.
    part : DataFrame
        Some of its forecast table.
    """
    if connection.dialect.name == "postgresql":
        _copy(connection, run, part)
    else:
        _insert_each(connection, run, part)


def iso_texts(dates: "pd.Series[Any]") -> list[str]:
    """Return dates as `cryptodask.store.schema.iso` writes each.

    Parameters
    ----------
    dates : Series of datetime64
    """
    moments = dates.to_numpy().astype("datetime64[s]")
    days = moments.astype("datetime64[D]")
    texts = np.datetime_as_string(moments, unit="s")
    chosen = np.where(moments == days, np.datetime_as_string(days, unit="D"), texts)
    return [str(text) for text in chosen]


def _insert_each(connection: Connection, run: int, part: "pd.DataFrame") -> None:
    places = ", ".join("?" * len(COLUMNS))
    statement = f"INSERT INTO forecasts ({', '.join(COLUMNS)}) VALUES ({places})"
    columns = [part[name].tolist() for name in VALUES if name in part]
    missing = [repeat(None)] * (len(VALUES) - len(columns))
    rows = zip(
        repeat(run),
        part["model"].tolist(),
        part["coin"].tolist(),
        iso_texts(part["cutoff"]),
        part["step"].tolist(),
        iso_texts(part["date"]),
        *columns,  # SQLite takes NaN for NULL
        *missing,
        strict=False,
    )
    connection.exec_driver_sql(statement, list(rows))


def _copy(connection: Connection, run: int, part: "pd.DataFrame") -> None:
    """Copy rows as CSV, in which Arrow writes numbers as the shortest text that is equal."""
    import pyarrow as pa
    from pyarrow import csv

    n = len(part)
    values = [
        pa.array(part[name].to_numpy(), from_pandas=True) if name in part else pa.nulls(n)
        for name in VALUES
    ]
    arrays = [
        pa.repeat(run, n),
        pa.array(part["model"]),
        pa.array(part["coin"]),
        pa.array(iso_texts(part["cutoff"])),
        pa.array(part["step"]),
        pa.array(iso_texts(part["date"])),
        *values,
    ]
    sink = BytesIO()
    options = csv.WriteOptions(include_header=False)
    csv.write_csv(pa.Table.from_arrays(arrays, names=list(COLUMNS)), sink, options)
    statement = f"COPY forecasts ({', '.join(COLUMNS)}) FROM STDIN (FORMAT csv)"
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(sink.getbuffer())

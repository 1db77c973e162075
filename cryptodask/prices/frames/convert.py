"""Dataframes of any library as one Arrow table, with the index as columns.

Nothing is decided here of what a column means, but for what pandas alone has: an index, whose
dates and coins become columns, two levels of columns, and a series, whose name is its coin.
"""

from collections.abc import Hashable
from typing import Any

import pandas as pd
import pyarrow as pa

from cryptodask.errors import InputError
from cryptodask.prices.frames.kinds import Frame, LazyFrame, library_of
from cryptodask.prices.read.headers import is_stamp
from cryptodask.prices.read.vocabulary import ALIASES, header_key
from cryptodask.prices.schema import NUMBER_COLUMNS

_LOOKED_AT = 25  # values of an index without a name, to see what it holds


def to_arrow(frame: Frame) -> pa.Table:
    """Return a frame as an Arrow table.

    Parameters
    ----------
    frame : pandas DataFrame or Series, polars frame, Arrow table, or any with an Arrow stream
        An index of pandas becomes columns, where it has dates or names.

    Returns
    -------
    pyarrow.Table, ``(n_rows,)``

    Raises
    ------
    InputError
        It has no rows, two columns of one name, or is a series without name or dates.
    """
    if isinstance(frame, LazyFrame) and not isinstance(frame, pd.DataFrame):
        frame = frame.collect()
    if isinstance(frame, pd.DataFrame) and frame.empty:  # tidy needs a column
        table = pa.table({})
    elif isinstance(frame, pd.Series | pd.DataFrame):
        table = _pandas_to_arrow(tidy(frame))
    else:
        try:
            table = pa.table(frame)
        except (TypeError, ValueError, pa.ArrowException) as error:
            raise InputError(
                f"{library_of(frame)}: can't be read as a frame: {error}; give one with "
                "columns of dates and closes"
            ) from error
    if not table.num_rows:
        raise InputError(f"{library_of(frame)}: has no row; give a frame of prices")
    _check_names(table.column_names)
    return table


def tidy(frame: "pd.DataFrame | pd.Series[Any]") -> pd.DataFrame:
    """Return a frame or series of pandas with its index as columns, and names of text.

    Parameters
    ----------
    frame : DataFrame or Series, ``(n_rows,)``
        A series has dates as its index, and the name of its coin; or an index of coins and dates.

    Returns
    -------
    DataFrame
        With a row of the same number for each; of two levels of columns, a row a coin.

    Raises
    ------
    InputError
        A series without name or dates, or levels of columns that can't be understood.
    """
    if isinstance(frame, pd.Series):
        frame = _from_series(frame)
    if isinstance(frame.columns, pd.MultiIndex):
        frame = _from_two_levels(frame)
    levels = _index_columns(frame)
    columns = [frame.iloc[:, i].reset_index(drop=True) for i in range(frame.shape[1])]
    names = [_name(name) for name in frame.columns]
    return pd.concat([*levels.values(), *columns], axis=1, keys=[*levels, *names])


def _from_series(series: "pd.Series[Any]") -> pd.DataFrame:
    if isinstance(series.index, pd.MultiIndex):
        return series.to_frame("close")
    if series.name is None:
        raise InputError(
            "pandas Series: has no name, which is that of its coin; give it one: "
            "series.rename('Bitcoin')"
        )
    if not _holds_dates(series.index):
        raise InputError(
            f"pandas Series {series.name!r}: has an index of {series.index.dtype}, which must be "
            "the dates of its closes; set it: series.set_axis(dates)"
        )
    columns = {"coin": str(series.name), "date": series.index, "close": series.to_numpy()}
    return pd.DataFrame(columns)


def _from_two_levels(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with columns by field and coin, as downloads of many tickers have them."""
    columns = frame.columns
    known = frozenset().union(*(group for groups in ALIASES.values() for group in groups))
    fields = [
        level
        for level in range(columns.nlevels)
        if all(header_key(str(value)) in known for value in columns.get_level_values(level))
    ]
    if columns.nlevels != 2 or len(fields) != 1:
        raise InputError(
            f"pandas DataFrame: has {columns.nlevels} levels of columns, and not exactly one of "
            f"two has the names of columns ({', '.join(NUMBER_COLUMNS)}); give a long frame, with "
            "columns coin, date and close"
        )
    dates = _index_columns(frame)
    if not dates:
        raise InputError(
            "pandas DataFrame: has two levels of columns and no dates as its index; set them: "
            "frame.set_index('date')"
        )
    pieces = []
    flat = frame.reset_index(drop=True)
    for coin in dict.fromkeys(columns.get_level_values(1 - fields[0])):
        rows = flat.xs(coin, axis=1, level=1 - fields[0])
        rows = pd.DataFrame(rows).dropna(how="all")  # days on which only other coins traded
        pieces.append(rows.assign(coin=str(coin), **dates))
    joined: pd.DataFrame = pd.concat(pieces, ignore_index=True)
    return joined


def _name(name: Hashable) -> str:
    return "" if name is None else str(name)


def _index_columns(frame: pd.DataFrame) -> "dict[str, pd.Series[Any]]":
    """Return the levels of an index that hold dates or names of coins, by their names."""
    taken = {_name(name) for name in frame.columns}
    columns: dict[str, pd.Series[Any]] = {}
    for number in range(frame.index.nlevels):
        level = frame.index.get_level_values(number)
        dates = _holds_dates(level)
        if not dates and pd.api.types.is_numeric_dtype(level.dtype) and _number_rows(level):
            continue
        name = _name(level.name) or ("date" if dates else "coin")
        if name in taken:
            if level.name is None:
                continue
            both = level.to_series(index=frame.index)
            if not both.equals(frame[name]):
                raise InputError(
                    f"{name}: is the name of a column and of the index, and they differ; drop one "
                    "of them"
                )
            continue
        columns[name] = pd.Series(level, name=name).reset_index(drop=True)
    return columns


def _number_rows(level: "pd.Index[Any]") -> bool:
    """Return whether a level of numbers is one of row numbers, as its name shows."""
    key = header_key(_name(level.name))
    return not any(key in group for name in ("date", "coin") for group in ALIASES[name])


def _holds_dates(level: "pd.Index[Any]") -> bool:
    if isinstance(level, pd.DatetimeIndex | pd.PeriodIndex):
        return True
    if pd.api.types.is_numeric_dtype(level.dtype):
        return False
    head = [value for value in level[:_LOOKED_AT] if not pd.isna(value)]
    return bool(head) and all(is_stamp(str(value)) for value in head)


def _pandas_to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Return the columns of a frame; those that mix types become text, as a file has them."""
    _check_names([str(name) for name in frame.columns])
    arrays = {str(name): _array(frame[name]) for name in frame.columns}
    return pa.table(arrays)


def _array(column: "pd.Series[Any]") -> Any:
    if isinstance(column.dtype, pd.PeriodDtype):
        if column.dt.freq.name != "D":
            raise InputError(
                f"{column.name}: has periods of {column.dt.freq.name}, which may mean their begin "
                "or their end; convert them: frame[...].dt.to_timestamp()"
            )
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.array(column.map(str).where(column.notna(), None), from_pandas=True)


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{twice[0]!r}: is the name of {names.count(twice[0])} columns of the frame; keep one "
            "of them, or rename the others"
        )

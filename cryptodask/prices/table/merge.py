"""Compare new rows with those that a table has: what is new, corrected or the same.

Pure functions of frames. Nothing here reads or writes a file.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError
from cryptodask.prices.clean.findings import empty_findings, findings
from cryptodask.prices.freq import DAILY, FREQS, bar, long_bars
from cryptodask.prices.schema import (
    AMOUNT_COLUMNS,
    DATE_DTYPE,
    NUMBER_COLUMNS,
    PRICE_COLUMNS,
    TABLE_COLUMNS,
    as_price_dtypes,
)

Corrections = Literal["replace", "keep", "fail"]
"""What to do with a row that differs from the table's row of the same bar."""

_KEY = ["coin", "date"]
_ENOUGH = 3  # rows that show how long bars last
_VALUES = list(NUMBER_COLUMNS)
_ORIGIN = ("file", "line")
_NO_NAME = (
    "no name of a coin: it must be a text that can be printed, without spaces around it, its "
    "accents composed (Unicode NFC)"
)


@dataclass(frozen=True)
class Merged:
    """What new rows do to a table.

    Attributes
    ----------
    added : DataFrame
        Rows of days that the table does not have, by coin and date.
    corrected : DataFrame
        Rows to put in place of those of the table, by coin and date.
    unchanged, kept : int
        Rows that the table has already, and rows that were left out for those that it has.
    findings : DataFrame
        One for each row that was corrected or left out.
    """

    added: pd.DataFrame
    corrected: pd.DataFrame
    unchanged: int
    kept: int
    findings: pd.DataFrame


def check_rows(frame: pd.DataFrame, freq: str = DAILY) -> pd.DataFrame:
    """Return rows in the dtypes of the schema, by coin and date, if they are valid.

    Parameters
    ----------
    frame : DataFrame
        Columns of the schema, and maybe ``file`` and ``line``, where a row came from; these stay.
    freq : str
        How long a bar lasts.

    Raises
    ------
    InputError
        A column is missing, unknown or of another type; a coin without a name; a date at which no
        bar begins, or bars of another length; a value out of its range; or two rows of one coin
        and date.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"rows: must be a pandas dataframe, got {type(frame).__name__}")
    _check_columns(frame)
    origin = [name for name in _ORIGIN if name in frame]
    rows = frame[[*TABLE_COLUMNS, *origin]].reset_index(drop=True)
    _check_coins(rows)
    _check_dates(rows, freq)
    rows = rows.astype({"coin": "str", "date": DATE_DTYPE} | dict.fromkeys(_VALUES, "float64"))
    _check_values(rows)
    rows = rows.sort_values(_KEY, ignore_index=True)
    _refuse(rows, rows.duplicated(_KEY), "date", "another row has this day; keep one of them")
    return rows


def merge_rows(old: pd.DataFrame, new: pd.DataFrame, corrections: Corrections) -> Merged:
    """Return what new rows do to those that a table has for the same days.

    A cell that is missing in a new row says nothing: it neither contradicts the table nor takes a
    value from it.

    Parameters
    ----------
    old, new : DataFrame
        As `check_rows` returns them. ``old`` may have other rows too.
    corrections : {"replace", "keep", "fail"}
        Which of two rows that differ stays; or that none may differ.

    Raises
    ------
    InputError
        By "fail", a new row differs.
    """
    check_corrections(corrections)
    matched = new[_KEY].merge(old, on=_KEY, how="left", indicator=True)
    known = (matched["_merge"] == "both").to_numpy()
    had, gets = matched[_VALUES].to_numpy(), new[_VALUES].to_numpy()
    differs = known[:, None] & ~np.isnan(gets) & (gets != had)
    changed = differs.any(axis=1)
    messages = [_describe(had[i], gets[i], differs[i]) for i in np.flatnonzero(changed)]
    if changed.any() and corrections == "fail":
        row = new[changed].iloc[0]
        raise InputError(
            f"{row['coin']}, {row['date']:%Y-%m-%d}: {messages[0]}, and corrections are to fail; "
            f"rows that differ from the table's: {len(messages):,}; leave them out, or choose "
            "corrections: replace (the new rows stay) or keep (the table's)"
        )
    changes = empty_findings()
    if messages:
        origin = new[changed] if "file" in new else new[changed].assign(file="")
        changes = findings(
            "corrected_row" if corrections == "replace" else "kept_old_row",
            origin,
            value=origin["close"].map("{:.10g}".format),
            message=pd.Series(messages, dtype="str"),
        )
    right = pd.DataFrame(np.where(np.isnan(gets), had, gets), columns=_VALUES)
    right = pd.concat([new[_KEY], right], axis=1)
    replaced = changed if corrections == "replace" else np.zeros(len(new), dtype=bool)
    return Merged(
        added=as_price_dtypes(new[~known]).reset_index(drop=True),
        corrected=as_price_dtypes(right[replaced]).reset_index(drop=True),
        unchanged=int((known & ~changed).sum()),
        kept=int((changed & ~replaced).sum()),
        findings=changes,
    )


def check_corrections(corrections: str) -> None:
    """Refuse what is not a way to treat corrections.

    Parameters
    ----------
    corrections : str

    Raises
    ------
    OptionError
        It is not one of `Corrections`.
    """
    if corrections not in get_args(Corrections):
        known = ", ".join(get_args(Corrections))
        raise OptionError(f"corrections: must be one of {known}, got {corrections!r}")


def keep_last(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows by coin and date, of each bar the last one.

    Parameters
    ----------
    rows : DataFrame
        Those of a table, then those laid over them, oldest first.
    """
    coins = pd.factorize(rows["coin"], sort=True)[0]
    days = rows["date"].to_numpy().astype("datetime64[s]").astype(np.int64)
    order = np.lexsort((days, coins))  # stable: of equal keys the latest is last
    coins, days = coins[order], days[order]
    last = np.append((coins[1:] != coins[:-1]) | (days[1:] != days[:-1]), True)
    kept: pd.DataFrame = rows.iloc[order[last[: len(rows)]]]
    return kept.reset_index(drop=True)


def _describe(
    had: np.ndarray[tuple[int], np.dtype[np.float64]],
    gets: np.ndarray[tuple[int], np.dtype[np.float64]],
    differs: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> str:
    """Return how a row differs from the one of the table."""
    cells = [
        f"{name} {'missing' if np.isnan(a) else f'{a:.10g}'} -> {b:.10g}"
        for name, a, b, other in zip(_VALUES, had, gets, differs, strict=True)
        if other
    ]
    return ", ".join(cells)


def _check_columns(frame: pd.DataFrame) -> None:
    missing = [name for name in TABLE_COLUMNS if name not in frame]
    if missing:
        raise InputError(
            f"rows: no column {', '.join(missing)}; give {', '.join(TABLE_COLUMNS)}, with NaN "
            "where a value is missing"
        )
    if not frame.columns.is_unique:
        raise InputError("rows: two columns of one name; keep one of them")
    unknown = [str(name) for name in frame if name not in (*TABLE_COLUMNS, *_ORIGIN)]
    if unknown:
        raise InputError(f"rows: unknown column {', '.join(unknown)}; leave it out")
    for name in _VALUES:
        kind = frame[name].dtype
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            raise InputError(f"{name}: must be numbers, got {kind}; convert the column to float64")


def check_names(new: Iterable[object], old: Iterable[str] = ()) -> None:
    """Refuse names of coins that no table has, or that are another's but for their case.

    In a folder of files names that differ by case are one coin, so one of two is a slip of the pen.

    Parameters
    ----------
    new : iterable of str
    old : iterable of str
        Names that the table has.

    Raises
    ------
    InputError
        There is such a name.
    """
    known = {coin.casefold(): coin for coin in old}
    for coin in new:
        if not isinstance(coin, str) or not _is_name(coin):
            raise InputError(f"coin {coin!r}: {_NO_NAME}")
        other = known.setdefault(coin.casefold(), coin)
        if other != coin:
            raise InputError(
                f"{coin}: is {other!r} but for its case, and coins may not differ by case alone; "
                "give the rows the name of the coin that they are of"
            )


def _check_coins(rows: pd.DataFrame) -> None:
    _refuse(rows, ~rows["coin"].map(_is_name).astype(bool), "coin", _NO_NAME)


def _is_name(coin: object) -> bool:
    return (
        isinstance(coin, str)
        and coin.isprintable()
        and coin == coin.strip() != ""
        and unicodedata.is_normalized("NFC", coin)
    )


def _check_dates(rows: pd.DataFrame, freq: str) -> None:
    kind = rows["date"].dtype
    if not pd.api.types.is_datetime64_dtype(kind):
        raise InputError(
            f"date: must be datetime64 without a time zone, got {kind}; convert it to the UTC day "
            "that the close ends"
        )
    dates = rows["date"]
    if freq == DAILY:
        rule = "no day; give the UTC day that the close ends, without an hour"
        _refuse(rows, dates != dates.dt.normalize(), "date", rule)
        return
    rule = f"no {bar(freq)} begins then; give the moment in UTC at which the bar opens"
    _refuse(rows, dates != dates.dt.floor(freq), "date", rule)
    longer = {seconds: name for name, seconds in FREQS.items() if seconds > FREQS[freq]}
    for coin, mine in dates.groupby(rows["coin"]):
        apart = np.unique(np.diff(np.unique(mine.to_numpy().astype("datetime64[s]"))))
        name = longer.get(int(apart[0].astype(np.int64))) if len(apart) == 1 else None
        if name and len(mine) >= _ENOUGH:
            raise InputError(
                f"{coin}: date: all rows are {long_bars(name)}, and this table has "
                f"{long_bars(freq)}; append them to a separate table"
            )


def _check_values(rows: pd.DataFrame) -> None:
    _refuse(rows, ~(rows["close"] > 0), "close", "must be above 0; leave the row out")
    for name in _VALUES:
        _refuse(rows, np.isinf(rows[name]), name, "must be finite; set it to NaN")
    for name in PRICE_COLUMNS:
        _refuse(rows, rows[name] <= 0, name, "must be above 0; set it to NaN where it is missing")
    for name in AMOUNT_COLUMNS:
        _refuse(rows, rows[name] < 0, name, "must not be below 0; set it to NaN")


def _refuse(rows: pd.DataFrame, wrong: "pd.Series[bool]", column: str, rule: str) -> None:
    """Raise about the first row that breaks a rule."""
    if not wrong.any():
        return
    row = rows[wrong].iloc[0]
    day = f", {row['date']:%Y-%m-%d}" if isinstance(row["date"], pd.Timestamp) else ""
    more = f" ({int(wrong.sum())} such rows)" if wrong.sum() > 1 else ""
    raise InputError(f"{row['coin']}{day}: {column} {row[column]}: {rule}{more}")

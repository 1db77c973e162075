"""Columns of a user's own, which prices have beside those of the schema.

They are kept apart from prices, as rows of ``coin, date`` and the columns, and are joined with
them by coin and date when a model asks: so what is done about odd prices leaves them as they are,
and they may have dates after the last close, as a calendar has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.features.own import OwnColumn, own_columns
from cryptodask.prices.clean.findings import findings, join_findings
from cryptodask.prices.schema import DATE_DTYPE, TABLE_COLUMNS, as_text
from cryptodask.records import FloatArray, IntArray, Panel

_KEY = ["coin", "date"]
SHOWN = 20
"""Texts of a fact that a message names."""

_CODE = 1 << 40  # more seconds than there are between two dates


def empty_own(further: Sequence[str] = (), facts: Sequence[str] = ()) -> pd.DataFrame:
    """Return no rows of own columns.

    Parameters
    ----------
    further, facts : sequence of str
        Names of columns of numbers, and of facts, which are text.

    Returns
    -------
    DataFrame
        ``coin, date`` and the columns.
    """
    types = {"coin": "str", "date": DATE_DTYPE}
    types |= dict.fromkeys(further, "float64") | dict.fromkeys(facts, "str")
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def check_own(further: Sequence[str], facts: Sequence[str]) -> None:
    """Refuse names of own columns that can't be.

    Parameters
    ----------
    further, facts : sequence of str

    Raises
    ------
    OptionError
        A name is empty, one of the schema's, or there twice.
    """
    names = [*further, *facts]
    for name in names:
        if not name or name != name.strip() or not name.isprintable():
            raise OptionError(
                f"column {name!r}: must be a text that can be printed, without spaces around it"
            )
        if name in TABLE_COLUMNS:
            raise OptionError(
                f"column {name!r}: is one of every table ({', '.join(TABLE_COLUMNS)}); features "
                "have it under other names, as volume_change"
            )
        if names.count(name) > 1:
            raise OptionError(
                f"column {name!r}: is asked for twice, or as a number (column:) and as a fact "
                "(static:); choose one of them"
            )


def names_of(columns: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the own columns that models ask for, and of facts, in order."""
    wanted = own_columns(columns)
    facts = {c.name for c in wanted if c.kind == "static"}
    return tuple(sorted({c.name for c in wanted if c.kind != "static"})), tuple(sorted(facts))


def unknown_column(names: Iterable[str], known: Iterable[str], where: str) -> OptionError:
    """Return the error that no price has a column.

    Parameters
    ----------
    names : iterable of str
        Of the columns that are missing.
    known : iterable of str
        Names of those that could be asked for.
    where : str
        What was read.
    """
    shown = ", ".join(repr(name) for name in known) or "none"
    missing = ", ".join(repr(name) for name in names)
    return OptionError(
        f"column {missing}: {where} has no such column; further columns there: {shown}"
    )


def text_column(name: str, value: str, place: str) -> OptionError:
    """Return the error that a column which is wanted as numbers has texts.

    Parameters
    ----------
    name : str
    value, place : str
        One of its texts, and where it is.
    """
    return OptionError(
        f"column {name!r}: is text, as {value!r} of {place}, and column: and ahead: take numbers; "
        f"a fact of the coin is 'static:{name}={value}' (in an import --fact); else write "
        "categories as numbers, or leave it out"
    )


def unknown_fact(name: str, value: str, known: Sequence[str]) -> OptionError:
    """Return the error that no coin has a text as its fact.

    Parameters
    ----------
    name : str
        Of the fact.
    value : str
        The text that a feature names; empty where it takes the fact as a number.
    known : sequence of str
        The texts that coins have.
    """
    shown = ", ".join(repr(text) for text in known[:SHOWN])
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    if value:
        what, advice = f"no coin has the text {value!r}", "write it as it is there"
    else:
        what, advice = "no coin has a number", f"write 'static:{name}=TEXT' of a text"
    return OptionError(
        f"static:{name}{f'={value}' if value else ''}: {what}, so that the feature would be the "
        f"same for all; texts there: {shown or 'none'}{more}; {advice}, or leave it out"
    )


def beside_prices(
    prices: pd.DataFrame, further: pd.DataFrame | None, names: Mapping[str, str]
) -> pd.DataFrame:
    """Return rows of prices with own columns of their coin and date beside them.

    Parameters
    ----------
    prices : DataFrame
    further : DataFrame, optional
        As of `merge_own`; None where there is none.
    names : mapping of str to str
        Own columns, in the order in which they come, and the type of each.
    """
    if not names:
        return prices
    rows = empty_own().assign(**dict.fromkeys(names)) if further is None else further
    joined = prices.merge(rows[[*_KEY, *names]], on=_KEY, how="left")
    return joined.astype(dict(names))


def merge_own(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a coin and date, and findings of values that contradict each other.

    Of several rows of a date the first value of each column counts.

    Parameters
    ----------
    rows : DataFrame
        ``coin, date, file, line`` and the columns, in the order of the files.

    Returns
    -------
    further, findings : DataFrame
        By coin and date, of rows that have any value.
    """
    names = [name for name in rows.columns if name not in (*_KEY, "file", "line")]
    rows = rows[rows[names].notna().any(axis=1)]
    rows = rows.assign(coin=as_text(rows["coin"]), file=as_text(rows["file"]))
    rows = rows.sort_values([*_KEY, "file", "line"], ignore_index=True)
    again = rows.duplicated(_KEY)
    if not again.any():
        return rows[[*_KEY, *names]], join_findings([])
    first = rows.groupby(_KEY, sort=False)[names].first().reset_index()
    kept = rows[_KEY].merge(first, on=_KEY, how="left")
    tables = []
    for name in names:
        other = rows[name].notna() & (rows[name] != kept[name])
        message = f"column {name!r}: another row has this date, with {{}}; the first counts"
        texts = [message.format(value) for value in kept.loc[other, name]]
        values = rows.loc[other, name].map(str)
        tables.append(findings("conflicting_row", rows[other], value=values, message=texts))
    return first.astype({"coin": "str", "date": DATE_DTYPE}), join_findings(tables)


def join_own(frames: Iterable[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Return rows of own columns as one frame; None of none.

    Parameters
    ----------
    frames : iterable of DataFrame, optional
        Of whole coins each.
    """
    some = [frame for frame in frames if frame is not None]
    return pd.concat(some, ignore_index=True) if some else None


def keep_last_own(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return one row a coin and date; of each column the last value that is not missing.

    Parameters
    ----------
    frames : sequence of DataFrame
        Those of a table, then those that came later; at least one.
    """
    both = pd.concat(frames, ignore_index=True)
    if len(frames) == 1 or not both.duplicated(_KEY).any():
        return both.sort_values(_KEY, ignore_index=True)
    last = both.groupby(_KEY, sort=True).last().reset_index()
    return last.astype({"coin": "str", "date": DATE_DTYPE})


def add_own(panel: Panel, further: pd.DataFrame | None, columns: Sequence[str]) -> Panel:
    """Return a panel with the own columns that a model asks for.

    Parameters
    ----------
    panel : Panel
        ``(n_coins,)``.
    further : DataFrame, optional
        As of `merge_own`, by coin and date; None where there is none.
    columns : sequence of str
        What the model reads; those of prices are passed over.

    Returns
    -------
    Panel
        With each own column in ``extra``, NaN where it is missing.
    """
    wanted = own_columns(columns)
    if not wanted:
        return panel
    rows = empty_own(*names_of(columns)) if further is None else further
    place = {coin: i for i, coin in enumerate(panel.coins)}
    coins = rows["coin"].map(place)
    rows = rows[coins.notna()].reset_index(drop=True)
    of_coin: IntArray = coins.dropna().to_numpy().astype(np.int64)
    keys = of_coin * _CODE + _seconds(rows["date"].to_numpy())
    order = np.argsort(keys, kind="stable")
    keys, rows, of_coin = keys[order], rows.iloc[order], of_coin[order]
    mine = np.repeat(np.arange(len(panel)), panel.lengths)
    extra: dict[str, FloatArray] = dict(panel.extra)
    for column in wanted:
        if column.kind == "static":
            facts = _facts(rows[column.name], of_coin, len(panel), column)
            extra[column.text] = np.repeat(facts, panel.lengths)
            continue
        dates = panel.dates + column.lead * panel.step
        values = rows[column.name].to_numpy(dtype=np.float64)
        extra[column.text] = _look_up(keys, values, mine * _CODE + _seconds(dates))
    return replace(panel, extra=extra)


def _seconds(dates: "np.ndarray[tuple[int], np.dtype[np.datetime64]]") -> IntArray:
    seconds: IntArray = dates.astype("datetime64[s]").astype(np.int64)
    return seconds + _CODE // 2


def _look_up(keys: IntArray, values: FloatArray, wanted: IntArray) -> FloatArray:
    """Return the values of keys, which rise; NaN of those that are not there."""
    if not len(keys):
        return np.full(len(wanted), np.nan)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], np.nan)


def _facts(
    column: "pd.Series[str]", of_coin: IntArray, n_coins: int, wanted: OwnColumn
) -> FloatArray:
    """Return the fact of each coin as a number, NaN where there is none, or not one alone."""
    known = column.notna().to_numpy()
    table = pd.DataFrame({"coin": of_coin[known], "fact": column.to_numpy(dtype=object)[known]})
    alone = table.drop_duplicates()
    alone = alone[~alone["coin"].duplicated(keep=False)]
    texts = alone["fact"]
    if wanted.value is None:
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    else:
        numbers = (texts == wanted.value).to_numpy(dtype=np.float64)
    facts = np.full(n_coins, np.nan)
    facts[alone["coin"].to_numpy(dtype=np.int64)] = numbers
    return facts


def rows_by_name(further: pd.DataFrame, renames: Mapping[str, str]) -> pd.DataFrame:
    """Return rows of own columns under the last names of their coins.

    Parameters
    ----------
    further : DataFrame
    renames : mapping of str to str
        Older name -> the last one, whose own values come first.
    """
    older = further["coin"].isin(list(renames))
    if not older.any():
        return further
    names = further.loc[older, "coin"].map(dict(renames)).astype("str")
    return keep_last_own([further[older].assign(coin=names), further[~older]])

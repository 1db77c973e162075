"""What is wrong with a header, and what to do about it."""

from collections.abc import Mapping, Sequence

from cryptodask.errors import NotAPriceFileError, UnreadableFileError
from cryptodask.prices.read.headers import Columns, Header, are_numbers, shorten
from cryptodask.prices.read.numbers import plain_number
from cryptodask.prices.read.vocabulary import UNSURE_CLOSES, is_known
from cryptodask.prices.schema import AMOUNT_COLUMNS


def check_close(header: Header, columns: Columns) -> None:
    """Refuse a close by an unsure name that does not lie between low and high.

    Parameters
    ----------
    header : Header
    columns : Columns

    Raises
    ------
    UnreadableFileError
    """
    places = columns.places
    if "close" not in places or header.keys[places["close"]] not in UNSURE_CLOSES:
        return
    place = places["close"]
    if {"high", "low"} <= set(places) and not lies_between(header, places, place):
        name = shorten([header.names[place]])
        raise UnreadableFileError(
            f"has no column that is surely the close: {name} is not between low and high; columns "
            f"found: {shorten(header.names)}; name the close with --column close=NAME"
        )


def lies_between(header: Header, places: Mapping[str, int], place: int) -> bool:
    """Return whether a column is between low and high in nearly all rows.

    Parameters
    ----------
    header : Header
    places : mapping of str to int
        With ``low`` and ``high``.
    place : int
        Of the column.
    """
    inside = []
    for row in header.rows:
        low, value, high = (plain_number(row[i]) for i in (places["low"], place, places["high"]))
        if low is not None and value is not None and high is not None:
            inside.append(low <= value <= high)
    return not inside or sum(inside) >= 0.8 * len(inside)


def refuse_columns(
    header: Header,
    columns: Columns,
    missing: Sequence[str],
    lost: Mapping[str, str],
) -> None:
    """Raise about a column that a header lacks.

    Parameters
    ----------
    header : Header
    columns : Columns
        Those that are known.
    missing : sequence of str
        Columns without which a file is not one of prices.
    lost : mapping of str to str
        Column of the schema -> the name for it that options have and the header lacks.

    Raises
    ------
    NotAPriceFileError, UnreadableFileError
        The latter where the file has prices, as other columns show.
    """
    shown = shorten(header.names)
    has_prices = missing == ["close"] and _has_prices(header, columns)
    if has_prices and "close" not in lost:
        raise UnreadableFileError(
            f"has a date and prices, and no column that is surely the close; columns found: "
            f"{shown}; name it with --column close={_close_hint(header, columns)}"
        )
    if missing and not has_prices:
        named = " ".join(f"--column {name}=NAME" for name in missing)
        raise NotAPriceFileError(
            f"has no {' and no '.join(missing)} column, so it is not a file of prices; "
            f"columns found: {shown}; needed: date, close; if it is one, name it with {named}"
        )
    name = "close" if "close" in missing else next(iter(lost))
    wanted = lost[name]
    raise UnreadableFileError(
        f"has no column {wanted!r}, which was named for {name}; columns found: {shown}"
    )


def _has_prices(header: Header, columns: Columns) -> bool:
    """Return whether other columns show that a header without a close is one of prices."""
    amounts = {columns.places.get(name) for name in AMOUNT_COLUMNS} - {None}
    known = [i for i, key in enumerate(header.keys) if is_known(key) and i not in amounts]
    taken = set(columns.places.values())
    numbers = [
        place
        for place in range(len(header.keys))
        if place not in taken and header.rows and are_numbers(header.cells(place))
    ]
    return bool(known) or bool(amounts and numbers)


def _close_hint(header: Header, columns: Columns) -> str:
    """Return the name of the only column between low and high, or ``NAME``."""
    places = columns.places
    if not {"high", "low"} <= set(places) or not header.rows:
        return "NAME"
    inside = [
        place
        for place, key in enumerate(header.keys)
        if place not in places.values()
        and not is_known(key)
        and all(plain_number(row[place]) is not None for row in header.rows)
        and lies_between(header, places, place)
    ]
    return shorten([header.names[inside[0]]]) if len(inside) == 1 else "NAME"

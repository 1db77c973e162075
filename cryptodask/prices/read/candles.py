"""Which of four columns without names are open, high, low and close."""

from collections.abc import Mapping, Sequence

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.headers import are_numbers
from cryptodask.prices.read.numbers import plain_number

_ORDERS = (
    ("open", "high", "low", "close"),
    ("low", "high", "open", "close"),
    ("open", "close", "high", "low"),
)


def order_of(rows: Sequence[Sequence[str]], first: int) -> dict[str, int]:
    """Return the places of open, high, low and close from their values.

    Parameters
    ----------
    rows : sequence of sequences of str
        Rows of a file without a header.
    first : int
        The place of the first of the four.

    Raises
    ------
    UnreadableFileError
        They are in none of the orders that exchanges write.
    """
    width = len(rows[0])
    rows = [row for row in rows if len(row) == width and are_numbers(row[first : first + 4])]
    for order in _ORDERS:
        places = {name: i for i, name in enumerate(order, start=first)}
        if all(_is_candle(row, places) for row in rows):
            return places
    a, b = first + 1, first + 4
    shown = "nor ".join(", ".join(order) + " " for order in _ORDERS).strip()
    raise UnreadableFileError(
        f"has no header, and columns {a} to {b} are neither {shown}; write a header over them"
    )


def _is_candle(row: Sequence[str], places: Mapping[str, int]) -> bool:
    value = {name: plain_number(row[i]) for name, i in places.items()}
    low, high, open_, close = (value[name] for name in ("low", "high", "open", "close"))
    if low is None or high is None or open_ is None or close is None:
        return True  # a blank cell speaks for no order
    return low <= min(open_, close) and max(open_, close) <= high

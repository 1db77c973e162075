"""Cells of text to numbers, a whole column at a time."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from cryptodask.errors import UnreadableFileError

MISSING = ("", "-", "--", "?", "n/a", "na", "nan", "null", "none")
"""What stands for "no value" in price files, in any case."""

# Digits are [0-9] and not \d, which also means those of other scripts. A number that begins with
# 0 has no thousands, so that the comma of "0,123" is a decimal one.
_NUMBER = (
    r"[+-]?(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
    r"|[+-]?\.[0-9]+(?:[eE][+-]?[0-9]+)?"
)

_COMMA = re.compile(
    r"[+-]?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]*)?(?:[eE][+-]?[0-9]+)?"
)

_POINT = re.compile(_NUMBER)


def parse_numbers(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return numbers as price files write them: ``1,234.5``, ``$0.17``, ``4.9E-05``, ``-``.

    A comma is a thousands separator and stands only where one can; ``1,23``, ``0,123`` or
    ``1.234,5`` is not guessed at.

    Parameters
    ----------
    cells : Series of str, ``(n,)``

    Returns
    -------
    values : Series of float64, ``(n,)``
        NaN where the cell is missing or no number.
    bad : Series of bool, ``(n,)``
        Where the cell says something other than a finite number.
    """
    text = cells.str.strip().str.removeprefix("$")
    missing = text.str.lower().isin(MISSING)
    bad = ~missing & ~text.str.fullmatch(_NUMBER)
    digits = text.mask(missing | bad).str.replace(",", "", regex=False)
    values = digits.astype("float64")
    infinite = values.abs() == np.inf  # 1e999 looks like a number and is none
    return values.mask(infinite), bad | infinite


def has_comma_decimals(cells: Iterable[str]) -> bool:
    """Return whether a comma is the decimal mark of a file, as all its numbers show.

    Parameters
    ----------
    cells : iterable of str
        All cells of its number columns.

    Raises
    ------
    UnreadableFileError
        The numbers do not decide, or say both. It names no file.
    """
    both: list[str] = []
    comma: list[str] = []
    point: list[str] = []
    for cell in cells:
        text = cell.strip().removeprefix("$")
        if "," in text or "." in text:
            as_comma, as_point = _COMMA.fullmatch(text), _POINT.fullmatch(text)
            if as_comma or as_point:
                (both if as_comma and as_point else comma if as_comma else point).append(text)
    if comma and point:
        raise UnreadableFileError(
            f"numbers: {comma[0]!r} has a decimal comma and {point[0]!r} a decimal point; write "
            "all with a point"
        )
    if both and not comma and not point:
        raise UnreadableFileError(
            f"numbers: decimal and thousands mark can't be told apart in {both[0]!r}; write all "
            "with a decimal point and without marks of thousands"
        )
    return bool(comma)


def with_points(cell: str) -> str:
    """Return a number that has a decimal comma with a point, and any other cell as it is.

    Parameters
    ----------
    cell : str
    """
    text = cell.strip().removeprefix("$")
    return text.replace(".", "").replace(",", ".") if _COMMA.fullmatch(text) else cell


def without_suffix(cell: str) -> str:
    """Return ``1.5K``, ``2M`` and ``3B`` as numbers without a suffix, and any other cell as it is.

    Parameters
    ----------
    cell : str
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)([KMBT])\s*", cell)
    power = {"K": 3, "M": 6, "B": 9, "T": 12}
    return f"{match[1]}e{power[match[2]]}" if match else cell

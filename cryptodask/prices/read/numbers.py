"""Cells of text to numbers, a whole column at a time."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a file are written; by default as `parse_numbers` has them.

    Attributes
    ----------
    comma : bool
        Whether a comma is the decimal mark.
    mends : bool
        Whether some have a suffix such as ``K`` or ``€``, or spaces or apostrophes between
        thousands.
    """

    comma: bool = False
    mends: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether `parse_numbers` reads them as they are."""
        return not (self.comma or self.mends)

    def mended(self, cells: Iterable[str]) -> list[str]:
        """Return cells as `parse_numbers` reads them; what is not a number stays as it is.

        Parameters
        ----------
        cells : iterable of str, ``(n,)``
        """
        return [self._mended(cell) for cell in cells]

    def _mended(self, cell: str) -> str:
        digits, power = _without_power(_without_marks(cell)) if self.mends else (cell, "")
        if self.comma:
            digits = with_points(digits)
        if not power:
            return digits if digits != cell and self._is_number(digits) else cell
        plain = digits.strip().removeprefix("$")
        return plain.replace(",", "") + power if self._is_number(plain) else cell

    def _is_number(self, text: str) -> bool:
        return _POINT.fullmatch(text.strip().removeprefix("$")) is not None


# Searched for in all cells of a column at once, which costs a tenth of looking at each.
_ODD = re.compile(r"[^0-9.eE+\-\n]")

_MENDABLE = re.compile(r"[kmbtKMBT€£¥₩₹₽' \u00a0\u2009\u202f\u2019]")

# What may stand before the first digit of a number.
_BEFORE = "\n$+-€£¥₩₹₽ \t\u00a0\u2009\u202f\u3000"

_COMMA_SHOWN = re.compile(
    rf",(?:[0-9]{{1,2}}(?![0-9])|[0-9]{{4}})|\.[0-9]*,|(?:^|[{re.escape(_BEFORE)}])0[0-9]*,"
)

_POINT_SHOWN = re.compile(r"\.(?:[0-9]{1,2}(?![0-9])|[0-9]{4})|,[0-9]*\.|(?:^|[\n$+-])0[0-9]*\.")

_SUFFIX = re.compile(r"(.*[0-9.,]) ?(bn|mn|mio\.?|mrd\.?|[kmbt])", re.IGNORECASE)

_POWERS = {"k": 3, "m": 6, "mn": 6, "mio": 6, "b": 9, "bn": 9, "mrd": 9, "t": 12}

_MARKS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:[ \u00a0\u2009\u202f'\u2019][0-9]{3})+(?:[.,][0-9]*)?")

_MONEY = re.compile(r"^(?:US)?[$€£¥₩₹₽]\s?|\s?[$€£¥₩₹₽]$")

_MARK = re.compile(r"[ \u00a0\u2009\u202f'\u2019]")


def find_number_style(
    columns: Iterable[Sequence[str]],
    others: Iterable[Sequence[str]],
    *,
    needs_proof: bool,
    plain: Iterable[Sequence[str]] = (),
) -> NumberStyle:
    """Return how the numbers of a file are written, as all of them show.

    Parameters
    ----------
    columns : iterable of sequences of str
        All cells of the columns that are read.
    others : iterable of sequences of str
        Columns of percents, asked where those do not decide.
    needs_proof : bool
        Whether a file is refused where a comma may be a decimal mark as well as one of thousands;
        else it is one of thousands.
    plain : iterable of sequences of str
        Further columns that are read, of numbers with a point or none alone.

    Raises
    ------
    UnreadableFileError
        The numbers do not decide, or say both. It names no file.
    """
    shown = _one_a_shape(columns)
    odd = [cell for cell in shown if _ODD.search(cell)]
    mends = any(_MENDABLE.search(cell) and _needs_mending(cell) for cell in odd)
    joined = "\n".join(odd)
    if "," not in joined:
        return NumberStyle(mends=mends)
    plain = list(plain)
    may_be_clear = not (mends or _COMMA_SHOWN.search(joined))
    if may_be_clear and any(map(shows_point, [list(shown), *plain])):
        return NumberStyle()
    shown = shown + _one_a_shape(plain)
    if may_be_clear and _POINT_SHOWN.search("\n".join(shown)):
        return NumberStyle()
    bare = shown
    if mends:
        bare = Counter()
        for cell, count in shown.items():
            bare[_without_power(_without_marks(cell))[0]] += count
    marks = _marks_of(bare)
    if marks.both and not (marks.comma or marks.point):
        more = _marks_of(Counter(c.strip().rstrip("% ") for cells in others for c in cells))
        if bool(more.comma) != bool(more.point):
            return NumberStyle(comma=bool(more.comma), mends=mends)
        if not needs_proof:
            return NumberStyle(mends=mends)
    if not needs_proof and marks.comma.total() < marks.point.total():
        return NumberStyle(mends=mends)  # a slip, which is reported with its row
    return NumberStyle(comma=has_comma_decimals(bare), mends=mends)


def shows_point(cells: Any) -> bool:
    """Return whether the first cells of a column show that a point is the decimal mark.

    They nearly always do where any cell does.

    Parameters
    ----------
    cells : sequence of str or pyarrow.Array
    """
    first = cells[:_FEW]
    texts = first if isinstance(first, list) else first.to_pylist()
    return _POINT_SHOWN.search("\n".join(texts)) is not None


_FEW = 30  # cells

_TO_ONE = str.maketrans("023456789\0", "1111111110")


def _one_a_shape(columns: Iterable[Sequence[str]]) -> "Counter[str]":
    """Return the first cell of each shape, and how many there are.

    Cells have one shape if they differ in their digits alone, but for a 0 at the begin: all that
    is asked of a number to find how it is written.
    """
    cells = [cell for column in columns for cell in column]
    text = "\n" + "\n".join(cells)
    for mark in _BEFORE:
        text = text.replace(f"{mark}0", f"{mark}\0")
    shapes = text.translate(_TO_ONE)[1:].split("\n")
    if len(shapes) != len(cells):  # a cell goes over several lines
        return Counter(cells)
    counts = Counter(shapes)
    first = dict(zip(reversed(shapes), reversed(cells), strict=True))
    return Counter({first[shape]: count for shape, count in counts.items()})


def _needs_mending(cell: str) -> bool:
    return _without_power(_without_marks(cell)) != (cell, "")


def _without_power(cell: str) -> tuple[str, str]:
    """Return a number without its suffix, and the suffix as a power of ten."""
    match = _SUFFIX.fullmatch(cell.strip())
    return (match[1], f"e{_POWERS[match[2].lower().rstrip('.')]}") if match else (cell, "")


def _without_marks(cell: str) -> str:
    """Return a number without spaces or apostrophes between its thousands, and other cells."""
    text = _MONEY.sub("", cell.strip()) if _MONEY.search(cell.strip()) else cell.strip()
    body = match[1] if (match := _SUFFIX.fullmatch(text)) else text
    if not _MARKS.fullmatch(body):
        return cell if text == cell.strip().removeprefix("$") else text
    return _MARK.sub("", body) + text[len(body) :]


@dataclass(frozen=True)
class _Marks:
    """Numbers by what they show of the decimal mark: both, a comma, or a point; with counts."""

    both: "Counter[str]"
    comma: "Counter[str]"
    point: "Counter[str]"


def _marks_of(cells: Mapping[str, int]) -> _Marks:
    marks = _Marks(Counter(), Counter(), Counter())
    for cell, count in cells.items():
        text = cell.strip().removeprefix("$")
        if "," in text or "." in text:
            as_comma, as_point = _COMMA.fullmatch(text), _POINT.fullmatch(text)
            if as_comma or as_point:
                both = as_comma and as_point
                (marks.both if both else marks.comma if as_comma else marks.point)[text] += count
    return marks


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
    marks = _marks_of(Counter(cells))
    both, comma, point = (next(iter(cells), "") for cells in (marks.both, marks.comma, marks.point))
    if comma and point:
        raise UnreadableFileError(
            f"numbers: {comma!r} has a decimal comma and {point!r} a decimal point; write "
            "all with a point"
        )
    if both and not comma and not point:
        raise UnreadableFileError(
            f"numbers: decimal and thousands mark can't be told apart in {both!r}; write all "
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
    return NumberStyle(mends=True).mended([cell])[0]


def plain_number(cell: str) -> float | None:
    """Return a number in whichever way it is written, to compare it with others of its row.

    Parameters
    ----------
    cell : str

    Returns
    -------
    float or None
        None of what is not a number. A mark that may be of either kind is one of thousands where
        there are several of it, and else a decimal one.
    """
    text = _without_marks(cell).strip().removeprefix("$").rstrip("%")
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        text = text.replace("," if comma < point else ".", "")
    elif text.count(".") > 1 or text.count(",") > 1:
        text = text.replace(".", "").replace(",", "")
    digits, power = _without_power(text.replace(",", "."))
    try:
        value = float(digits + power)
    except ValueError:
        return None
    return value if np.isfinite(value) and "_" not in digits else None

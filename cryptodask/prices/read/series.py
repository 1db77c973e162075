"""Whether a file holds several series under the same dates, and what tells them apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.headers import Header, is_number, shorten
from cryptodask.prices.read.stamps import TIMES, is_epoch, parse_epochs
from cryptodask.prices.read.vocabulary import CLOCKS, header_key

_SHARE = 0.2  # of the dates that have several prices

_SECONDS = r"(:[0-9]{2}):[0-9]{2}(?:\.[0-9]+)?"  # of a time of day

_PRICE = r"\W*[0-9]"  # how one begins, whatever the currency

_MANY = 10  # dates, where no column tells their rows apart


@dataclass(frozen=True)
class Repeats:
    """Rows that share a coin and date with another of another close.

    Attributes
    ----------
    bars : Series of str, ``(n_rows,)``
        Coin and date of each row.
    repeated : int
        Number of bars with several closes.
    n_bars : int
    example : tuple of str
        A stamp, and two closes of it.
    """

    bars: "pd.Series[str]"
    repeated: int
    n_bars: int
    example: tuple[str, str, str]

    @property
    def are_plain(self) -> bool:
        """Whether these are not some rows that were written twice."""
        few = self.repeated < 2 and self.n_bars > 1
        return not few and self.repeated > 0 and self.repeated >= _SHARE * self.n_bars


def find_repeats(
    stamps: Sequence[str], closes: Sequence[str], coins: Sequence[str] | None, step: float
) -> Repeats:
    """Return the rows of one coin and bar that differ in their close.

    Parameters
    ----------
    stamps, closes : sequence of str, ``(n_rows,)``
    coins : sequence of str, optional, ``(n_rows,)``
    step : float
        Seconds of a bar.
    """
    text = pd.Series(list(stamps), dtype="str")
    bars = _bars_of(text, step)
    if coins is not None:
        bars = pd.Series(list(coins), dtype="str") + "\0" + bars
    repeats = bars.duplicated(keep=False)
    if not repeats.any():
        return Repeats(bars, 0, len(bars), ("", "", ""))
    prices = pd.Series(list(closes), dtype="str")
    shared = pd.DataFrame({"bar": bars[repeats], "close": prices[repeats].str.strip()})
    # A close without digits is not a price: such rows are reported one by one, or are blank.
    shared = shared[shared["close"].str.match(_PRICE)]
    differing = shared.groupby("bar", sort=False)["close"].nunique()
    differing = differing[differing > 1]
    example = ("", "", "")
    if len(differing):
        rows = shared[shared["bar"] == differing.index[0]].drop_duplicates("close")
        example = (text[rows.index[0]].strip(), rows["close"].iloc[0], rows["close"].iloc[1])
    return Repeats(bars, len(differing), bars.nunique(), example)


def _bars_of(stamps: "pd.Series[str]", step: float) -> "pd.Series[str]":
    """Return a name of the bar of each stamp, for daily ones the day as written."""
    if len(stamps) and is_epoch(stamps.iloc[0].strip()):
        seconds, _ = parse_epochs(stamps)
        bars = np.floor((seconds + step / 48) / step)
        return pd.Series(bars).map("{:.0f}".format).astype("str")
    if step < 86_400:
        return stamps.str.strip().str.replace(_SECONDS, r"\1", regex=True)
    return stamps.str.strip().str.replace(TIMES.pattern, "", regex=True)


def tells_apart(repeats: Repeats, labels: Sequence[str]) -> bool:
    """Return whether a column names series: each has a bar once, and there are few of them.

    Parameters
    ----------
    repeats : Repeats
    labels : sequence of str, ``(n_rows,)``
        Cells of the column.
    """
    names = pd.Series(list(labels), dtype="str").str.strip()
    n_names = names.nunique()
    # A name of two rows on average: row numbers and prices tell all rows apart.
    if not 2 <= n_names <= max(2, len(names) // 2) or (names == "").any():
        return False
    again = pd.DataFrame({"bar": repeats.bars, "name": names}).duplicated()
    return bool(again.mean() <= 0.01)


def check_one_series(
    header: Header,
    places: dict[str, int],
    repeats: Repeats,
    *,
    has_coin: bool,
    needs_column: bool = False,
) -> None:
    """Refuse a file of several series under the same dates that no known column tells apart.

    Parameters
    ----------
    header : Header
        With all rows that were read.
    places : dict of str to int
        Columns that are known.
    repeats : Repeats
        Of its rows.
    has_coin : bool
        Whether a column names the coins.
    needs_column : bool
        Whether a file is refused only if a column tells its rows apart.

    Raises
    ------
    UnreadableFileError
        It names no file.
    """
    if not repeats.are_plain:
        return
    unknown = [i for i in range(len(header.names)) if i not in places.values()]
    candidates = [i for i in unknown if tells_apart(repeats, header.cells(i))]
    named = [i for i in candidates if not all(map(is_number, header.cells(i)))]
    candidates = named or candidates
    is_certain = 2 * repeats.repeated >= repeats.n_bars and repeats.repeated >= _MANY
    if not candidates and (has_coin or needs_column or not is_certain):
        return  # rows that were written twice, each reported by itself
    stamp, *closes = repeats.example
    what = "a coin and date" if has_coin else "a date, and no column is known to name the coin"
    if any(header_key(header.names[i]) in CLOCKS for i in candidates):
        raise UnreadableFileError(
            f"has the time of day in a column that can't be read as one ({shorten(header.names)}); "
            "write hours from 0 to 23, or times as 13:00"
        )
    names = [shorten([header.names[i] or f"column {i + 1}"]) for i in candidates]
    do = (
        f"name the column of coins with --column coin={names[0]}; columns that tell the rows "
        f"apart: {', '.join(names)}"
        if names
        else "write a column coin that names the coin of each row"
    )
    if has_coin:
        do = f"write each series to a separate file, or {do}"
    raise UnreadableFileError(
        f"holds several prices of {what}: {repeats.repeated:,} of {repeats.n_bars:,} dates have "
        f"two or more, as {stamp} has {' and '.join(closes)}; {do}"
    )

"""One price file: what its first bytes say, and its cells as columns of text."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryptodask.errors import NotAPriceFileError, PriceFileError, UnreadableFileError
from cryptodask.prices.freq import DAILY, FREQS, name_step
from cryptodask.prices.read.cells import Cells, read_cells
from cryptodask.prices.read.layouts import HEAD
from cryptodask.prices.read.names import is_name, plain_name
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.read.stamps import bar_seconds, is_timed

_FEW = 4  # stamps


@dataclass(frozen=True, slots=True)
class PriceFile:
    """A file and a coin whose prices it holds.

    Attributes
    ----------
    coin : str
        The coin's name; of a file that names its coins itself, only where ``inside`` is given.
    path : Path
    inside : str, optional
        The coin's name in a file that holds many; only its rows are read.
    reports_file : bool
        Whether findings about the file, and not about one coin, are reported.
    """

    coin: str
    path: Path
    inside: str | None = None
    reports_file: bool = True


@dataclass(frozen=True)
class FileSummary:
    """What the first bytes of a file show.

    Attributes
    ----------
    coins : mapping of str to int, optional
        Number of rows of each coin, for a file that names its coins; it is read to its end.
    freq : str, optional
        Of its bars; None where the file has one row.
    """

    coins: Mapping[str, int] | None
    freq: str | None


def check_price_file(path: Path, options: ReadOptions = DEFAULT_OPTIONS) -> FileSummary:
    """Return what the first bytes of a file show, if it is one of prices and has a row.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        What the file leaves open.

    Raises
    ------
    NotAPriceFileError
        It is a table without a date or a close.
    UnreadableFileError
        It is empty, binary, has no row or two columns of one name, can't be opened, or its bars
        are of a length that no table has.
    """
    cells = read_cells(path, options, all_rows=False)
    layout = cells.layout
    if layout.coins or "coin" in layout.columns:
        cells = read_cells(path, options)
        return FileSummary(_count_coins(path, cells), freq_of(path, cells, options))
    return FileSummary(None, freq_of(path, cells, options))


def _count_coins(path: Path, cells: Cells) -> dict[str, int]:
    """Count the rows of each coin of a file that names them."""
    layout = cells.layout
    if layout.coins:
        return dict.fromkeys(map(plain_name, layout.coins), len(cells.rows))
    place = layout.columns["coin"]
    names = Counter(row[place] for row in cells.rows if len(row) == layout.width)
    counted: Counter[str] = Counter()
    for name, rows in names.items():
        if is_name(name):
            counted[plain_name(name)] += rows
    if not counted:
        raise UnreadableFileError(f"{path.name}: its column of coins names none")
    return dict(counted)


def freq_of(path: Path, cells: Cells, options: ReadOptions) -> str | None:
    """Return how long a file's bars last; None where its stamps do not show it.

    Parameters
    ----------
    path : Path
        For errors.
    cells : Cells
        Rows of the file, the first ones at least.
    options : ReadOptions
        With the frequency that is wanted, if any.

    Raises
    ------
    UnreadableFileError
        No table has such bars, or not the one that these are for.
    """
    layout = cells.layout
    place = layout.columns["date"]
    stamps = [row[place] for row in cells.rows if len(row) == layout.width]
    if layout.epoch or any(map(is_timed, stamps[:HEAD])):
        step = bar_seconds(stamps, epoch=layout.epoch)
        if np.isnan(step):
            return None
    else:
        step = FREQS[DAILY]
    freq = name_step(step)
    if options.freq and step < FREQS[DAILY] and len(set(stamps)) < _FEW:
        # Too few to distinguish bars from gaps: the user's word counts.
        freq = options.freq if step % FREQS[options.freq] == 0 else freq
    if freq is None:
        raise UnreadableFileError(
            f"{path.name}: date: bars of {step:,.0f} seconds; get bars of {', '.join(FREQS)}"
        )
    if options.freq not in (None, freq):
        raise UnreadableFileError(
            f"{path.name}: date: bars of {freq}, and those of {options.freq} are wanted; bring "
            "them to a separate table"
        )
    return freq


def kind_of(error: PriceFileError) -> str:
    """Return the kind of finding that an error about a file becomes.

    Parameters
    ----------
    error : PriceFileError
    """
    is_other = isinstance(error, NotAPriceFileError)
    return "not_a_price_file" if is_other else "unreadable_file"


def reason_of(error: PriceFileError) -> str:
    """Return the message without the file's name, for which a finding has a column.

    Parameters
    ----------
    error : PriceFileError
    """
    return str(error).partition(": ")[2]

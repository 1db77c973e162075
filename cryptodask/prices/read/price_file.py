"""One price file: what its first bytes say, and its cells as columns of text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cryptodask.errors import NotAPriceFileError, PriceFileError, UnreadableFileError
from cryptodask.prices.freq import DAILY, FREQS, long_bars, name_step
from cryptodask.prices.read.cells import read_cells
from cryptodask.prices.read.file_cells import Cells, Known
from cryptodask.prices.read.headers import Header
from cryptodask.prices.read.layouts import HEAD
from cryptodask.prices.read.names import coin_name, is_name, plain_name
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.read.series import check_one_series, find_repeats
from cryptodask.prices.read.stamps import bar_seconds, is_timed
from cryptodask.prices.read.texts import TEXT, Texts, count_texts, find_missing

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
    known : Known, optional
        What the first rows showed, for this process: it does not travel to workers.
    """

    coin: str
    path: Path
    inside: str | None = None
    reports_file: bool = True
    known: Known | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[type["PriceFile"], tuple[str, Path, str | None, bool]]:
        """Return what is sent to a worker: of ten thousand files, all of it is one message."""
        return PriceFile, (self.coin, self.path, self.inside, self.reports_file)


@dataclass(frozen=True)
class FileSummary:
    """What the first bytes of a file show.

    Attributes
    ----------
    coins : mapping of str to int, optional
        Number of rows of each coin, for a file that names its coins; it is read to its end.
    freq : str, optional
        Of its bars; None where the file has one row.
    distinct : frozenset of str
        Names of it that differ from another by case alone and share a date with it, so that they
        are two coins.
    known : Known, optional
        For those who read the rows.
    """

    coins: Mapping[str, int] | None
    freq: str | None
    distinct: frozenset[str] = frozenset()
    known: Known | None = None


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
        freq = freq_of(path, cells, options)
        check_series(path, cells, freq or DAILY, options)
        return FileSummary(_count_coins(path, cells), freq, _distinct_names(cells), cells.known)
    freq = freq_of(path, cells, options)
    check_series(path, cells, freq or DAILY, options)
    return FileSummary(None, freq, known=cells.known)


def _count_coins(path: Path, cells: Cells) -> dict[str, int]:
    """Count the rows of each coin of a file that names them."""
    layout = cells.layout
    if layout.coins:
        closes = {
            coin_name(name): int(pc.sum(pc.invert(find_missing(cells.column(i)))).as_py() or 0)
            for name, i in layout.coins.items()
        }
        if closes.pop("", None) is not None and not closes:
            raise UnreadableFileError(f"{path.name}: no column has the name of a coin")
        return {name: count for name, count in closes.items() if count}
    place = layout.columns["coin"]
    counted: Counter[str] = Counter()
    for name, count in count_texts(cells.column(place)).items():
        if is_name(name):
            counted[plain_name(name)] += count
    if not counted:
        raise UnreadableFileError(f"{path.name}: its column of coins names none")
    return dict(counted)


def _distinct_names(cells: Cells) -> frozenset[str]:
    """Return the names of a file that differ by case alone and have a date in common."""
    layout = cells.layout
    if layout.coins:
        return frozenset()  # columns beside each other
    place, date = layout.columns["coin"], layout.columns["date"]
    groups: dict[str, set[str]] = {}
    for name in count_texts(cells.column(place)):
        groups.setdefault(plain_name(name).casefold(), set()).add(plain_name(name))
    alike = {name for names in groups.values() if len(names) > 1 for name in names}
    dates: dict[str, set[str]] = {name: set() for name in alike}
    for row in cells.full_rows() if alike else ():
        if (name := plain_name(row[place])) in alike:
            dates[name].add(row[date])
    return frozenset(
        name
        for name in alike
        if any(dates[name] & dates[other] for other in groups[name.casefold()] if other != name)
    )


def check_series(
    path: Path, cells: Cells, freq: str, options: ReadOptions, *, is_guess: bool = False
) -> None:
    """Refuse a file that holds several series under the same dates and does not name them.

    Parameters
    ----------
    path : Path
        For errors.
    cells : Cells
        Rows of the file.
    freq : str
        Of its bars.
    options : ReadOptions
        A column of coins that it names is taken as it is.
    is_guess : bool
        Whether the frequency is a guess, so that only a column that tells rows apart proves it.

    Raises
    ------
    UnreadableFileError
    """
    layout = cells.layout
    if layout.coins or "coin" in options.columns or not layout.header:
        return
    coin = layout.columns.get("coin")
    coins = None if coin is None else cells.column(coin)
    if not is_guess and not _has_repeats(cells, coins):
        return  # bars were found to be as long as they are, so that few stamps can share one
    closes = cells.column(layout.columns["close"]).to_pylist()
    names = None if coins is None else coins.to_pylist()
    repeats = find_repeats(cells.stamps.to_list(), closes, names, FREQS[freq])
    known = dict(layout.columns) | ({} if layout.clock is None else {"clock": layout.clock})
    header = Header(layout.header, layout.header, cells.full_rows(), True)
    try:
        check_one_series(header, known, repeats, has_coin=coin is not None, needs_column=is_guess)
    except UnreadableFileError as error:
        raise UnreadableFileError(f"{path.name}: {error}") from None


def _has_repeats(cells: Cells, coins: Texts | None) -> bool:
    """Return whether two rows have the same stamp (and coin)."""
    if coins is None:
        return cells.stamps.has_repeats()
    stamps = cells.column(cells.layout.columns["date"])
    keys = pc.binary_join_element_wise(coins, stamps, pa.scalar("\0", TEXT))
    return bool(pc.count_distinct(keys).as_py() < len(stamps))


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
    freq = _freq_shown(path, cells, options)
    if freq is not None and options.freq not in (None, freq):
        raise UnreadableFileError(
            f"{path.name}: date: {long_bars(freq)}, and {long_bars(options.freq)} are wanted; "
            "bring them to a separate table"
        )
    return freq


def _freq_shown(path: Path, cells: Cells, options: ReadOptions) -> str | None:
    """Return the frequency that stamps show; the wanted one where they are too few for any."""
    layout = cells.layout
    coin = layout.columns.get("coin")
    if not layout.epoch and not any(map(is_timed, cells.stamps.pick(slice(HEAD)).to_list())):
        return DAILY
    stamps = cells.stamps.to_list()
    coins = None if coin is None else cells.column(coin).to_pylist()
    step = bar_seconds(stamps, epoch=layout.epoch, coins=coins)
    if np.isnan(step):
        return None
    freq = name_step(step) or _freq_about_edges(stamps, layout.epoch, coins, options)
    if options.freq and step < FREQS[DAILY] and len(set(stamps)) < _FEW:
        # Too few to distinguish bars from gaps: the user's word counts.
        freq = options.freq if step % FREQS[options.freq] == 0 else freq
    if freq is None:
        # Stamps of several coins may be seconds apart, and then show no bars.
        for guess in FREQS:
            check_series(path, cells, guess, options, is_guess=True)
        raise UnreadableFileError(
            f"{path.name}: date: bars of {step:,.0f} seconds; get bars of {', '.join(FREQS)}"
        )
    return freq


def _freq_about_edges(
    stamps: Sequence[str], epoch: bool, coins: Sequence[str] | None, options: ReadOptions
) -> str | None:
    """Return the frequency of bars whose stamps lie about the edges of bars."""
    for freq, step in FREQS.items():
        tolerance = min(options.tolerance_for(step), step / 2)
        usual = bar_seconds(stamps, epoch=epoch, coins=coins, edge=(step, tolerance))
        if tolerance and usual == step:
            return freq
    return None


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

"""A folder of price files as a source of prices."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import (
    NotAPriceFileError,
    PriceFileError,
    SourceError,
    UnreadableFileError,
)
from cryptodask.io.paths import AnyPath
from cryptodask.io.scratch import scratch_folder
from cryptodask.prices.clean.findings import file_finding, join_findings
from cryptodask.prices.clean.policies import settle
from cryptodask.prices.freq import DAILY, long_bars
from cryptodask.prices.packed import ARCHIVE, JSON_LINES, WORKBOOK, is_packed, unpack
from cryptodask.prices.partition import pack
from cryptodask.prices.places import looks_of
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.read.price_file import PriceFile, check_price_file, kind_of, reason_of
from cryptodask.prices.read.readers import read_price_files
from cryptodask.prices.reading import Reading
from cryptodask.prices.symbols import Pairs, sure_symbols, symbols_in

_ROW = 70  # bytes of a row of text, about

_BULK = re.compile(r"([A-Z0-9]+)-(?:[0-9]+[smhdw]|1mo)-[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?\.[A-Za-z]+")

TEXT_SUFFIXES = ("", ".csv", ".txt", ".tsv", *JSON_LINES, WORKBOOK, ARCHIVE)
"""A file of another suffix may be left out without a loss."""


@dataclass(frozen=True)
class FolderPartition:
    """Files that are read together; see `Partition`."""

    coins: tuple[str, ...]
    files: tuple[PriceFile, ...]
    rows: int
    options: ReadOptions = DEFAULT_OPTIONS

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that a reader must see."""
        return tuple(str(file.path) for file in self.files)

    @property
    def freq(self) -> str:
        """How long a bar lasts."""
        return self.options.freq or DAILY

    def read(self) -> pd.DataFrame:
        """Return the rows, in the columns of the schema, by coin and date."""
        return self.load().prices

    def load(self, columns: Sequence[str] | None = None) -> Reading:
        """Return the rows and findings; all columns are read. See `Partition`."""
        del columns
        return read_price_files(self.files, self.options)


class FolderSource:
    """A folder of price files: of one coin, named for it, or of many that the file names.

    ``symbols`` has the names of coins by the symbols that files have beside them.

    Parameters
    ----------
    folder : path
        Read without its subfolders. Other files are reported and left out. Only the first bytes
        of each file are read, but all of a file that names its coins.
    options : ReadOptions
        What the files leave open.
    files : sequence of path, optional
        Only these files, wherever they lie, in place of those of the folder.
    originals : sequence of path, optional
        What these files were made from, where that is not they; see `looks`.

    Raises
    ------
    SourceError
        The folder is missing, it has no file of prices, or bars of more than one length.
    PolicyError
        A file is none of prices, or can't be read, and the policy for that is to fail.
    """

    seconds_a_row = 1.2e-5

    def __init__(
        self,
        folder: Path,
        options: ReadOptions = DEFAULT_OPTIONS,
        files: Sequence[Path] | None = None,
        originals: Sequence[AnyPath] | None = None,
    ) -> None:
        self.folder = folder
        self._originals = originals if originals is not None else files
        listing = _Listing()
        for path in sorted(folder.iterdir()) if files is None else files:
            if not path.name.startswith(".") or path.name.startswith(".."):
                listing.add_all(path, options)
        self._findings = settle(join_findings(listing.left_out), options.policies)
        self.options = replace(options, freq=options.freq or _one_freq(folder, listing.freqs))
        # A coin has the name of its first file.
        names = {key: group[0].coin for key, group in listing.groups.items()}
        self._files = {
            names[key]: tuple(replace(file, coin=names[key]) for file in group)
            for key, group in listing.groups.items()
        }
        self.coins = sorted(self._files)
        keys = ((symbol, n if n in names else n.casefold()) for symbol, n in listing.symbols)
        self.symbols = sure_symbols((symbol, names[key]) for symbol, key in keys if key in names)
        self._sizes = {names[key]: size for key, size in listing.sizes.items()}
        self.empty = {c: why for c, why in listing.empty.items() if c.casefold() not in names}
        if not self.coins:
            reasons = [f"{row.file}: {row.message}" for row in self._findings[:3].itertuples()]
            raise SourceError(
                f"{folder}: no file of prices here ({'; '.join(reasons) or 'it is empty'}); "
                "give a folder of CSV files, one a coin, with at least Date and Close columns"
            )

    @property
    def freq(self) -> str:
        """How long a bar lasts."""
        return self.options.freq or DAILY

    @property
    def rows(self) -> int:
        """Rows of all coins, or a guess from the size of the files."""
        return sum(self._sizes.values())

    @property
    def is_shared(self) -> bool:
        """Whether a file has many coins; see `Source`."""
        return any(file.inside is not None for files in self._files.values() for file in files)

    def looks(self) -> list[str]:
        """Return lines that change when a file of the source does."""
        paths = sorted(self.folder.iterdir()) if self._originals is None else self._originals
        there = (path for path in paths if not isinstance(path, Path) or path.is_file())
        return [*map(looks_of, there), repr(self.options)]

    def rows_of(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return a guess of the rows of each coin; see `Source`."""
        return np.array([self._sizes[coin] for coin in coins], dtype=np.int64)

    def file_boundaries(self, coins: Sequence[str]) -> NDArray[np.int64]:
        """Return none: coins of a shared file are not beside each other; see `Source`."""
        del coins
        return np.empty(0, dtype=np.int64)

    def pick(self, coins: Sequence[str], spans: Iterable[tuple[int, int]]) -> list[FolderPartition]:
        """Return a partition for each span of these coins; see `Source`."""
        seen: set[Path] = set()
        picked = []
        for a, b in spans:
            files = [file for coin in coins[a:b] for file in self._files[coin]]
            picked.append(
                FolderPartition(
                    coins=tuple(coins[a:b]),
                    files=tuple(_reported_once(files, seen)),
                    rows=int(self.rows_of(coins[a:b]).sum()),
                    options=self.options,
                )
            )
        return picked

    def partitions(self, coins: Sequence[str], n: int | None = None) -> list[FolderPartition]:
        """Return partitions of these coins, of similar size; see `Source`."""
        return self.pick(coins, pack(self.rows_of(coins), n))

    def findings(self) -> pd.DataFrame:
        """Return the findings of all files, which are read for that; see `Source`."""
        tables = [p.load().findings for p in self.partitions(self.coins)]
        return join_findings([self._findings, *tables])

    def file_findings(self) -> pd.DataFrame:
        """Return the findings about files, without reading their rows."""
        return self._findings


@dataclass
class _Listing:
    """What the first bytes of files show. Names that differ by case or spaces are one coin.

    Attributes
    ----------
    groups : dict of str to list of PriceFile
        The files of each coin, by its name in lower case.
    sizes : dict of str to int
        Rows of each coin, or a guess, by the same.
    freqs : dict of str to list of str
        Names of the files by the length of their bars.
    left_out : list of DataFrame
        Findings about other files.
    empty : dict of str to str
        Why a file that is named like one of prices can't be read, by the coin's name.
    symbols : set of (str, str)
        Symbols and the names beside them.
    unpacked : list of Path
        Files that held others, or were brought to another form.
    scratch : Path, optional
        Where these are.
    """

    groups: dict[str, list[PriceFile]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    freqs: dict[str, list[str]] = field(default_factory=dict)
    left_out: list[pd.DataFrame] = field(default_factory=list)
    empty: dict[str, str] = field(default_factory=dict)
    symbols: Pairs = field(default_factory=set)
    unpacked: list[Path] = field(default_factory=list)
    scratch: Path | None = None

    def add_all(self, path: Path, options: ReadOptions) -> None:
        """Add a file, or all that it holds; see `cryptodask.prices.packed`."""
        if not is_packed(path):
            self.add(path, options)
            return
        try:
            coin_of(path, path.parent)
            if self.scratch is None:
                self.scratch = scratch_folder()
            folder = self.scratch / str(len(self.unpacked))
            folder.mkdir()
            self.unpacked.append(path)
            inside = unpack(path, folder)
        except PriceFileError as error:
            self._leave_out(path, error)
            return
        for file in inside:
            self.add(file, options)

    def add(self, path: Path, options: ReadOptions) -> None:
        """Add a file to the coins that it has, or leave it out with a finding."""
        try:
            coin = coin_of(path, path.parent)
            summary = check_price_file(path, options)
            inside = summary.coins
            rows = {coin: path.stat().st_size // _ROW} if inside is None else inside
        except PriceFileError as error:
            self._leave_out(path, error)
            return
        if summary.freq is not None:
            self.freqs.setdefault(summary.freq, []).append(path.name)
        if inside is not None:
            self.symbols |= symbols_in(path, options)
        for name, count in rows.items():
            key = name if name in summary.distinct else name.casefold()
            source = PriceFile(name, path, None if inside is None else name)
            self.groups.setdefault(key, []).append(source)
            self.sizes[key] = self.sizes.get(key, 0) + count + 1

    def _leave_out(self, path: Path, error: PriceFileError) -> None:
        # Only a file that is named like one of prices counts as a coin that was lost.
        named = _unpacked(path.name).suffix.lower() in TEXT_SUFFIXES
        kind = kind_of(error) if named else "not_a_price_file"
        stem = _printable(" ".join(path.stem.split()))
        if kind == "unreadable_file":
            self.empty[stem] = str(error)
        self.left_out.append(file_finding(kind, stem, _printable(path.name), reason_of(error)))


def _one_freq(folder: Path, freqs: Mapping[str, Sequence[str]]) -> str:
    """Return the frequency that all files have; daily, where no file shows one.

    Raises
    ------
    SourceError
        They have more than one.
    """
    if len(freqs) > 1:
        named = [
            f"{long_bars(freq)} ({names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)})"
            for freq, names in sorted(freqs.items())
        ]
        raise SourceError(
            f"{folder}: {' and '.join(named)} are mixed, and a table has bars of one "
            "length; say which to read, by --freq, and read the others into a separate table"
        )
    return next(iter(freqs), DAILY)


def _reported_once(files: Iterable[PriceFile], seen: set[Path]) -> Iterable[PriceFile]:
    """Let only the first coin of a file of many report findings about the file."""
    for file in files:
        first = file.path not in seen
        seen.add(file.path)
        yield file if first else replace(file, reports_file=False)


def coin_of(path: Path, folder: Path) -> str:
    """Return the coin that a file of a folder is named for.

    Parameters
    ----------
    path : Path
        Of the file.
    folder : Path
        That it must be in.

    Raises
    ------
    UnreadableFileError
        It is not a file inside this folder, or its name can't be that of a coin.
    NotAPriceFileError
        It is a folder.
    """
    name = unicodedata.normalize("NFC", path.name)
    plain = _unpacked(name)
    # Binance's files of a pair by month or day are those of one coin.
    if bulk := _BULK.fullmatch(plain.name):
        plain = Path(bulk[1] + plain.suffix)
    stem = " ".join(plain.name[: -len(plain.suffix)].split()) if plain.suffix else plain.name
    if "\\" in name or name.startswith("..") or not name.isprintable():
        raise UnreadableFileError(
            f"{name!r}: a name that would be a path or can't be shown, as broken or hostile "
            "archives make; rename the file to the coin's name"
        )
    if path.is_dir():
        raise NotAPriceFileError(f"{name}: is a folder; import it on its own")
    # Not Path.resolve, which raises on a link to itself.
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise UnreadableFileError(
            f"{name}: is a link to outside of the folder; put the file itself there"
        )
    if path.exists() and not path.is_file():
        raise UnreadableFileError(f"{name}: is a pipe or device, not a file; remove it")
    if not stem:
        raise UnreadableFileError(f"{name}: has no name before its suffix; name it for the coin")
    return stem


def _unpacked(name: str) -> Path:
    """Return the name that a file had before it was compressed."""
    return Path(name[:-3] if name.lower().endswith(".gz") else name)


def _printable(name: str) -> str:
    """Write what can't be shown or stored of a file's name as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)

"""The files of a folder, by the coins that they have: what the first bytes of each show."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cryptodask.errors import (
    NotAPriceFileError,
    PriceFileError,
    SourceError,
    UnreadableFileError,
)
from cryptodask.io.scratch import scratch_folder
from cryptodask.prices.clean.findings import file_finding
from cryptodask.prices.freq import DAILY, long_bars
from cryptodask.prices.packed import ARCHIVE, JSON_LINES, WORKBOOK, is_packed, unpack
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.price_file import PriceFile, check_price_file, kind_of, reason_of
from cryptodask.prices.symbols import Pairs, symbols_in
from cryptodask.text import printable

_ROW = 70  # bytes of a row of text, about

_BULK = re.compile(r"([A-Z0-9]+)-(?:[0-9]+[smhdw]|1mo)-[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?\.[A-Za-z]+")

PRICE_SUFFIXES = (
    "", ".csv", ".txt", ".tsv", *JSON_LINES, ".json", ".parquet", WORKBOOK, ARCHIVE,
)  # fmt: skip
"""A file of another suffix may be left out without a loss."""


@dataclass
class Listing:
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
        """Add a file, or all that it holds; see `cryptodask.prices.packed`.

        Parameters
        ----------
        path : Path
        options : ReadOptions
            What files leave open.
        """
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
        """Add a file to the coins that it has, or leave it out with a finding.

        Parameters
        ----------
        path : Path
        options : ReadOptions
            What the file leaves open.
        """
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
            source = PriceFile(name, path, None if inside is None else name, known=summary.known)
            self.groups.setdefault(key, []).append(source)
            self.sizes[key] = self.sizes.get(key, 0) + count + 1

    def _leave_out(self, path: Path, error: PriceFileError) -> None:
        # Only a file that is named like one of prices counts as a coin that was lost.
        named = _unpacked(path.name).suffix.lower() in PRICE_SUFFIXES
        kind = kind_of(error) if named else "not_a_price_file"
        stem = printable(" ".join(path.stem.split()), one_line=True)
        if kind == "unreadable_file":
            self.empty[stem] = str(error)
        self.left_out.append(
            file_finding(kind, stem, printable(path.name, one_line=True), reason_of(error))
        )


def one_freq(folder: Path, freqs: Mapping[str, Sequence[str]]) -> str:
    """Return the frequency that all files have; daily, where no file shows one.

    Parameters
    ----------
    folder : Path
        For errors.
    freqs : mapping of str to sequence of str
        Names of files by the length of their bars.

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
    # Not Path.resolve, which raises on a link to itself. A file that is not a link lies there.
    is_there = path.parent == folder and not path.is_symlink()
    if not (is_there or Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))):
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

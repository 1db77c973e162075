"""A folder of price files as a source of prices."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import SourceError
from cryptodask.io.paths import AnyPath
from cryptodask.prices.clean.findings import join_findings
from cryptodask.prices.clean.policies import settle
from cryptodask.prices.freq import DAILY
from cryptodask.prices.listing import Listing, one_freq
from cryptodask.prices.own import text_column, unknown_column
from cryptodask.prices.partition import pack
from cryptodask.prices.places import files_in, looks_of
from cryptodask.prices.read.cells import read_cells
from cryptodask.prices.read.layouts import Layout
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.read.own_cells import further_columns, texts_in
from cryptodask.prices.read.price_file import PriceFile
from cryptodask.prices.read.readers import read_price_files
from cryptodask.prices.reading import Reading
from cryptodask.prices.symbols import sure_symbols

_LOOKED_AT = 20  # files whose columns are not known from listing them


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
        listing = Listing()
        for path in files_in(folder) if files is None else files:
            if not path.name.startswith(".") or path.name.startswith(".."):
                listing.add_all(path, options)
        self._findings = settle(join_findings(listing.left_out), options.policies)
        self.options = replace(options, freq=options.freq or one_freq(folder, listing.freqs))
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
                f"{folder}: no file of prices that can be read: {'; '.join(reasons)}"
                if reasons
                else f"{folder}: is empty; give a folder of CSV files, one a coin, with at least "
                "Date and Close columns"
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

    def with_own(self, columns: Iterable[str]) -> "FolderSource":
        """Return the source with the own columns that models ask for; see `Source`."""
        options = self.options.with_own(columns)
        if options == self.options:
            return self
        other = copy(self)
        other.options = options
        other.check_own()
        return other

    def check_own(self, where: str = "") -> None:
        """Refuse own columns that are wanted and that no file has, or that are no numbers.

        Parameters
        ----------
        where : str
            What the message calls the prices, by default the folder's name.

        Raises
        ------
        OptionError
            The message names the further columns of the files, or a text of the column.
        """
        self._check_there(where)
        for name in self.options.further:
            self._check_numbers(name, where)

    def _check_there(self, where: str) -> None:
        """Refuse own columns that no file has; see `check_own`."""
        known: dict[str, None] = {}
        missing = {*self.options.further, *self.options.facts}
        for layout in self._layouts() if missing else ():
            known |= dict.fromkeys(further_columns(layout))
            missing -= set() if layout.coins else set(layout.header)
            if not missing:
                return
        if missing:
            raise unknown_column(sorted(missing), known, where or self.folder.name)

    def _check_numbers(self, name: str, where: str) -> None:
        """Refuse a column whose first values are texts, in the first of the files that has any."""
        paths = dict.fromkeys(file.path for files in self._files.values() for file in files)
        for path in list(paths)[:_LOOKED_AT]:
            cells = read_cells(path, self.options, all_rows=False)
            if name not in cells.layout.header:
                continue
            # Where the first rows have texts alone, later ones may have numbers.
            first = texts_in(cells, name) and texts_in(read_cells(path, self.options), name)
            if first is None:
                return
            value, place = first
            if value:
                raise text_column(name, value, f"{where or path.name}, {place}")

    def further(self) -> list[str]:
        """Return the names of columns that are none of prices and are not read; see `Source`.

        Of files that are read line by line, the first ones are looked at.
        """
        read = {*self.options.further, *self.options.facts}
        names = (n for layout in self._layouts(_LOOKED_AT) for n in further_columns(layout))
        return [name for name in dict.fromkeys(names) if name not in read]

    def _layouts(self, most: int | None = None) -> Iterator[Layout]:
        """Yield the layout of each file; of those not known, by reading ``most`` at most."""
        seen: set[Path] = set()
        n_read = 0
        for file in (file for files in self._files.values() for file in files):
            if file.path in seen:
                continue
            seen.add(file.path)
            if file.known is not None:
                yield file.known.layout
            elif most is None or n_read < most:
                n_read += 1
                yield read_cells(file.path, self.options, all_rows=False).layout

    def looks(self) -> list[str]:
        """Return lines that change when a file of the source does."""
        paths = files_in(self.folder) if self._originals is None else self._originals
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


def _reported_once(files: Iterable[PriceFile], seen: set[Path]) -> Iterable[PriceFile]:
    """Let only the first coin of a file of many report findings about the file."""
    for file in files:
        first = file.path not in seen
        seen.add(file.path)
        yield file if first else replace(file, reports_file=False)

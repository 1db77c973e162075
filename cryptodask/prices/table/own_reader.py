"""Read the columns of a user's own that a price table keeps beside its prices."""

from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.prices.own import empty_own, names_of, unknown_column
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.table.table_partition import read_own


class OwnColumnsReader:
    """The part of a price table that reads columns of a user's own; a base of `PriceTable`.

    Attributes
    ----------
    path : Path
    manifest : dict
        As it was when the table was opened.
    """

    path: Path
    manifest: dict[str, Any]

    _asked: tuple[str, ...] = ()

    @property
    def own_names(self) -> tuple[str, ...]:
        """The names of the table's own columns: numbers, then facts."""
        further = self.manifest["own"]
        return () if further is None else (*further["columns"], *further["facts"])

    def empty_own(self) -> pd.DataFrame | None:
        """Return no rows of the table's own columns; None where it has none."""
        further = self.manifest["own"]
        return None if further is None else empty_own(further["columns"], further["facts"])

    def with_own(self, columns: Iterable[str]) -> Self:
        """Return the table with the own columns that models ask for; see `Source`."""
        numbers, facts = names_of(columns)
        wanted = (*numbers, *facts)
        if missing := sorted(set(wanted) - set(self.own_names)):
            raise unknown_column(
                missing,
                self.own_names,
                f"the table {self.path.name} (import keeps those that --column or --fact names)",
            )
        if wrong := sorted(set(numbers) & set((self.manifest["own"] or {}).get("facts", ()))):
            raise OptionError(
                f"column {wrong[0]!r}: was imported as a fact; write static:{wrong[0]}, or "
                f"'static:{wrong[0]}=TEXT' of a text"
            )
        if wanted == self._asked:
            return self
        other = copy(self)
        other._asked = wanted
        return other

    def load_own(self, coins: Collection[str] | None = None) -> pd.DataFrame:
        """Return the table's own columns.

        Parameters
        ----------
        coins : collection of str, optional
            By default all.

        Returns
        -------
        DataFrame
            ``coin, date`` and the columns, by coin and date; none where the table has none.

        Raises
        ------
        TableError
            A file can't be read.
        """
        if not self.own_names:
            return empty_own()
        if coins is not None and not coins:
            return empty_own(self.manifest["own"]["columns"], self.manifest["own"]["facts"])
        span = None if coins is None else (min(coins), max(coins))
        paths = [str(self.path / name) for name in self._own_files()]
        further = read_own(paths, self.own_names, span)
        return (
            further
            if coins is None
            else further[further["coin"].isin(coins)].reset_index(drop=True)
        )

    def _own_files(self) -> tuple[str, ...]:
        further = self.manifest["own"]
        if further is None:
            return ()
        later = (delta.get("own") for delta in self.manifest["deltas"])
        return (further["file"], *(name for name in later if name is not None))

    def options_with_own(self, options: ReadOptions) -> ReadOptions:
        """Return options by which files are read with the table's own columns.

        Parameters
        ----------
        options : ReadOptions
        """
        further = self.manifest["own"]
        if further is None:
            return options
        return replace(options, further=tuple(further["columns"]), facts=tuple(further["facts"]))

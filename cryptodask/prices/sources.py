"""Open what holds prices: a folder of files, or a price table."""

from pathlib import Path

from cryptodask.errors import (
    OptionError,
    SourceError,
)
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.partition import Source
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.table.manifest import is_table
from cryptodask.prices.table.price_table import PriceTable


def open_source(path: str | Path, options: ReadOptions = DEFAULT_OPTIONS) -> Source:
    """Return a folder of files or a table as a source of prices.

    Parameters
    ----------
    path : path
        Of the folder or table.
    options : ReadOptions
        How to read the files of a folder.

    Raises
    ------
    SourceError
        It is neither.
    OptionError
        Options are given for a table, whose files were read already.
    """
    place = Path(path)
    if is_table(place):
        if options != DEFAULT_OPTIONS:
            raise OptionError(
                f"options: {path} is a table, whose files were read when it was imported; give "
                "them to the import"
            )
        return PriceTable(place)
    if place.is_dir():
        return FolderSource(place.resolve(), options)
    what = "is a file" if place.exists() else "does not exist"
    raise SourceError(f"{path}: {what}; give a folder of price files, or a table made from one")


def no_rows_message(coin: str) -> str:
    """Return why a coin whose file has no row that can be read has no prices.

    Parameters
    ----------
    coin : str
    """
    return f"{coin}: not one row of its file can be read; `cryptodask prices import` says why"

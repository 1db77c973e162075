"""Read price files: into a table, or into memory."""

from collections.abc import Callable, Iterable, Sequence
from operator import methodcaller
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask.errors import (
    OptionError,
    SourceError,
)
from cryptodask.prices.clean.findings import join_findings
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.partition import partitions_for
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import empty_prices
from cryptodask.prices.sources import no_rows_message, open_source
from cryptodask.prices.table.manifest import is_table
from cryptodask.prices.table.price_table import PriceTable, write_table
from cryptodask.prices.table.storage import is_free


def import_prices(
    folder: str | Path,
    out: str | Path,
    *,
    partitions: int | None = None,
    overwrite: bool = False,
    options: ReadOptions = DEFAULT_OPTIONS,
    run: Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]] = map,
) -> PriceTable:
    """Write a folder of price files as one table, and return it.

    Parameters
    ----------
    folder : path
        Files, of one coin each or of many.
    out : path
        Where to write the table.
    partitions : int, optional
        Number of parts to pack the coins into; see `CryptoLoader`.
    overwrite : bool
        Replace a table that is there already.
    options : ReadOptions, optional
        What the files leave open.
    run : callable, optional
        Calls a function for each partition and yields the results in order: ``map`` itself, or
        `cryptodask.cluster.ordered_map` with a client, to read them on a cluster.

    Returns
    -------
    PriceTable
        Its ``findings()`` list what was wrong in the files and what was done about it.

    Raises
    ------
    SourceError
        No prices there, or bars of more than one length, or something else where the table is to
        be.
    PolicyError
        There is a finding whose policy is to fail; nothing is written then.
    OptionError
        ``partitions`` is below 1.
    """
    if partitions is not None and partitions < 1:
        raise OptionError(f"partitions: must be at least 1, got {partitions}")
    if is_table(Path(folder)):
        raise SourceError(f"{folder}: is a price table already")
    source = open_source(folder, options)
    assert isinstance(source, FolderSource)
    place = Path(out)
    if place.exists():
        if is_table(place) and not overwrite:
            raise SourceError(f"{out}: there is a table already; overwrite it, or name another")
        if not is_table(place) and not is_free(place):
            raise SourceError(f"{out}: is there already and no price table; name another place")
    empty = dict(source.empty)

    def readings() -> Any:
        packed = source.partitions(source.coins, partitions)
        # By the method's name, since functions that workers run belong to `cryptodask.worker`.
        for partition, reading in zip(packed, run(methodcaller("load"), packed), strict=True):
            for coin in sorted(set(partition.coins) - set(reading.prices["coin"])):
                empty[coin] = no_rows_message(coin)
            yield reading

    return write_table(
        place,
        readings(),
        empty=empty,
        notes=source.file_findings(),
        freq=source.freq,
        policies=options.policies,
    )


def read_files(paths: Sequence[str | Path], options: ReadOptions = DEFAULT_OPTIONS) -> Reading:
    """Return the rows and findings of files, read as an import would, without writing a table.

    Parameters
    ----------
    paths : sequence of path
        Files of one coin, named for it, or of many; and folders of such.
    options : ReadOptions, optional
        What the files leave open.

    Returns
    -------
    Reading
        Rows of all coins, and all findings.

    Raises
    ------
    SourceError
        A file is missing, or none of them has prices.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise SourceError(f"{path}: does not exist; give files of prices, or folders of them")
        files += sorted(path.iterdir()) if path.is_dir() else [path]
    source = FolderSource(Path(files[0]).parent if files else Path(), options, files)
    # No more partitions than memory asks for: a file of many coins is read once for each.
    parts = source.partitions(source.coins, partitions_for(source.rows))
    readings = [p.load() for p in parts]
    return Reading(
        pd.concat([empty_prices(), *(r.prices for r in readings)], ignore_index=True),
        join_findings([source.file_findings(), *(r.findings for r in readings)]),
    )

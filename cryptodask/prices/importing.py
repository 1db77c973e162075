"""Read price files: into a table, or into memory."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import OptionError, SourceError
from cryptodask.prices.clean.cleaning import join_readings
from cryptodask.prices.clean.declared import Declared
from cryptodask.prices.clean.findings import findings, join_findings
from cryptodask.prices.clean.policies import without_series
from cryptodask.prices.declaring import declared_readings
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.own import empty_own
from cryptodask.prices.partition import ROWS_PER_PARTITION, Source, pack, partitions_for
from cryptodask.prices.places import files_in, find_files
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import starts_of
from cryptodask.prices.second_process import pays_for, second_process
from cryptodask.prices.sources import Prices, no_rows_message, open_source
from cryptodask.prices.table.manifest import is_table
from cryptodask.prices.table.price_table import PriceTable, write_table
from cryptodask.prices.table.storage import is_free


def import_prices(
    source: Prices,
    out: str | Path,
    *,
    partitions: int | None = None,
    overwrite: bool = False,
    options: ReadOptions = DEFAULT_OPTIONS,
    splits: Sequence[str] = (),
    renames: Sequence[str] = (),
    run: Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]] = map,
) -> PriceTable:
    """Write prices of files or of a frame as one table, and return it.

    Parameters
    ----------
    source : path, str or frame
        A folder of files, of one coin each or of many; a file, a pattern, a URL or a frame, as of
        `CryptoLoader`. The rows of a frame of Dask come here part by part.
    out : path
        Where to write the table.
    partitions : int, optional
        Number of parts to pack the coins into; see `CryptoLoader`.
    overwrite : bool
        Replace a table that is there already.
    options : ReadOptions, optional
        What files or a frame leave open.
    splits : sequence of str
        ``COIN:DATE:FACTOR``: there were FACTOR new coins for one on that day, so that prices before
        it are divided by FACTOR. The table keeps that, and appends go by it.
    renames : sequence of str
        ``OLD:NEW``: rows of the older name are of the coin with the new one, whose own rows come
        first. The table keeps that, and appends go by it.
    run : callable, optional
        Calls a function for each partition and yields the results in order: ``map`` itself, or
        `cryptodask.cluster.ordered_map` with a client, to read files on a cluster.

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

    Warns
    -----
    PriceWarning
        A split or rename is of a coin that is not there.
    """
    if partitions is not None and partitions < 1:
        raise OptionError(f"partitions: must be at least 1, got {partitions}")
    declared = Declared.of(splits, renames)
    _check_places(source, Path(out), overwrite)
    # What depends on neighbours is looked at once they are the right ones.
    plain = without_series(options.policies) if declared else options.policies
    with _beside(source, run) as run_parts:
        opened = open_source(source, replace(options, policies=plain))
        assert not isinstance(opened, PriceTable)
        # Rows of a frame are not sent to a cluster to be sent back.
        is_here = run is map or not isinstance(opened, FolderSource)
        run = run_parts if isinstance(opened, FolderSource) else map
        read = _read_batches if is_here else _read_parts
        empty = dict(opened.empty)
        table = write_table(
            out,
            _readings(opened, declared, options, partitions, run, read, empty),
            empty=empty,
            notes=join_findings(
                [opened.file_findings(), declared.findings(), _left_out(opened.further())]
            ),
            declared=declared,
            freq=opened.freq,
            policies=options.policies,
            further=_own_of(options),
        )
    declared.warn_unknown({*opened.coins, *opened.empty})
    return table


def _own_of(options: ReadOptions) -> pd.DataFrame | None:
    """Return no rows of the own columns that are wanted; None where none are."""
    wanted = options.further or options.facts
    return empty_own(options.further, options.facts) if wanted else None


def _left_out(names: Sequence[str]) -> pd.DataFrame:
    """Return a finding for each further column that the table does not keep."""
    rows = pd.DataFrame({"coin": "", "file": [""] * len(names)})
    why = "not asked for: --column NAME keeps one of numbers, --fact NAME a fact of a coin"
    return findings("column_left_out", rows, value=list(names), message=why)


Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""Calls a function for each partition, and yields the results in order."""


@contextmanager
def _beside(source: Prices, run: Run) -> Iterator[Run]:
    """Give what reads partitions: for many files, ``map`` with a second process beside it."""
    if run is not map or not isinstance(source, str | Path) or not pays_for(Path(source)):
        yield run
        return
    with second_process() as second:
        yield second.map


def _readings(
    source: Source,
    declared: Declared,
    options: ReadOptions,
    partitions: int | None,
    run: Run,
    read: "Callable[[Source, _Spans, Run], Iterable[tuple[_Coins, Reading]]]",
    empty: dict[str, str],
) -> Iterator[Reading]:
    """Yield what is read, part by part; add coins without a row that was read to ``empty``."""
    if declared:
        yield from declared_readings(source, declared, options.policies, partitions, run)
        return
    spans = pack(source.rows_of(source.coins), partitions)
    for coins, reading in read(source, spans, run):
        for coin in sorted(set(coins) - set(reading.prices["coin"].unique())):
            empty[coin] = no_rows_message(coin)
        yield reading


_Coins = Sequence[str]
_Spans = Sequence[tuple[int, int]]


def _read_parts(
    source: Source, spans: _Spans, run: Callable[[Callable[[Any], Any], Sequence[Any]], Any]
) -> Iterator[tuple[_Coins, Reading]]:
    """Yield the coins and the reading of each part, one a call of ``run``."""
    parts = source.pick(source.coins, spans)
    # By the method's name, since functions that workers run belong to `cryptodask.worker`.
    for part, reading in zip(parts, run(methodcaller("load"), parts), strict=True):
        yield part.coins, reading


def _read_batches(
    source: Source, spans: _Spans, run: Callable[[Callable[[Any], Any], Sequence[Any]], Any]
) -> Iterator[tuple[_Coins, Reading]]:
    """Yield what `_read_parts` does, with as many parts read at once as memory is meant for.

    pandas and Arrow cost more for a call than for the rows of a small part, and a file of many
    coins is read once for all parts of a batch.
    """
    ends = np.cumsum([source.rows_of(source.coins[a:b]).sum() for a, b in spans])
    edges = [0, *(np.flatnonzero(np.diff((ends - 1) // ROWS_PER_PARTITION)) + 1), len(spans)]
    batches = [spans[a:b] for a, b in pairwise(edges)]
    outer = [(batch[0][0], batch[-1][1]) for batch in batches]
    for (coins, reading), batch in zip(_read_parts(source, outer, run), batches, strict=True):
        lasts = [source.coins[b - 1] for _, b in batch]
        starts = starts_of(reading.prices["coin"])
        names = reading.prices["coin"].iloc[starts].tolist()
        stops = [*starts.tolist(), len(reading.prices)]
        parts = tuple(stops[bisect_right(names, last)] for last in lasts)
        yield coins, replace(reading, parts=parts)


def _check_places(source: Prices, place: Path, overwrite: bool) -> None:
    """Refuse to import a table, or to write one over something else."""
    if isinstance(source, str | Path) and is_table(Path(source)):
        raise SourceError(f"{source}: is a price table already")
    if place.exists():
        if is_table(place) and not overwrite:
            raise SourceError(
                f"{place}: there is a table already; overwrite it (--overwrite), or name another"
            )
        if not is_table(place) and not is_free(place):
            raise SourceError(f"{place}: is there already and no price table; name another place")


def read_files(paths: Sequence[str | Path], options: ReadOptions = DEFAULT_OPTIONS) -> Reading:
    """Return the rows and findings of files, read as an import would, without writing a table.

    Parameters
    ----------
    paths : sequence of path
        Files of one coin, named for it, or of many; folders, patterns and URLs of such.
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
    for path in paths:
        place = find_files(path)
        files += files_in(place.folder) if place.files is None else place.files
    folder = Path(files[0]).parent if files else Path(*paths[:1])
    source = FolderSource(folder, options, files)
    # No more partitions than memory asks for: a file of many coins is read once for each.
    parts = source.partitions(source.coins, partitions_for(source.rows))
    return join_readings((p.load() for p in parts), source.file_findings())

"""Open what holds prices: files, a table, or a dataframe."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cryptodask.errors import (
    OptionError,
    SourceError,
)
from cryptodask.io.paths import path_of
from cryptodask.io.scratch import scratch_folder
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.frames.kinds import Frame, is_dask, is_frame
from cryptodask.prices.partition import Source
from cryptodask.prices.places import find_files
from cryptodask.prices.read.options import DEFAULT_OPTIONS, ReadOptions
from cryptodask.prices.table.manifest import is_table
from cryptodask.prices.table.price_table import PriceTable

if TYPE_CHECKING:
    from cryptodask.prices.frames.dask_source import DaskFrameSource
    from cryptodask.prices.frames.frame_source import FrameSource

Prices = str | Path | Frame
"""What can be opened: a path, pattern or URL of files, a table, or a dataframe."""

AnySource: TypeAlias = "PriceTable | FolderSource | FrameSource | DaskFrameSource"
"""What opening it gives."""


def open_source(prices: Prices, options: ReadOptions = DEFAULT_OPTIONS) -> "AnySource":
    """Return files, a table or a dataframe as a source of prices.

    Parameters
    ----------
    prices : path, str or frame
        A folder of files, a file, a pattern such as ``data/*.csv``, a URL that fsspec knows, a
        table, or a frame of pandas, polars, Arrow or Dask.
    options : ReadOptions
        How to read files or a frame.

    Raises
    ------
    SourceError
        There are no prices.
    InputError
        A frame is none of prices.
    OptionError
        Options are given for a table, whose files were read already.
    """
    if is_frame(prices):
        return _open_frame(prices, options)
    if not isinstance(prices, str | Path):
        raise SourceError(
            f"{type(prices).__name__}: holds no prices that can be opened; give a path of files, "
            "a table, or a frame of pandas, polars, Arrow or Dask"
        )
    place = path_of(prices)
    if isinstance(place, Path) and is_table(place):
        if options != DEFAULT_OPTIONS:
            raise OptionError(
                f"options: {prices} is a table, whose files were read when it was imported; give "
                "them to the import"
            )
        return PriceTable(place)
    return open_files(prices, options)


def _open_frame(frame: Frame, options: ReadOptions) -> "DaskFrameSource | FrameSource":
    """Return a frame as a source of prices; who reads files does not load what frames need."""
    if is_dask(frame):
        from cryptodask.prices.frames.dask_source import DaskFrameSource

        return DaskFrameSource(frame, options)
    from cryptodask.prices.frames.frame_source import FrameSource

    return FrameSource(frame, options)


def open_files(prices: str | Path, options: ReadOptions = DEFAULT_OPTIONS) -> FolderSource:
    """Return files as a source of prices.

    Parameters
    ----------
    prices : path or str
        A folder, a file, a pattern, or a URL of these.
    options : ReadOptions
        How to read them.

    Raises
    ------
    SourceError
        There are no prices.
    """
    found_files = find_files(prices)
    originals = found_files.originals if found_files.files is not None else None
    source = FolderSource(found_files.folder, options, found_files.files, originals)
    source.check_own()
    return source


def open_sample() -> FolderSource:
    """Return the sample: 100 made-up coins as files, with some that are broken on purpose.

    They are those of `cryptodask.prices.synthetic.write_sample`, and made by it, since nothing of
    them is installed.
    """
    from cryptodask.prices.synthetic import write_sample

    folder = scratch_folder()
    write_sample(folder)
    return FolderSource(folder)


def asking_for(source: Source, columns: Sequence[str]) -> tuple[Source, dict[str, str]]:
    """Return a source that reads own columns, and the type of each, by its name.

    Parameters
    ----------
    source : Source
    columns : sequence of str
        Names, or ``static:NAME`` of facts; of a table, whose facts are known, names alone.

    Raises
    ------
    OptionError
        The source has no such column.
    """
    if not columns:
        return source, {}
    kept = source.manifest["own"] if isinstance(source, PriceTable) else None
    facts = {f"static:{name}" for name in (kept or {}).get("facts", ())}
    texts = [name if name.startswith("static:") else f"static:{name}" for name in columns]
    wanted = [text if text in facts or text == name else f"column:{name}"
             for text, name in zip(texts, columns, strict=True)]  # fmt: skip
    kinds = [text.partition(":") for text in wanted]
    names = {name: "str" if kind == "static" else "float64" for kind, _, name in kinds}
    return source.with_own(wanted), names


def describe(source: Source) -> str:
    """Return what holds the prices of a source, in a few words.

    Parameters
    ----------
    source : Source
    """
    if isinstance(source, PriceTable):
        return f"table {source.path.name}"
    if isinstance(source, FolderSource):
        return f"files of {source.folder.name}"
    from cryptodask.prices.frames.dask_source import DaskFrameSource
    from cryptodask.prices.frames.frame_source import FrameSource

    return source.name if isinstance(source, FrameSource | DaskFrameSource) else "prices"


def no_rows_message(coin: str) -> str:
    """Return why a coin whose file has no row that can be read has no prices.

    Parameters
    ----------
    coin : str
    """
    return f"{coin}: not one row of its file can be read; `cryptodask prices import` says why"

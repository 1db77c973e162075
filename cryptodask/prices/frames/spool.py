"""A frame as a file for the readers of files, so that both are read alike."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cryptodask.errors import InputError, PriceFileError, SourceError
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.frames.convert import to_arrow
from cryptodask.prices.frames.kinds import Frame
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.price_file import check_price_file

NAME = "frame"
"""What findings and errors call a frame; ``line`` is the row, from 1."""


@contextmanager
def spooled(frame: Frame, options: ReadOptions) -> Iterator[FolderSource]:
    """Give a source of the rows of a frame, which is a file in this block.

    Parameters
    ----------
    frame : Frame
        In memory, of any library.
    options : ReadOptions
        What the frame leaves open.

    Raises
    ------
    InputError
        It is not a frame of prices, or does not name its coins.
    PolicyError
        A policy does not let it pass.
    """
    with tempfile.TemporaryDirectory(prefix="cryptodask-") as folder:
        yield write_spool(to_arrow(frame), Path(folder), options)


def write_spool(table: pa.Table, folder: Path, options: ReadOptions) -> FolderSource:
    """Write a table of Arrow into a folder and return the source of its prices.

    Parameters
    ----------
    table : pyarrow.Table, ``(n_rows,)``
    folder : Path
        That exists as long as the source is used.
    options : ReadOptions

    Raises
    ------
    InputError
        It is not a table of prices, or does not name its coins.
    PolicyError
        A policy does not let it pass.
    """
    path = folder / NAME
    pq.write_table(table, path, compression="NONE")
    try:
        source = FolderSource(folder, options, [path])
    except SourceError as error:
        try:
            check_price_file(path, options)
        except PriceFileError as reason:
            raise InputError(
                f"{reason}; rename columns, or say which is which: "
                "ReadOptions(columns={'coin': NAME, 'date': NAME, 'close': NAME})"
            ) from error
        raise
    if not source.is_shared:
        raise InputError(
            f"{NAME}: no column names the coins; columns found: {', '.join(table.column_names)}; "
            "add a column coin, say which it is: ReadOptions(columns={'coin': NAME}), or give a "
            "series whose name is the coin"
        )
    return source

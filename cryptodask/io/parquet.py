"""Parquet files that are whole or absent, written group by group, and checked when read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from typing import Any

import pandas as pd
import pyarrow as pa

from cryptodask.errors import CryptoDaskError
from cryptodask.io.files import (
    FileRecord,
    damaged,
    draft_of,
    read_checked,
    record_of,
)
from cryptodask.io.paths import AnyPath, open_file, size_of, storing

RARELY_REPEATED = ("forecast", "lower_80", "upper_80", "lower_95", "upper_95")
"""Columns of which a dictionary costs time and saves nothing."""


class FrameWriter:
    """Adds frames to a file, each a group of rows.

    Attributes
    ----------
    record : FileRecord or None
        The file, once it is in its place.
    """

    def __init__(self, sink: Any, schema: pa.Schema, folder: AnyPath) -> None:
        self._sink, self._schema, self._folder = sink, schema, folder
        self.record: FileRecord | None = None

    def __call__(self, frame: pd.DataFrame | pa.Table) -> None:
        """Add a frame, of pandas or of Arrow."""
        if isinstance(frame, pd.DataFrame):
            frame = pa.Table.from_pandas(frame, self._schema, preserve_index=False)
        if len(frame):
            with storing(self._folder):
                self._sink.write_table(frame)


@contextmanager
def write_frames(path: AnyPath, schema: pa.Schema) -> Iterator[FrameWriter]:
    """Write a file frame by frame, so that no more than one is in memory.

    The file is there at the end of the block, whole, or, where the block raises, not at all. Done
    twice, it is the same file.

    Parameters
    ----------
    path : Path or UPath
    schema : Schema
        Of every frame.

    Yields
    ------
    FrameWriter
        Takes frames; has the record of the file after the block.

    Raises
    ------
    WriteError
        The disk is full, or can't be written to any more.
    """
    import pyarrow.parquet as pq

    repeated = [name for name in schema.names if name not in RARELY_REPEATED]
    with draft_of(path) as draft:
        with storing(draft.parent):
            sink = pq.ParquetWriter(
                draft, schema, use_dictionary=repeated, write_page_checksum=True
            )
        writer = FrameWriter(sink, schema, draft.parent)
        try:
            yield writer
        except BaseException:
            with suppress(OSError):  # it is not wanted any more
                sink.close()
            raise
        with storing(draft.parent):
            sink.close()
            record = record_of(draft, path.name)
    writer.record = record


def write_frame(frame: pd.DataFrame, path: AnyPath) -> FileRecord:
    """Write one frame as a file, whole or not at all; done twice, it is the same file."""
    schema = pa.Schema.from_pandas(frame.iloc[:0], preserve_index=False)
    with write_frames(path, schema) as write:
        write(frame)
    assert write.record is not None
    return write.record


def read_frame(path: AnyPath, record: FileRecord | None = None) -> pd.DataFrame:
    """Read a file as a dataframe.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord, optional
        What it must be.

    Raises
    ------
    DamagedFileError
        It is not as it was written, or not Parquet.
    """
    content = read_checked(path, record)
    with _parquet_errors(path):
        frame: pd.DataFrame = pd.read_parquet(BytesIO(content))
        return frame


@contextmanager
def open_parquet(path: AnyPath, record: FileRecord | None = None) -> Iterator[Any]:
    """Open a file, of which only the groups of rows that are asked for are read.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord, optional
        What it must be. Its size is compared, and the checksums of the pages that are read.

    Yields
    ------
    pyarrow.parquet.ParquetFile

    Raises
    ------
    DamagedFileError
        It is not as it was written, or not Parquet.
    """
    import pyarrow.parquet as pq

    with ExitStack() as stack, _parquet_errors(path):
        if record is not None and record.size >= 0 and size_of(path) != record.size:
            reason = f"it has {size_of(path)} bytes, and had {record.size} when it was written"
            raise damaged(path, reason)
        source = stack.enter_context(open_file(path))
        file = pq.ParquetFile(source, page_checksum_verification=True)
        yield stack.enter_context(file)


@contextmanager
def _parquet_errors(path: AnyPath) -> Iterator[None]:
    """Name the file in what pyarrow raises of one that is torn."""
    try:
        yield
    except FileNotFoundError:
        raise damaged(path, "it is not there") from None
    except CryptoDaskError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise damaged(path, str(error).splitlines()[0] or type(error).__name__) from error

"""Parquet files whose pages carry checksums, so that a torn or changed file is not used."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from cryptodask.io.files import (
    FileRecord,
    damaged,
    draft_of,
    read_checked,
    record_of,
    size_damage,
)
from cryptodask.io.paths import AnyPath, fresh, read_bytes, reading, storing

if TYPE_CHECKING:
    import pyarrow.parquet as pq


class FrameWriter:
    """Adds frames to a Parquet file; see `write_frames`.

    Attributes
    ----------
    record : FileRecord
        Size and checksum of the file, once the block of `write_frames` has ended.
    """

    record: FileRecord

    def __init__(self, sink: "pq.ParquetWriter", schema: pa.Schema, folder: Path) -> None:
        self._sink, self._schema, self._folder = sink, schema, folder

    def __call__(self, frame: pd.DataFrame | pa.Table) -> None:
        """Add a frame, of pandas or of Arrow, as a group of rows; one without rows adds nothing."""
        if isinstance(frame, pd.DataFrame):
            frame = pa.Table.from_pandas(frame, self._schema, preserve_index=False)
        if len(frame):
            with storing(self._folder):
                self._sink.write_table(frame)


@contextmanager
def write_frames(
    path: AnyPath,
    schema: pa.Schema,
    repeating: Sequence[str] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Iterator[FrameWriter]:
    """Write a file frame by frame, so that no more than one frame is in memory.

    The file is there at the end of the block, complete, or, where the block raises, not at all.
    The same frames give the same file. Its content is synced, and its name with the record or the
    manifest that is written after it.

    Parameters
    ----------
    path : Path or UPath
        Of the file.
    schema : Schema
        Of every frame.
    repeating : sequence of str, optional
        Columns whose values repeat, which are stored by a dictionary; by default all but floats. A
        dictionary of values that hardly ever repeat costs time and saves nothing.
    check : callable
        See `cryptodask.io.files.draft_of`.

    Yields
    ------
    FrameWriter

    Raises
    ------
    WriteError
        The disk is full, or can't be written to any more.
    """
    import pyarrow.parquet as pq

    if repeating is None:
        repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    with draft_of(path, sync_name=False, check=check) as draft:
        with storing(draft.parent):
            sink = pq.ParquetWriter(
                draft, schema, use_dictionary=list(repeating), write_page_checksum=True
            )
        writer = FrameWriter(sink, schema, draft.parent)
        try:
            yield writer
        except BaseException:
            with suppress(OSError):  # the draft is removed anyway
                sink.close()
            raise
        with storing(draft.parent):
            sink.close()
            record = record_of(draft)
    writer.record = FileRecord(path.name, record.size, record.sha256)


def write_frame(
    frame: pd.DataFrame, path: AnyPath, repeating: Sequence[str] | None = None
) -> FileRecord:
    """Write one frame as a file, complete or not at all; the same frame gives the same file.

    Parameters
    ----------
    frame : DataFrame
    path : Path or UPath
    repeating : sequence of str, optional
        Columns whose values repeat; see `write_frames`.
    """
    schema = pa.Schema.from_pandas(frame.iloc[:0], preserve_index=False)
    with write_frames(path, schema, repeating) as writer:
        writer(frame)
    return writer.record


def read_frame(path: AnyPath, record: FileRecord | None = None) -> pd.DataFrame:
    """Read a Parquet file as a dataframe.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord, optional
        Size and checksum that the file must have.

    Raises
    ------
    DamagedFileError
        The file is not as it was written.
    FileNotFoundError
        The file is missing, and no record was given.
    """
    content = read_bytes(path) if record is None else read_checked(path, record)
    with _parsing(path):
        return pd.read_parquet(BytesIO(content), page_checksum_verification=True)


class ParquetReader:
    """A Parquet file that is open; see `open_parquet`. What is torn raises `DamagedFileError`."""

    def __init__(self, file: "pq.ParquetFile", path: AnyPath) -> None:
        self._file, self._path = file, path

    @property
    def metadata(self) -> Any:
        """The footer, as pyarrow's ``FileMetaData``."""
        return self._file.metadata

    @property
    def schema_arrow(self) -> pa.Schema:
        """The columns, as Arrow has them."""
        return self._file.schema_arrow

    @property
    def num_row_groups(self) -> int:
        """How many groups of rows there are."""
        return int(self._file.num_row_groups)

    def read_row_group(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a group of rows.

        Parameters
        ----------
        number : int
            From 0.
        columns : sequence of str, optional
            By default all.
        """
        with _parsing(self._path):
            return self._file.read_row_group(number, columns and list(columns))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read all rows.

        Parameters
        ----------
        columns : sequence of str, optional
            By default all.
        """
        with _parsing(self._path):
            return self._file.read(columns and list(columns))


@contextmanager
def open_parquet(path: AnyPath, record: FileRecord | None = None) -> Iterator[ParquetReader]:
    """Open a Parquet file, from which only the rows and columns asked for are read.

    The checksum of each page that is read is compared. The footer has none: `read_frame` compares
    all of a file.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord, optional
        The file must have its size.

    Yields
    ------
    ParquetReader

    Raises
    ------
    DamagedFileError
        The file is not as it was written.
    FileNotFoundError
        The file is missing, and no record was given.
    """
    import pyarrow.parquet as pq

    reason = None if record is None else size_damage(path, record)
    if reason is not None:
        raise damaged(path, reason)
    with ExitStack() as stack:
        with _parsing(path):
            source: Any = path
            if not isinstance(path, Path):
                url = fresh(path)
                source = stack.enter_context(url.fs.open(url.path, "rb"))
            file = stack.enter_context(pq.ParquetFile(source, page_checksum_verification=True))
        yield ParquetReader(file, path)


@contextmanager
def _parsing(path: AnyPath) -> Iterator[None]:
    """Say of an error of pyarrow in this block that the file is damaged.

    Of bytes that are not Parquet pyarrow raises its own errors, or an `OSError` without a number;
    one with a number is of the disk or the network, and not of the file's content.
    """
    try:
        with reading(path):
            try:
                yield
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, pa.ArrowException) or _is_content(error):
                    raise damaged(path, str(error).splitlines()[0]) from error
                raise
    except UnicodeDecodeError as error:  # a name in the footer
        raise damaged(path, str(error)) from error


def _is_content(error: OSError) -> bool:
    return type(error) is OSError and error.errno is None

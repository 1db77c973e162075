"""The files of a price table: their names, the manifest, and publishing in one step.

Nothing here knows what is in the files. Every step that a kill or a power cut could fall between
is in `Writer`: files are written under a new token and reach the disk first, then the manifest
that names them takes the place of the old one.
"""

import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cryptodask.errors import TableError
from cryptodask.io.lock import LOCK, locked, unwritable
from cryptodask.io.sealed import sealed
from cryptodask.prices.table.manifest import (
    QUOTE,
    TABLE_FORMAT,
    TABLE_MANIFEST,
    TABLE_VERSION,
    Manifest,
    files_of,
    is_table_file,
    read_table_manifest,
)

_DRAFT = re.compile(r"manifest-[0-9a-f]{8}\.json")

Append = Callable[[pd.DataFrame], None]


def is_free(path: Path) -> bool:
    """Return whether a new table may be made at a path.

    It may where there is nothing, an empty folder, or only what a killed writer left of a table
    that it did not finish.

    Parameters
    ----------
    path : Path
    """
    if not path.is_dir():
        return not path.exists() and not path.is_symlink()
    return all(_is_own(file.name) for file in path.iterdir())


class Writer:
    """The one process that may change a table; see `writing`.

    Attributes
    ----------
    folder : Path
        Of the table.
    before : dict or None
        The manifest that is there; None where there is none that can be read.
    """

    def __init__(self, folder: Path, disk: ThreadPoolExecutor) -> None:
        self.folder = folder
        self._disk = disk
        self._syncing: list[tuple[Path, Future[None]]] = []
        self.before, self._had = _manifest_before(folder)
        self._token = secrets.token_hex(4)

    def write(
        self,
        kind: str,
        frame: pd.DataFrame | pa.Table,
        number: int | None = None,
        *,
        facts: Mapping[str, str] | None = None,
        required: Sequence[str] = (),
        row_group_size: int | None = None,
        **how: Any,
    ) -> str:
        """Write a file, and return its name. Nobody reads it yet.

        It goes to the disk while the next one is made; `publish` waits for that.

        Parameters
        ----------
        kind, number
            For its name.
        frame : DataFrame or pyarrow.Table
        facts : mapping of str to str, optional
            To be put into the file's footer.
        required : sequence of str
            Columns in which nothing is ever missing, which are quicker to read if they say so.
        row_group_size, **how
            See `pyarrow.parquet.ParquetWriter`.
        """
        place = "" if number is None else f"-{number:05d}"
        name = f"{kind}-{self._token}{place}.parquet"
        rows = frame if isinstance(frame, pa.Table) else as_arrow(frame)
        fields = [field.with_nullable(field.name not in required) for field in rows.schema]
        rows = rows.cast(pa.schema(fields, rows.schema.metadata))
        try:
            with pq.ParquetWriter(
                self.folder / name, rows.schema, write_page_checksum=True, **how
            ) as sink:
                sink.write_table(rows, row_group_size)
                sink.add_key_value_metadata(dict(facts or {}))
        except OSError as error:
            raise unwritable(self.folder / name, error) from error
        self._sync_later(self.folder / name)
        return name

    def _sync_later(self, path: Path) -> None:
        self._syncing.append((path, self._disk.submit(_sync, path)))

    def _wait_for_disk(self) -> None:
        """Wait until all files that were written are on the disk."""
        for path, synced in self._syncing:
            try:
                synced.result()
            except OSError as error:
                raise unwritable(path, error) from error

    @contextmanager
    def stream(self, kind: str, like: pd.DataFrame) -> Iterator[tuple[str, Append]]:
        """Write a file piece by piece, so that it need not fit into memory.

        Parameters
        ----------
        kind : str
            Of the file.
        like : DataFrame
            Of no rows, with the columns that every piece has.

        Yields
        ------
        name, append
            The file's name, and what adds a frame to it.
        """
        name = f"{kind}-{self._token}.parquet"
        path = self.folder / name
        schema = pa.Schema.from_pandas(like, preserve_index=False)
        try:
            with (
                path.open("wb") as file,
                pq.ParquetWriter(file, schema, write_page_checksum=True) as sink,
            ):

                def append(frame: pd.DataFrame) -> None:
                    if len(frame):
                        sink.write_table(as_arrow(frame, schema))

                yield name, append
        except OSError as error:
            raise unwritable(path, error) from error
        self._sync_later(path)

    def publish(self, manifest: Manifest, *, keep_old: bool) -> None:
        """Put a new manifest in place, in one step, and remove the files that none names.

        Parameters
        ----------
        manifest : dict
            Without what is the same in every one.
        keep_old : bool
            Whether the files of the table that was there stay until the next writer, for those
            who read them now.

        Raises
        ------
        TableError
            Another process has changed the table in spite of the lock.
        """
        generation = 1 + (self.before["generation"] if self.before else 0)
        head = {"format": TABLE_FORMAT, "version": TABLE_VERSION, "quote": QUOTE}
        manifest = {**head, "generation": generation, **manifest}
        draft = self.folder / f"manifest-{self._token}.json"
        self._check_alone()  # another process would have removed what was written
        self._wait_for_disk()
        try:
            draft.write_text(json.dumps(sealed(manifest), indent=1) + "\n", encoding="utf-8")
            _sync(draft)
            _sync(self.folder)  # the names of the files, before the one that names them
            self._check_alone()
            draft.replace(self.folder / TABLE_MANIFEST)
        except OSError as error:
            raise unwritable(self.folder / TABLE_MANIFEST, error) from error
        _sync(self.folder)
        kept = {*files_of(manifest), *(files_of(self.before) if keep_old and self.before else [])}
        for file in [file for file in self.folder.iterdir() if _is_left_over(file.name)]:
            if file.name not in kept:
                file.unlink(missing_ok=True)

    def _check_alone(self) -> None:
        """Refuse to continue if another process has changed the table in spite of the lock."""
        if _bytes_there(self.folder) != self._had:
            raise TableError(
                f"{self.folder}: another process changed the table meanwhile, so nothing was "
                "written; its file system keeps no locks between your machines: let one process "
                "write at a time, and do this again"
            )

    def give_up(self) -> None:
        """Remove what this writer wrote, unless it was published and a later step failed."""
        if self._token.encode() in (_bytes_there(self.folder) or b""):
            return
        for file in self.folder.glob(f"*-{self._token}*"):
            file.unlink(missing_ok=True)


def as_arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    """Return a frame as a table of Arrow, without its index.

    Parameters
    ----------
    frame : DataFrame
    schema : Schema, optional
    """
    # Threads would take longer to start than these columns take to be handed over.
    return pa.Table.from_pandas(frame, schema, preserve_index=False, nthreads=1)


@contextmanager
def writing(folder: Path) -> Iterator[Writer]:
    """Hold the table in a folder for writing; a folder that is missing is made.

    Parameters
    ----------
    folder : Path
        Of the table.

    Yields
    ------
    Writer

    Raises
    ------
    TableError
        Another process is writing there, or nobody can.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            _sync(folder.parent)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        with locked(folder), ThreadPoolExecutor(1) as disk:
            writer = Writer(folder, disk)
            try:
                yield writer
            except BaseException:
                disk.shutdown(cancel_futures=True)
                writer.give_up()
                raise
    finally:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def _manifest_before(folder: Path) -> tuple[Manifest | None, bytes | None]:
    """Return the manifest that is there, if it can be read, and its bytes.

    Raises
    ------
    TableError
        It is the manifest of something else, which is not ours to replace.
    """
    data = _bytes_there(folder)
    if data is None:
        return None, None
    try:
        return read_table_manifest(folder), data
    except TableError:
        if not any(is_table_file(file.name) for file in folder.iterdir()):
            raise
        return None, data


def _bytes_there(folder: Path) -> bytes | None:
    try:
        return (folder / TABLE_MANIFEST).read_bytes()
    except FileNotFoundError:
        return None


def _is_left_over(name: str) -> bool:
    """Return whether a file that no manifest names is what a writer left behind."""
    return is_table_file(name) or _DRAFT.fullmatch(name) is not None


def _is_own(name: str) -> bool:
    return _is_left_over(name) or name == LOCK


def _sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, are on the disk."""
    folder = path.is_dir()
    if folder and sys.platform == "win32":
        return  # which has no call for that
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

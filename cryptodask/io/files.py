"""Files that are whole or absent, also after the power went, and what tells whether they still are.

A file is written to a draft, synced, put in its place, and its folder is synced: what a folder
names is on the disk. A `FileRecord` has size and checksum, by which it is recognised later. An
object of a store is there when all of it was sent, and not before.
"""

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import attrs

from cryptodask.errors import DamagedFileError, InputError
from cryptodask.io.paths import AnyPath, read_bytes, size_of, storing


@attrs.frozen
class FileRecord:
    """A file as it was written.

    Attributes
    ----------
    name : str
        In its folder.
    size : int
        Bytes; -1 where it is not known, of files of an earlier version.
    sha256 : str
        Checksum of the content; empty where it is not known.
    """

    name: str
    size: int
    sha256: str


@contextmanager
def draft_of(path: AnyPath, mode: int | None = None) -> Iterator[Path]:
    """Give a file of this machine to write to, which is in its place at the end of the block.

    There it is whole, or, where the block raises or the machine stops, not at all.

    Parameters
    ----------
    path : Path or UPath
    mode : int, optional
        Permissions, from the first byte on.

    Raises
    ------
    WriteError
        It can't be put there.
    """
    if not isinstance(path, Path):
        with ExitStack() as stack:
            with storing(Path(gettempdir())):
                folder = stack.enter_context(TemporaryDirectory(prefix="cryptodask-"))
            draft = Path(folder) / path.name
            yield draft
            with storing(path.parent):
                path.fs.put_file(str(draft), path.path)
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if mode is not None:
            with storing(path.parent):
                draft.touch(mode, exist_ok=False)
        yield draft
        with storing(path.parent):
            sync(draft)
            draft.replace(path)
            sync(path.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Have the operating system write a file, or the names in a folder, to the disk."""
    if path.is_dir() and sys.platform == "win32":
        return  # which opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(text: str, path: AnyPath) -> None:
    """Write a text in UTF-8; whole or not at all."""
    with draft_of(path) as draft, storing(draft.parent):
        draft.write_text(text, encoding="utf-8")


def write_json(value: Any, path: AnyPath) -> None:
    """Write a value as JSON; whole or not at all."""
    write_text(json.dumps(value, indent=1) + "\n", path)


def read_json(path: AnyPath) -> Any:
    """Read JSON.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    InputError
        It is not JSON, was cut off, or is nested too deep to be anything of ours.
    """
    content = read_bytes(path)
    try:
        if not content.strip(b"\0 \t\r\n"):
            raise ValueError("it is empty or zeros")
        return json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise InputError(f"{path}: is nested too deep to be anything of CryptoDask") from None
    except ValueError as error:
        raise InputError(f"{path}: can't be read as JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def record_of(path: Path, name: str | None = None) -> FileRecord:
    """Return the record of a file of this machine, which has or will have this name."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(name or path.name, path.stat().st_size, digest)


def damage(path: AnyPath, record: FileRecord) -> str | None:
    """Return in what a file is not what was recorded; None where it is.

    Of a store, whose objects are whole or absent, only the size is compared: reading all of them
    again would cost as much as reading the result.
    """
    try:
        size = size_of(path)
    except FileNotFoundError:
        return "it is not there"
    except OSError as error:
        return f"it can't be read: {error.strerror or error}"
    if record.size >= 0 and size != record.size:
        return f"it has {size} bytes, and had {record.size} when it was written"
    if record.sha256 and isinstance(path, Path) and record_of(path).sha256 != record.sha256:
        return "its content is not what was written: the checksum differs"
    return None


def read_checked(path: AnyPath, record: FileRecord | None) -> bytes:
    """Read a file, and compare it with its record.

    Raises
    ------
    DamagedFileError
        It is not as it was written.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise damaged(path, "it is not there") from None
    if record is not None:
        if record.size >= 0 and len(content) != record.size:
            reason = f"it has {len(content)} bytes, and had {record.size} when it was written"
            raise damaged(path, reason)
        if record.sha256 and hashlib.sha256(content).hexdigest() != record.sha256:
            raise damaged(path, "its content is not what was written: the checksum differs")
    return content


def damaged(path: AnyPath, reason: str) -> DamagedFileError:
    """Return the error of a file that is not as it was written."""
    return DamagedFileError(
        f"{path}: is damaged: {reason}; `cryptodask resume {path.parent}` makes it again"
    )

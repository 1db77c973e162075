"""Files that are whole or absent, even after a power cut, and what shows that one still is.

In a folder of this machine a file is written under another name, synced to the disk, renamed, and
its folder is synced. A store can't rename, but an object appears only when all of it was sent: it
is written to a draft on this machine, and sent when that is complete.

A disk may still lose or change a file that was complete. So whoever notes that a file is done notes
its size and SHA-256 (`FileRecord`), and whoever uses the file compares.
"""

import hashlib
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, NoReturn

from cryptodask.errors import CryptoDaskError, DamagedFileError, InputError
from cryptodask.io.paths import (
    AnyPath,
    fresh,
    read_bytes,
    reading,
    storing,
    sync_folder,
)

MOST_TEXT = 60
"""Characters of a name in a file that an error shows."""


@dataclass(frozen=True)
class FileRecord:
    """What a file was when it was written.

    Attributes
    ----------
    name : str
        Without its folder.
    size : int
        In bytes.
    sha256 : str
        Of its content, 64 hexadecimal digits.
    """

    name: str
    size: int
    sha256: str


@contextmanager
def draft_of(
    path: AnyPath, *, sync_name: bool = True, check: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """Put a file in its place at the end of the block: complete, or not at all.

    Where the block raises, its process ends or the power is cut, the file that was there before
    stays.

    Parameters
    ----------
    path : Path or UPath
        Of the file.
    sync_name : bool
        Whether the folder is synced, too. A file that a record of the same folder names by size
        and checksum can leave that to the record, which is written after it.
    check : callable
        Called when the file is written, before it is put in its place; what it raises keeps it out.

    Yields
    ------
    Path
        A file of this machine to write to, which does not exist yet.

    Raises
    ------
    WriteError
        The file can't be put there.
    """
    if isinstance(path, Path):
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            yield draft
            with storing(path.parent):
                _sync(draft)
            check()
            with storing(path.parent):
                draft.replace(path)
                if sync_name:
                    sync_folder(path.parent)
        except BaseException:
            with suppress(OSError):  # where nothing can be written, nothing was
                draft.unlink(missing_ok=True)
            raise
        return
    with ExitStack() as stack:
        with storing(Path(gettempdir())):
            folder = stack.enter_context(TemporaryDirectory(prefix="cryptodask-"))
        draft = Path(folder) / path.name
        yield draft
        check()
        with storing(path.parent):
            path.fs.put_file(str(draft), path.path)


def _sync(path: Path) -> None:
    """Have the disk keep the content of a file."""
    handle = os.open(path, os.O_RDWR)  # Windows syncs only what can be written to
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(content: bytes, path: AnyPath, mode: int = 0o666) -> None:
    """Write a file, complete or not at all.

    Parameters
    ----------
    content : bytes
    path : Path or UPath
    mode : int
        Who may use a file of this machine, from its first byte on, less the process's umask.
    """
    write_files({path: (content, mode)})


def write_files(files: Mapping[AnyPath, tuple[bytes, int]]) -> None:
    """Write files that belong together, all or none.

    All are complete before the first gets its name; where one can't be written, none does.

    Parameters
    ----------
    files : mapping of Path or UPath to (bytes, int)
        The content of each, and who may use it, as in `write_bytes`. The last gets its name first.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with ExitStack() as stack:
        for path, (content, mode) in files.items():
            draft = stack.enter_context(draft_of(path))
            with storing(path.parent), os.fdopen(os.open(draft, flags, mode), "wb") as file:
                file.write(content)


def write_text(text: str, path: AnyPath) -> None:
    """Write a text in UTF-8, complete or not at all.

    Parameters
    ----------
    text : str
    path : Path or UPath
    """
    write_bytes(text.encode("utf-8"), path)


def write_json(value: Any, path: AnyPath) -> None:
    """Write a value as JSON, complete or not at all.

    Parameters
    ----------
    value : Any
        What `json.dumps` knows.
    path : Path or UPath
    """
    write_text(json.dumps(value, indent=1) + "\n", path)


def read_json(path: AnyPath) -> Any:
    """Read a value from a file of JSON.

    Parameters
    ----------
    path : Path or UPath

    Raises
    ------
    FileNotFoundError
        The file is missing.
    InputError
        It can't be read, or is not JSON in UTF-8; NaN, numbers out of range, a name that occurs
        twice in one object, and too deep nesting count as that.
    """
    try:
        text = read_bytes(path).decode("utf-8")
    except (CryptoDaskError, FileNotFoundError):
        raise
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _not_json(path, f"byte {error.start} is not UTF-8") from error
    try:
        return json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_without_repeats,
        )
    except RecursionError as error:
        raise _not_json(path, "it is nested too deep") from error
    except ValueError as error:
        raise _not_json(path, str(error)) from error


def _not_json(path: AnyPath, reason: str) -> InputError:
    return InputError(
        f"{path}: is not the JSON that it should be: {reason}; restore it from a copy, or have it "
        "written again"
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:MOST_TEXT]} is out of range")
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"{name[:MOST_TEXT]!r} occurs twice in one object")
        members[name] = value
    return members


def record_of(path: AnyPath) -> FileRecord:
    """Return size and checksum of a file, which is read for that, block by block.

    Parameters
    ----------
    path : Path or UPath
    """
    with reading(path), ExitStack() as stack:
        if isinstance(path, Path):
            file = stack.enter_context(path.open("rb"))
        else:
            file = stack.enter_context(fresh(path).fs.open(path.path, "rb"))
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(path.name, file.seek(0, os.SEEK_END), digest)


def damage(path: AnyPath, record: FileRecord) -> str | None:
    """Return why a file is not what was recorded, or None if it is.

    A file of this machine is read and its checksum compared. Of an object only the size is asked
    for: a store guards content itself, and reading it would cost as much as using it.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord
    """
    try:
        size = size_damage(path, record)
        if size is not None or not isinstance(path, Path):
            return size
        return _content_damage(record_of(path).sha256, record)
    except (CryptoDaskError, OSError) as error:
        return f"it can't be read: {error}"


def size_damage(path: AnyPath, record: FileRecord) -> str | None:
    """Return why the size of a file is not what was recorded, or None if it is; nothing is read.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord
    """
    try:
        with reading(path):
            size = fresh(path).stat().st_size
    except FileNotFoundError:
        return "it is missing"
    return None if size == record.size else f"it has {size} bytes instead of {record.size}"


def _content_damage(sha256: str, record: FileRecord) -> str | None:
    if sha256 == record.sha256:
        return None
    return f"its SHA-256 is {sha256[:12]}… instead of {record.sha256[:12]}…"


def read_checked(path: AnyPath, record: FileRecord) -> bytes:
    """Read a whole file that has to be as it was written.

    Parameters
    ----------
    path : Path or UPath
    record : FileRecord
        Noted when it was written.

    Raises
    ------
    DamagedFileError
        It is missing, or its size or checksum is another.
    """
    reason = size_damage(path, record)
    if reason is None:
        content = read_bytes(path)
        reason = _content_damage(hashlib.sha256(content).hexdigest(), record)
        if reason is None:
            return content
    raise damaged(path, reason)


def damaged(path: AnyPath, reason: str) -> DamagedFileError:
    """Return the error of a file that is not as it was written, which says what to do.

    Parameters
    ----------
    path : Path or UPath
    reason : str
        A sentence about the file, without capital and full stop.
    """
    return DamagedFileError(
        f"{path}: is damaged: {reason}; restore it from a copy, or do again what wrote it (a run: "
        "`cryptodask resume FOLDER`)"
    )

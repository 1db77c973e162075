"""The lock of the one process that writes a table, or another folder."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptodask.errors import TableError

LOCK = "writer.lock"


@contextmanager
def locked(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Hold the lock, which the operating system drops whenever its process ends, however it does.

    The file itself tells who holds it. It is removed at the end, so that a table has no file that
    is not a table's; a process that locked a file which was removed meanwhile tries again.
    """
    path = folder / name
    while True:
        # Never through a link, which could lead to a file of somebody else.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            handle = os.open(path, flags, 0o666)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            _lock(handle, folder)
            if _same_file(handle, path):
                since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
                holder = f"process {os.getpid()} on {socket.gethostname()} since {since}"
                os.truncate(handle, 0)
                os.write(handle, holder.encode())
                try:
                    yield
                finally:
                    with suppress(OSError):  # Windows removes no open file; then it stays, unlocked
                        path.unlink()
                return
        finally:
            os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    """Lock an open file, or say who has locked it."""
    try:
        _lock_now(handle)
    except (BlockingIOError, PermissionError) as error:
        os.lseek(handle, 0, os.SEEK_SET)
        told = os.read(handle, 200).decode("utf-8", "replace")
        holder = "".join(c for c in told if c.isprintable()) or "another process"
        raise TableError(
            f"{folder}: is being written by {holder}; nothing was changed: wait until that has "
            "ended, and do this again"
        ) from error
    except OSError as error:
        raise TableError(
            f"{folder}: can't be locked for writing: {error.strerror}; put it on a file "
            "system that has locks"
        ) from error


if sys.platform == "win32":
    import msvcrt

    def _lock_now(handle: int) -> None:
        # Of a byte far behind the text, which nobody could read otherwise.
        os.lseek(handle, 1 << 30, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock_now(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def unwritable(path: Path, error: OSError) -> TableError:
    """Say that a file can't be written."""
    return TableError(
        f"{path}: can't be written: {error.strerror or error}; nothing was changed: make room or "
        "get the right to write there, and do this again"
    )

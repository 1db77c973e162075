"""The lock of the one process that writes a table, or another folder."""

import json
import os
import secrets
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptodask.errors import CryptoDaskError, InputError, TableError
from cryptodask.io.paths import AnyPath, exists, read_text, remove, storing

if TYPE_CHECKING:
    from upath import UPath

LOCK = "writer.lock"

PAUSE = 0.05
"""Seconds between two attempts to get a lock that another process holds."""

SETTLING = 0.5
"""Seconds after which a lock that was taken over is looked at again."""


def locked(
    folder: AnyPath, name: str = LOCK, *, patience: float = 0.0, unlock: str = ""
) -> AbstractContextManager[None]:
    """Hold the lock of a folder in a block.

    Parameters
    ----------
    folder : Path or UPath
    name : str
        Of the lock's file in it.
    patience : float
        Seconds to wait for another process that holds it; by default none.
    unlock : str
        The command that frees the lock of a URL whose holder was killed on another machine, for
        the message of an error; by default that of runs.

    Raises
    ------
    TableError
        Another process holds it, or no file can be made there.
    InputError
        The bucket of a URL is missing, or this process may not write to it.
    """
    until = time.monotonic() + patience
    if isinstance(folder, Path):
        return _locked_file(folder, name, until)
    unlock = unlock or f"cryptodask resume {folder} --unlock"
    return _locked_object(folder, name, until, unlock)


def nothing_to_unlock(folder: Path) -> str:
    """Return why no lock is removed from a folder of this machine, and what to do.

    Parameters
    ----------
    folder : Path
    """
    return (
        f"--unlock: is for URLs; in {folder} a lock ends with the process that holds it, so there "
        "is nothing to remove: leave --unlock out, and if that is refused, wait for the process"
    )


@contextmanager
def _locked_object(folder: "UPath", name: str, until: float, unlock: str) -> Iterator[None]:
    """Hold a lock that is an object, which a store makes only where there is none.

    A store does not know when a process ends, so a process that is killed leaves its lock. If it
    was on this machine, this process sees that it is gone and takes the lock. Of other machines
    only their users know: ``cryptodask resume --unlock``.
    """
    lock = folder / name
    content = {"holder": _holder(), **_process(), "token": secrets.token_hex(8)}
    _acquire(lock, content, until, unlock)
    try:
        yield
    finally:
        if _has_token(lock, content):
            remove([lock])


def _acquire(lock: "UPath", content: dict[str, Any], until: float, unlock: str) -> None:
    """Make a lock; wait while another process holds it, and take it over from one that ended."""
    text = json.dumps(content).encode()
    took_over = was_held = False
    while True:
        try:
            with storing(lock.parent):
                _create(lock, text)
        except CryptoDaskError as error:
            holder = _content_of(lock)
            is_waiting = time.monotonic() < until
            was_held |= holder is not None or isinstance(error.__cause__, FileExistsError)
            if holder is None and not (was_held and is_waiting):
                # Nothing is written yet, so that there is nothing to resume.
                raise InputError(str(error)) from error
            if holder is not None and not took_over and _has_ended(holder):
                took_over = True
                remove([lock])
            elif not is_waiting:
                writer = _printable(str((holder or {}).get("holder")))
                raise TableError(
                    f"{lock.parent}: is being written by {writer}; nothing was changed: wait "
                    f"until that has ended, and do this again; if it was killed, `{unlock}` "
                    "continues"
                ) from error
            else:
                time.sleep(PAUSE)
            continue
        if took_over:
            # Another process may have seen the same ended one, and remove the lock made here.
            time.sleep(SETTLING)
            if not _has_token(lock, content):
                continue
        return


def _has_token(lock: "UPath", content: dict[str, Any]) -> bool:
    """Whether a lock is the one that was made with this content."""
    return bool((_content_of(lock) or {}).get("token") == content["token"])


def _create(lock: "UPath", text: bytes) -> None:
    """Make a lock, or raise if there is one."""
    try:
        lock.fs.pipe_file(lock.path, text, mode="create")
    except (NotImplementedError, ValueError):
        # A file system that can't do both in one step.
        if exists(lock):
            raise
        lock.fs.pipe_file(lock.path, text)


def _content_of(lock: "UPath") -> dict[str, Any] | None:
    """Read a lock, or return None where there is none."""
    try:
        content = json.loads(read_text(lock))
    except (OSError, InputError):
        return None
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _process() -> dict[str, Any]:
    """Return what no other process has: the machine, and number and start of this one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        spaces = " ".join(str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("pid", "time"))
        machine = f"{boot} {spaces}"
    except OSError:
        machine = f"{socket.gethostname()} {uuid.getnode()}"
    pid = os.getpid()
    return {"machine": machine, "pid": pid, "start": _start_of(pid)}


def _start_of(pid: int) -> float | None:
    """Return when a process started, by a clock that nobody sets; None of one that has ended.

    Raises
    ------
    psutil.Error
        There is none of that number that this process can see.
    """
    try:
        content = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        import psutil  # of distributed

        return float(psutil.Process(pid).create_time())
    fields = content.rpartition(")")[2].split()
    # In ticks since the boot. What psutil says is by the machine's clock, and moves with it.
    return None if fields[0] in "ZX" else float(fields[19])


def _has_ended(holder: dict[str, Any]) -> bool:
    """Whether the process that made a lock was one of this machine, and has ended."""
    pid, start = holder.get("pid"), holder.get("start")
    if holder.get("machine") != _process()["machine"] or type(pid) is not int:
        return False
    import psutil  # of distributed

    if not psutil.pid_exists(pid):
        return True
    try:
        return isinstance(start, float) and _start_of(pid) != start
    except psutil.Error:
        return False  # it is there, and of somebody whose processes are not shown


@contextmanager
def _locked_file(folder: Path, name: str, until: float) -> Iterator[None]:
    """Hold the lock, which the operating system drops whenever its process ends, however it does.

    The file says who holds it. It is removed at the end, so that a table has its own files only. A
    process that locked a file which was removed meanwhile tries again.
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
            _lock(handle, folder, until)
            if _same_file(handle, path):
                with storing(folder):
                    os.truncate(handle, 0)
                    os.write(handle, _holder().encode())
                try:
                    yield
                finally:
                    with suppress(OSError):  # Windows removes no open file; then it stays, unlocked
                        path.unlink()
                return
        finally:
            os.close(handle)


def _lock(handle: int, folder: Path, until: float) -> None:
    """Lock an open file, or say who has locked it."""
    try:
        while True:
            try:
                _lock_now(handle)
                return
            except (BlockingIOError, PermissionError):
                if time.monotonic() >= until:
                    raise
                time.sleep(PAUSE)
    except (BlockingIOError, PermissionError) as error:
        os.lseek(handle, 0, os.SEEK_SET)
        holder = _printable(os.read(handle, 200).decode("utf-8", "replace"))
        raise TableError(
            f"{folder}: is being written by {holder}; nothing was changed: wait until that has "
            "ended, and do this again"
        ) from error
    except OSError as error:
        raise TableError(
            f"{folder}: can't be locked for writing: {error.strerror}; put it on a file "
            "system that has locks"
        ) from error


def _holder() -> str:
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"process {os.getpid()} on {socket.gethostname()} since {since}"


def _printable(holder: str) -> str:
    return "".join(c for c in holder[:200] if c.isprintable()) or "another process"


if sys.platform == "win32":
    import msvcrt

    def _lock_now(handle: int) -> None:
        # Lock a byte far behind the text, since nobody can read a byte that is locked.
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
    """Return the error of a file that can't be written.

    Parameters
    ----------
    path : Path
    error : OSError
        Which was raised.
    """
    return TableError(
        f"{path}: can't be written: {error.strerror or error}; nothing was changed: make room or "
        "get the right to write there, and do this again"
    )

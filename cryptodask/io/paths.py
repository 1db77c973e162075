"""Where results are: paths of this machine, and URLs of stores that fsspec knows, as ``s3://``.

A URL is a `upath.UPath`, which has the methods of a path. This module and `cryptodask.io.files`
hide the rest of the difference. Each question goes to the store again, since others write to it
meanwhile. The store's settings and secrets are fsspec's configuration, on the client and on every
worker, and never part of a path.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Union
from urllib.parse import urlsplit

from cryptodask.errors import (
    CryptoDaskError,
    InputError,
    MissingExtraError,
    OptionError,
    WriteError,
)
from cryptodask.io.looking import looking

if TYPE_CHECKING:
    from upath import UPath

AnyPath = Union[Path, "UPath"]
"""A path of this machine, or a URL."""

T = TypeVar("T")
P = TypeVar("P", bound=AnyPath)

TOGETHER = 16
"""Requests to a store at the same time, most of whose time is waiting."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(://|::)")

_HERE = ("file", "local")
"""Protocols whose URLs are paths of this machine."""


def path_of(given: "str | os.PathLike[str] | UPath") -> AnyPath:
    """Return the path that a user gave; of ``file://`` and ``local://``, one of this machine.

    Parameters
    ----------
    given : str, path or UPath

    Raises
    ------
    OptionError
        A URL is of no protocol that is known, or has settings or secrets in it.
    MissingExtraError
        The package of its file system is not installed.
    """
    text = str(given)
    match = _URL.match(text)
    if not match:
        return Path(text)
    protocol = match[1].lower()
    if protocol in _HERE:
        from fsspec.implementations.local import LocalFileSystem

        return Path(LocalFileSystem._strip_protocol(text))
    url = _known(text if isinstance(given, str | Path) else given, protocol)
    settings = sorted(url.storage_options)
    if settings or urlsplit(text).password is not None:
        what = ", ".join(settings) or "a password"
        raise OptionError(
            f"{protocol} URL: has {what} in it, which every worker needs and none gets; set it "
            f"in fsspec's configuration, as the environment's FSSPEC_{protocol.upper()}_…, and "
            f"write {protocol}://PATH"
        )
    return url


def _known(given: "str | os.PathLike[str] | UPath", protocol: str) -> "UPath":
    """Return a URL whose file system is there."""
    from fsspec import get_filesystem_class
    from upath import UPath

    try:
        if "::" in str(given):
            raise ValueError("URLs inside URLs are not for results")
        get_filesystem_class(protocol)
        return UPath(given)
    except ImportError as error:
        raise _missing(f"{given}", error) from error
    except ValueError as error:
        raise OptionError(
            f"{given}: results can't be put there: {error}; write a path, or a URL that fsspec "
            "knows, as s3://bucket/folder (gs, abfs, …)"
        ) from error


def resolved(path: AnyPath) -> AnyPath:
    """Return a path that is the same whatever the working directory; a URL is so already.

    Parameters
    ----------
    path : Path or UPath
    """
    return path.resolve() if isinstance(path, Path) else path


def exists(path: AnyPath) -> bool:
    """Whether there is a file, an object or a folder; an `InputError` where that is not known.

    Parameters
    ----------
    path : Path or UPath
    """
    with reading(path), looking(path, InputError):
        return fresh(path).exists()


def is_folder(path: AnyPath) -> bool:
    """Whether there is a folder, or objects whose names begin like one's.

    Parameters
    ----------
    path : Path or UPath
    """
    with reading(path), looking(path, InputError):
        return fresh(path).is_dir()


def make_folder(path: AnyPath, mode: int = 0o777) -> None:
    """Make a folder; a store of buckets has none, and no bucket is made.

    Parameters
    ----------
    path : Path or UPath
    mode : int
        Who may use it, less the process's umask; a folder that was there stays as it is.
    """
    if not isinstance(path, Path):
        from upath.implementations.cloud import CloudPath

        if isinstance(path, CloudPath):
            return
    with storing(path):
        around = [path, *path.parents] if isinstance(path, Path) else []
        absent = list(takewhile(lambda folder: not folder.exists(), around))[::-1]
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        for folder in absent:
            sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder, where the system can do that.

    Windows can't, nor can some network file systems; a folder that may be written to and not be
    read can't be opened for it.

    Parameters
    ----------
    folder : Path
    """
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def names_in(folder: AnyPath) -> list[str]:
    """Return the names of files and folders in a folder; a store has no empty folders.

    Parameters
    ----------
    folder : Path or UPath
    """
    if isinstance(folder, Path):
        return [file.name for file in folder.iterdir()]
    folder_name, names = folder.path.strip("/"), []
    with reading(folder), suppress(FileNotFoundError):
        names = [str(name).strip("/") for name in fresh(folder).fs.ls(folder.path, detail=False)]
    return [name.rpartition("/")[2] for name in names if name != folder_name]


def read_text(path: AnyPath) -> str:
    """Read a text in UTF-8.

    Parameters
    ----------
    path : Path or UPath
    """
    return read_bytes(path).decode("utf-8")


def read_bytes(path: AnyPath) -> bytes:
    """Read a whole file, or a whole object.

    Parameters
    ----------
    path : Path or UPath
    """
    if isinstance(path, Path):
        return path.read_bytes()
    with reading(path):
        content: bytes = fresh(path).fs.cat_file(path.path)
        return content


def fresh(path: P) -> P:
    """Return a path whose file system forgot earlier answers, which may not hold any more.

    Parameters
    ----------
    path : Path or UPath
    """
    if not isinstance(path, Path):
        path.fs.invalidate_cache()
    return path


def remove(paths: Iterable[AnyPath]) -> None:
    """Remove files; some of them may be gone.

    Parameters
    ----------
    paths : iterable of Path or UPath
    """
    each(_remove, list(paths))


def _remove(path: AnyPath) -> None:
    with storing(path.parent):
        if isinstance(path, Path):
            path.unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):  # which some stores say
            path.fs.rm_file(path.path)


def each(function: Callable[[AnyPath], T], paths: Sequence[AnyPath]) -> list[T]:
    """Call a function for each path of a folder; of a store, for many at the same time.

    Parameters
    ----------
    function : callable
        Of a path.
    paths : sequence of Path or UPath

    Returns
    -------
    list
        In the order of the paths.
    """
    if not paths or isinstance(paths[0], Path):
        return [function(path) for path in paths]
    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(function, paths))


@contextmanager
def storing(folder: AnyPath) -> Iterator[None]:
    """Raise an error of this block as one of writing to a folder, which concerns no coin.

    Parameters
    ----------
    folder : Path or UPath

    Raises
    ------
    WriteError
        The disk is full, the bucket is not there, or this machine may not write to it.
    MissingExtraError
        The package of a URL's file system is not installed.
    """
    try:
        yield
    except CryptoDaskError:
        raise
    except ImportError as error:
        raise _missing(str(folder), error) from error
    except Exception as error:
        if not isinstance(folder, Path):
            raise WriteError(f"{folder}: can't be written to: {_reason(error)}") from error
        if not isinstance(error, OSError):
            raise
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno == errno.EFBIG:
            reason += " (a limit on the size of files)"
        raise WriteError(
            f"{folder}: can't be written to: {reason}; make room, or see to what is wrong with the "
            "disk"
        ) from error


@contextmanager
def reading(path: AnyPath) -> Iterator[None]:
    """Raise an error of a store in this block as one that names the path.

    A `FileNotFoundError` is raised as it is.

    Parameters
    ----------
    path : Path or UPath

    Raises
    ------
    InputError
        The store does not answer, or does not let this machine read.
    MissingExtraError
        The package of its file system is not installed.
    """
    try:
        yield
    except (CryptoDaskError, FileNotFoundError):
        raise
    except ImportError as error:
        raise _missing(str(path), error) from error
    except Exception as error:
        if isinstance(path, Path):
            raise
        raise InputError(f"{path}: can't be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return what a store said, and what to do."""
    return (
        f"{type(error).__name__}: {error}; see that the bucket or server is there, that this "
        "machine may use it, and that fsspec's configuration says how (as FSSPEC_S3_ENDPOINT_URL, "
        "or AWS_ACCESS_KEY_ID, in the environment)"
    )


def _missing(url: str, error: ImportError) -> MissingExtraError:
    """Say which package a URL needs."""
    lacking = getattr(error.__cause__, "name", None) or error.name
    name = f"`pip install {lacking}`" if lacking else str(error)
    return MissingExtraError(f"{url}: its file system is not installed: {name}, here and on "
                             "every worker")  # fmt: skip

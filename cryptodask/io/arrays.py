"""Files of named arrays: safetensors, which hold numbers and no code.

A file of this machine is mapped, so that a few rows cost no more than their bytes. Every reader
gets the checksum of the header that it relies on, and who reads rows compares theirs; see
`cryptodask.results.version`.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.io.files import FileRecord, damaged, draft_of, record_of
from cryptodask.io.paths import AnyPath, fresh, read_bytes, reading, storing

Array = NDArray[Any]

LENGTH = 8
"""Bytes of the number at the beginning of a file, which says how long its header is."""

LONGEST = 100_000_000
"""Bytes of a header, as the format limits it."""

DTYPES = ("float64", "float32", "int64", "uint8", "bool")
"""Kinds of numbers that files have: no others, so that every reader knows them."""


def write_arrays(
    path: AnyPath,
    arrays: Mapping[str, Array],
    notes: Mapping[str, Any],
    check: Callable[[], None] = lambda: None,
) -> FileRecord:
    """Write arrays as one file, complete or not at all; the same arrays give the same file.

    Its content is synced, and its name with the record that is written after it.

    Parameters
    ----------
    path : Path or UPath
    arrays : mapping of str to ndarray, ``(n, …)``
        Of a kind in `DTYPES`.
    notes : mapping of str to Any
        What JSON can hold, for the header.
    check : callable
        See `cryptodask.io.files.draft_of`.

    Raises
    ------
    WriteError
        It can't be written.
    TypeError
        An array is of another kind.
    """
    from safetensors.numpy import save_file

    wrong = [n for n, a in arrays.items() if a.dtype.name not in DTYPES]
    if wrong:
        raise TypeError(f"{wrong[0]}: {arrays[wrong[0]].dtype}: must be one of {', '.join(DTYPES)}")
    plain = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    header = {"notes": json.dumps(notes, sort_keys=True, allow_nan=False)}
    with draft_of(path, sync_name=False, check=check) as draft, storing(draft.parent):
        save_file(plain, draft, metadata=header)
        with ThreadPoolExecutor(1) as thread:  # the disk writes while the checksum is made
            synced = thread.submit(_sync, draft)
            record = record_of(draft)
            synced.result()
    return FileRecord(path.name, record.size, record.sha256)


def _sync(path: Path) -> None:
    """Have the disk keep a file. An error of it is raised by this sync, and by no later one."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class ArrayFile:
    """An open file of arrays.

    Attributes
    ----------
    notes : Any
        What was noted in the header.
    header_sha256 : str
        Of the header, which says where which array lies.
    names : tuple of str
        Of the arrays, in order.
    """

    def __init__(self, path: AnyPath, header: bytes, arrays: Any) -> None:
        self._path, self._arrays = path, arrays
        self.header_sha256 = hashlib.sha256(header).hexdigest()
        content = json.loads(header[LENGTH:])
        self.notes = json.loads(content.pop("__metadata__", {}).get("notes", "null"))
        self.names = tuple(sorted(content))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Array:
        """Return rows of an array, ``(stop - start, …)``, by default all.

        Parameters
        ----------
        name : str
        start, stop : int
            Along its first axis.

        Raises
        ------
        DamagedFileError
            The file has other arrays.
        """
        from safetensors import SafetensorError

        try:
            array = self._arrays
            if not isinstance(array, dict):
                mapped = array.get_slice(name)
                length = mapped.get_shape()[0]
                start, stop, _ = slice(start, stop).indices(length)
                if start >= stop:  # which it refuses
                    start, stop, mapped = 0, 0, array.get_tensor(name)
                rows: Array = mapped[start:stop]
                return rows
            held: Array = array[name][start:stop]
            return held
        except (SafetensorError, KeyError, IndexError, ValueError) as error:
            raise damaged(self._path, f"has no such rows of {name} ({error})") from error


@contextmanager
def open_arrays(path: AnyPath) -> Iterator[ArrayFile]:
    """Open a file of arrays; of this machine it is mapped, of a store it is read whole.

    Parameters
    ----------
    path : Path or UPath

    Raises
    ------
    DamagedFileError
        It is missing, or not such a file.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load

    with ExitStack() as stack:
        try:
            if isinstance(path, Path):
                header = _read_header(path)
                arrays = stack.enter_context(safe_open(path, framework="numpy"))
            else:
                content = read_bytes(fresh(path))
                header, arrays = content[: LENGTH + _length(content)], load(content)
            file = ArrayFile(path, header, arrays)
        except FileNotFoundError as error:
            raise damaged(path, "is missing") from error
        except (SafetensorError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise damaged(path, f"is not a file of arrays ({error})") from error
        yield file


def _read_header(path: Path) -> bytes:
    """Return the first bytes of a file, up to the arrays."""
    with reading(path), path.open("rb") as file:
        first = file.read(LENGTH)
        return first + file.read(_length(first))


def _length(first: bytes) -> int:
    """Return how many bytes of header follow the first eight."""
    length = int.from_bytes(first[:LENGTH], "little")
    if len(first) < LENGTH or length > LONGEST:
        raise ValueError("its header is cut off or too long")
    return length

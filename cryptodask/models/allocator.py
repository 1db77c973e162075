"""The memory that a process frees: kept for the next batch of the same size."""

import asyncio
import ctypes
import sys
from functools import cache
from typing import Any

KEPT = 1 << 28  # bytes at most; batches need some tens of MB


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what one batch frees, for the next batch to take.

    Otherwise it gives arrays of megabytes back to the system at once, and then every page has to
    be made anew: two fifths of the time of a closed form. Dask sets its workers to give back even
    more.
    """
    trim_threshold, mmap_threshold = -1, -3  # names and numbers of malloc.h
    libc: Any = _libc()
    if hasattr(libc, "mallopt"):  # musl lacks it, and needs none
        libc.mallopt(trim_threshold, KEPT)
        libc.mallopt(mmap_threshold, KEPT)


def release_memory() -> None:
    """Give back to the system what was freed and kept, where `keep_freed_memory` was called."""
    if not keep_freed_memory.cache_info().currsize:
        return
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    libc: Any = _libc()
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


async def release_memory_soon() -> None:
    """Do that when the data of a run has been released, which takes a moment from its end."""
    await asyncio.sleep(1)
    release_memory()


def _libc() -> ctypes.CDLL | None:
    """Return the C library, of Linux."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None

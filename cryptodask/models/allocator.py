"""The memory that a process frees: kept for the next batch of the same size."""

import ctypes
import sys
from functools import cache

KEPT = 1 << 28  # bytes at most; batches need some tens of MB


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what one batch frees, for the next batch to take.

    It gives arrays of megabytes back to the system at once otherwise, of which every page then
    has to be made anew: two fifths of the time of a closed form. Dask's workers are told to give
    back even more.
    """
    if sys.platform != "linux":
        return
    trim_threshold, mmap_threshold = -1, -3  # names and numbers of malloc.h
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none, and needs none
        libc.mallopt(trim_threshold, KEPT)
        libc.mallopt(mmap_threshold, KEPT)

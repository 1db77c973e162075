"""How kernels of this folder are compiled: once, and anew when one of them changes."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

KERNELS = ("compiling", "transforms", "passes", "harch", "optimiser", "batch", "recursions")
"""Modules whose functions are compiled; a test holds that it names all of them."""


def _digest() -> str:
    texts = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in KERNELS)
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


_DIGEST = _digest()


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, and keep the code on disk.

    Products and sums may be one instruction, so that the last bits depend on the processor. Nothing
    is reordered: neither the coins beside one nor later rows change a bit.

    Parameters
    ----------
    function : callable
        Of a module of `KERNELS`.
    """
    # Numba sees changes in a function's own file alone; what it keeps is named by the function.
    function.__qualname__ += f"_{_DIGEST}"
    kernel = numba.njit(nogil=True, error_model="numpy", fastmath={"contract"})(function)
    with suppress(RuntimeError):  # nowhere to keep it: no writable folder beside the file, no home
        kernel.enable_caching()
    return cast(Function, kernel)

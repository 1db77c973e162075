"""Functions that Numba compiles when they are first called, and keeps on disk."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def digest_of(files: Iterable[Path] = ()) -> str:
    """Return what changes with how functions are compiled, and with any of some files.

    Parameters
    ----------
    files : iterable of Path

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    texts = (file.read_bytes() for file in (Path(__file__), *files))
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


def compile_kept(function: Function, digest: str = "", *, contract: bool = False) -> Function:
    """Compile a function, and keep the code beside its file, where that can be written.

    Errors of arithmetic are those of NumPy, since checks would keep loops from being vectorised.
    Nothing is reordered.

    Parameters
    ----------
    function : callable
    digest : str
        Of other files that the code depends on, which its name then has: Numba sees changes in a
        function's own file alone, and what it keeps is named by the function.
    contract : bool
        Whether products and sums may be one instruction, so that the last bits depend on the
        processor.
    """
    if digest:
        function.__qualname__ += f"_{digest}"
    fastmath = {"contract"} if contract else False
    compiled = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath)(function)
    with suppress(RuntimeError):  # nowhere to keep it: no writable folder beside the file, no home
        compiled.enable_caching()
    return cast(Function, compiled)

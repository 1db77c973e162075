"""How kernels of this folder are compiled: once, and anew when one of them changes."""

from pathlib import Path

from cryptodask.io.compiling import Function, compile_kept, digest_of

KERNELS = ("compiling", "transforms", "passes", "harch", "optimiser", "batch", "recursions")
"""Modules whose functions are compiled; a test holds that it names all of them."""


_DIGEST = digest_of(Path(__file__).with_name(f"{name}.py") for name in KERNELS)


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, and keep the code on disk.

    Products and sums may be one instruction, so that the last bits depend on the processor. Nothing
    is reordered: neither the coins beside one nor later rows change a bit.

    Parameters
    ----------
    function : callable
        Of a module of `KERNELS`.
    """
    return compile_kept(function, _DIGEST, contract=True)

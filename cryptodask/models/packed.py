"""Arrays of one coin as bytes, where those of different coins are not alike."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import VersionError
from cryptodask.models.learned import Array

Bytes = NDArray[np.uint8]

_INTEGERS = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
NUMBERS = frozenset(["bool", *_INTEGERS, "float16", "float32", "float64"])
"""The kinds of numbers that arrays may have."""


def pack(arrays: Mapping[str, Array]) -> Bytes:
    """Return arrays as bytes, those of a safetensors file.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of the kinds in `NUMBERS`, of any shapes.

    Returns
    -------
    ndarray of uint8, ``(n_bytes,)``
        At least one byte.

    Examples
    --------
    >>> unpack(pack({"weights": np.arange(3)}), "the weights")
    {'weights': array([0, 1, 2])}
    """
    from safetensors.numpy import save

    # It would write what memory holds, whatever the strides.
    in_order = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return np.frombuffer(save(in_order), dtype=np.uint8)


def unpack(packed: Bytes, what: str) -> dict[str, Array]:
    """Return the arrays of `pack`. Nothing in the bytes can run code.

    Parameters
    ----------
    packed : ndarray of uint8, ``(n_bytes,)``
    what : str
        What they are of, for the message.

    Raises
    ------
    VersionError
        The bytes are not those of arrays.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(packed.tobytes())
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise VersionError(
            f"{what}: what was kept can't be read: {error}; train it again"
        ) from error
    # Copied, since those are read-only, and begin anywhere in the bytes.
    return {name: array.copy() for name, array in arrays.items()}

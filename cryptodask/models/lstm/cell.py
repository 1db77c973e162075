"""The weights of one LSTM layer as one matrix, which applies to bias, inputs and state at once."""

import numpy as np
from numpy.typing import NDArray

FloatArray32 = NDArray[np.float32]


def pack(kernel: FloatArray32, recurrent: FloatArray32, bias: FloatArray32) -> FloatArray32:
    """Return the weights of one layer as one matrix.

    Parameters
    ----------
    kernel : ndarray, ``(..., inputs, 4 * units)``
    recurrent : ndarray, ``(..., units, 4 * units)``
    bias : ndarray, ``(..., 4 * units)``
        The gates in the order of Keras: input, forget, cell, output.

    Returns
    -------
    ndarray of float32, ``(..., 1 + inputs + units, 4 * units)``
        Bias, kernel, recurrent kernel, with the gates in the order input, forget, output, cell:
        those with a sigmoid come first.
    """
    rows = np.concatenate([bias[..., None, :], kernel, recurrent], axis=-2)
    return _swap_last_gates(rows)


def unpack(matrix: FloatArray32, inputs: int) -> tuple[FloatArray32, FloatArray32, FloatArray32]:
    """Return kernel, recurrent kernel and bias of one layer from what `pack` makes of them."""
    rows = _swap_last_gates(matrix)
    return rows[1 : 1 + inputs], rows[1 + inputs :], rows[0]


def _swap_last_gates(rows: FloatArray32) -> FloatArray32:
    enter, forget, third, fourth = np.split(rows, 4, axis=-1)
    return np.concatenate([enter, forget, fourth, third], axis=-1)


def halve_sigmoids(matrix: FloatArray32) -> FloatArray32:
    """Return `pack`'s matrix with the rows of sigmoids halved, as the compiled steps want it.

    The sigmoid of x is half the tanh of x / 2, plus a half: so one tanh serves all gates.
    """
    halved = matrix.copy()
    halved[..., : matrix.shape[-1] // 4 * 3] *= np.float32(0.5)
    return halved

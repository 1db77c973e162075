"""The weights of one LSTM layer as one matrix, which applies to bias, inputs and state at once."""

import numpy as np

from cryptodask.records import FloatArray32


def pack(kernel: FloatArray32, recurrent: FloatArray32, bias: FloatArray32) -> FloatArray32:
    """Return the weights of one layer as one matrix.

    The axis of coins may be missing, where there is one network.

    Parameters
    ----------
    kernel : ndarray of float32, ``(n_coins, inputs, 4 * units)``
    recurrent : ndarray, ``(n_coins, units, 4 * units)``
    bias : ndarray, ``(n_coins, 4 * units)``
        The gates in the order of Keras: input, forget, cell, output.

    Returns
    -------
    ndarray of float32, ``(n_coins, 1 + inputs + units, 4 * units)``
        Bias, kernel, recurrent kernel, with the gates in the order input, forget, output, cell:
        those with a sigmoid come first.
    """
    rows = np.concatenate([bias[..., None, :], kernel, recurrent], axis=-2)
    return _swap_last_gates(rows)


def unpack(matrix: FloatArray32, inputs: int) -> tuple[FloatArray32, FloatArray32, FloatArray32]:
    """Return kernel, recurrent kernel and bias of one layer from the matrix that `pack` makes.

    Parameters
    ----------
    matrix : ndarray of float32, ``(1 + inputs + units, 4 * units)``
    inputs : int

    Returns
    -------
    kernel : ndarray of float32, ``(inputs, 4 * units)``
    recurrent : ndarray of float32, ``(units, 4 * units)``
    bias : ndarray of float32, ``(4 * units,)``
    """
    rows = _swap_last_gates(matrix)
    return rows[1 : 1 + inputs], rows[1 + inputs :], rows[0]


def _swap_last_gates(rows: FloatArray32) -> FloatArray32:
    enter, forget, third, fourth = np.split(rows, 4, axis=-1)
    return np.concatenate([enter, forget, fourth, third], axis=-1)


def halve_sigmoids(matrix: FloatArray32) -> FloatArray32:
    """Return `pack`'s matrix with the rows of sigmoids halved, as the compiled steps want it.

    The sigmoid of x is half the tanh of x / 2, plus a half: so one tanh serves all gates.

    Parameters
    ----------
    matrix : ndarray of float32, ``(n_coins, 1 + inputs + units, 4 * units)``
    """
    halved = matrix.copy()
    halved[..., : matrix.shape[-1] // 4 * 3] *= np.float32(0.5)
    return halved

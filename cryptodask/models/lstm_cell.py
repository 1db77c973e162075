"""The arithmetic of one LSTM layer at one time step, in NumPy, for training and forecasts alike.

Arrays have their units first and their windows last, so that each gate is one contiguous block
and NumPy runs through it at full width. The weights of a layer are one matrix, which applies to
bias, inputs and state in one product.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray32 = NDArray[np.float32]

HALF = np.array(0.5, dtype=np.float32)
ONE = np.array(1.0, dtype=np.float32)


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
    """Return `pack`'s matrix with the rows of sigmoids halved, as `advance` wants it.

    The sigmoid of x is half the tanh of x / 2, plus a half: so one tanh serves all gates.
    """
    halved = matrix.copy()
    halved[..., : matrix.shape[-1] // 4 * 3] *= HALF
    return halved


def advance(
    raw: FloatArray32,
    gates: FloatArray32,
    before: FloatArray32,
    cell: FloatArray32,
    squashed: FloatArray32,
    state: FloatArray32,
) -> None:
    """Compute one step of a layer from the product of its matrix, sigmoids halved.

    Parameters
    ----------
    raw : ndarray, ``(..., 4 * units, n)``
        The product; overwritten. May be ``gates``.
    gates : ndarray, ``(..., 4 * units, n)``
        Output: the gates, opened between 0 and 1, and the candidate, between -1 and 1.
    before : ndarray, ``(..., units, n)``
        The cell as the step before left it. May be ``cell``.
    cell, squashed, state : ndarray, ``(..., units, n)``
        Output: the new cell, its tanh, and the layer's output.
    """
    units = cell.shape[-2]
    np.tanh(raw, gates)
    opened = gates[..., : 3 * units, :]
    np.multiply(opened, HALF, opened)
    np.add(opened, HALF, opened)
    added = raw[..., :units, :] if raw is not gates else squashed
    np.multiply(gates[..., :units, :], gates[..., 3 * units :, :], added)
    np.multiply(gates[..., units : 2 * units, :], before, cell)
    np.add(cell, added, cell)
    np.tanh(cell, squashed)
    np.multiply(gates[..., 2 * units : 3 * units, :], squashed, state)


def retreat(
    gates: FloatArray32,
    before: FloatArray32,
    squashed: FloatArray32,
    wanted: FloatArray32,
    carried: FloatArray32,
    gradient: FloatArray32,
    spare: FloatArray32,
) -> None:
    """Compute the gradient of one step, the reverse of `advance`.

    Parameters
    ----------
    gates : ndarray, ``(4 * units, n)``
    before, squashed : ndarray, ``(units, n)``
        As `advance` had or left them.
    wanted : ndarray, ``(units, n)``
        Gradient of the layer's output.
    carried : ndarray, ``(units, n)``
        Gradient of the cell from the step after; becomes that for the step before.
    gradient : ndarray, ``(4 * units, n)``
        Output: gradient of the product of the layer's matrix, nothing halved.
    spare : ndarray, ``(4 * units, n)``
        Overwritten.
    """
    units = len(before)
    enter, forget = gates[:units], gates[units : 2 * units]
    leave, candidate = gates[2 * units : 3 * units], gates[3 * units :]
    slope = spare[:units]
    np.multiply(squashed, squashed, slope)
    np.subtract(ONE, slope, slope)
    np.multiply(slope, leave, slope)
    np.multiply(slope, wanted, slope)
    np.add(carried, slope, carried)
    np.multiply(carried, candidate, gradient[:units])
    np.multiply(carried, before, gradient[units : 2 * units])
    np.multiply(wanted, squashed, gradient[2 * units : 3 * units])
    np.multiply(carried, enter, gradient[3 * units :])
    np.multiply(carried, forget, carried)
    # Slopes of the activations: s - s**2 of a sigmoid s, 1 - t**2 of a tanh t.
    np.multiply(gates, gates, spare)
    opened, slopes = gates[: 3 * units], spare[: 3 * units]
    np.subtract(opened, slopes, slopes)
    np.subtract(ONE, spare[3 * units :], spare[3 * units :])
    np.multiply(gradient, spare, gradient)

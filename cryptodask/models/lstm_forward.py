"""The LSTM's forward pass for many coins at once, in NumPy alone.

Calling Keras for one window of one coin costs a thousand times the arithmetic. Here the weights
of all coins are stacked and each matrix product is one call for all of them. Each coin's product
is computed on its own inside it, so that a forecast does not depend on the coins beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray32 = NDArray[np.float32]

BATCH_NORM_EPSILON = np.float32(1e-3)
"""Keras's default."""


def _sigmoid(x: FloatArray32) -> FloatArray32:
    # By tanh, since exp overflows for large negative x.
    half = np.float32(0.5)
    result: FloatArray32 = half * np.tanh(half * x) + half
    return result


ACTIVATIONS: Mapping[str, Callable[[FloatArray32], FloatArray32]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Weights:
    """Weights of networks of one shape.

    Attributes
    ----------
    arrays : dict of str to ndarray of float32
        ``kernel_0 (n_coins, inputs, 4 * units)``, ``recurrent_kernel_0 (n_coins, units,
        4 * units)``, ``bias_0 (n_coins, 4 * units)`` for the first LSTM layer, the gates in the
        order of Keras (input, forget, cell, output); with batch normalisation ``gamma_0``,
        ``beta_0``, ``moving_mean_0``, ``moving_variance_0``, each ``(n_coins, units)``; and so on
        for every layer; ``dense_kernel (n_coins, units, 1)`` and ``dense_bias (n_coins, 1)``.
        Without the first axis for one network that is not stacked yet.
    """

    arrays: Mapping[str, FloatArray32]

    @classmethod
    def stack(cls, networks: Sequence["Weights"]) -> "Weights":
        """Stack the weights of single networks along a new first axis."""
        names = networks[0].arrays
        return cls({name: np.stack([w.arrays[name] for w in networks]) for name in names})


def forward(weights: Weights, x: FloatArray32, activation: str = "linear") -> FloatArray32:
    """Apply each coin's network to its windows.

    Parameters
    ----------
    weights : Weights
        Stacked, of ``n_coins`` networks.
    x : ndarray of float32, ``(n_coins, n_windows, window)``
        Windows as growth over their first close.
    activation : str
        Of the dense unit.

    Returns
    -------
    ndarray of float32, ``(n_coins, n_windows)``
        Growth on the day after each window, over the window's first close.
    """
    w = weights.arrays
    # Time first: a step of the loop then works on one contiguous block.
    sequence = np.ascontiguousarray(np.moveaxis(x, 2, 0)[..., None], dtype=np.float32)
    layer = 0
    while f"kernel_{layer}" in w:
        sequence = _lstm_layer(
            sequence, w[f"kernel_{layer}"], w[f"recurrent_kernel_{layer}"], w[f"bias_{layer}"]
        )
        if f"gamma_{layer}" in w:
            scale = w[f"gamma_{layer}"] / np.sqrt(
                w[f"moving_variance_{layer}"] + BATCH_NORM_EPSILON
            )
            shift = w[f"beta_{layer}"] - w[f"moving_mean_{layer}"] * scale
            sequence = sequence * scale[:, None, :] + shift[:, None, :]
        layer += 1
    output = sequence[-1] @ w["dense_kernel"] + w["dense_bias"][:, None, :]
    return ACTIVATIONS[activation](output[..., 0])


def _lstm_layer(
    sequence: FloatArray32, kernel: FloatArray32, recurrent: FloatArray32, bias: FloatArray32
) -> FloatArray32:
    """Run one layer over ``(window, n_coins, n_windows, inputs)``; returns all its outputs."""
    length, coins, rows, _ = sequence.shape
    units = recurrent.shape[1]
    state = np.zeros((coins, rows, units), dtype=np.float32)
    cell = np.zeros_like(state)
    outputs = np.empty((length, coins, rows, units), dtype=np.float32)
    for t in range(length):
        gates = sequence[t] @ kernel + state @ recurrent + bias[:, None, :]
        keep = _sigmoid(gates[..., : 2 * units])
        candidate = np.tanh(gates[..., 2 * units : 3 * units])
        cell = keep[..., units:] * cell + keep[..., :units] * candidate
        state = _sigmoid(gates[..., 3 * units :]) * np.tanh(cell)
        outputs[t] = state
    return outputs

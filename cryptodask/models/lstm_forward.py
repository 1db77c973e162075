"""The LSTM's forward pass for many coins at once, in NumPy alone.

Calling Keras for one window of one coin costs a thousand times the arithmetic. Here the weights
of all coins are stacked and each matrix product is one call for all of them. Each coin's product
is computed on its own inside it, so that a forecast does not depend on the coins beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryptodask.models.lstm_cell import advance, halve_sigmoids, pack

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


class Forward:
    """Networks of many coins, laid out for being applied again and again.

    Parameters
    ----------
    weights : Weights
        Stacked, of ``n_coins`` networks, or of one for all coins.
    activation : str
        Of the dense unit.
    """

    def __init__(self, weights: Weights, activation: str = "linear") -> None:
        w = weights.arrays
        layers = [int(name.removeprefix("kernel_")) for name in w if name.startswith("kernel_")]
        self._layers = [_Layer(w, layer) for layer in sorted(layers)]
        self._kernel, self._bias = w["dense_kernel"], w["dense_bias"]
        self._activation = ACTIVATIONS[activation]

    def __call__(self, x: FloatArray32) -> FloatArray32:
        """Apply each coin's network to its windows; see `forward`."""
        coins, rows, length = x.shape
        # Time first, windows last: each step then works on contiguous blocks.
        sequence = np.ascontiguousarray(np.moveaxis(x, 2, 0)[:, :, None, :], dtype=np.float32)
        for layer in self._layers:
            layer.start(coins, rows)
        for t in range(length):
            values = sequence[t]
            for layer in self._layers:
                values = layer.step(values)
        output = np.swapaxes(self._kernel, 1, 2) @ values + self._bias[:, :, None]
        return self._activation(output[:, 0])


def forward(weights: Weights, x: FloatArray32, activation: str = "linear") -> FloatArray32:
    """Apply each coin's network to its windows.

    Parameters
    ----------
    weights : Weights
        Stacked, of ``n_coins`` networks, or of one for all coins.
    x : ndarray of float32, ``(n_coins, n_windows, window)``
        Windows as growth over their first close.
    activation : str
        Of the dense unit.

    Returns
    -------
    ndarray of float32, ``(n_coins, n_windows)``
        Growth on the day after each window, over the window's first close.
    """
    return Forward(weights, activation)(x)


class _Layer:
    """One layer of all coins: its weights, and its state while it runs over windows."""

    def __init__(self, w: Mapping[str, FloatArray32], layer: int) -> None:
        kernel = w[f"kernel_{layer}"]
        self._first_state = 1 + kernel.shape[1]
        self._units = kernel.shape[2] // 4
        matrix = pack(kernel, w[f"recurrent_kernel_{layer}"], w[f"bias_{layer}"])
        self._matrix = np.swapaxes(halve_sigmoids(matrix), 1, 2)
        self._norm: tuple[FloatArray32, FloatArray32] | None = None
        if f"gamma_{layer}" in w:
            variance = w[f"moving_variance_{layer}"] + BATCH_NORM_EPSILON
            scale = w[f"gamma_{layer}"] / np.sqrt(variance)
            shift = w[f"beta_{layer}"] - w[f"moving_mean_{layer}"] * scale
            self._norm = scale[:, :, None], shift[:, :, None]

    def start(self, coins: int, rows: int) -> None:
        """Prepare for windows, with a state of 0."""
        units = self._units
        # What a step's product applies to: a one for the bias, the inputs, the state before.
        self._seen = np.zeros((coins, self._first_state + units, rows), dtype=np.float32)
        self._seen[:, 0] = 1
        self._cell = np.zeros((coins, units, rows), dtype=np.float32)
        self._squashed = np.empty_like(self._cell)
        self._gates = np.empty((coins, 4 * units, rows), dtype=np.float32)

    def step(self, values: FloatArray32) -> FloatArray32:
        """Take the inputs of one step, ``(n_coins, inputs, n_windows)``; return the outputs."""
        state = self._seen[:, self._first_state :]
        self._seen[:, 1 : self._first_state] = values
        np.matmul(self._matrix, self._seen, self._gates)
        advance(self._gates, self._gates, self._cell, self._cell, self._squashed, state)
        return state if self._norm is None else state * self._norm[0] + self._norm[1]

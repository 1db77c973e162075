"""The LSTM's forward pass for many coins at once.

Calling Keras for one window of one coin costs a thousand times the arithmetic. Here the weights
of all coins are stacked and each matrix product is one call for all of them. Each coin's product
is computed on its own inside it, so that a forecast does not depend on the coins beside it.
"""

from collections.abc import Callable, Mapping

import numpy as np

from cryptodask.models.lstm.cell import halve_sigmoids, pack
from cryptodask.models.lstm.weights import Weights
from cryptodask.records import FloatArray32

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


class Forward:
    """Networks of many coins, laid out for being applied again and again.

    Parameters
    ----------
    weights : Weights
        Stacked, of ``n_coins`` networks, or of one for all coins.
    activation : str
        Of the dense unit.

    Attributes
    ----------
    inputs : int
        Numbers of a bar.
    """

    def __init__(self, weights: Weights, activation: str = "linear") -> None:
        w = weights.arrays
        layers = [int(name.removeprefix("kernel_")) for name in w if name.startswith("kernel_")]
        self._layers = [_Layer(w, layer) for layer in sorted(layers)]
        self.inputs = self._layers[0].inputs
        self._kernel, self._bias = w["dense_kernel"], w["dense_bias"]
        self._activation = ACTIVATIONS[activation]

    def __call__(self, x: FloatArray32) -> FloatArray32:
        """Apply each coin's network to its windows; see `forward`."""
        coins, rows, length = x.shape[:3]
        # Time first, windows last: each step then works on contiguous blocks.
        by_time = (x if x.ndim == 4 else x[..., None]).transpose(2, 0, 3, 1)
        sequence = np.ascontiguousarray(by_time, dtype=np.float32)
        self.start(coins, rows)
        for t in range(length):
            outputs = self.step(sequence[t])
        return self.output(outputs)

    def start(self, coins: int, rows: int) -> None:
        """Prepare for windows, with states of 0.

        Parameters
        ----------
        coins, rows : int
            Coins, and windows of each.
        """
        for layer in self._layers:
            layer.start(coins, rows)

    def restart(self, row: int) -> None:
        """Set the states of one window of each coin to 0.

        Parameters
        ----------
        row : int
        """
        for layer in self._layers:
            layer.restart(row)

    def step(self, values: FloatArray32) -> FloatArray32:
        """Take one bar of all windows.

        Parameters
        ----------
        values : ndarray of float32, ``(n_coins, inputs, n_windows)``

        Returns
        -------
        ndarray of float32, ``(n_coins, units, n_windows)``
            Outputs of the last layer, whose memory the next step may overwrite.
        """
        for layer in self._layers:
            values = layer.step(values)
        return values

    def output(self, outputs: FloatArray32) -> FloatArray32:
        """Return what the dense unit makes of the last layer's outputs.

        Parameters
        ----------
        outputs : ndarray of float32, ``(n_coins, units, n_windows)``

        Returns
        -------
        ndarray of float32, ``(n_coins, n_windows)``
        """
        dense = np.swapaxes(self._kernel, 1, 2) @ outputs + self._bias[:, :, None]
        return self._activation(dense[:, 0])


def forward(weights: Weights, x: FloatArray32, activation: str = "linear") -> FloatArray32:
    """Apply each coin's network to its windows.

    Parameters
    ----------
    weights : Weights
        Stacked, of ``n_coins`` networks, or of one for all coins.
    x : ndarray of float32, ``(n_coins, n_windows, window)`` or with a last axis of inputs
        Windows as growth over their first close, the only input or the first one.
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
        from cryptodask.models.lstm.kernels import apply

        self._apply = apply
        kernel = w[f"kernel_{layer}"]
        self.inputs = int(kernel.shape[1])
        self._first_state = 1 + self.inputs
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
        self._product = np.empty((coins, 4 * units, rows), dtype=np.float32)

    def restart(self, row: int) -> None:
        """Set the state of one window of each coin to 0."""
        self._seen[:, self._first_state :, row] = 0
        self._cell[:, :, row] = 0

    def step(self, values: FloatArray32) -> FloatArray32:
        """Take the inputs of one step, ``(n_coins, inputs, n_windows)``; return the outputs."""
        self._seen[:, 1 : self._first_state] = values
        np.matmul(self._matrix, self._seen, self._product)
        self._apply(self._product, self._cell, self._seen, self._first_state)
        state = self._seen[:, self._first_state :]
        return state if self._norm is None else state * self._norm[0] + self._norm[1]

"""The LSTM network in training: forward, and the gradient backward through time.

It is the network that Keras would build, and computes what Keras's training step does; its layers
are those of `layer`. The windows are the last axis of every array.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cryptodask.models.lstm.forward import ACTIVATIONS, BATCH_NORM_EPSILON
from cryptodask.models.lstm.kernels import drop
from cryptodask.models.lstm.layer import Buffers, DroppingLayer, Layer
from cryptodask.models.lstm.weights import moving_of, shapes_of, split
from cryptodask.records import FloatArray32

Draws = NDArray[np.uint16]

SLOPES: Mapping[str, Callable[[FloatArray32], FloatArray32]] = {
    "linear": np.ones_like,
    "relu": lambda y: (y > 0).astype(np.float32),
    "sigmoid": lambda y: y - y * y,
    "tanh": lambda y: 1 - y * y,
}
"""The slope of each of `ACTIVATIONS`, from its value."""

DRAWS = 1 << 16
"""Dropout draws numbers below this: its share is rounded to 1 / 65,536."""


class Share:
    """A share of numbers that is dropped at random, and by what the others are multiplied.

    Parameters
    ----------
    dropped : float
        In [0, 1).
    """

    def __init__(self, dropped: float) -> None:
        self.least = min(round(dropped * DRAWS), DRAWS - 1)
        self.scale = np.float32(DRAWS / (DRAWS - self.least))

    def factors(self, dropout_draws: Draws) -> FloatArray32:
        """Return what numbers are multiplied by: 0 where a draw is below the least, else the scale.

        Parameters
        ----------
        dropout_draws : ndarray of uint16, any shape such as ``(units, rows)``

        Returns
        -------
        ndarray of float32, ``(units, rows)``
        """
        return np.where(dropout_draws >= self.least, self.scale, np.float32(0))


class BatchNorm:
    """Batch normalisation between two layers, in training.

    After Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """

    def load(self, gamma: FloatArray32, beta: FloatArray32) -> None:
        """Take weights.

        Parameters
        ----------
        gamma, beta : ndarray of float32, ``(units,)``
        """
        self._gamma, self._beta = gamma[:, None], beta[:, None]

    def forward(self, sequence: FloatArray32) -> FloatArray32:
        """Normalise over time and windows.

        Parameters
        ----------
        sequence : ndarray of float32, ``(window, units, rows)``

        Returns
        -------
        ndarray of float32, ``(window, units, rows)``
        """
        self.mean = sequence.mean(axis=(0, 2))
        centred = sequence - self.mean[:, None]
        self.variance = (centred * centred).mean(axis=(0, 2))
        self._scale = 1 / np.sqrt(self.variance + BATCH_NORM_EPSILON)[:, None]
        self._normal = centred * self._scale
        normed: FloatArray32 = self._normal * self._gamma + self._beta
        return normed

    def backward(self, wanted: FloatArray32) -> tuple[FloatArray32, list[FloatArray32]]:
        """Return the gradients of the input, and of gamma and beta.

        Parameters
        ----------
        wanted : ndarray of float32, ``(window, units, rows)``
            Gradient of what `forward` returned.

        Returns
        -------
        input : ndarray of float32, ``(window, units, rows)``
        weights : list of ndarray of float32, ``(units,)``
        """
        gamma = (wanted * self._normal).sum(axis=(0, 2))
        beta = wanted.sum(axis=(0, 2))
        n = np.float32(wanted.shape[0] * wanted.shape[2])
        rest = wanted - (self._normal * gamma[:, None] + beta[:, None]) / n
        return rest * (self._gamma * self._scale), [gamma, beta]


class Network:
    """The whole network: LSTM layers, what lies between and behind them, and one dense unit.

    Parameters
    ----------
    units : tuple of int
        Units of each LSTM layer, the first one first.
    window : int
    inputs : int
        Numbers of a window at each step.
    batch_norm : bool
        Whether the outputs of each layer are normalised.
    dropout, recurrent_dropout : float
        Share of each layer's outputs that is dropped, and of its states, in [0, 1).
    activation : str
        Of the dense unit; one of `ACTIVATIONS`.
    """

    def __init__(
        self,
        units: tuple[int, ...],
        window: int,
        *,
        inputs: int = 1,
        batch_norm: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        activation: str = "linear",
    ) -> None:
        self.shapes = shapes_of(units, batch_norm=batch_norm, inputs=inputs)
        widths = (inputs, *units[:-1])
        self.states = Share(recurrent_dropout)
        kind = DroppingLayer if self.states.least else Layer
        self.layers = [
            kind(n, outputs_of_layer, window, first=not i)
            for i, (n, outputs_of_layer) in enumerate(zip(widths, units, strict=True))
        ]
        self._dropping = [layer for layer in self.layers if isinstance(layer, DroppingLayer)]
        self.norms = [BatchNorm() for _ in units] if batch_norm else []
        self.moving = moving_of(units, batch_norm=batch_norm)
        self.outputs = Share(dropout)
        self._activate, self._slope = ACTIVATIONS[activation], SLOPES[activation]
        self._buffers = Buffers()

    def load(self, weights: FloatArray32) -> None:
        """Take the weights that are trained.

        Parameters
        ----------
        weights : ndarray of float32, ``(n_weights,)``
            In the order of `shapes_of`.
        """
        arrays = split(weights, self.shapes)
        for i, layer in enumerate(self.layers):
            layer.load(*(arrays[f"{part}_{i}"] for part in ("kernel", "recurrent_kernel", "bias")))
            if self.norms:
                self.norms[i].load(arrays[f"gamma_{i}"], arrays[f"beta_{i}"])
        self._kernel, self._bias = arrays["dense_kernel"], arrays["dense_bias"]

    def draw(self, rows: int, rng: np.random.Generator) -> list[Draws]:
        """Draw numbers for dropout, one an output of each layer that the next one sees.

        Parameters
        ----------
        rows : int
            Windows.
        rng : Generator

        Returns
        -------
        list of ndarray of uint16
            ``(window, units, rows)`` a layer, of the last one ``(1, units, rows)``; none where
            nothing is dropped.
        """
        if not self.outputs.least:
            return []
        last = self.layers[-1]
        return [
            rng.integers(
                0, DRAWS, (1 if layer is last else layer.window, layer.units, rows), np.uint16
            )
            for layer in self.layers
        ]

    def draw_for_states(self, rows: int, rng: np.random.Generator) -> list[Draws]:
        """Draw numbers for recurrent dropout, one a gate and unit of each layer.

        Parameters
        ----------
        rows : int
            Windows.
        rng : Generator

        Returns
        -------
        list of ndarray of uint16
            ``(4, units, rows)`` a layer, with the gates in the order input, forget, output, cell;
            none where nothing is dropped.
        """
        return [
            rng.integers(0, DRAWS, (4, layer.units, rows), np.uint16) for layer in self._dropping
        ]

    def forward(
        self, x: FloatArray32, dropout_draws: Sequence[Draws] = (), for_states: Sequence[Draws] = ()
    ) -> FloatArray32:
        """Apply the network.

        Parameters
        ----------
        x : ndarray of float32, ``(rows, window)`` or ``(rows, window, inputs)``
        dropout_draws, for_states : sequence of ndarray of uint16
            As `draw` and `draw_for_states` give them.

        Returns
        -------
        ndarray of float32, ``(rows,)``
        """
        self._draws = dropout_draws
        for dropping, drawn in zip(self._dropping, for_states, strict=True):
            dropping.keep(self.states.factors(drawn))
        inputs = self.layers[0].open(len(x))
        inputs[:] = np.moveaxis(x.reshape(*x.shape[:2], -1), 0, 2)
        for i, layer in enumerate(self.layers):
            outputs = layer.forward()
            if i + 1 < len(self.layers):
                kept = self.layers[i + 1].open(len(x))
            else:
                outputs = outputs[-1:]
                kept = self._buffers.take("last", *outputs.shape)
            if self.norms:
                outputs = self.norms[i].forward(outputs)
            self._drop(i, outputs, kept)
        self._last = kept[0]
        self._output: FloatArray32 = self._activate(self._kernel[:, 0] @ self._last + self._bias)
        return self._output

    def backward(self, wanted: FloatArray32) -> FloatArray32:
        """Return the gradient of all weights, in the order of `shapes_of`.

        Parameters
        ----------
        wanted : ndarray of float32, ``(rows,)``
            Gradient of what `forward` returned.
        """
        wanted = (wanted * self._slope(self._output)).astype(np.float32)
        gradients = [self._last @ wanted, wanted.sum(keepdims=True)]
        gradient = (self._kernel * wanted)[None]
        for i in reversed(range(len(self.layers))):
            if self._draws:
                kept = self._buffers.take(f"kept {i}", *gradient.shape)
                self._drop(i, gradient, kept)
                gradient = kept
            following: list[FloatArray32] = []
            if self.norms:
                gradient, following = self.norms[i].backward(gradient)
            gradients = [*self.layers[i].backward(gradient), *following, *gradients]
            gradient = self.layers[i].gradient
        return np.concatenate([array.ravel() for array in gradients])

    def move(self, momentum: np.float32) -> None:
        """Let the moving averages of batch normalisation follow the batch that was seen last.

        Parameters
        ----------
        momentum : float32
            Share of the old averages that stays.
        """
        for i, norm in enumerate(self.norms):
            for name, moment in (("mean", norm.mean), ("variance", norm.variance)):
                old = self.moving[f"moving_{name}_{i}"]
                self.moving[f"moving_{name}_{i}"] = old * momentum + moment * (1 - momentum)

    def _drop(self, i: int, values: FloatArray32, kept: FloatArray32) -> None:
        """Apply a layer's dropout to outputs, or to their gradient: ``(length, units, rows)``."""
        if not self._draws:
            kept[:] = values
            return
        for t, dropout_draws in enumerate(self._draws[i]):
            drop(values[t], dropout_draws, self.outputs.least, self.outputs.scale, kept[t])

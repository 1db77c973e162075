"""The LSTM network in training: forward, and the gradient backward through time.

It is the network that Keras would build, and computes what Keras's training step does: bias,
inputs and state of a layer go through one matrix product, each product is OpenBLAS's, and
everything between products is one compiled pass, in memory that is kept from batch to batch. The
windows are the last axis of every array.

After Werbos, Backpropagation through time, Proceedings of the IEEE 78 (1990).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cryptodask.models.lstm_cell import halve_sigmoids, pack, unpack
from cryptodask.models.lstm_forward import ACTIVATIONS, BATCH_NORM_EPSILON
from cryptodask.models.lstm_kernels import advance, drop, retreat
from cryptodask.models.lstm_weights import moving_of, shapes_of, split

FloatArray32 = NDArray[np.float32]
Lots = NDArray[np.uint16]

SLOPES: Mapping[str, Callable[[FloatArray32], FloatArray32]] = {
    "linear": np.ones_like,
    "relu": lambda y: (y > 0).astype(np.float32),
    "sigmoid": lambda y: y - y * y,
    "tanh": lambda y: 1 - y * y,
}
"""The slope of each of `ACTIVATIONS`, from its value."""

LOTS = 1 << 16
"""Dropout draws lots below this, and so takes its share as the nearest of so many."""

LINE = 16
"""Floats in a line of the processor's cache: arrays that start with one are read 2% faster."""


class Buffers:
    """Arrays that are kept from one batch to the next, whatever the size of either.

    The default network needs 120 MB for a batch of 512 windows. Taken anew each time, they would
    come with 30,000 page faults.
    """

    def __init__(self) -> None:
        self._flat: dict[str, FloatArray32] = {}

    def take(self, name: str, *shape: int) -> FloatArray32:
        """Return the array of a name in a shape; what is in it is undefined."""
        size = int(np.prod(shape))
        if name not in self._flat or self._flat[name].size < size:
            flat = np.empty(size + LINE, dtype=np.float32)
            start = -flat.ctypes.data // flat.itemsize % LINE
            self._flat[name] = flat[start : start + size]
        return self._flat[name][:size].reshape(shape)


class Layer:
    """One LSTM layer in training.

    Parameters
    ----------
    inputs, units, window : int
    first : bool
        Whether nothing lies before it that wants the gradient of its inputs.
    """

    def __init__(self, inputs: int, units: int, window: int, *, first: bool) -> None:
        self.inputs, self.units, self.window, self.first = inputs, units, window, first
        self._buffers = Buffers()

    def load(self, kernel: FloatArray32, recurrent: FloatArray32, bias: FloatArray32) -> None:
        """Take weights, in the shapes and order of Keras."""
        self._matrix = pack(kernel, recurrent, bias)
        self._halved = halve_sigmoids(self._matrix)

    def open(self, rows: int) -> FloatArray32:
        """Prepare for a number of windows.

        Returns
        -------
        ndarray of float32, ``(window, inputs, rows)``
            To be filled with the inputs; `backward` leaves their gradient there.
        """
        take, length, units = self._buffers.take, self.window, self.units
        # What each step's product applies to: a one for the bias, the inputs, the state before.
        self._seen = take("seen", length + 1, 1 + self.inputs + units, rows)
        self._seen[:, 0] = 1
        self._seen[0, 1 + self.inputs :] = 0
        self._gates = take("gates", length, 4 * units, rows)
        self._cells = take("cells", length + 1, units, rows)
        self._cells[0] = 0
        self._squashed = take("squashed", length, units, rows)
        self._product = take("product", 4 * units, rows)
        self._carried = take("carried", units, rows)
        return self.gradient

    @property
    def gradient(self) -> FloatArray32:
        """The inputs; after `backward` their gradient, unless the layer is the first."""
        return self._seen[:-1, 1 : 1 + self.inputs]

    def forward(self) -> FloatArray32:
        """Compute all steps.

        Returns
        -------
        ndarray of float32, ``(window, units, rows)``
            The outputs, a view.
        """
        states = self._seen[:, 1 + self.inputs :]
        for t in range(self.window):
            used = self._used(t)
            np.matmul(self._halved[used].T, self._seen[t, used], self._product)
            cell, after = self._cells[t], self._cells[t + 1]
            advance(self._product, self._gates[t], cell, after, self._squashed[t], states[t + 1])
        return states[1:]

    def backward(self, wanted: FloatArray32) -> list[FloatArray32]:
        """Compute the gradient of all steps.

        Parameters
        ----------
        wanted : ndarray of float32, ``(window, units, rows)`` or ``(1, units, rows)``
            Gradient of the outputs, or of the last one alone.

        Returns
        -------
        list of ndarray of float32
            Gradients of kernel, recurrent kernel and bias.
        """
        states = self._seen[:, 1 + self.inputs :]
        total = np.zeros(self._matrix.T.shape, dtype=np.float32)
        product = np.empty_like(total)
        self._carried[:] = 0
        output, gradient = wanted[-1], self._product
        for t in reversed(range(self.window)):
            cell, squashed = self._cells[t], self._squashed[t]
            retreat(self._gates[t], cell, squashed, output, self._carried, gradient)
            used = self._used(t)
            np.matmul(gradient, self._seen[t, used].T, product[:, used])
            np.add(total[:, used], product[:, used], total[:, used])
            asked = slice(1 + self.inputs if self.first else 1, used.stop)
            np.matmul(self._matrix[asked], gradient, self._seen[t, asked])
            output = states[t]
            if t and len(wanted) > 1:
                np.add(output, wanted[t - 1], output)
        return list(unpack(total.T, self.inputs))

    def _used(self, t: int) -> slice:
        """Return the rows that a step's product needs: before the first step the state is 0."""
        return slice(0, 1 + self.inputs + (self.units if t else 0))


class BatchNorm:
    """Batch normalisation between two layers, in training.

    After Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """

    def load(self, gamma: FloatArray32, beta: FloatArray32) -> None:
        """Take weights, each ``(units,)``."""
        self._gamma, self._beta = gamma[:, None], beta[:, None]

    def forward(self, sequence: FloatArray32) -> FloatArray32:
        """Normalise ``(window, units, rows)`` over time and windows."""
        self.mean = sequence.mean(axis=(0, 2))
        centred = sequence - self.mean[:, None]
        self.variance = (centred * centred).mean(axis=(0, 2))
        self._scale = 1 / np.sqrt(self.variance + BATCH_NORM_EPSILON)[:, None]
        self._normal = centred * self._scale
        normed: FloatArray32 = self._normal * self._gamma + self._beta
        return normed

    def backward(self, wanted: FloatArray32) -> tuple[FloatArray32, list[FloatArray32]]:
        """Return the gradients of the input, and of gamma and beta."""
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
    dropout : float
        Share of each layer's outputs that is dropped, in [0, 1).
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
        activation: str = "linear",
    ) -> None:
        self.shapes = shapes_of(units, batch_norm=batch_norm, inputs=inputs)
        widths = (inputs, *units[:-1])
        self.layers = [
            Layer(n, own, window, first=not i)
            for i, (n, own) in enumerate(zip(widths, units, strict=True))
        ]
        self.norms = [BatchNorm() for _ in units] if batch_norm else []
        self.moving = moving_of(units, batch_norm=batch_norm)
        self._least = min(round(dropout * LOTS), LOTS - 1)
        self._scale = np.float32(LOTS / (LOTS - self._least))
        self._activate, self._slope = ACTIVATIONS[activation], SLOPES[activation]
        self._buffers = Buffers()

    def load(self, weights: FloatArray32) -> None:
        """Take the weights that are trained, in the order of `shapes_of`, ``(n_weights,)``."""
        arrays = split(weights, self.shapes)
        for i, layer in enumerate(self.layers):
            layer.load(*(arrays[f"{part}_{i}"] for part in ("kernel", "recurrent_kernel", "bias")))
            if self.norms:
                self.norms[i].load(arrays[f"gamma_{i}"], arrays[f"beta_{i}"])
        self._kernel, self._bias = arrays["dense_kernel"], arrays["dense_bias"]

    def draw(self, rows: int, rng: np.random.Generator) -> list[Lots]:
        """Draw lots for dropout, one an output of each layer that the next one sees.

        Returns
        -------
        list of ndarray of uint16
            ``(window, units, rows)`` a layer, of the last one ``(1, units, rows)``; none where
            nothing is dropped.
        """
        if not self._least:
            return []
        last = self.layers[-1]
        return [
            rng.integers(
                0, LOTS, (1 if layer is last else layer.window, layer.units, rows), np.uint16
            )
            for layer in self.layers
        ]

    def forward(self, x: FloatArray32, lots: Sequence[Lots] = ()) -> FloatArray32:
        """Apply the network.

        Parameters
        ----------
        x : ndarray of float32, ``(rows, window)`` or ``(rows, window, inputs)``
        lots : sequence of ndarray of uint16
            As `draw` gives them.

        Returns
        -------
        ndarray of float32, ``(rows,)``
        """
        self._lots = lots
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
        found = [self._last @ wanted, wanted.sum(keepdims=True)]
        gradient = (self._kernel * wanted)[None]
        for i in reversed(range(len(self.layers))):
            if self._lots:
                kept = self._buffers.take(f"kept {i}", *gradient.shape)
                self._drop(i, gradient, kept)
                gradient = kept
            following: list[FloatArray32] = []
            if self.norms:
                gradient, following = self.norms[i].backward(gradient)
            found = [*self.layers[i].backward(gradient), *following, *found]
            gradient = self.layers[i].gradient
        return np.concatenate([array.ravel() for array in found])

    def move(self, momentum: np.float32) -> None:
        """Let the moving averages of batch normalisation follow the batch that was seen last."""
        for i, norm in enumerate(self.norms):
            for name, moment in (("mean", norm.mean), ("variance", norm.variance)):
                old = self.moving[f"moving_{name}_{i}"]
                self.moving[f"moving_{name}_{i}"] = old * momentum + moment * (1 - momentum)

    def _drop(self, i: int, values: FloatArray32, kept: FloatArray32) -> None:
        """Apply a layer's dropout to outputs, or to their gradient: ``(length, units, rows)``."""
        if not self._lots:
            kept[:] = values
            return
        for t, lots in enumerate(self._lots[i]):
            drop(values[t], lots, self._least, self._scale, kept[t])

"""The LSTM's training pass in NumPy: forward, and the gradient backward through time.

It does what Keras's training step does between the input and the output of the last LSTM layer,
in about four fifths of its time: bias, inputs and state of a layer go through one matrix product,
each product is OpenBLAS's, and everything between products is done in place, gate by gate, in
memory that is kept from step to step. The windows are the last axis of every array.

After Werbos, Backpropagation through time, Proceedings of the IEEE 78 (1990).
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from cryptodask.models.lstm_cell import advance, halve_sigmoids, pack, retreat, unpack
from cryptodask.models.lstm_forward import BATCH_NORM_EPSILON

FloatArray32 = NDArray[np.float32]

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
        self._spare = take("spare", 4 * units, rows)
        self._gradient = take("gradient", 4 * units, rows)
        self._carried = take("carried", units, rows)
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
            np.matmul(self._halved[used].T, self._seen[t, used], self._spare)
            advance(
                self._spare,
                self._gates[t],
                self._cells[t],
                self._cells[t + 1],
                self._squashed[t],
                states[t + 1],
            )
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
        output = wanted[-1]
        for t in reversed(range(self.window)):
            retreat(
                self._gates[t],
                self._cells[t],
                self._squashed[t],
                output,
                self._carried,
                self._gradient,
                self._spare,
            )
            used = self._used(t)
            np.matmul(self._gradient, self._seen[t, used].T, product[:, used])
            np.add(total[:, used], product[:, used], total[:, used])
            asked = slice(1 + self.inputs if self.first else 1, used.stop)
            np.matmul(self._matrix[asked], self._gradient, self._seen[t, asked])
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
    """All layers from the input to the last LSTM layer's last output, in training.

    Parameters
    ----------
    units : tuple of int
    window : int
    batch_norm : bool
        Whether the outputs of each layer but the last are normalised.
    """

    def __init__(self, units: tuple[int, ...], window: int, *, batch_norm: bool) -> None:
        inputs = (1, *units[:-1])
        self.layers = [
            Layer(n, own, window, first=not i)
            for i, (n, own) in enumerate(zip(inputs, units, strict=True))
        ]
        self.norms = [BatchNorm() for _ in units[:-1]] if batch_norm else []

    def load(self, arrays: Sequence[FloatArray32]) -> None:
        """Take trainable weights in the order of Keras; what is left over is not ours."""
        left = iter(arrays)
        for i, layer in enumerate(self.layers):
            layer.load(next(left), next(left), next(left))
            if i < len(self.norms):
                self.norms[i].load(next(left), next(left))

    def forward(self, x: FloatArray32, masks: Sequence[FloatArray32]) -> FloatArray32:
        """Apply the network.

        Parameters
        ----------
        x : ndarray of float32, ``(rows, window)``
        masks : sequence of ndarray of float32, each ``(window, units, rows)``
            Of the dropout behind each layer but the last: 0, or what a kept output is
            multiplied by. Empty where there is no dropout.

        Returns
        -------
        ndarray of float32, ``(units, rows)``
            The last output of the last layer, a view.
        """
        self._masks = masks
        self._inputs = [layer.open(len(x)) for layer in self.layers]
        self._inputs[0][:, 0] = x.T
        for i, layer in enumerate(self.layers):
            outputs = layer.forward()
            if i + 1 == len(self.layers):
                break
            if self.norms:
                outputs = self.norms[i].forward(outputs)
            if masks:
                np.multiply(outputs, masks[i], self._inputs[i + 1])
            else:
                self._inputs[i + 1][:] = outputs
        last: FloatArray32 = outputs[-1]
        return last

    def backward(self, wanted: FloatArray32) -> list[FloatArray32]:
        """Return the gradients of all weights, in the order of `load`.

        Parameters
        ----------
        wanted : ndarray of float32, ``(units, rows)``
            Gradient of what `forward` returned.
        """
        gradient, following = wanted[None], list[FloatArray32]()
        found: list[FloatArray32] = []
        for i in reversed(range(len(self.layers))):
            found = [*self.layers[i].backward(gradient), *following, *found]
            if not i:
                break
            gradient = self._inputs[i]
            if self._masks:
                np.multiply(gradient, self._masks[i - 1], gradient)
            if self.norms:
                gradient, following = self.norms[i - 1].backward(gradient)
        return found


class _OneThread:
    """The number of threads of NumPy's matrix products, which is the whole process's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._libraries: ThreadpoolController | None = None

    def enter(self) -> None:
        with self._lock:
            if self._libraries is None:
                self._libraries = ThreadpoolController()
            if not self._users:
                self._limit = self._libraries.limit(limits=1, user_api="blas")
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limit.restore_original_limits()


_one_thread = _OneThread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's matrix products run on one thread, the same way on every machine.

    More threads could change the order of sums. The first of several threads that need it sets
    it, and the last one puts back what was there.
    """
    _one_thread.enter()
    try:
        yield
    finally:
        _one_thread.leave()

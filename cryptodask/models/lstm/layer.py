"""An LSTM layer in training: forward, and the gradient backward through time.

Bias, inputs and state of a layer go through one matrix product, each product is OpenBLAS's, and
everything between products is one compiled pass, in memory that is kept from batch to batch. The
windows are the last axis of every array.

After Werbos, Backpropagation through time, Proceedings of the IEEE 78 (1990).
"""

import numpy as np

from cryptodask.models.lstm.cell import halve_sigmoids, pack, unpack
from cryptodask.models.lstm.kernels import advance, backward
from cryptodask.records import FloatArray32

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
        """Return the array of a name in a shape, with undefined content.

        Parameters
        ----------
        name : str
        *shape : int
            Such as ``(units, rows)``.
        """
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
        """Take weights, in the shapes and order of Keras.

        Parameters
        ----------
        kernel : ndarray of float32, ``(inputs, 4 * units)``
        recurrent : ndarray of float32, ``(units, 4 * units)``
        bias : ndarray of float32, ``(4 * units,)``
        """
        self._matrix = pack(kernel, recurrent, bias)
        self._halved = halve_sigmoids(self._matrix)

    def open(self, rows: int) -> FloatArray32:
        """Prepare for a number of windows.

        Parameters
        ----------
        rows : int
            Windows.

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
        """The inputs, ``(window, inputs, rows)``; after `backward` their gradient.

        The first layer has none.
        """
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
            self._multiply(t)
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
            Gradients of kernel, recurrent kernel and bias, in the shapes of `load`.
        """
        states = self._seen[:, 1 + self.inputs :]
        total = np.zeros(self._matrix.T.shape, dtype=np.float32)
        product = np.empty_like(total)
        self._carried[:] = 0
        output, gradient = wanted[-1], self._product
        for t in reversed(range(self.window)):
            cell, squashed = self._cells[t], self._squashed[t]
            backward(self._gates[t], cell, squashed, output, self._carried, gradient)
            self._collect(t, gradient, product, total)
            self._hand_back(t, gradient)
            output = states[t]
            if t and len(wanted) > 1:
                np.add(output, wanted[t - 1], output)
        return list(unpack(total.T, self.inputs))

    def _multiply(self, t: int) -> None:
        """Apply the matrix to a step's bias, inputs and state before, sigmoids halved."""
        used = self._used(t)
        np.matmul(self._halved[used].T, self._seen[t, used], self._product)

    def _collect(
        self, t: int, gradient: FloatArray32, product: FloatArray32, total: FloatArray32
    ) -> None:
        """Add a step's gradient of the matrix to a total, both ``(4 * units, rows of it)``."""
        used = self._used(t)
        np.matmul(gradient, self._seen[t, used].T, product[:, used])
        np.add(total[:, used], product[:, used], total[:, used])

    def _hand_back(self, t: int, gradient: FloatArray32) -> None:
        """Put the gradient of a step's inputs and state before where these are."""
        wanted = slice(1 + self.inputs if self.first else 1, self._used(t).stop)
        np.matmul(self._matrix[wanted], gradient, self._seen[t, wanted])

    def _used(self, t: int) -> slice:
        """Return the rows that a step's product needs: before the first step the state is 0."""
        return slice(0, 1 + self.inputs + (self.units if t else 0))


class DroppingLayer(Layer):
    """An LSTM layer that drops part of its state on the way into each next step.

    As in Keras, each gate has separate draws, and they are the same at all steps of a window. So
    the state has to go through one product a gate, and no longer through that of the inputs.

    After Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
    Networks, NIPS 2016.
    """

    def keep(self, factors: FloatArray32) -> None:
        """Take what the state is multiplied by.

        Parameters
        ----------
        factors : ndarray of float32, ``(4, units, rows)``
            With the gates in the order input, forget, output, cell.
        """
        self._factors = factors

    def _multiply(self, t: int) -> None:
        inputs = slice(0, 1 + self.inputs)
        np.matmul(self._halved[inputs].T, self._seen[t, inputs], self._product)
        if t:
            recurrent = self._by_gate(self._halved).transpose(0, 2, 1)
            self._product += (recurrent @ self._kept(t)).reshape(self._product.shape)

    def _collect(
        self, t: int, gradient: FloatArray32, product: FloatArray32, total: FloatArray32
    ) -> None:
        inputs = slice(0, 1 + self.inputs)
        np.matmul(gradient, self._seen[t, inputs].T, product[:, inputs])
        total[:, inputs] += product[:, inputs]
        if t:
            by_gate = total.reshape(4, self.units, -1)[:, :, inputs.stop :]
            by_gate += self._of_gates(gradient) @ self._kept(t).transpose(0, 2, 1)

    def _hand_back(self, t: int, gradient: FloatArray32) -> None:
        if not self.first:
            inputs = slice(1, 1 + self.inputs)
            np.matmul(self._matrix[inputs], gradient, self._seen[t, inputs])
        if t:
            wanted = self._by_gate(self._matrix) @ self._of_gates(gradient)
            np.sum(wanted * self._factors, axis=0, out=self._seen[t, 1 + self.inputs :])

    def _kept(self, t: int) -> FloatArray32:
        """Return the state before a step as each gate sees it, ``(4, units, rows)``."""
        kept = self._buffers.take("kept", *self._factors.shape)
        return np.multiply(self._factors, self._seen[t, 1 + self.inputs :], kept)

    def _of_gates(self, gradient: FloatArray32) -> FloatArray32:
        return gradient.reshape(4, self.units, -1)

    def _by_gate(self, matrix: FloatArray32) -> FloatArray32:
        """Return the rows of the state, ``(4, units, units of the gate)``, a view."""
        return matrix[1 + self.inputs :].reshape(self.units, 4, self.units).transpose(1, 0, 2)

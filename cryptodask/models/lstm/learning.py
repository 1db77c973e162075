"""Losses and optimisers by which networks learn, as Keras defines them, on plain vectors.

The usual ones are written out here, so that a worker needs no TensorFlow for them; any other that
Keras knows is Keras's own (`keras_learning`).
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from cryptodask.records import FloatArray32

Loss = Callable[[FloatArray32, FloatArray32], tuple[float, FloatArray32]]
"""Of predictions and targets, both ``(n,)``: the mean loss, and its gradient by predictions."""

EPSILON = np.float32(1e-7)
"""Keras's default of all optimisers."""

RHO, BETA_1, BETA_2 = np.float32(0.9), np.float32(0.9), np.float32(0.999)
"""Of RMSprop, and of Adam: what the averages keep in each step; Keras's defaults."""


class Optimizer(Protocol):
    """An optimiser: it changes weights by their gradient, step after step."""

    def begin(self, shapes: Mapping[str, tuple[int, ...]], rate: float) -> None:
        """Forget everything, for new weights.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            Of the weights, by name.
        rate : float
            Learning rate.
        """
        ...

    def step(self, weights: FloatArray32, gradient: FloatArray32) -> FloatArray32:
        """Return the weights after a step.

        Parameters
        ----------
        weights, gradient : ndarray of float32, ``(n_weights,)``

        Returns
        -------
        ndarray of float32, ``(n_weights,)``
        """
        ...


def mse(predicted: FloatArray32, y: FloatArray32) -> tuple[float, FloatArray32]:
    """Return the mean squared error.

    Parameters
    ----------
    predicted, y : ndarray of float32, ``(n,)``

    Returns
    -------
    loss : float
        Mean over the windows.
    gradient : ndarray of float32, ``(n,)``
        By predictions.
    """
    error = predicted - y
    return float((error * error).mean()), error * np.float32(2 / len(y))


def mae(predicted: FloatArray32, y: FloatArray32) -> tuple[float, FloatArray32]:
    """Return the mean absolute error.

    Parameters
    ----------
    predicted, y : ndarray of float32, ``(n,)``

    Returns
    -------
    loss : float
        Mean over the windows.
    gradient : ndarray of float32, ``(n,)``
        By predictions.
    """
    error = predicted - y
    return float(np.abs(error).mean()), np.sign(error) * np.float32(1 / len(y))


def huber(predicted: FloatArray32, y: FloatArray32) -> tuple[float, FloatArray32]:
    """Return the loss of Huber, Annals of Mathematical Statistics 35 (1964), beyond 1 linear.

    Parameters
    ----------
    predicted, y : ndarray of float32, ``(n,)``

    Returns
    -------
    loss : float
        Mean over the windows.
    gradient : ndarray of float32, ``(n,)``
        By predictions.
    """
    error = predicted - y
    size, near = np.abs(error), np.clip(error, -1, 1)
    loss = np.where(size > 1, size - np.float32(0.5), np.float32(0.5) * error * error)
    return float(loss.mean()), near * np.float32(1 / len(y))


LOSSES: Mapping[str, Loss] = {"mse": mse, "mae": mae, "huber": huber}


class SGD(Optimizer):
    """Plain gradient descent."""

    def begin(self, shapes: Mapping[str, tuple[int, ...]], rate: float) -> None:
        self._rate = np.float32(rate)

    def step(self, weights: FloatArray32, gradient: FloatArray32) -> FloatArray32:
        return weights - self._rate * gradient


class RMSprop(Optimizer):
    """Gradients over the root of their mean square (Tieleman and Hinton, lecture 6.5, 2012)."""

    def begin(self, shapes: Mapping[str, tuple[int, ...]], rate: float) -> None:
        self._rate = np.float32(rate)
        self._square: FloatArray32 = np.zeros(1, dtype=np.float32)

    def step(self, weights: FloatArray32, gradient: FloatArray32) -> FloatArray32:
        self._square = self._square + (1 - RHO) * (gradient * gradient - self._square)
        changed: FloatArray32 = weights - self._rate * gradient / np.sqrt(self._square + EPSILON)
        return changed


class Adam(Optimizer):
    """Averages of gradient and square, freed of their bias (Kingma and Ba, ICLR 2015)."""

    def begin(self, shapes: Mapping[str, tuple[int, ...]], rate: float) -> None:
        self._rate, self._steps = np.float32(rate), 0
        self._mean: FloatArray32 = np.zeros(1, dtype=np.float32)
        self._square: FloatArray32 = np.zeros(1, dtype=np.float32)

    def step(self, weights: FloatArray32, gradient: FloatArray32) -> FloatArray32:
        self._steps += 1
        self._mean = self._mean + (1 - BETA_1) * (gradient - self._mean)
        self._square = self._square + (1 - BETA_2) * (gradient * gradient - self._square)
        bias = np.sqrt(1 - BETA_2**self._steps) / (1 - BETA_1**self._steps)
        changed: FloatArray32 = weights - self._rate * bias * self._mean / (
            np.sqrt(self._square) + EPSILON
        )
        return changed


class Decaying(Optimizer):
    """An optimiser before whose steps all weights shrink, as Keras has its ``weight_decay``.

    After Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019.

    Parameters
    ----------
    optimizer : Optimizer
    decay : float
        Times the learning rate, the share of each weight that a step takes away.
    """

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        self._optimizer, self._decay = optimizer, np.float32(decay)

    def begin(self, shapes: Mapping[str, tuple[int, ...]], rate: float) -> None:
        self._share = self._decay * np.float32(rate)
        self._optimizer.begin(shapes, rate)

    def step(self, weights: FloatArray32, gradient: FloatArray32) -> FloatArray32:
        return self._optimizer.step(weights - self._share * weights, gradient)


OPTIMIZERS: Mapping[str, Callable[[], Optimizer]] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam}

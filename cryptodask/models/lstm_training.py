"""The LSTM's training: memory and compiled code once a process, and a fresh network a coin."""

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cryptodask.models.blas import one_blas_thread
from cryptodask.models.learning import LOSSES, OPTIMIZERS
from cryptodask.models.lstm_network import Network
from cryptodask.models.lstm_weights import Weights, first_value, moving_of, split

if TYPE_CHECKING:
    from cryptodask.models.lstm import LSTM

FloatArray32 = NDArray[np.float32]

MOMENTUM = np.float32(0.99)
"""Of the moving averages of batch normalisation; Keras's default."""

_building = threading.Lock()


def trainer(options: "LSTM") -> "Trainer":
    """Return this process's trainer for networks of these options.

    Raises
    ------
    MissingExtraError
        The loss or the optimiser is Keras's, and Keras or TensorFlow is not installed.
    OptionError
        Keras does not know the optimiser or the loss, or they don't fit the network.
    """
    with _building:  # two threads of a worker must not build it twice
        return _trainer(options)


@lru_cache(maxsize=8)
def _trainer(options: "LSTM") -> "Trainer":
    return Trainer(options)


class Trainer:
    """The memory in which one coin's network after the other is trained."""

    def __init__(self, options: "LSTM") -> None:
        self._options = options
        self._lock = threading.Lock()
        self._network = Network(
            options.units,
            options.window,
            batch_norm=options.batch_norm,
            dropout=options.dropout,
            activation=options.activation,
        )
        if options.loss in LOSSES:
            self._loss = LOSSES[options.loss]
        else:
            from cryptodask.models.keras_learning import keras_loss

            self._loss = keras_loss(options.loss)
        if options.optimizer in OPTIMIZERS:
            self._optimizer = OPTIMIZERS[options.optimizer]()
        else:
            from cryptodask.models.keras_learning import KerasOptimizer

            self._optimizer = KerasOptimizer(options.optimizer)

    def fit(
        self, x: FloatArray32, y: FloatArray32, rng: np.random.Generator
    ) -> tuple[Weights, float]:
        """Train a network from scratch.

        Parameters
        ----------
        x : ndarray, ``(n, window)``
        y : ndarray, ``(n,)``
        rng : Generator
            Of the coin: weights, order and dropout all come from it.

        Returns
        -------
        weights : Weights
            Of one network.
        loss : float
            Mean over the last epoch.
        """
        options, network = self._options, self._network
        with self._lock, one_blas_thread(), np.errstate(all="ignore"):
            weights = self._begin(rng)
            loss = np.nan
            for _ in range(options.epochs):
                order = rng.permutation(len(x)) if options.shuffle else np.arange(len(x))
                total = 0.0
                for start in range(0, len(x), options.batch_size):
                    rows = order[start : start + options.batch_size]
                    network.load(weights)
                    predicted = network.forward(x[rows], network.draw(len(rows), rng))
                    error, wanted = self._loss(predicted, y[rows])
                    weights = self._optimizer.step(weights, network.backward(wanted))
                    network.move(MOMENTUM)
                    total += error * len(rows)
                loss = total / len(x)
            return Weights({**split(weights, network.shapes), **network.moving}), loss

    def _begin(self, rng: np.random.Generator) -> FloatArray32:
        """Forget the coin before; return the first weights of a new network, ``(n_weights,)``."""
        options, network = self._options, self._network
        network.moving = moving_of(options.units, batch_norm=options.batch_norm)
        self._optimizer.begin(network.shapes, options.learning_rate)
        first = [first_value(name, shape, rng) for name, shape in network.shapes.items()]
        return np.concatenate([value.ravel() for value in first])

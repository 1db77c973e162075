"""The LSTM's training: memory and compiled code once a process, and a fresh network a coin."""

import threading
from collections.abc import Hashable
from functools import lru_cache
from typing import Protocol

import numpy as np

from cryptodask.models.blas import one_blas_thread
from cryptodask.models.lstm.forward import forward
from cryptodask.models.lstm.learning import LOSSES, OPTIMIZERS, Decaying, Optimizer
from cryptodask.models.lstm.network import Network
from cryptodask.models.lstm.weights import Weights, first_value, moving_of, split
from cryptodask.records import FloatArray32

MOMENTUM = np.float32(0.99)
"""Of the moving averages of batch normalisation; Keras's default."""

_building = threading.Lock()


class _Options(Hashable, Protocol):
    """What training has to know of a network: options of `cryptodask.models.lstm.lstm.LSTM`."""

    @property
    def window(self) -> int: ...
    @property
    def inputs(self) -> int: ...
    @property
    def units(self) -> tuple[int, ...]: ...
    @property
    def batch_norm(self) -> bool: ...
    @property
    def dropout(self) -> float: ...
    @property
    def recurrent_dropout(self) -> float: ...
    @property
    def activation(self) -> str: ...
    @property
    def loss(self) -> str: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def shuffle(self) -> bool: ...
    @property
    def patience(self) -> int: ...


def trainer(options: _Options) -> "Trainer":
    """Return this process's trainer for networks of these options.

    Parameters
    ----------
    options : LSTM

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
def _trainer(options: _Options) -> "Trainer":
    return Trainer(options)


class Trainer:
    """The memory in which one coin's network after the other is trained.

    Parameters
    ----------
    options : LSTM
    """

    def __init__(self, options: _Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._network = Network(
            options.units,
            options.window,
            inputs=options.inputs,
            batch_norm=options.batch_norm,
            dropout=options.dropout,
            recurrent_dropout=options.recurrent_dropout,
            activation=options.activation,
        )
        if options.loss in LOSSES:
            self._loss = LOSSES[options.loss]
        else:
            from cryptodask.models.lstm.keras_learning import keras_loss

            self._loss = keras_loss(options.loss)
        self._optimizer: Optimizer
        if options.optimizer in OPTIMIZERS:
            self._optimizer = OPTIMIZERS[options.optimizer]()
            if options.weight_decay:
                self._optimizer = Decaying(self._optimizer, options.weight_decay)
        else:
            from cryptodask.models.lstm.keras_learning import KerasOptimizer

            self._optimizer = KerasOptimizer(options.optimizer, options.weight_decay)

    def fit(
        self,
        x: FloatArray32,
        y: FloatArray32,
        rng: np.random.Generator,
        held_out: tuple[FloatArray32, FloatArray32] | None = None,
    ) -> tuple[Weights, float]:
        """Train a network from scratch.

        Parameters
        ----------
        x : ndarray, ``(n, window)`` or ``(n, window, inputs)``
        y : ndarray, ``(n,)``
        rng : Generator
            Of the coin: weights, order and dropout all come from it.
        held_out : tuple of ndarray, optional
            Windows and targets that are not trained on. With ``patience``, and at least one of
            them, training stops after ``patience`` epochs in a row that do not lower the loss over
            them below the least so far, and the network is the one of the least, as by Keras's
            ``EarlyStopping`` that restores the best weights.

        Returns
        -------
        weights : Weights
            Of one network.
        loss : float
            Mean over the epoch whose network it is: the last one, or with ``patience`` the best.
        """
        options = self._options
        best, waited = np.inf, 0
        with self._lock, one_blas_thread(), np.errstate(all="ignore"):
            weights = self._begin(rng)
            kept: tuple[Weights, float] | None = None
            for _ in range(options.epochs):
                weights, loss = self._epoch(weights, x, y, rng)
                if not options.patience or held_out is None or not len(held_out[1]):
                    continue
                network = self._network_of(weights)
                judged = self._judge(network, *held_out)
                if judged < best:
                    best, waited, kept = judged, 0, (network, loss)
                    continue
                waited += 1
                if waited >= options.patience:
                    break
            return kept or (self._network_of(weights), loss)

    def _epoch(
        self, weights: FloatArray32, x: FloatArray32, y: FloatArray32, rng: np.random.Generator
    ) -> tuple[FloatArray32, float]:
        """Return the weights after a pass over all windows, and the mean loss of it."""
        options, network = self._options, self._network
        order = rng.permutation(len(x)) if options.shuffle else np.arange(len(x))
        total = 0.0
        for start in range(0, len(x), options.batch_size):
            rows = order[start : start + options.batch_size]
            network.load(weights)
            dropout_draws = network.draw(len(rows), rng), network.draw_for_states(len(rows), rng)
            error, wanted = self._loss(network.forward(x[rows], *dropout_draws), y[rows])
            weights = self._optimizer.step(weights, network.backward(wanted))
            network.move(MOMENTUM)
            total += error * len(rows)
        return weights, total / len(x)

    def _begin(self, rng: np.random.Generator) -> FloatArray32:
        """Forget the coin before; return the first weights of a new network, ``(n_weights,)``."""
        options, network = self._options, self._network
        network.moving = moving_of(options.units, batch_norm=options.batch_norm)
        self._optimizer.begin(network.shapes, options.learning_rate)
        first = [first_value(name, shape, rng) for name, shape in network.shapes.items()]
        return np.concatenate([value.ravel() for value in first])

    def _network_of(self, weights: FloatArray32) -> Weights:
        """Return weights with the moving averages as they are now; later steps change neither."""
        return Weights({**split(weights, self._network.shapes), **self._network.moving})

    def _judge(self, network: Weights, x: FloatArray32, y: FloatArray32) -> float:
        """Return the loss of a network over windows, nothing dropped."""
        return self._loss(
            forward(Weights.stack([network]), x[None], self._options.activation)[0], y
        )[0]

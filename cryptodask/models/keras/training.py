"""A network that is built and traced once a process, in which one coin after the other is trained.

A coin differs from the one before it by weights, seeds of dropout, and the state of the optimiser:
these are variables of the traced functions, and are set anew.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from cryptodask.errors import ForecastError, OptionError, VersionError
from cryptodask.models.keras.sources import Source
from cryptodask.models.learned import Array
from cryptodask.models.lstm.keras_learning import import_keras
from cryptodask.records import FloatArray, FloatArray32, IntArray

NEEDED_FOR = "keras:… models are networks of Keras, and"
"""What begins the message where Keras is not installed."""


Examples = Callable[[IntArray], tuple[FloatArray32, FloatArray32]]
"""From numbers of windows to inputs and targets."""

KEPT_BYTES = 16_000_000
"""First weights that are kept for coins that come again."""

ROWS = 64
"""Windows of a call where one network forecasts many coins."""

_building = threading.Lock()


@dataclass(frozen=True)
class Design:
    """What decides which functions are traced.

    Attributes
    ----------
    source : Source
    params : tuple of (str, value)
        Options of the network.
    shape : (int, int, int)
        Window, features, outputs.
    """

    source: Source
    params: tuple[tuple[str, Any], ...]
    shape: tuple[int, int, int]

    @property
    def name(self) -> str:
        """Of the model, for messages."""
        return f"keras:{self.source.place}"


def network_of(design: Design) -> "Network":
    """Return this process's network of a design.

    Parameters
    ----------
    design : Design

    Raises
    ------
    MissingExtraError
        Keras or TensorFlow is not installed.
    OptionError
        What was built is not a compiled network of that shape.
    """
    with _building:  # two threads of a worker must not build it twice
        return _network_of(design)


@lru_cache(maxsize=8)
def _network_of(design: Design) -> "Network":
    return Network(design)


class Network:
    """A Keras model with its training step and its prediction, both traced.

    Parameters
    ----------
    design : Design
    """

    def __init__(self, design: Design) -> None:
        self._tf, self._keras = import_keras(NEEDED_FOR)
        self._design, self.lock = design, threading.Lock()
        self._firsts: dict[int, list[Array]] = {}
        self._model = self._build(seed=0)
        _check(design, self._model)
        window, features, outputs = design.shape
        self._prepare()
        spec = self._tf.TensorSpec
        x, y = spec((None, window, features), "float32"), spec((None, outputs), "float32")
        model, compiled = self._model, self._model.jit_compile is True
        self._step = self._tf.function(
            lambda x, y: model.train_step((x, y)), input_signature=[x, y], jit_compile=compiled
        ).get_concrete_function()
        self._predict = self._tf.function(
            lambda x: model(x, training=False), input_signature=[x], jit_compile=compiled
        ).get_concrete_function()

    def train(
        self,
        examples: Examples,
        n: int,
        epochs: int,
        batch_size: int,
        rng: np.random.Generator,
        what: str,
    ) -> tuple[list[Array], FloatArray]:
        """Train a new network, and return its weights and the mean loss of each epoch.

        Parameters
        ----------
        examples : callable
            Returns inputs ``(n, window, features)`` and targets ``(n, outputs)`` of some windows.
        n : int
            Number of windows.
        epochs, batch_size : int
        rng : Generator
            First weights, the order of windows, which changes with each epoch, and dropout all
            come from it.
        what : str
            The coin, for the message.

        Returns
        -------
        weights : list of ndarray
            In the order of Keras.
        losses : ndarray of float64, ``(epochs,)``
            No unit where the loss is of growth.

        Raises
        ------
        ForecastError
            A loss is not finite.
        """
        losses = np.empty(epochs)
        with self.lock:
            self.begin(int(rng.integers(2**31)))
            for epoch in range(epochs):
                losses[epoch] = self.epoch(examples, rng.permutation(n), batch_size)
                if not np.isfinite(losses[epoch]):
                    raise ForecastError(
                        f"{what}: {self._design.name}: the loss is {losses[epoch]} in epoch "
                        f"{epoch + 1} of {epochs}; lower the learning rate, limit gradients "
                        "(clipnorm of the optimiser), or look at the coin's prices"
                    )
            return self.weights, losses

    @property
    def weights(self) -> list[Array]:
        """The weights as they are, in the order of Keras."""
        return [np.asarray(weight) for weight in self._model.get_weights()]

    def load(self, weights: list[Array]) -> None:
        """Set the weights.

        Parameters
        ----------
        weights : list of ndarray
            Of `weights`.

        Raises
        ------
        VersionError
            They are of a network of other shapes.
        """
        here = [tuple(weight.shape) for weight in self._model.weights]
        there = [array.shape for array in weights]
        if here != there:
            raise VersionError(
                f"{self._design.name}: was trained with weights of shapes {there}, and the network "
                f"now has {here}: what builds it changed; train it again"
            )
        self._model.set_weights(weights)

    def begin(self, seed: int) -> None:
        """Forget the coin before: first weights, seeds of dropout and optimiser are new.

        Parameters
        ----------
        seed : int
            The network is the one that is built after ``keras.utils.set_random_seed(seed)``.
        """
        for variable, value in zip(self._model.variables, self._drawn(seed), strict=True):
            variable.assign(value)
        for variable, value in self._first:
            variable.assign(value)

    def epoch(self, examples: Examples, order: IntArray, batch_size: int) -> float:
        """Train on all windows once, and return the mean loss.

        Parameters
        ----------
        examples : callable
            Returns inputs ``(n, window, features)`` and targets ``(n, outputs)`` of some windows.
        order : ndarray of int64, ``(n_windows,)``
        batch_size : int
            Windows a step.
        """
        self._model.reset_metrics()
        logs: dict[str, Any] = {}
        for start in range(0, len(order), batch_size):
            x, y = examples(order[start : start + batch_size])
            logs = self._step(self._tf.constant(x), self._tf.constant(y))
        return float(logs["loss"])

    def predict(self, x: FloatArray32) -> FloatArray32:
        """Return the outputs of windows, ``(n, outputs)``.

        Parameters
        ----------
        x : ndarray of float32, ``(n, window, features)``
        """
        outputs: FloatArray32 = self._predict(self._tf.constant(x)).numpy()
        return outputs

    def predict_many(self, x: FloatArray32) -> FloatArray32:
        """Return the outputs of windows of any number of coins, ``(n, outputs)``.

        They are taken `ROWS` at a time, the last ones with zeros after them, so that all products
        are of one shape, and a row's bits do not depend on how many others there are.

        Parameters
        ----------
        x : ndarray of float32, ``(n, window, features)``
        """
        parts = []
        for start in range(0, len(x), ROWS):
            some = x[start : start + ROWS]
            padded = np.zeros((ROWS, *x.shape[1:]), dtype=np.float32)
            padded[: len(some)] = some
            parts.append(self.predict(padded)[: len(some)])
        return np.concatenate(parts)

    def _build(self, seed: int) -> Any:
        design = self._design
        return design.source.build(self._keras, design.shape, design.params, seed)

    def _drawn(self, seed: int) -> list[Array]:
        """Return the values of a network that is new after a seed, the same ones the next time.

        In a backtest a coin begins from them at every origin, and building takes longer than a
        small network's epoch.
        """
        if seed in self._firsts:
            return self._firsts[seed]
        values = [variable.numpy() for variable in self._build(seed).variables]
        if [value.shape for value in values] != [tuple(v.shape) for v in self._model.variables]:
            raise OptionError(
                f"{self._design.name}: built another network the second time; let it depend on its "
                "arguments alone"
            )
        size = sum(value.nbytes for value in values)
        while self._firsts and size * (len(self._firsts) + 1) > KEPT_BYTES:
            del self._firsts[next(iter(self._firsts))]
        self._firsts[seed] = values
        return values

    def _prepare(self) -> None:
        """Have loss, metrics and optimiser make their variables, by a step on zeros."""
        window, features, outputs = self._design.shape
        model = self._model
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._first = [(v, v.numpy()) for v in model.optimizer.variables]
        x, y = np.zeros((2, window, features), "float32"), np.zeros((2, outputs), "float32")
        try:
            logs = model.train_step((self._tf.constant(x), self._tf.constant(y)))
        except Exception as error:
            raise OptionError(
                f"{self._design.name}: can't be trained on windows of {window} bars with "
                f"{features} numbers and {outputs} targets: {type(error).__name__}: {error}"
            ) from error
        if "loss" not in logs:
            raise OptionError(
                f"{self._design.name}: its train_step returns {', '.join(logs) or 'nothing'}, and "
                "no loss; return it with the name loss"
            )


def _check(design: Design, model: Any) -> None:
    """Check that a builder returned a compiled network of the shape that was named.

    Raises
    ------
    OptionError
        It did not.
    """
    import keras

    window, features, outputs = design.shape
    if not isinstance(model, keras.Model):
        raise OptionError(
            f"{design.name}: built a {type(model).__name__}; return a compiled keras.Model"
        )
    if not model.compiled:
        raise OptionError(
            f"{design.name}: is not compiled; call model.compile(optimizer, loss) before it is "
            "returned, or saved"
        )
    try:
        there = tuple(model(np.zeros((2, window, features), dtype="float32")).shape)
    except Exception as error:
        raise OptionError(
            f"{design.name}: does not take windows (n, {window}, {features}): "
            f"{type(error).__name__}: {error}"
        ) from error
    if there != (2, outputs):
        raise OptionError(
            f"{design.name}: gives outputs {('n', *there[1:])} for inputs (n, {window}, "
            f"{features}), and there must be (n, {outputs}), one a bar ahead; end it with a layer "
            "as Dense(outputs)"
        )

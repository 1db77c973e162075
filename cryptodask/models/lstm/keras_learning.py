"""Losses and optimisers that are Keras's own, on plain vectors.

The only module that starts Keras and TensorFlow, by the first that is asked for.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from cryptodask.errors import MissingExtraError, OptionError
from cryptodask.models.lstm.learning import Loss, Optimizer
from cryptodask.models.lstm.weights import split
from cryptodask.records import FloatArray32

NEEDED_FOR = (
    "lstm has the losses mse, mae and huber and the optimisers sgd, rmsprop and adam; others"
)
"""What begins the message where Keras is not installed."""


def keras_loss(name: str) -> Loss:
    """Return a loss of Keras.

    Parameters
    ----------
    name : str
        Its name in Keras.

    Returns
    -------
    callable
        See `cryptodask.models.lstm.learning.Loss`.

    Raises
    ------
    OptionError
        Keras has none of that name, or it is not for one number a window.
    MissingExtraError
        Keras or TensorFlow is not installed.
    """
    tf, keras = import_keras()
    loss = _named("loss", name, keras.losses.get)

    def judge(predicted: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            error = tf.reduce_mean(loss(y[:, None], predicted[:, None]))
        return error, tape.gradient(error, predicted)

    vector = tf.TensorSpec((None,), "float32")
    try:
        traced = tf.function(judge, input_signature=[vector, vector]).get_concrete_function()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise OptionError(
            f"lstm loss: {name!r} is not for one number a window; use mse, mae or huber"
        ) from error

    def call(predicted: FloatArray32, y: FloatArray32) -> tuple[float, FloatArray32]:
        error, gradient = traced(tf.constant(predicted), tf.constant(y))
        return float(error), gradient.numpy()

    return call


class KerasOptimizer(Optimizer):
    """An optimiser of Keras.

    Parameters
    ----------
    name : str
    decay : float
        Its weight decay; at 0 what it has by default, which is none but of such as adamw.

    Raises
    ------
    OptionError
        Keras has none of that name.
    MissingExtraError
        Keras or TensorFlow is not installed.
    """

    def __init__(self, name: str, decay: float = 0.0) -> None:
        self._tf, self._keras = import_keras()
        self._optimizer = _named("optimizer", name, self._keras.optimizers.get)
        if decay:
            self._optimizer.weight_decay = decay
        self._shapes: dict[str, tuple[int, ...]] = {}

    def begin(self, shapes: Mapping[str, tuple[int, ...]], rate: float) -> None:
        if self._shapes != shapes:
            self._shapes = dict(shapes)
            self._build()
        for variable, value in self._state:
            variable.assign(value)
        self._optimizer.learning_rate = rate

    def step(self, weights: FloatArray32, gradient: FloatArray32) -> FloatArray32:
        parts = [*split(weights, self._shapes).values(), *split(gradient, self._shapes).values()]
        return np.concatenate([np.ravel(value) for value in self._update(*parts)])

    def _build(self) -> None:
        """Make variables, which the optimiser's state goes by, and trace a step once."""
        tf, optimizer = self._tf, self._optimizer
        variables = [self._keras.Variable(np.zeros(s, "float32")) for s in self._shapes.values()]
        optimizer.build(variables)
        self._state = [(v, v.value.numpy()) for v in optimizer.variables]

        def update(*arrays: Any) -> Any:
            for variable, value in zip(variables, arrays[: len(variables)], strict=True):
                variable.assign(value)
            optimizer.apply_gradients(zip(arrays[len(variables) :], variables, strict=True))
            return [variable.value for variable in variables]

        arrays = [tf.TensorSpec(shape, "float32") for shape in self._shapes.values()]
        self._update: Callable[..., Any] = tf.function(
            update, input_signature=arrays + arrays
        ).get_concrete_function()


def _named(option: str, name: str, get: Callable[[str], Any]) -> Any:
    """Return what Keras has under a name."""
    try:
        return get(name)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"lstm {option}: {name!r} is not in Keras; its documentation lists each {option}"
        ) from error


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Leave out what TensorFlow's C++ prints at its import, before its log level is heeded."""
    chatter = (b"oneDNN custom operations are on", b"before absl::InitializeLog()")
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            kept = [line for line in file if not any(words in line for words in chatter)]
            os.write(2, b"".join(kept))


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise OptionError(
            f"models of Keras, and losses and optimisers that lstm takes from it, are on "
            f"TensorFlow, and Keras's backend is {backend!r}; unset KERAS_BACKEND"
        )


@lru_cache(maxsize=2)
def import_keras(needed_for: str = NEEDED_FOR) -> tuple[Any, Any]:
    """Import TensorFlow and Keras, once, with one thread and without their start-up chatter.

    Parameters
    ----------
    needed_for : str
        What needs them, for the message.

    Raises
    ------
    MissingExtraError
        Either is not installed.
    OptionError
        Keras is set to another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "keras" not in sys.modules:
        _check_backend(backend)
    try:
        with _without_chatter():
            import keras
            import tensorflow as tf
    except ImportError as error:
        raise MissingExtraError(
            f"{needed_for} need Keras and TensorFlow ({error}): pip install 'cryptodask[lstm]' on "
            "the client and every worker"
        ) from error
    _check_backend(keras.backend.backend())
    return tf, keras

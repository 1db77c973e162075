"""The LSTM's training: a Keras model, built once a process and fresh for every coin.

Keras says what the network, its first weights, its dropout, its loss and its optimiser are; the
LSTM layers themselves, which are nearly all of the work, are `cryptodask.models.lstm_network`'s.
This is the only module that imports Keras and TensorFlow, and it is imported by the first fit.
"""

import ctypes
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import MissingExtraError, OptionError
from cryptodask.models.lstm_forward import Weights
from cryptodask.models.lstm_frame import Frame
from cryptodask.models.lstm_network import Buffers, Network, one_blas_thread

if TYPE_CHECKING:
    from cryptodask.models.lstm import LSTM

FloatArray32 = NDArray[np.float32]

_building = threading.Lock()


def trainer(options: "LSTM") -> "Trainer":
    """Return this process's trainer for networks of these options.

    Raises
    ------
    MissingExtraError
        Keras or TensorFlow is not installed.
    OptionError
        Keras does not know the optimiser or the loss, or they don't fit the network.
    """
    with _building:  # two threads of a worker must not build it twice
        return _trainer(options)


@lru_cache(maxsize=8)
def _trainer(options: "LSTM") -> "Trainer":
    return Trainer(options)


class Trainer:
    """One Keras model and its training step, which every coin in turn starts afresh.

    Building a model and tracing Keras's share of a step costs seconds and training a coin a
    fraction of one; so that is done once, and a coin only gets new values in the same variables.
    """

    def __init__(self, options: "LSTM") -> None:
        tf, keras = _import_keras()
        self._options = options
        self._lock = threading.Lock()
        self.model = build_network(options)
        loss = _named("loss", options.loss, keras.losses.get)
        optimizer = _named("optimizer", options.optimizer, keras.optimizers.get)
        optimizer.learning_rate = options.learning_rate
        self._network = Network(options.units, options.window, batch_norm=options.batch_norm)
        self._buffers = Buffers()
        try:
            self._frame = Frame(tf, keras, self.model, loss, optimizer)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise OptionError(
                f"lstm loss: {options.loss!r} is not for one number a window; use mse, mae or huber"
            ) from error

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
        size = self._options.batch_size
        with self._lock, one_blas_thread(), np.errstate(all="ignore"):
            self._start(rng)
            loss = np.nan
            for _ in range(self._options.epochs):
                order = rng.permutation(len(x)) if self._options.shuffle else np.arange(len(x))
                total = 0.0
                for start in range(0, len(x), size):
                    rows = order[start : start + size]
                    total += self._step(x[rows], y[rows]) * len(rows)
                loss = total / len(x)
            return self.weights(), loss

    def weights(self) -> Weights:
        """Return the network's present weights under the names of `Weights`."""
        arrays: dict[str, FloatArray32] = {}
        layer = -1
        for part in self.model.layers:
            kind = type(part).__name__
            layer += kind == "LSTM"
            for variable in part.weights:
                if kind == "LSTM" or kind == "BatchNormalization":
                    arrays[f"{variable.name}_{layer}"] = variable.value.numpy()
                elif kind == "Dense":
                    arrays[f"dense_{variable.name}"] = variable.value.numpy()
        return Weights(
            {name: a for name, a in arrays.items() if not name.startswith("seed_generator")}
        )

    def _start(self, rng: np.random.Generator) -> None:
        """Give every variable of network and optimiser the value that a new one has."""
        first = [initial_value(v.path, tuple(v.shape), rng) for v in self.model.variables]
        self._weights = [
            value
            for variable, value in zip(self.model.variables, first, strict=True)
            if variable.trainable
        ]
        self._frame.begin(*first)

    def _step(self, x: FloatArray32, y: FloatArray32) -> float:
        """Train on one batch, windows ``(n, window)`` and targets ``(n,)``; return its loss."""
        network = self._network
        network.load(self._weights)
        last = network.forward(x, self._masks(len(x)))
        error, wanted, *head = self._frame.judge(np.ascontiguousarray(last), y)
        body = network.backward(np.asarray(wanted))
        moments = [moment for norm in network.norms for moment in (norm.mean, norm.variance)]
        self._weights = [np.asarray(v) for v in self._frame.update(*body, *head, *moments)]
        return float(error)

    def _masks(self, rows: int) -> list[FloatArray32]:
        """Return what Keras's dropout between layers multiplies each output by."""
        masks = []
        for i, kept in enumerate(self._frame.draw(rows)):
            _, length, units = kept.shape
            turned = np.ascontiguousarray(np.asarray(kept).reshape(rows, -1).T)
            mask = self._buffers.take(f"mask {i}", length, units, rows)
            scale = np.float32(1 / (1 - self._options.dropout))
            masks.append(np.multiply(turned.reshape(mask.shape), scale, mask))
        return masks


def build_network(options: "LSTM") -> Any:
    """Build the Keras model, not compiled and with Keras's own first weights."""
    _, keras = _import_keras()
    layers: list[Any] = [keras.layers.Input((options.window, 1))]
    for i, units in enumerate(options.units):
        layers.append(keras.layers.LSTM(units, return_sequences=i < len(options.units) - 1))
        if options.batch_norm:
            layers.append(keras.layers.BatchNormalization())
        if options.dropout:
            layers.append(keras.layers.Dropout(options.dropout))
    layers.append(keras.layers.Dense(1, activation=options.activation))
    return keras.Sequential(layers)


def _named(option: str, name: str, get: Callable[[str], Any]) -> Any:
    """Return what Keras has under a name."""
    try:
        return get(name)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"lstm {option}: {name!r} is no {option} of Keras; its documentation lists them"
        ) from error


def initial_value(path: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    """Return the first value of a variable, as Keras's own initialisers draw it.

    Kernels are uniform after Glorot and Bengio (2010), recurrent kernels orthogonal after Saxe
    et al. (2014), the bias of a forget gate 1 after Jozefowicz et al. (2015). Drawn by NumPy,
    since it costs a tenth of asking Keras, and the same numbers come with any of its backends.

    Parameters
    ----------
    path : str
        Keras's path of the variable, whose last part says what it is.
    shape : tuple of int
    rng : Generator
    """
    role = path.rsplit("/", 1)[-1]
    if role == "kernel":
        limit = np.sqrt(6.0 / (shape[0] + shape[1]))
        return rng.uniform(-limit, limit, shape).astype(np.float32)
    if role == "recurrent_kernel":
        q, r = np.linalg.qr(rng.standard_normal((shape[1], shape[0])))
        return np.ascontiguousarray((q * np.sign(np.diag(r))).T, dtype=np.float32)
    if role == "bias":
        value = np.zeros(shape, dtype=np.float32)
        if "lstm_cell" in path:
            value[shape[0] // 4 : shape[0] // 2] = 1.0
        return value
    if role in ("gamma", "moving_variance"):
        return np.ones(shape, dtype=np.float32)
    if role in ("beta", "moving_mean"):
        return np.zeros(shape, dtype=np.float32)
    if role == "seed_generator_state":
        return rng.integers(0, 2**31, shape).astype(np.uint32)
    raise ValueError(f"{path}: a variable that the LSTM does not know")


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
            told = [line for line in file if not any(words in line for words in chatter)]
            os.write(2, b"".join(told))


def _keep_freed_memory() -> None:
    """Let the C library keep what a training step frees, for the next step to take.

    Dask starts workers with ``MALLOC_TRIM_THRESHOLD_=65536``, which gives it back to the system at
    once; a step then spends a fifth of its time on 15,000 page faults. What is kept is what one
    step needs, some tens of MB.
    """
    if sys.platform != "linux":
        return
    trim_threshold, mmap_threshold, size = -1, -3, 1 << 28  # names and numbers of malloc.h
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none, and needs none
        libc.mallopt(trim_threshold, size)
        libc.mallopt(mmap_threshold, size)


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise OptionError(
            f"lstm: trains with Keras on TensorFlow, and Keras's backend is {backend!r}; unset "
            "KERAS_BACKEND"
        )


@lru_cache(maxsize=1)
def _import_keras() -> tuple[Any, Any]:
    """Import TensorFlow and Keras, once, with one thread and without their start-up chatter."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "keras" not in sys.modules:
        _check_backend(backend)
    try:
        with _without_chatter():
            import keras
            import tensorflow as tf
    except ImportError as error:
        raise MissingExtraError(
            f"lstm needs Keras and TensorFlow ({error}); pip install 'cryptodask[lstm]' on the "
            "client and every worker"
        ) from error
    _check_backend(keras.backend.backend())
    _keep_freed_memory()
    try:
        # More threads would change the order of sums, and so the last bits of forecasts; many
        # processes of one thread are faster besides.
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        warnings.warn(
            "TensorFlow was started before CryptoDask, with its own number of threads; LSTM "
            "forecasts of this process may differ in the last digits from those of workers",
            stacklevel=2,
        )
    return tf, keras

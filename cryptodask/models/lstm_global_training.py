"""The training of one network on all coins: gradients a coin, exact sums, and Adam.

A coin's gradient is computed by one call of fixed shapes that sees that coin only. It is turned
into integers before it is added to others, since integers add up to the same sum in any order and
any grouping, and floats don't. Only whole sums become floats again.

The gradient is TensorFlow's, of its fused LSTM kernel; `forward` of `lstm_forward` is the same
network for forecasts. TensorFlow is imported by the first gradient.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import ForecastError
from cryptodask.models.lstm_forward import Weights
from cryptodask.models.lstm_training import _import_keras, initial_value
from cryptodask.records import FloatArray

FloatArray32 = NDArray[np.float32]

UNIT = 2.0**-40
"""What one of a gradient's integers stands for."""

LOSS_UNIT, LOSS_LIMIT = 2.0**-20, 2.0**20
"""The same for losses, and the loss above which a coin's is no longer counted in full."""

NORM_LIMIT = 1.0
"""Norm to which a coin's gradient is shortened, so that no coin decides a step alone.

It also bounds every element: 1 / UNIT = 2**40 at most, so the int64 sum of 2**23 - 1 coins, eight
million, can't overflow. One of 1e6 coins stays below 2**60.
"""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Of Adam, as in Keras."""

_building = threading.Lock()


def shapes_of(units: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return name and shape of each array of a network, in the order of the flat vector."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 1
    for layer, n in enumerate(units):
        shapes[f"kernel_{layer}"] = (inputs, 4 * n)
        shapes[f"recurrent_kernel_{layer}"] = (n, 4 * n)
        shapes[f"bias_{layer}"] = (4 * n,)
        inputs = n
    return shapes | {"dense_kernel": (inputs, 1), "dense_bias": (1,)}


def first_values(units: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Return the flat vector of a new network, float64.

    As Keras draws it, but for the dense unit, which is 0: training starts from "no change".
    """
    parts = []
    for name, shape in shapes_of(units).items():
        role = name.rpartition("_")[0]
        value = (
            np.zeros(shape) if role == "dense" else initial_value(f"lstm_cell/{role}", shape, rng)
        )
        parts.append(value.astype(np.float64).ravel())
    return np.concatenate(parts)


def to_weights(vector: FloatArray32, units: tuple[int, ...]) -> Weights:
    """Return a flat vector as weights for `forward`, of one network for any number of coins."""
    shapes = shapes_of(units)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]
    parts = np.split(vector, ends)
    return Weights(
        {n: p.reshape(1, *shape) for p, (n, shape) in zip(parts, shapes.items(), strict=True)}
    )


@dataclass(frozen=True, eq=False)
class Sums:
    """What some coins contribute to one step; adding is exact, so it may be done in any order.

    Attributes
    ----------
    gradient : ndarray of int64, ``(n_weights,)``
        In units of `UNIT`.
    loss : int
        In units of `LOSS_UNIT`.
    windows, coins : int
        Over how many.
    """

    gradient: NDArray[np.int64]
    loss: int = 0
    windows: int = 0
    coins: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.gradient + other.gradient,
            self.loss + other.loss,
            self.windows + other.windows,
            self.coins + other.coins,
        )


@dataclass(frozen=True, eq=False)
class State:
    """A network in training, on the client.

    Attributes
    ----------
    values, mean, square : ndarray of float64, ``(n_weights,)``
        Weights, and Adam's averages of gradient and squared gradient.
    decay_1, decay_2 : float
        Powers of Adam's betas, as many as steps were made.
    losses : tuple of float
        Mean loss of each step; NaN where no coin had a window.
    """

    values: FloatArray
    mean: FloatArray
    square: FloatArray
    decay_1: float = 1.0
    decay_2: float = 1.0
    losses: tuple[float, ...] = field(default=())

    @classmethod
    def of(cls, values: FloatArray) -> "State":
        """Return the state before the first step."""
        return cls(values, np.zeros_like(values), np.zeros_like(values))


def coin_sums(weights: FloatArray32, x: FloatArray32, y: FloatArray32, units: tuple[int, ...],
              sample: int) -> Sums:  # fmt: skip
    """Return what one coin contributes to a step.

    Parameters
    ----------
    weights : ndarray of float32, ``(n_weights,)``
    x : ndarray of float32, ``(n, length)``
        Inputs of ``n <= sample`` windows, at least one.
    y : ndarray of float32, ``(n,)``
        Targets.
    units : tuple of int
    sample : int
        Windows of a full contribution; the gradient of fewer weighs less.

    Raises
    ------
    ForecastError
        The gradient is not finite.
    """
    n, length = x.shape
    share = np.zeros(sample, dtype=np.float32)
    share[:n] = 1.0 / sample
    padding = sample - n
    gradient32, loss = gradient_function(units, length, sample)(
        weights, np.pad(x, ((0, padding), (0, 0))), np.pad(y, (0, padding)), share
    )
    gradient = gradient32.astype(np.float64)
    norm = float(np.sqrt((gradient * gradient).sum()))
    if not np.isfinite(norm):
        raise ForecastError(
            f"lstm_global: a gradient is not finite (norm {norm}); lower learning_rate"
        )
    limit = NORM_LIMIT * n / sample
    if norm > limit:
        gradient *= limit / norm
    # Rounding may leave the norm an ulp above its limit, and an element with it; not 2**63.
    return Sums(
        np.rint(gradient / UNIT).astype(np.int64),
        int(min(loss, LOSS_LIMIT) / LOSS_UNIT),
        windows=n,
        coins=1,
    )


def adam(state: State, sums: Sums, sample: int, rate: float) -> State:
    """Return the state after one step of Adam on the mean gradient of all windows.

    In float64 and element by element, so that every machine does the same. A step to which no
    coin contributed changes nothing. After Kingma and Ba, Adam, ICLR 2015.
    """
    if not sums.windows:
        return State(
            state.values, state.mean, state.square, state.decay_1, state.decay_2,
            (*state.losses, np.nan),
        )  # fmt: skip
    weight = sums.windows / sample
    gradient = sums.gradient * UNIT / weight
    mean = BETA_1 * state.mean + (1 - BETA_1) * gradient
    square = BETA_2 * state.square + (1 - BETA_2) * gradient * gradient
    decay_1, decay_2 = state.decay_1 * BETA_1, state.decay_2 * BETA_2
    change = mean / (1 - decay_1) / (np.sqrt(square / (1 - decay_2)) + EPSILON)
    loss = sums.loss * LOSS_UNIT / weight
    return State(
        state.values - rate * change, mean, square, decay_1, decay_2, (*state.losses, loss)
    )


def gradient_function(
    units: tuple[int, ...], length: int, sample: int
) -> Callable[..., tuple[FloatArray32, float]]:
    """Return this process's gradient of networks and windows of these shapes, traced once.

    Returns
    -------
    callable
        Of weights ``(n_weights,)``, windows ``(sample, length)``, targets ``(sample,)`` and the
        share of each window ``(sample,)``: the gradient, ``(n_weights,)``, of the loss, and the
        loss, the sum over windows of share times Huber's loss.

    Raises
    ------
    MissingExtraError
        TensorFlow is not installed.
    """
    with _building:  # two threads of a worker must not trace it twice
        return _gradient_function(units, length, sample)


@lru_cache(maxsize=8)
def _gradient_function(
    units: tuple[int, ...], length: int, sample: int
) -> Callable[..., tuple[FloatArray32, float]]:
    tf, _ = _import_keras()
    sizes = [int(np.prod(shape)) for shape in shapes_of(units).values()]

    def step(weights: Any, x: Any, y: Any, share: Any) -> Any:
        with tf.device("/CPU:0"), tf.GradientTape() as tape:
            tape.watch(weights)
            error = tf.abs(_apply(tf, weights, x, units) - y)
            huber = tf.where(error > 1.0, error - 0.5, 0.5 * error * error)
            loss = tf.reduce_sum(share * huber)
        return tape.gradient(loss, weights), loss

    shapes = [(sum(sizes),), (sample, length), (sample,), (sample,)]
    signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    traced = tf.function(step, input_signature=signature).get_concrete_function()

    def call(*arrays: FloatArray32) -> tuple[FloatArray32, float]:
        gradient, loss = traced(*map(tf.constant, arrays))
        return gradient.numpy(), float(loss)

    return call


def _apply(tf: Any, weights: Any, x: Any, units: tuple[int, ...]) -> Any:
    """Apply the network to windows ``(n, length)``.

    By the fused kernel ``BlockLSTM``, which for so few windows takes a third of the time of
    Keras's loop. Its gates are input, cell, forget, output. Version 2 of it has the order of
    Keras, but TensorFlow gives it the gradient of version 1, which is wrong for it (2.21).
    """
    shapes = shapes_of(units)
    parts = tf.split(weights, [int(np.prod(shape)) for shape in shapes.values()])
    arrays = {n: tf.reshape(p, s) for p, (n, s) in zip(parts, shapes.items(), strict=True)}
    sequence = tf.transpose(x)[:, :, None]
    for layer, n in enumerate(units):
        names = [f"kernel_{layer}", f"recurrent_kernel_{layer}", f"bias_{layer}"]
        kernel, recurrent, bias = (arrays[name] for name in names)
        gates = tf.split(tf.concat([kernel, recurrent, bias[None]], axis=0), 4, axis=1)
        matrix = tf.concat([gates[0], gates[2], gates[1], gates[3]], axis=1)
        start, none = tf.zeros((x.shape[0], n)), tf.zeros(n)
        sequence = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(x.shape[1], tf.int64),
            x=sequence,
            cs_prev=start,
            h_prev=start,
            w=matrix[:-1],
            wci=none,
            wcf=none,
            wco=none,
            b=matrix[-1],
            forget_bias=0.0,
            cell_clip=-1.0,
            use_peephole=False,
        ).h
    return (sequence[-1] @ arrays["dense_kernel"] + arrays["dense_bias"])[:, 0]

"""The training of one network on all coins: gradients a coin, exact sums, and Adam.

A coin's gradient is computed by one call that sees that coin only. It is turned into integers
before it is added to others, since integers add up to the same sum in any order and any grouping,
and floats don't. Only whole sums become floats again.
"""

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cryptodask.errors import ForecastError
from cryptodask.models.blas import one_blas_thread
from cryptodask.models.lstm.learning import huber
from cryptodask.models.lstm.weights import Weights, first_value, shapes_of, split
from cryptodask.records import FloatArray, FloatArray32, IntArray

if TYPE_CHECKING:
    from cryptodask.models.lstm.network import Network


UNIT = 2.0**-40
"""What one of a gradient's integers stands for."""

LOSS_UNIT, LOSS_LIMIT = 2.0**-20, 2.0**20
"""The same for losses, and the loss above which a coin's is not counted in full."""

NORM_LIMIT = 1.0
"""Norm to which a coin's gradient is shortened, so that no coin decides a step alone.

It also bounds every element: 1 / UNIT = 2**40 at most, so the int64 sum of 2**23 - 1 coins, eight
million, can't overflow. One of 1e6 coins stays below 2**60.
"""

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Of Adam, as in Keras."""


def first_values(units: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Return the flat vector of a new network.

    As Keras draws it, but for the dense unit, which is 0: training starts from "no change".

    Parameters
    ----------
    units : tuple of int
        Of each layer.
    rng : Generator

    Returns
    -------
    ndarray of float64, ``(n_weights,)``
    """
    parts = []
    for name, shape in shapes_of(units).items():
        dense = name.startswith("dense")
        value = np.zeros(shape) if dense else first_value(name, shape, rng)
        parts.append(value.astype(np.float64).ravel())
    return np.concatenate(parts)


def to_weights(vector: FloatArray32, units: tuple[int, ...]) -> Weights:
    """Return a flat vector as weights for `forward`, of one network for any number of coins.

    Parameters
    ----------
    vector : ndarray of float32, ``(n_weights,)``
    units : tuple of int
        Of each layer.
    """
    return Weights({name: a[None] for name, a in split(vector, shapes_of(units)).items()})


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

    gradient: IntArray
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
        """Return the state before the first step.

        Parameters
        ----------
        values : ndarray of float64, ``(n_weights,)``
        """
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
    network, lock = _network(units, length)
    with lock, one_blas_thread(), np.errstate(all="ignore"):
        network.load(weights)
        mean_loss, wanted = huber(network.forward(x), y)
        weight = n / sample
        gradient = network.backward(wanted).astype(np.float64) * weight
    loss = mean_loss * weight
    norm = float(np.sqrt((gradient * gradient).sum()))
    if not np.isfinite(norm):
        raise ForecastError(
            f"lstm_global: a gradient is not finite (norm {norm}); lower learning_rate"
        )
    limit = NORM_LIMIT * weight
    if norm > limit:
        gradient *= limit / norm
    # Rounding may leave the norm an ulp above its limit, and an element with it; not 2**63.
    return Sums(
        np.rint(gradient / UNIT).astype(np.int64),
        int(min(loss, LOSS_LIMIT) / LOSS_UNIT),
        windows=n,
        coins=1,
    )


def adam(state: State, sums: Sums, sample: int, rate: float, decay: float = 0.0) -> State:
    """Return the state after one step of Adam on the mean gradient of all windows.

    In float64 and element by element, so that every machine does the same. A step to which no
    coin contributed changes nothing. After Kingma and Ba, Adam, ICLR 2015; all weights shrink by
    ``rate * decay`` before, after Loshchilov and Hutter, Decoupled Weight Decay, ICLR 2019.

    Parameters
    ----------
    state : State
    sums : Sums
        Over all coins.
    sample : int
        Windows of a full contribution of a coin.
    rate, decay : float
        Learning rate, and weight decay.
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
    values = state.values * (1 - rate * decay) - rate * change
    return State(values, mean, square, decay_1, decay_2, (*state.losses, loss))


@lru_cache(maxsize=8)
def _network(units: tuple[int, ...], length: int) -> "tuple[Network, threading.Lock]":
    """Return this process's memory for networks and windows of these shapes."""
    from cryptodask.models.lstm.network import Network

    return Network(units, length), threading.Lock()

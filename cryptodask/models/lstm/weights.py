"""The weights of an LSTM network: their names, shapes and first values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cryptodask.records import FloatArray32

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Weights:
    """Weights of networks of one shape.

    Attributes
    ----------
    arrays : dict of str to ndarray of float32
        ``kernel_0 (n_coins, inputs, 4 * units)``, ``recurrent_kernel_0 (n_coins, units,
        4 * units)``, ``bias_0 (n_coins, 4 * units)`` for the first LSTM layer, the gates in the
        order of Keras (input, forget, cell, output); with batch normalisation ``gamma_0``,
        ``beta_0``, ``moving_mean_0``, ``moving_variance_0``, each ``(n_coins, units)``; and so on
        for every layer; ``dense_kernel (n_coins, units, 1)`` and ``dense_bias (n_coins, 1)``.
        Without the first axis for one network that is not stacked yet.
    """

    arrays: Mapping[str, FloatArray32]

    @classmethod
    def stack(cls, networks: Sequence["Weights"]) -> "Weights":
        """Stack the weights of single networks along a new first axis.

        Parameters
        ----------
        networks : sequence of Weights
        """
        names = networks[0].arrays
        return cls({name: np.stack([w.arrays[name] for w in networks]) for name in names})

    def take(self, coins: slice) -> "Weights":
        """Return the networks of some coins, or the one that is for all of them.

        Parameters
        ----------
        coins : slice
            Of the first axis.
        """
        return self if self.is_shared else Weights({n: w[coins] for n, w in self.arrays.items()})

    @property
    def is_shared(self) -> bool:
        """Whether there is one network, for any number of coins."""
        return len(self.arrays["dense_bias"]) == 1


def shapes_of(units: Sequence[int], *, batch_norm: bool = False, inputs: int = 1) -> Shapes:
    """Return name and shape of each array that is trained, in the order of Keras.

    Parameters
    ----------
    units : sequence of int
        Of each layer.
    batch_norm : bool
        Whether outputs are normalised.
    inputs : int
        Numbers of a bar.
    """
    shapes: Shapes = {}
    for layer, n in enumerate(units):
        shapes[f"kernel_{layer}"] = (inputs, 4 * n)
        shapes[f"recurrent_kernel_{layer}"] = (n, 4 * n)
        shapes[f"bias_{layer}"] = (4 * n,)
        if batch_norm:
            shapes |= {f"gamma_{layer}": (n,), f"beta_{layer}": (n,)}
        inputs = n
    return shapes | {"dense_kernel": (inputs, 1), "dense_bias": (1,)}


def moving_of(units: Sequence[int], *, batch_norm: bool) -> dict[str, FloatArray32]:
    """Return the first values of the averages of batch normalisation, which nobody trains.

    Parameters
    ----------
    units : sequence of int
        Of each layer.
    batch_norm : bool
        Whether outputs are normalised.

    Returns
    -------
    dict of str to ndarray of float32, ``(units,)``
    """
    averages: dict[str, FloatArray32] = {}
    for layer, n in enumerate(units if batch_norm else ()):
        averages[f"moving_mean_{layer}"] = np.zeros(n, dtype=np.float32)
        averages[f"moving_variance_{layer}"] = np.ones(n, dtype=np.float32)
    return averages


def size_of(shapes: Shapes) -> int:
    """Return how many numbers arrays of these shapes have together.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        By name.
    """
    return sum(int(np.prod(shape)) for shape in shapes.values())


def split(vector: FloatArray32, shapes: Shapes) -> dict[str, FloatArray32]:
    """Return the arrays that lie one behind the other in a vector, as views.

    Parameters
    ----------
    vector : ndarray of float32, ``(n_weights,)``
    shapes : dict of str to tuple of int
        By name.
    """
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1]
    parts = np.split(vector, ends)
    return {
        name: part.reshape(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)
    }


def first_value(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray32:
    """Return the first value of an array, of the distribution from which Keras draws it.

    Kernels are uniform after Glorot and Bengio (2010), recurrent kernels orthogonal after Saxe
    et al. (2014), the bias of a forget gate 1 after Jozefowicz et al. (2015).

    Parameters
    ----------
    name : str
        A name of `shapes_of`.
    shape : tuple of int
        Such as ``(inputs, 4 * units)``.
    rng : Generator
    """
    if name.startswith("recurrent_kernel"):
        q, r = np.linalg.qr(rng.standard_normal((shape[1], shape[0])))
        return np.ascontiguousarray((q * np.sign(np.diag(r))).T, dtype=np.float32)
    if "kernel" in name:
        limit = np.sqrt(6.0 / (shape[0] + shape[1]))
        return rng.uniform(-limit, limit, shape).astype(np.float32)
    value = np.full(shape, name.startswith("gamma"), dtype=np.float32)
    if name.startswith("bias"):
        value[shape[0] // 4 : shape[0] // 2] = 1
    return value

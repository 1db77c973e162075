"""Networks as arrays: what is learned of coins, for versions."""

from collections.abc import Sequence

import numpy as np

from cryptodask.models.learned import Array, Learned
from cryptodask.models.lstm.inputs import Measure
from cryptodask.records import FloatArray

WEIGHT = "weight."
"""In front of the number of a weight, in the order of Keras."""


def learned(
    coins: tuple[str, ...] | None, weights: Sequence[Array], losses: FloatArray, measure: Measure
) -> Learned:
    """Return one network as arrays, of one coin or for any.

    Parameters
    ----------
    coins : tuple of str or None
    weights : sequence of ndarray
        In the order of Keras.
    losses : ndarray of float64, ``(epochs,)``
    measure : Measure
        Of the features.
    """
    arrays: dict[str, Array] = {"losses": losses[None]}
    for i, weight in enumerate(weights):
        arrays[f"{WEIGHT}{i:04d}"] = _plain(weight)[None]
    if measure.mean.size:
        arrays |= {"feature_mean": measure.mean, "feature_deviation": measure.deviation}
    return Learned(coins, arrays)


def stack(coins: tuple[str, ...], parts: Sequence[Learned]) -> Learned:
    """Return the networks of some coins as one.

    Parameters
    ----------
    coins : tuple of str
    parts : sequence of Learned
        Of one coin each, at least one.
    """
    names = parts[0].arrays
    return Learned(coins, {n: np.concatenate([part.arrays[n] for part in parts]) for n in names})


def weights_of(known: Learned) -> list[Array]:
    """Return weights in the order of Keras, each ``(n_coins, …)``.

    Parameters
    ----------
    known : Learned
    """
    return [known.arrays[name] for name in sorted(known.arrays) if name.startswith(WEIGHT)]


def measure_of(known: Learned) -> Measure:
    """Return the measure of features; without a column where there are none.

    Parameters
    ----------
    known : Learned
    """
    empty = np.empty((1, 0))
    mean = known.arrays.get("feature_mean", empty)
    return Measure(mean, known.arrays.get("feature_deviation", empty))


def _plain(weight: Array) -> Array:
    """Return a weight in a kind of number that each file format has, with the same values."""
    if weight.dtype.kind == "b" or weight.dtype.name in ("float32", "float64", "int64", "uint8"):
        return weight
    return weight.astype(np.int64 if weight.dtype.kind in "iu" else np.float32)

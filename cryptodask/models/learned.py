"""What models learn of coins: arrays that are kept, and that they forecast from later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import ContractError

Array = NDArray[Any]

OFFSETS = ".indptr"
"""Added to the name of a ragged array: where the rows of each coin begin, ``(n_coins + 1,)``."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What a model has learned: arrays of numbers, and nothing else.

    Attributes
    ----------
    coins : tuple of str or None
        Those that it was learned of, ``(n_coins,)``; None where it serves any coin.
    arrays : mapping of str to ndarray
        Where there are coins, each is ``(n_coins, …)``, or ragged, as `ragged` makes it.
    """

    coins: tuple[str, ...] | None
    arrays: Mapping[str, Array] = field(repr=False)

    def take(self, coins: Sequence[str]) -> "Learned":
        """Return what is known of some coins, in this order; all, where they serve any coin.

        Parameters
        ----------
        coins : sequence of str
            Each of them known.
        """
        if self.coins is None or tuple(coins) == self.coins:
            return self
        place = {coin: i for i, coin in enumerate(self.coins)}
        rows = np.array([place[coin] for coin in coins], dtype=np.int64)
        arrays: dict[str, Array] = {}
        for name, array in self.arrays.items():
            if name.endswith(OFFSETS):
                continue
            offsets = self.arrays.get(name + OFFSETS)
            if offsets is None:
                arrays[name] = array[rows]
            else:
                arrays |= ragged(name, [array[offsets[i] : offsets[i + 1]] for i in rows])
        return Learned(tuple(coins), arrays)

    def of(self, name: str, i: int) -> Array:
        """Return a coin's part of an array, ``(…)``; of a ragged one ``(n_own, …)``.

        Parameters
        ----------
        name : str
            Of the array, which may be ragged.
        i : int
            Place of the coin.
        """
        offsets = self.arrays.get(name + OFFSETS)
        array = self.arrays[name]
        part: Array = array[i] if offsets is None else array[offsets[i] : offsets[i + 1]]
        return part

    def is_nan(self, i: int) -> bool:
        """Return whether all numbers of a coin, at least one, are NaN.

        Parameters
        ----------
        i : int
            Place of the coin.
        """
        parts = [self.of(name, i) for name in self.arrays if not name.endswith(OFFSETS)]
        return any(part.size for part in parts) and all(
            part.dtype.kind == "f" and bool(np.isnan(part).all()) for part in parts
        )

    def prefixed(self, prefix: str) -> dict[str, Array]:
        """Return all arrays, by names with a prefix, to be kept beside others.

        Parameters
        ----------
        prefix : str
        """
        return {prefix + name: array for name, array in self.arrays.items()}

    def under(self, prefix: str) -> "Learned":
        """Return the arrays whose names have a prefix, without it.

        Parameters
        ----------
        prefix : str
        """
        arrays = {n.removeprefix(prefix): a for n, a in self.arrays.items() if n.startswith(prefix)}
        return Learned(self.coins, arrays)


def check_learned(model: str, learned: Any, coins: tuple[str, ...]) -> Learned:
    """Return what a model learned, if it is of the coins that it was given, in their order.

    Of another order or length, a coin would be forecast by what was learned of another one.

    Parameters
    ----------
    model : str
        Its name, for the message.
    learned : Any
        What `Model.learn` returned.
    coins : tuple of str
        Those of the panel, ``(n_coins,)``.

    Raises
    ------
    ContractError
        It is not a `Learned`, of other coins, or an array does not have a part for each coin.
    """
    fault = _fault(learned, coins)
    if fault:
        raise ContractError(
            f"{model}: learn returned {fault}; cryptodask.testing.check_model finds such faults "
            "before a run"
        )
    return learned  # type: ignore[no-any-return]


def _fault(learned: Any, coins: tuple[str, ...]) -> str:
    """Return what is wrong with what a model learned, as the end of a sentence, or nothing."""
    if not isinstance(learned, Learned):
        return f"a {type(learned).__name__}, and not a Learned"
    array: Any
    for name, array in learned.arrays.items():
        if not isinstance(array, np.ndarray):
            return f"{name} as a {type(array).__name__}, and not an ndarray"
    if learned.coins is None:
        return ""
    if learned.coins != coins:
        return f"coins {_few(learned.coins)}, and panel.coins are {_few(coins)}: give these"
    for name, array in learned.arrays.items():
        offsets = learned.arrays.get(name + OFFSETS)
        if offsets is not None:
            lengths = np.diff(offsets, prepend=0, append=len(array))
            if offsets.shape != (len(coins) + 1,) or lengths[0] or lengths[-1] or min(lengths) < 0:
                return f"{name + OFFSETS} that does not cut {name} into a part for each coin"
        elif not name.endswith(OFFSETS) and array.shape[:1] != (len(coins),):
            return f"{name} of shape {array.shape}, and its first axis is {len(coins)} coins"
    return ""


def _few(coins: Any) -> str:
    return repr(coins) if len(coins) <= 3 else f"{tuple(coins[:3])!r} … ({len(coins)})"


def ragged(name: str, parts: Sequence[Array]) -> dict[str, Array]:
    """Return arrays of different lengths as one, and its offsets.

    Parameters
    ----------
    name : str
    parts : sequence of ndarray, each ``(n_own, …)``
        One for each coin, at least one; alike but for their first axes.
    """
    lengths = [len(part) for part in parts]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return {name: np.concatenate(parts), name + OFFSETS: offsets}


def join_learned(parts: Sequence[Learned]) -> Learned:
    """Return what is known of the coins of several, one after the other.

    Parameters
    ----------
    parts : sequence of Learned
        At least one, each with other coins and arrays of the same names.
    """
    if len(parts) == 1:
        return parts[0]
    coins = tuple(coin for part in parts for coin in part.coins or ())
    arrays: dict[str, Array] = {}
    for name, array in parts[0].arrays.items():
        if name.endswith(OFFSETS):
            continue
        if name + OFFSETS in parts[0].arrays:
            rows = [part.of(name, i) for part in parts for i in range(len(part.coins or ()))]
            arrays |= ragged(name, rows)
        else:
            arrays[name] = np.concatenate([array, *(part.arrays[name] for part in parts[1:])])
    return Learned(coins, arrays)

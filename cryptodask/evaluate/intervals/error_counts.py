"""Counts of past errors, which add up over parts of the coins, and a summary of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DAY, DateArray, FloatArray

Counts = NDArray[np.int64]

EDGES: FloatArray = np.sinh(0.05 * np.arange(-160, 161))
"""Bins of scaled errors: 0.05 wide around 0, further out 5% of their distance, to 1,490."""

MOVES: FloatArray = np.exp(0.05 * np.arange(-320, 65))
"""Bins of volatility: 5% wide, from 1e-7 to 24 of log return."""


@dataclass(frozen=True, eq=False)
class ErrorCounts:
    """Counts of scaled errors and of volatilities at each origin, which add up over panels.

    Attributes
    ----------
    cutoffs : ndarray of datetime64[s], ``(n_origins,)``
        Rising.
    errors : ndarray of int64, ``(n_origins, horizon, len(EDGES) - 1)``
        Coins whose scaled error was in each bin.
    moves : ndarray of int64, ``(n_origins, len(MOVES) - 1)``
        Coins whose volatility was in each bin.
    step : timedelta64
    """

    cutoffs: DateArray
    errors: Counts
    moves: Counts
    step: np.timedelta64 = DAY

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        """Count the coins of both, which must be different ones, of the same model."""
        if self.errors.shape[1] != other.errors.shape[1] or self.step != other.step:
            raise OptionError(
                "calibrations: only those of one horizon and frequency add up, got "
                f"{self.errors.shape[1]} steps of {self.step} and "
                f"{other.errors.shape[1]} of {other.step}"
            )
        cutoffs = np.union1d(self.cutoffs, other.cutoffs)
        errors = np.zeros((len(cutoffs), *self.errors.shape[1:]), dtype=np.int64)
        moves = np.zeros((len(cutoffs), self.moves.shape[1]), dtype=np.int64)
        for part in (self, other):
            places = np.searchsorted(cutoffs, part.cutoffs)
            errors[places] += part.errors
            moves[places] += part.moves
        return ErrorCounts(cutoffs, errors, moves, self.step)

    @staticmethod
    def join(parts: Iterable["ErrorCounts"]) -> "ErrorCounts":
        """Count the coins of all parts, of which there must be one at least."""
        return reduce(ErrorCounts.__add__, parts)

    @property
    def market(self) -> FloatArray:
        """The middle coin's volatility at each origin, to 5%, ``(n_origins,)``; NaN of no coins."""
        below = np.cumsum(self.moves, axis=1)
        middle = np.argmax(2 * below >= below[:, -1:], axis=1)
        return np.where(below[:, -1] > 0, np.sqrt(MOVES[middle] * MOVES[middle + 1]), np.nan)


@dataclass(frozen=True)
class PoolSummary:
    """What all coins did up to each origin; small, and the same for all panels.

    Attributes
    ----------
    cutoffs : ndarray of datetime64[s], ``(n_origins,)``
        Rising.
    moves : ndarray of float64, ``(n_origins,)``
        The middle coin's volatility; NaN where no coin has one.
    cap : ndarray of float64, ``(n_origins, horizon)``
        Beyond it an absolute scaled error is a jump, and counts for as much as the cap.
    mean : ndarray of float64, ``(n_origins, horizon)``
        Mean of the absolute scaled errors up to the cap; 0 where none was known.
    """

    cutoffs: DateArray
    moves: FloatArray
    cap: FloatArray
    mean: FloatArray


def check_levels(levels: Sequence[float]) -> FloatArray:
    """Return levels as an array.

    Raises
    ------
    OptionError
        There is none, or they are not between 0 and 1, or do not rise.
    """
    wanted = np.asarray(levels, dtype=np.float64).reshape(-1)
    if not len(wanted) or not ((wanted > 0) & (wanted < 1)).all() or (np.diff(wanted) <= 0).any():
        raise OptionError(f"levels: must rise, between 0 and 1, got {list(levels)}")
    return wanted


def find_origins(known: DateArray, wanted: DateArray) -> NDArray[np.int64]:
    """Return where wanted origins are among known ones, ``(n_wanted,)``.

    Raises
    ------
    OptionError
        One is not there.
    """
    found = np.searchsorted(known, wanted)
    there = found < len(known)
    there[there] = known[found[there]] == wanted[there]
    if not there.all():
        raise OptionError(
            f"cutoffs: the calibration has no origin {wanted[~there][0]}; count it too, "
            "without errors where they are not known yet"
        )
    return found


def bins(edges: FloatArray, values: FloatArray) -> NDArray[np.int64]:
    """Return the bin of each value; the outermost have no end."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def share_below(counts: Counts, values: FloatArray) -> FloatArray:
    """Return the share of scaled errors below each value, as if each bin's were spread evenly."""
    total = np.concatenate([[0], np.cumsum(counts)])
    share: FloatArray = np.interp(values, EDGES, total / total[-1])
    return share


def binned_quantiles(counts: FloatArray, size: FloatArray, levels: FloatArray) -> FloatArray:
    """Return quantiles of counts in bins, as if each bin's were spread evenly over it.

    Levels move outwards as far as the quantiles of a sample of that size fall short: of n values,
    the k-th lies at ``k / (n + 1)`` on average.
    """
    result = np.full((*counts.shape[:2], len(levels)), np.nan)
    for place in np.ndindex(*counts.shape[:2]):
        if not size[place] > 0:
            continue
        total = np.concatenate([[0.0], np.cumsum(counts[place])])
        moved = np.clip(levels + (levels - 0.5) / size[place], 1e-12, 1.0) * total[-1]
        upper = np.searchsorted(total, moved)
        inside = (moved - total[upper - 1]) / (total[upper] - total[upper - 1])
        result[place] = EDGES[upper - 1] + inside * (EDGES[upper] - EDGES[upper - 1])
    return result

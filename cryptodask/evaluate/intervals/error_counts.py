"""Counts of past errors, which add up over parts of the coins, and a summary of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DAY, DateArray, FloatArray

CountArray = NDArray[np.int64]

EDGES: FloatArray = np.sinh(0.05 * np.arange(-160, 161))
"""Bins of scaled errors: 0.05 wide around 0, further out 5% of their distance, to 1,490."""

MOVES: FloatArray = np.exp(0.05 * np.arange(-320, 65))
"""Bins of spreads of one bar: 5% wide, from 1e-7 to 24 of log return."""

UNIT = 2.0**20
"""Parts of 1 in which sums of scaled errors are counted: whole numbers add up in any order."""


@dataclass(frozen=True, eq=False)
class ErrorCounts:
    """Counts of scaled errors and of spreads at each origin, which add up over panels.

    Attributes
    ----------
    cutoffs : ndarray of datetime64[s], ``(n_origins,)``
        Dates of the forecasts, rising.
    errors : ndarray of int64, ``(n_origins, horizon, len(EDGES) - 1)``
        Number of coins with a scaled error in each bin.
    sizes : ndarray of int64, ``(n_origins, horizon, 2)``
        Sums over the same coins of absolute scaled errors, and of those of naive; in `UNIT`.
    moves : ndarray of int64, ``(n_origins, len(MOVES) - 1)``
        Number of coins with a spread of one bar in each bin.
    step : timedelta64
        Time from one bar to the next.
    """

    cutoffs: DateArray
    errors: CountArray
    sizes: CountArray
    moves: CountArray
    step: np.timedelta64 = DAY

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        """Add the counts of other coins, of the same model.

        Raises
        ------
        OptionError
            Horizons or frequencies differ.
        """
        if self.errors.shape[1] != other.errors.shape[1] or self.step != other.step:
            raise OptionError(
                "error counts: only those of one horizon and frequency add up, got "
                f"{self.errors.shape[1]} steps of {self.step} and "
                f"{other.errors.shape[1]} of {other.step}"
            )
        cutoffs = np.union1d(self.cutoffs, other.cutoffs)
        errors, sizes, moves = (
            np.zeros((len(cutoffs), *mine.shape[1:]), dtype=np.int64)
            for mine in (self.errors, self.sizes, self.moves)
        )
        for part in (self, other):
            places = np.searchsorted(cutoffs, part.cutoffs)
            errors[places] += part.errors
            sizes[places] += part.sizes
            moves[places] += part.moves
        return ErrorCounts(cutoffs, errors, sizes, moves, self.step)

    @staticmethod
    def join(parts: Iterable["ErrorCounts"]) -> "ErrorCounts":
        """Add up counts; the order changes nothing.

        Parameters
        ----------
        parts : iterable of ErrorCounts
            At least one.
        """
        return reduce(ErrorCounts.__add__, parts)

    @property
    def market(self) -> FloatArray:
        """Spread of one bar of the middle coin at each origin, to 5%.

        Returns
        -------
        ndarray of float64, ``(n_origins,)``
            Log returns; NaN where no coin has a spread.
        """
        below = np.cumsum(self.moves, axis=1)
        middle = np.argmax(2 * below >= below[:, -1:], axis=1)
        return np.where(below[:, -1] > 0, np.sqrt(MOVES[middle] * MOVES[middle + 1]), np.nan)


@dataclass(frozen=True, eq=False)
class PoolSummary:
    """The errors of all coins in short, as known at each origin; the same for all panels.

    Attributes
    ----------
    cutoffs : ndarray of datetime64[s], ``(n_origins,)``
        Dates of the forecasts, rising.
    moves : ndarray of float64, ``(n_origins,)``
        Spread of one bar of the middle coin, a log return; NaN where no coin has one.
    cap : ndarray of float64, ``(n_origins, horizon)``
        Absolute scaled error beyond which an error is a jump, and counts for the cap.
    mean : ndarray of float64, ``(n_origins, horizon)``
        Mean of the absolute scaled errors up to the cap.
    errors, coins : int
        Errors of forecasts one bar ahead, as many as are known at the first origin whose intervals
        are wanted, and the most coins at one origin.
    """

    cutoffs: DateArray
    moves: FloatArray
    cap: FloatArray
    mean: FloatArray
    errors: int
    coins: int


def check_levels(levels: Sequence[float]) -> FloatArray:
    """Return levels of quantiles as an array, ``(n_levels,)``.

    Parameters
    ----------
    levels : sequence of float
        Of errors, the share below each quantile, between 0 and 1.

    Raises
    ------
    OptionError
        The sequence is empty, or levels are not between 0 and 1, or do not rise.
    """
    wanted = np.asarray(levels, dtype=np.float64).reshape(-1)
    if not len(wanted) or not ((wanted > 0) & (wanted < 1)).all() or (np.diff(wanted) <= 0).any():
        raise OptionError(f"levels: must rise, between 0 and 1, got {list(levels)}")
    return wanted


def find_origins(known: DateArray, wanted: DateArray) -> CountArray:
    """Return the places of wanted origins among known ones.

    Parameters
    ----------
    known : ndarray of datetime64[s], ``(n_known,)``
        Rising.
    wanted : ndarray of datetime64[s], ``(n_wanted,)``

    Returns
    -------
    ndarray of int64, ``(n_wanted,)``

    Raises
    ------
    OptionError
        An origin is missing.
    """
    places = np.searchsorted(known, wanted)
    there = places < len(known)
    there[there] = known[places[there]] == wanted[there]
    if not there.all():
        raise OptionError(
            f"cutoffs: the counts lack the origin {wanted[~there][0]}; count it too, "
            "without errors where they are not known yet"
        )
    return places


def bins(edges: FloatArray, values: FloatArray) -> CountArray:
    """Return the bin of each value; the outermost bins are open.

    Parameters
    ----------
    edges : ndarray of float64, ``(n_bins + 1,)``
        Rising.
    values : ndarray of float64, ``(n_values,)``

    Returns
    -------
    ndarray of int64, ``(n_values,)``
    """
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def share_below(counts: CountArray, values: FloatArray) -> FloatArray:
    """Return the share of scaled errors below each value, 0 to 1.

    Errors count as spread evenly over their bin.

    Parameters
    ----------
    counts : ndarray of int64, ``(len(EDGES) - 1,)``
    values : ndarray of float64, ``(n_values,)``
        Scaled errors.

    Returns
    -------
    ndarray of float64, ``(n_values,)``
    """
    total = np.concatenate([[0], np.cumsum(counts)])
    share: FloatArray = np.interp(values, EDGES, total / total[-1])
    return share


def binned_quantiles(counts: FloatArray, size: FloatArray, levels: FloatArray) -> FloatArray:
    """Return quantiles of errors that are counted in bins, spread evenly over each bin.

    Levels move outwards as far as the quantiles of a sample of that size fall short: of n values,
    the k-th lies at ``k / (n + 1)`` on average (Vovk et al., Algorithmic learning in a random
    world, 2005). Levels beyond ``1 / n`` move by as large a share as that one: about by half.

    Parameters
    ----------
    counts : ndarray of float64, ``(n_origins, horizon, len(EDGES) - 1)``
        Weighted counts of scaled errors.
    size : ndarray of float64, ``(n_origins, horizon)``
        Size of the sample, in errors.
    levels : ndarray of float64, ``(n_levels,)``
        Shares, 0 to 1.

    Returns
    -------
    ndarray of float64, ``(n_origins, horizon, n_levels)``
        Scaled errors; NaN of an empty sample.
    """
    result = np.full((*counts.shape[:2], len(levels)), np.nan)
    for place in np.ndindex(*counts.shape[:2]):
        if not size[place] > 0:
            continue
        total = np.concatenate([[0.0], np.cumsum(counts[place])])
        moved = np.clip(_outwards(levels, float(size[place])), 1e-12, 1.0) * total[-1]
        upper = np.searchsorted(total, moved)
        inside = (moved - total[upper - 1]) / (total[upper] - total[upper - 1])
        result[place] = EDGES[upper - 1] + inside * (EDGES[upper] - EDGES[upper - 1])
    return result


def _outwards(levels: FloatArray, size: float) -> FloatArray:
    """Return levels of a sample that are those of what it was drawn from, ``(n_levels,)``."""
    last = min(1.0 / size, 0.5)
    share = 1.0 + (1.0 - 0.5 / last) / size
    tails = np.minimum(levels, 1.0 - levels) * share
    moved = np.where(levels < last, tails, levels + (levels - 0.5) / size)
    outwards: FloatArray = np.where(levels > 1.0 - last, 1.0 - tails, moved)
    return outwards

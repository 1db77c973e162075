"""Segments of rows without a gap, and what rolls along them, of all coins at once.

The bits are those of each coin alone. A row's result is computed from the rows of its window in an
order that depends on the width alone, so neither the coins beside it nor later rows change a bit of
it. Sums over a window are made of sums over windows of 1, 2, 4, … rows, so that their cost grows
with the logarithm of the width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cryptodask.records import BoolArray, FloatArray, IntArray, Panel

State = TypeVar("State")


@dataclass(frozen=True, eq=False)
class Segments:
    """Where each row of a panel is in its segment, the rows of one coin between two gaps.

    Attributes
    ----------
    before, after : ndarray of int64, ``(n_rows,)``
        Rows of the same segment before and after each row.
    """

    before: IntArray
    after: IntArray

    @classmethod
    def of(cls, panel: Panel) -> "Segments":
        """Find the segments of a panel.

        Parameters
        ----------
        panel : Panel
            Of ``(n_rows,)`` in all.
        """
        n = len(panel.values)
        first = np.ones(n, dtype=np.bool_)
        first[1:] = np.diff(panel.dates) != panel.step
        first[panel.indptr[:-1][panel.lengths > 0]] = True
        begin = np.flatnonzero(first)
        lengths = np.diff(np.append(begin, n))
        before = np.arange(n) - np.repeat(begin, lengths)
        return cls(before, np.repeat(lengths, lengths) - 1 - before)

    @property
    def begins(self) -> IntArray:
        """The first row of each row's segment, ``(n_rows,)``."""
        return np.arange(len(self.before)) - self.before

    def shift(self, values: FloatArray, rows: int) -> FloatArray:
        """Return the values some rows before, NaN where the segment had not begun.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        rows : int
            How many before.

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        shifted = np.full(len(values), np.nan)
        if rows < len(values):
            shifted[rows:] = values[: len(values) - rows]
        shifted[self.before < rows] = np.nan
        return shifted

    def ahead(self, values: FloatArray, rows: int) -> FloatArray:
        """Return the values some rows later, NaN where the segment has ended.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        rows : int
            How many later.

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        shifted = np.full(len(values), np.nan)
        if rows < len(values):
            shifted[: len(values) - rows] = values[rows:]
        shifted[self.after < rows] = np.nan
        return shifted

    def mean(self, values: FloatArray, width: int) -> FloatArray:
        """Return the mean of the last values, NaN where one of them is missing.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        width : int
            Rows of a window, up to the row itself.

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        return self.moments(values, width)[0]

    def moments(self, values: FloatArray, width: int) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation of the last values, NaN where one is missing.

        The deviation divides by ``width``, and is exactly 0 where the values are the same. Means
        and squares of two neighbouring windows are joined after Chan, Golub and LeVeque, Updating
        Formulae and a Pairwise Algorithm for Computing Sample Variances (1979), which loses no
        digits where the mean is large.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        width : int
            Rows of a window, up to the row itself.

        Returns
        -------
        mean, deviation : ndarray of float64, ``(n_rows,)``
        """

        def join(
            late: tuple[FloatArray, FloatArray],
            n: int,
            early: tuple[FloatArray, FloatArray],
            m: int,
        ) -> tuple[FloatArray, FloatArray]:
            apart = early[0] - late[0]
            mean = late[0] + apart * (m / (n + m))
            return mean, late[1] + early[1] + apart * apart * (n * m / (n + m))

        def shift(state: tuple[FloatArray, FloatArray], rows: int) -> tuple[FloatArray, FloatArray]:
            return self.shift(state[0], rows), self.shift(state[1], rows)

        # What overflows is not finite in the end, and of that window alone.
        with np.errstate(over="ignore", invalid="ignore"):
            mean, squares = _doubled((values, values * 0.0), width, join, shift)
            return mean, np.sqrt(squares / width)

    def least(self, values: FloatArray, width: int) -> FloatArray:
        """Return the least of the last values, NaN where one of them is missing.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        width : int
            Rows of a window, up to the row itself.

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        return _doubled(values, width, lambda a, _, b, __: np.minimum(a, b), self.shift)

    def greatest(self, values: FloatArray, width: int) -> FloatArray:
        """Return the greatest of the last values, NaN where one of them is missing.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        width : int
            Rows of a window, up to the row itself.

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        return _doubled(values, width, lambda a, _, b, __: np.maximum(a, b), self.shift)

    def smoothed(self, values: FloatArray, width: int, weight: float) -> FloatArray:
        """Return exponential averages, each ``weight`` of a value and the rest of the last one.

        The first is the mean of the first ``width`` values of a segment that are not missing, after
        which none may be; rows before it are NaN.

        Parameters
        ----------
        values : ndarray of float64, ``(n_rows,)``
        width : int
            Rows of the first average.
        weight : float
            Share of each new value, in (0, 1].

        Returns
        -------
        ndarray of float64, ``(n_rows,)``
        """
        known = np.isfinite(values)
        number = _count_in_segment(known, self.before)
        seed = number == width
        mean = self.mean(values, width)
        average = np.where(seed, mean, np.where(number > width, weight * values, 0.0))
        keep, rows = 1.0 - weight, 1
        most = int(self.before.max(initial=0))
        while rows <= most and (factor := keep**rows) > 0:
            earlier = self.shift(average, rows)
            average = average + np.where(self.before >= rows, factor * earlier, 0.0)
            rows *= 2
        average[number < width] = np.nan
        return average


def _count_in_segment(known: BoolArray, before: IntArray) -> IntArray:
    """Return how many rows of a segment up to each row are known, 0 before the first."""
    total = np.cumsum(known)
    begin = np.arange(len(known)) - before
    count: IntArray = total - (total[begin] - known[begin])
    return count


def _doubled(
    values: State,
    width: int,
    join: Callable[[State, int, State, int], State],
    shift: Callable[[State, int], State],
) -> State:
    """Join the last ``width`` values, from joined windows of 1, 2, 4, … of them.

    ``join`` is given the later window and its width, and the earlier one and its.
    """
    power, span = values, 1
    result: State | None = None
    done, rest = 0, width
    while True:
        if rest & 1:
            part = power if result is None else shift(power, done)
            result = part if result is None else join(result, done, part, span)
            done += span
        rest >>= 1
        if not rest:
            assert result is not None
            return result
        power = join(power, span, shift(power, span), span)
        span *= 2

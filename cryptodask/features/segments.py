"""Runs of rows without a gap, and what rolls along them: all coins at once, bit for bit as alone.

A row's result is computed from the rows of its window in an order that depends on the width
alone, so neither the coins beside it nor later rows change a bit of it. Sums over a window are
made of sums over windows of 1, 2, 4, … rows, so that their cost grows with the logarithm of the
width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cryptodask.records import FloatArray, Panel

State = TypeVar("State")


@dataclass(frozen=True, eq=False)
class Segments:
    """Where each row of a panel is in its run, the rows of one coin between two gaps.

    Attributes
    ----------
    before, after : ndarray of int64, ``(n_rows,)``
        Rows of the same run before and after each row.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]

    @classmethod
    def of(cls, panel: Panel) -> "Segments":
        """Find the runs of a panel."""
        n = len(panel.values)
        first = np.ones(n, dtype=np.bool_)
        first[1:] = np.diff(panel.dates) != panel.step
        first[panel.indptr[:-1][panel.lengths > 0]] = True
        begin = np.flatnonzero(first)
        lengths = np.diff(np.append(begin, n))
        before = np.arange(n) - np.repeat(begin, lengths)
        return cls(before, np.repeat(lengths, lengths) - 1 - before)

    @property
    def begins(self) -> NDArray[np.int64]:
        """The first row of each row's run, ``(n_rows,)``."""
        return np.arange(len(self.before)) - self.before

    def shift(self, values: FloatArray, rows: int) -> FloatArray:
        """Return what values were so many rows before, NaN where the run had not begun."""
        shifted = np.full(len(values), np.nan)
        if rows < len(values):
            shifted[rows:] = values[: len(values) - rows]
        shifted[self.before < rows] = np.nan
        return shifted

    def ahead(self, values: FloatArray, rows: int) -> FloatArray:
        """Return what values are so many rows later, NaN where the run has ended."""
        shifted = np.full(len(values), np.nan)
        if rows < len(values):
            shifted[: len(values) - rows] = values[rows:]
        shifted[self.after < rows] = np.nan
        return shifted

    def mean(self, values: FloatArray, width: int) -> FloatArray:
        """Return the mean of the last values, NaN where one of them is missing."""
        return self.moments(values, width)[0]

    def moments(self, values: FloatArray, width: int) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation of the last values, NaN where one is missing.

        The deviation divides by ``width``, and is exactly 0 where the values are the same. Means
        and squares of two neighbouring windows are joined after Chan, Golub and LeVeque, Updating
        Formulae and a Pairwise Algorithm for Computing Sample Variances (1979), which loses no
        digits where the mean is large.
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
        """Return the least of the last values, NaN where one of them is missing."""
        return _doubled(values, width, lambda a, _, b, __: np.minimum(a, b), self.shift)

    def greatest(self, values: FloatArray, width: int) -> FloatArray:
        """Return the greatest of the last values, NaN where one of them is missing."""
        return _doubled(values, width, lambda a, _, b, __: np.maximum(a, b), self.shift)

    def smoothed(self, values: FloatArray, width: int, weight: float) -> FloatArray:
        """Return exponential averages, each ``weight`` of a value and the rest of the last one.

        The first is the mean of the first ``width`` values of a run that are not missing, after
        which none may be; rows before it are NaN.
        """
        known = np.isfinite(values)
        number = _count_in_run(known, self.before)
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


def _count_in_run(known: NDArray[np.bool_], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many rows of a run up to each row are known, 0 before the first."""
    total = np.cumsum(known)
    begin = np.arange(len(known)) - before
    count: NDArray[np.int64] = total - (total[begin] - known[begin])
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

"""How work is cut into tasks, so that all workers end together; nothing here runs anything.

Guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers C-36, 1987):
each task takes a share of what is left, so the first ones are large and the last ones small, and
whichever worker is free takes the next. That balances workers of different speed, and ones that
join late or leave, with few tasks: their number grows with the workers, and only with the
logarithm of how fine the last ones are, but not with the rows.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SHARE = 3
"""A task takes one in so many times the workers of what is left."""

FINEST = 32
"""The last tasks are one in so many of a worker's even share."""

PATIENCE = 30.0
"""Seconds of work for which one more worker may turn up while a run is under way."""

MOST_GUESSED = 64
"""Workers that a plan allows for, at most, where fewer are there."""

SHORTEST = 0.1
"""Seconds of a task at least, beside which what a task costs is little."""

GIVE = 0.25
"""A task is this much longer or shorter, at most, for the sake of a better place to cut."""


def workers_to_plan_for(seconds: float, workers: int) -> int:
    """Return for how many workers to cut so many seconds of work.

    Those that are there; or more, where the work is long enough for others to join.
    """
    return max(workers, min(MOST_GUESSED, int(seconds / PATIENCE)), 1)


def cut_guided(
    seconds: Iterable[float], workers: int, file_boundaries: Sequence[int] | NDArray[np.int64] = ()
) -> list[tuple[int, int]]:
    """Cut a list of costs into runs that get smaller, without changing its order.

    Parameters
    ----------
    seconds : iterable of float
        What each item costs, in order.
    workers : int
    seams : sequence of int, optional
        Items before which a cut is better than elsewhere, in order.

    Returns
    -------
    list of (start, stop)
        No run is empty. None is longer than its share of what is left and one item, but for
        `GIVE` of it where it ends at a seam.
    """
    sums = np.cumsum(np.fromiter(seconds, dtype=np.float64))
    if not len(sums):
        return []
    total = float(sums[-1])
    least = max(total / (workers * FINEST), SHORTEST)
    # The end of all is one, so that there is always a nearest.
    places = np.array([*file_boundaries, len(sums)], dtype=np.int64)
    ends = sums[places - 1]
    edges = [0]
    while edges[-1] < len(sums):
        done = float(sums[edges[-1] - 1]) if edges[-1] else 0.0
        wanted = max((total - done) / (workers * SHARE), least)
        stop = int(np.searchsorted(sums, done + wanted))
        file_boundary = _nearest(ends, done + wanted)
        # Not for the last task, lest a scrap be left after it.
        if stop < len(sums) and abs(ends[file_boundary] - done - wanted) <= GIVE * wanted:
            stop = int(places[file_boundary])
        edges.append(min(max(stop, edges[-1] + 1), len(sums)))
    return list(pairwise(edges))


def _nearest(values: NDArray[np.float64], goal: float) -> int:
    """Return the place of the value nearest to a goal, among values in order."""
    after = int(np.searchsorted(values, goal))
    before = max(after - 1, 0)
    return before + int(np.argmin(np.abs(values[before : after + 1] - goal)))

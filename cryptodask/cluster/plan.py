"""How work is cut into jobs, so that all workers end together; nothing is run here.

Guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers C-36, 1987):
each job takes a share of what is left, so the first ones are large and the last ones small, and
whichever worker is free takes the next. That balances workers of different speed, and ones that
join late or leave, with few jobs: their number grows with the workers, and only with the
logarithm of how fine the last ones are, but not with the rows.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SHARE = 3
"""A job takes what is left, divided by this and by the workers."""

FINEST = 32
"""The last jobs are a worker's even share, divided by this."""

PATIENCE = 30.0
"""Seconds of work for which one more worker may join while a run is in progress."""

MOST_GUESSED = 64
"""Workers that a plan allows for, at most, where fewer are there."""

SHORTEST = 0.1
"""Seconds of a job at least: starting a job costs little beside them."""

GIVE = 0.25
"""A job is longer or shorter by this share, at most, for a better place to cut."""


def workers_to_plan_for(seconds: float, workers: int) -> int:
    """Return for how many workers to cut work.

    Those that are there; or more, where the work is long enough for others to join.

    Parameters
    ----------
    seconds : float
        Of work for one worker.
    workers : int
        That are there.
    """
    return max(workers, min(MOST_GUESSED, int(seconds / PATIENCE)), 1)


def cut_into_jobs(
    seconds: Iterable[float], workers: int, file_boundaries: Sequence[int] | NDArray[np.int64] = ()
) -> list[tuple[int, int]]:
    """Cut a list of costs into jobs that get smaller, without changing its order.

    Parameters
    ----------
    seconds : iterable of float
        What each item costs, in order.
    workers : int
    file_boundaries : sequence of int, optional
        Items before which a cut is better than elsewhere, in order.

    Returns
    -------
    list of (start, stop)
        Items of each job, at least one. No job is longer than its share of what is left and one
        item, but for `GIVE` of it where it ends at a boundary.
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
        # Not for the last job, or a scrap could be left after it.
        if stop < len(sums) and abs(ends[file_boundary] - done - wanted) <= GIVE * wanted:
            stop = int(places[file_boundary])
        edges.append(min(max(stop, edges[-1] + 1), len(sums)))
    return list(pairwise(edges))


def _nearest(values: NDArray[np.float64], goal: float) -> int:
    """Return the place of the value nearest to a goal, among values in order."""
    after = int(np.searchsorted(values, goal))
    before = max(after - 1, 0)
    return before + int(np.argmin(np.abs(values[before : after + 1] - goal)))

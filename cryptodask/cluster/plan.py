"""How work is cut into tasks, so that all workers end together; nothing here runs anything.

Guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers C-36, 1987):
each task takes a share of what is left, so the first ones are large and the last ones small, and
whichever worker is free takes the next. That balances workers of different speed, and ones that
join late or leave, with few tasks: their number grows with the workers, and only with the
logarithm of how fine the last ones are, but not with the rows.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

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


def workers_to_plan_for(seconds: float, workers: int) -> int:
    """Return for how many workers to cut so many seconds of work.

    Those that are there; or more, where the work is long enough for others to join.
    """
    return max(workers, min(MOST_GUESSED, int(seconds / PATIENCE)), 1)


def cut_guided(seconds: Iterable[float], workers: int) -> list[tuple[int, int]]:
    """Cut a list of costs into runs that get smaller, without changing its order.

    Parameters
    ----------
    seconds : iterable of float
        What each item costs, in order.
    workers : int

    Returns
    -------
    list of (start, stop)
        No run is empty. None is longer than its share of what is left and one item.
    """
    sums = np.cumsum(np.fromiter(seconds, dtype=np.float64))
    if not len(sums):
        return []
    total = float(sums[-1])
    least = max(total / (workers * FINEST), SHORTEST)
    edges = [0]
    while edges[-1] < len(sums):
        done = float(sums[edges[-1] - 1]) if edges[-1] else 0.0
        wanted = max((total - done) / (workers * SHARE), least)
        stop = int(np.searchsorted(sums, done + wanted))
        edges.append(min(max(stop, edges[-1] + 1), len(sums)))
    return list(pairwise(edges))

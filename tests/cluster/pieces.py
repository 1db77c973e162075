"""What is in a piece of a job that is split into halves, as even as can be."""

from collections.abc import Sequence
from typing import TypeVar

from cryptodask.cluster.retry import TaskId

T = TypeVar("T", bound=Sequence[int])


def part_of(whole: T, piece: TaskId) -> T:
    """Return the part of a job's numbers that a piece has."""
    found: T = whole
    for half in piece.path:
        middle = len(found) // 2
        found = found[middle:] if half == "1" else found[:middle]  # type: ignore[assignment]
    return found

"""The numbers of a task whose job is split into halves, as even as can be."""

from collections.abc import Sequence
from typing import TypeVar

from cryptodask.cluster.retry import TaskId

T = TypeVar("T", bound=Sequence[int])


def part_of(numbers: T, task: TaskId) -> T:
    """Return the part of a job's numbers that a task has."""
    part: T = numbers
    for half in task.path:
        middle = len(part) // 2
        part = part[middle:] if half == "1" else part[:middle]  # type: ignore[assignment]
    return part

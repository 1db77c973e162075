"""Rows of all coins on workers: joined on one, and fitted to."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from cryptodask.models.allocator import keep_freed_memory
from cryptodask.models.pooled.gathered import GatheredModel


def join_parts(model: GatheredModel, rows: Sequence[Any]) -> Any:
    """Return the rows of all tasks as a model fits them.

    Parameters
    ----------
    model : GatheredModel
    rows : sequence
        Of each task its contribution; at least one.
    """
    return model.join(reduce(add, rows))


def fit_part(model: GatheredModel, joined: Any, part: int, seed: int) -> Any:
    """Return what is fitted for one part.

    Parameters
    ----------
    model : GatheredModel
    joined : Any
        Of `join_parts`.
    part : int
    seed : int
    """
    keep_freed_memory()
    return model.fit(joined, part, seed)

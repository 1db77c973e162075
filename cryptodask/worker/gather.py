"""Rows of all coins on workers: joined on one, and fitted to."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from cryptodask.models.allocator import keep_freed_memory
from cryptodask.models.pooled.gathered import CoinRows, GatheredModel, Rows
from cryptodask.records import FloatArray32


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


def block_of(rows: Rows, block: int, blocks: int) -> Rows:
    """Return the rows of a task that are in a block; see `Rows.block`.

    Parameters
    ----------
    rows : Rows
    block, blocks : int
    """
    return rows.block(block, blocks)


def rows_of_step(joined: CoinRows, step: int) -> tuple[FloatArray32, FloatArray32]:
    """Return features and targets of the rows whose target of a step is known.

    Parameters
    ----------
    joined : CoinRows
    step : int
        Steps ahead, from 0.

    Returns
    -------
    x : ndarray of float32, ``(n, n_columns)``
    y : ndarray of float32, ``(n,)``
    """
    return joined.of_step(step)


def shape_of(piece: tuple[FloatArray32, FloatArray32]) -> tuple[int, ...]:
    """Return the shape of the features of a block, ``(2,)``.

    Parameters
    ----------
    piece : tuple of ndarray
        Of `rows_of_step`.
    """
    return piece[0].shape


def limits(piece: tuple[FloatArray32, FloatArray32]) -> tuple[float, float, int]:
    """Return the least and the greatest target of a block, and its rows.

    Parameters
    ----------
    piece : tuple of ndarray
        Of `rows_of_step`.
    """
    y = piece[1]
    return float(y.min()), float(y.max()), len(y)

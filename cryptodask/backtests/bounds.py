"""Intervals for the rows of a backtest: counts of past errors over all files, then bounds.

Three passes over the files, each of which reads and writes on the workers where there are some:
see `cryptodask.evaluate.intervals.pooling`. Counts are whole numbers and add up in any order, so
that the bounds depend on neither files nor workers.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.evaluate.backtest import empty_backtest
from cryptodask.evaluate.intervals.bounds import table_bounds
from cryptodask.evaluate.intervals.past_errors import table_errors
from cryptodask.evaluate.intervals.pooling import (
    PooledErrors,
    Pools,
    count_errors,
    error_quantiles,
    join_pools,
    summarise,
)
from cryptodask.io.paths import AnyPath, open_parquet
from cryptodask.records import DateArray
from cryptodask.results.forecasts import write_frames

Place = pd.DataFrame | AnyPath
"""Rows of one model, of whole coins: as a table, or as a file whose groups of rows are such."""

Shape = tuple[DateArray, int, np.timedelta64]
"""Origins, horizon, and the time from one bar to the next."""

Run = Callable[[Callable[[Place], Any], Sequence[Place]], Iterator[Any]]
"""What calls a function for each place, such as ``map``."""


def add_bounds(
    places: Sequence[Place],
    origins: DateArray,
    horizon: int,
    step: np.timedelta64,
    run: Run = map,
) -> list[Place]:
    """Put bounds beside the forecasts of one model.

    Parameters
    ----------
    places : sequence of DataFrame, Path or UPath
        All rows of the model.
    origins : ndarray of datetime64, ``(n_origins,)``
        All that there may be in them, in order.
    horizon : int
    step : timedelta64
        From one bar to the next.
    run : callable
        What calls a function for each place; the order does not matter.

    Returns
    -------
    list of DataFrame, Path or UPath
        One table with bounds; or files that were replaced by such.
    """
    if not places:
        return []
    tables = [place for place in places if isinstance(place, pd.DataFrame)]
    if len(tables) == len(places):
        # As one, since counting costs as much for a few coins as for many.
        places = [pd.concat(tables, ignore_index=True)]
    shape = origins, horizon, step
    summaries = summarise(join_pools(run(partial(count, shape=shape, pooled=None), places)))
    pooled = PooledErrors(summaries, {})
    pools = join_pools(run(partial(count, shape=shape, pooled=pooled), places))
    pooled = PooledErrors(summaries, error_quantiles(pools))
    return list(run(partial(put_bounds, shape=shape, pooled=pooled), places))


def count(place: Place, shape: Shape, pooled: PooledErrors | None) -> Pools:
    """Count the errors of a place."""
    errors = (table_errors(table, *shape) for table in _tables(place))
    return count_errors(errors, pooled.summaries if pooled else None)


def put_bounds(place: Place, shape: Shape, pooled: PooledErrors) -> Place:
    """Put bounds into a place; a file is replaced, whole or not at all."""
    args = *shape, pooled.summaries, pooled.quantiles
    if isinstance(place, pd.DataFrame):
        return table_bounds(place, *args)
    if all(table_bounds(t, *args).equals(t) for t in _tables(place)):
        return place  # of a run that went on where it had stopped
    schema = pa.Schema.from_pandas(empty_backtest(), preserve_index=False)
    with write_frames(place.parent, place.name, schema) as write:
        for table in _tables(place):
            write(table_bounds(table, *args))
    return place


def _tables(place: Place) -> Iterator[pd.DataFrame]:
    """Yield the table, or those of a file's groups of rows."""
    if isinstance(place, pd.DataFrame):
        yield place
        return
    with open_parquet(place) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group).to_pandas()
            yield rows.astype(empty_backtest().dtypes.to_dict())

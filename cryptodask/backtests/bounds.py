"""Intervals for the rows of a backtest: counts of past errors over all files, then bounds.

Three passes over the files, each of which reads and writes on the workers where there are some:
see `cryptodask.evaluate.intervals.conformal`. Counts are whole numbers and add up in any order, so that the
bounds depend on neither files nor workers.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cryptodask.evaluate.backtest import BOUNDS, empty_backtest
from cryptodask.evaluate.intervals.bounds import LEVELS, Shape, history_of
from cryptodask.evaluate.intervals.conformal import Conformal, intervals
from cryptodask.evaluate.intervals.error_counts import ErrorCounts, History, PoolSummary
from cryptodask.io.parquet import open_parquet
from cryptodask.io.paths import AnyPath
from cryptodask.records import DateArray, FloatArray
from cryptodask.results.forecasts import write_frames

Place = pd.DataFrame | AnyPath
"""Rows of one model, of whole coins: as a table, or as a file whose groups of rows are such."""

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
    first = ErrorCounts.join(run(partial(count, shape=shape, typical=None), places))
    typical = Conformal().typical(first)
    pool = ErrorCounts.join(run(partial(count, shape=shape, typical=typical), places))
    quantiles = Conformal().quantiles(pool, list(LEVELS.values()))
    put = partial(put_bounds, shape=shape, typical=typical, quantiles=quantiles)
    return list(run(put, places))


def count(place: Place, shape: Shape, typical: PoolSummary | None) -> ErrorCounts:
    """Count the errors of a place."""
    origins, horizon, step = shape
    none = np.empty((0, len(origins), horizon))
    empty = Conformal().count(History(origins, none, none[:, :, 0], step))
    histories = (history_of(table, shape)[0] for table in _tables(place))
    return ErrorCounts.join([empty, *(Conformal().count(h, typical) for h in histories)])


def put_bounds(place: Place, shape: Shape, typical: PoolSummary, quantiles: FloatArray) -> Place:
    """Put bounds into a place; a file is replaced, whole or not at all."""
    if isinstance(place, pd.DataFrame):
        return with_bounds(place, shape, typical, quantiles)
    if all(with_bounds(t, shape, typical, quantiles).equals(t) for t in _tables(place)):
        return place  # of a run that went on where it had stopped
    schema = pa.Schema.from_pandas(empty_backtest(), preserve_index=False)
    with write_frames(place.parent, place.name, schema) as write:
        for table in _tables(place):
            write(with_bounds(table, shape, typical, quantiles))
    return place


def with_bounds(
    table: pd.DataFrame, shape: Shape, typical: PoolSummary, quantiles: FloatArray
) -> pd.DataFrame:
    """Return a table with its bounds."""
    if table.empty:
        return table
    history, at = history_of(table, shape)
    forecasts = np.full(history.errors.shape, np.nan)
    forecasts[at] = table["forecast"]
    prices = intervals(forecasts, Conformal().scale(history, typical), quantiles)[at]
    bounds = {name: prices[:, i] for i, name in enumerate(LEVELS)}
    return table.assign(**{name: bounds[name] for name in BOUNDS})


def _tables(place: Place) -> Iterator[pd.DataFrame]:
    """Yield the table, or those of a file's groups of rows."""
    if isinstance(place, pd.DataFrame):
        yield place
        return
    with open_parquet(place) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group).to_pandas()
            yield rows.astype(empty_backtest().dtypes.to_dict())

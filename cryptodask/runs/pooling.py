"""The client's part of intervals: two passes over what workers keep, and what they add up to."""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing

import numpy as np
import pandas as pd

from cryptodask.cluster import TaskOutcome, WorkerState
from cryptodask.cluster.retry import TaskId
from cryptodask.evaluate.intervals.error_counts import PoolSummary
from cryptodask.evaluate.intervals.pooling import (
    PooledErrors,
    Pools,
    error_quantiles,
    join_pools,
    summarise,
)
from cryptodask.text import counted, shown_date
from cryptodask.worker.intervals import count_state

FEW_ERRORS = 100
"""Past errors below which intervals say so: the prior counts more than they do."""

logger = logging.getLogger(__name__)


def pool_errors(
    state: WorkerState,
    model_of: Callable[[TaskId], str],
    on_lost: Callable[[TaskOutcome], None],
    by: np.datetime64 | None = None,
) -> dict[str, PooledErrors]:
    """Pool the errors of past forecasts over all tasks.

    Parameters
    ----------
    state : WorkerState
        Of each task its `cryptodask.worker.intervals.IntervalState`.
    model_of : callable
        The name of a task's model: errors of different models are not pooled.
    on_lost : callable
        Called with tasks that were lost on the way.
    by : datetime64, optional
        The first origin of a backtest that counts.

    Returns
    -------
    dict of str to PooledErrors
        By model.
    """
    first = _count(state, model_of, {}, on_lost)
    summaries = {model: summarise(pools, by) for model, pools in first.items()}
    counts = _count(state, model_of, summaries, on_lost)
    return {
        model: PooledErrors(summaries[model], error_quantiles(pools))
        for model, pools in counts.items()
    }


def warn_of_few(pools: Mapping[str, PooledErrors], by: np.datetime64 | None) -> None:
    """Name the models whose intervals stand on few errors.

    Parameters
    ----------
    pools, by
        What `pool_errors` returned, and with which date.
    """
    for model, pooled in pools.items():
        _warn_of_few(model, pooled, by)


def _warn_of_few(model: str, pooled: PooledErrors, by: np.datetime64 | None) -> None:
    """Say so of one model: many errors of one cohort must not hide few of another."""
    cohorts = pooled.summaries.values()
    few = [cohort for cohort in cohorts if cohort.errors < FEW_ERRORS]
    if not few:
        return
    weakest = min(few, key=lambda cohort: cohort.errors)
    which, more = "", "more rows, or a longer --warmup, give more"
    if by is not None:
        which = f"as of {shown_date(pd.Timestamp(by))} "
        more = "more rows, a longer --warmup, or --calibrate above 0, give more"
    elif len(cohorts) > 1:
        which = f"of coins that ended about {shown_date(pd.Timestamp(weakest.cutoffs[-1]))} "
        if len(few) > 1:
            which += f"(fewest of {len(few)} such times) "
    logger.warning(
        "%s: intervals %sare made from %s one bar ahead, at most %s on a date, and more from the "
        "usual distribution of moves (%s)", model, which, counted(weakest.errors, "past error"),
        counted(weakest.coins, "coin"), more,
    )  # fmt: skip


def _count(
    state: WorkerState,
    model_of: Callable[[TaskId], str],
    summaries: Mapping[str, Mapping[int, PoolSummary]],
    on_lost: Callable[[TaskOutcome], None],
) -> dict[str, Pools]:
    """Return the counts of each model, added up as they come."""
    pools: dict[str, Pools] = {}
    outcomes = state.map(count_state, lambda task: (summaries.get(model_of(task)),), "count-errors")
    with closing(outcomes):
        for outcome in outcomes:
            if outcome.error is not None:
                on_lost(outcome)
                continue
            model = model_of(outcome.task)
            pools[model] = join_pools([pools.get(model, {}), outcome.result])
    return pools

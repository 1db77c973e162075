"""The client's part of intervals: two passes over what workers keep, and what they add up to."""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing

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
from cryptodask.worker.intervals import count_state

FEW_ERRORS = 100
"""Past errors below which intervals say so: the prior counts more than they do."""

logger = logging.getLogger(__name__)


def pool_errors(
    state: WorkerState, model_of: Callable[[TaskId], str], on_lost: Callable[[TaskOutcome], None]
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

    Returns
    -------
    dict of str to PooledErrors
        By model.
    """
    first = _count(state, model_of, {}, on_lost)
    summaries = {model: summarise(pools) for model, pools in first.items()}
    counts = _count(state, model_of, summaries, on_lost)
    pooled = {
        model: PooledErrors(summaries[model], error_quantiles(pools))
        for model, pools in counts.items()
    }
    for model, of_model in pooled.items():
        errors, coins = of_model.evidence
        if errors < FEW_ERRORS:
            logger.warning(
                "%s: intervals are made from %d past errors one bar ahead, at most %d coins on a "
                "date, and more from the usual distribution of moves (more rows, or a longer "
                "--warmup, give more)", model, errors, coins,
            )  # fmt: skip
    return pooled


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

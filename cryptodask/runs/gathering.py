"""The last step of trainings whose rows meet on workers; see `cryptodask.models.pooled.gathered`.

Rows go from the workers that prepared them to the one that joins them, and from there to those that
fit: each is an argument of the next call, so that the client has futures only, and Dask makes again
what is lost with a worker.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptodask.cluster import TaskOutcome, WorkerState, hold_tasks, watched
from cryptodask.cluster.futures import cancel, collect, killed_its_worker
from cryptodask.cluster.uploading import submit_sealed
from cryptodask.errors import ForecastError
from cryptodask.models.pooled.gathered import GatheredModel
from cryptodask.runs.distributing import fit_distributed
from cryptodask.worker.gather import fit_part, join_parts
from cryptodask.worker.train import contribute

if TYPE_CHECKING:
    from dask.distributed import Client, Future


def gather_and_fit(
    client: "Client",
    model: GatheredModel,
    prepared: WorkerState,
    state: Any,
    seed: int,
) -> tuple[Any, list[TaskOutcome]]:
    """Take the last step of a training.

    Parameters
    ----------
    client : Client
    model : GatheredModel
    prepared : WorkerState
        What the model trains on, by task.
    state : Any
        After the steps before it.
    seed : int

    Returns
    -------
    Any
        The state after it.
    list of TaskOutcome
        Of single coins that workers died of. If there are any, the training has to begin again
        without them, and the state is that before.

    Raises
    ------
    ForecastError
        Workers die of the rows together.
    Exception
        What fitting raised.
    """
    step = model.steps - 1
    function = partial(contribute, model, seed)
    with watched(client):
        rows = prepared.derive(function, model.message(state), step)
        lost: list[TaskOutcome] = []
        hold_tasks(rows, lost.append)
        if lost:
            return state, lost
        if model.distributed:
            fits = fit_distributed(client, model, state, rows.futures(), seed)
        else:
            fits = _fit_parts(client, model, rows.futures(), seed)
        return model.fitted(state, fits), []


def _fit_parts(
    client: "Client", model: GatheredModel, rows: Sequence["Future"], seed: int
) -> list[Any]:
    """Join rows on one worker, and fit each part on whichever is free."""
    key = f"{model.name}-join-{uuid4().hex[:8]}"
    joined = submit_sealed(client, join_parts, [model, list(rows)], key=key, pure=False)
    fits = [
        submit_sealed(client, fit_part, [model, joined, part, seed], pure=False,
                      key=(f"{model.name}-fit-{key[-8:]}", part))
        for part in range(model.fits)
    ]  # fmt: skip
    del joined  # or its rows would be held until all are fitted
    results: dict[int, Any] = {}
    try:
        for outcome in collect(fits):
            if killed_its_worker(outcome.error):
                raise ForecastError(
                    f"{model.name}: workers died of fitting to the rows of all coins together: "
                    f"{outcome.error}; give workers more memory, or lower max_rows"
                )
            if outcome.error is not None:
                raise outcome.error
            results[outcome.index] = outcome.result
    finally:
        cancel(client, fits)
    return [results[part] for part in range(model.fits)]

"""Partitions of a Dask frame, which tasks read from the workers that hold their parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from cryptodask.prices.clean.cleaning import join_readings
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.frames.dask_source import DaskPartition
from cryptodask.prices.frames.pieces import pick_coins
from cryptodask.prices.reading import Reading
from cryptodask.worker.calls import same
from cryptodask.worker.job import Job

FIRST = 1_000
"""Priority of bringing a part, for which a task waits that has begun."""


@dataclass(frozen=True)
class RemotePartition:
    """Coins in parts that lie on workers; for a task. See `Partition`.

    Attributes
    ----------
    coins : tuple of str
    parts : tuple of key or Reading
        Keys of the parts, which the source in the client's process keeps alive; or themselves.
    rows : int
    freq : str
    paths : tuple of str
        None, since there are no files.
    """

    coins: tuple[str, ...]
    parts: tuple[Any, ...]
    rows: int
    freq: str
    paths: tuple[str, ...] = ()

    def read(self) -> pd.DataFrame:
        """Return the rows."""
        return self.load().prices

    def load(self, columns: Sequence[str] | None = None) -> Reading:
        """Return the rows, all columns, and the findings about them; see `Partition`."""
        del columns
        readings = (pick_coins(_fetch(part), self.coins) for part in self.parts)
        return join_readings(readings, empty_findings())


def _fetch(part: Any) -> Reading:
    """Return a part, by its key, from this worker or from the one that has it."""
    if isinstance(part, Reading):
        return part
    from dask.distributed import Future, get_worker, worker_client

    here: Reading | None = get_worker().data.get(part)
    if here is not None:
        return here
    # The thread of this task is free meanwhile, since a part that was lost with its worker is made
    # again. Only a task that depends on a part lets the scheduler know that it is wanted.
    with worker_client() as client:
        brought: Reading = client.submit(
            same, Future(part, client), pure=False, priority=FIRST
        ).result()
    return brought


def remote_prices(job: Job) -> Job:
    """Have the partitions of a Dask frame be read from the workers that hold them."""
    partitions = tuple(
        RemotePartition(p.coins, p.keys(), p.rows, p.freq) if isinstance(p, DaskPartition) else p
        for p in job.partitions
    )
    return replace(job, partitions=partitions)

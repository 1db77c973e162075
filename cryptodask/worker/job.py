"""Jobs: what one call on a worker does: some partitions, and one model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from cryptodask.prices.partition import Partition
from cryptodask.prices.reading import Reading


@dataclass(frozen=True)
class Job:
    """Coins that one call forecasts with one model.

    They are read and fitted one partition after the other, so that a worker holds no more than a
    partition.

    Attributes
    ----------
    partitions : tuple of Partition
    seconds : float
        Estimated.
    timeout : float, optional
        Seconds that a partition may take, after which the worker is ended.
    """

    partitions: tuple[Partition, ...]
    seconds: float = field(default=0.0, compare=False)
    timeout: float | None = field(default=None, compare=False)

    @property
    def coins(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(coin for partition in self.partitions for coin in partition.coins)


@dataclass(frozen=True)
class EmbeddedPartition:
    """A partition that carries its rows, for workers that do not see its files."""

    coins: tuple[str, ...]
    reading: Reading
    rows: int
    freq: str
    paths: tuple[str, ...] = ()

    def read(self) -> pd.DataFrame:
        """Return the rows."""
        return self.reading.prices

    def load(self, columns: Sequence[str] | None = None) -> Reading:  # noqa: ARG002 - a Partition's
        """Return the rows, all columns, and the findings in their files."""
        return self.reading


def embed_prices(job: Job) -> Job:
    """Read the prices of a job, to travel with it."""
    partitions = tuple(EmbeddedPartition(p.coins, p.load(), p.rows, p.freq) for p in job.partitions)
    return replace(job, partitions=partitions)


def join_jobs(jobs: Sequence[Job]) -> Job:
    """Return one job of the coins of several, at least one."""
    partitions = tuple(partition for job in jobs for partition in job.partitions)
    return Job(partitions, sum(job.seconds for job in jobs), jobs[0].timeout)

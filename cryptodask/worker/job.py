"""Jobs: what one call on a worker does: some partitions, and one model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptodask.prices.frames.held import HeldPartition
from cryptodask.prices.partition import Partition


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


def embed_prices(job: Job) -> Job:
    """Read the prices of a job, to travel with it."""
    partitions = tuple(HeldPartition(p.coins, p.load(), p.rows, p.freq) for p in job.partitions)
    return replace(job, partitions=partitions)


def join_jobs(jobs: Sequence[Job]) -> Job:
    """Return one job of the coins of several, at least one."""
    partitions = tuple(partition for job in jobs for partition in job.partitions)
    return Job(partitions, sum(job.seconds for job in jobs), jobs[0].timeout)

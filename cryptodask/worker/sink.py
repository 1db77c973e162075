"""Where the rows of a job go: into memory, or partition by partition into a file."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from cryptodask.io.files import FileRecord
from cryptodask.io.parquet import write_frames
from cryptodask.prices.clean.findings import join_findings
from cryptodask.records import CoinFailure
from cryptodask.results.jobs import JobDone, TaskFiles, check_run
from cryptodask.timing import stage
from cryptodask.worker.calls import worker_address, worker_is_closing

Rows = Any
"""A table of pandas or of Arrow."""


@dataclass
class Sink:
    """Takes the rows of a job.

    Attributes
    ----------
    write : callable
        Takes the rows of one partition.
    tables : list
        What it took, where that is kept in memory.
    record : FileRecord or None
        The file, once it is whole.
    """

    write: Callable[[Rows], None]
    tables: list[Rows] = field(default_factory=list)
    record: FileRecord | None = None


@contextmanager
def row_sink(files: TaskFiles | None, schema: pa.Schema) -> Iterator[Sink]:
    """Give a sink for the rows of a job; a file is whole at the end of the block, or absent.

    Parameters
    ----------
    files : TaskFiles, optional
        Those of the job; by default rows are kept in memory.
    schema : Schema
        Of all rows.

    Raises
    ------
    WriteError
        The file can't be written, or its run is over.
    """
    if files is None:
        tables: list[Rows] = []
        yield Sink(tables.append, tables)
        return
    # Reading and fitting, which are stages inside it, do not count as writing.
    with stage("write"):
        check = partial(check_run, files, worker_is_closing)
        with write_frames(files.table, schema, check=check) as write:
            sink = Sink(write)
            yield sink
        sink.record = write.record


@dataclass
class JobTally:
    """Counts what a job does while it does it.

    Attributes
    ----------
    seconds : dict of str to float
        By stage; filled as stages end.
    """

    seconds: dict[str, float]
    failures: list[CoinFailure] = field(default_factory=list)
    losses: list[pd.DataFrame] = field(default_factory=list)
    coins: int = 0
    rows: int = 0
    began: float = field(default_factory=time.time)

    def add(
        self, failures: Sequence[CoinFailure], lost: pd.DataFrame, coins: int, rows: int
    ) -> None:
        """Add what one partition gave."""
        self.failures += failures
        self.losses.append(lost)
        self.coins += coins
        self.rows += rows

    def done(self, **more: Any) -> JobDone:
        """Return what the job did."""
        return JobDone(
            failures=tuple(self.failures),
            lost=join_findings(self.losses),
            coins=self.coins,
            rows=self.rows,
            worker=worker_address(),
            seconds=dict(self.seconds),
            began=self.began,
            ended=time.time(),
            **more,
        )


def rows_of(done: JobDone) -> pd.DataFrame | None:
    """Return the rows of a job."""
    return done.table


def without_rows(done: JobDone) -> JobDone:
    """Return all of a job but its rows, which stay on the worker."""
    return done.without_table()

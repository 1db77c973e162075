"""What a finished job is: its rows, or the file that holds them, and all there is to know of it.

A job that writes has two files: the table, and after it a record that names the table with its
size and checksum. Only the record makes a job done.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import attrs
import numpy as np
import pandas as pd

from cryptodask.errors import InputError, WriteError
from cryptodask.io.files import FileRecord, damage, read_json
from cryptodask.io.paths import AnyPath, exists
from cryptodask.io.sealed import unseal, write_sealed
from cryptodask.prices.clean.findings import FINDING_COLUMNS, empty_findings, join_findings
from cryptodask.records import CoinFailure
from cryptodask.results.manifest import MANIFEST, PLAN, run_key
from cryptodask.timing import STAGES

VERSION = 1

LOOKS, BETWEEN_LOOKS = 31, 2.0
"""Looks at a plan that seems to be of another run, and seconds between them: file systems over a
network may show for a minute what was there before."""


@dataclass(frozen=True)
class TaskFiles:
    """The files of one task in a run's folder.

    Attributes
    ----------
    table : Path or UPath
        The rows.
    done : Path or UPath
        The record that makes the task done.
    key : str
        Names the run, the model and the coins; a record with another is of another task.
    run : str, optional
        The key of the run's plan; nothing is written where the folder has another.
    """

    table: AnyPath
    done: AnyPath
    key: str
    run: str | None = None


@dataclass(frozen=True)
class JobDone:
    """What a job did.

    Attributes
    ----------
    table : DataFrame or None
        Its rows; None where they were written to a file, or of none.
    file : FileRecord or None
        The file that holds them.
    failures : tuple of CoinFailure
    lost : DataFrame
        Findings of rows and files that were left out in reading.
    coins, bounded, rows : int
        Coins with a forecast, those with intervals, and rows that were read.
    worker : str
        Its address.
    seconds : mapping of str to float
        By stage; see `cryptodask.timing`.
    began, ended : float
        By the worker's clock, in seconds since 1970.
    missed, missed_naive : int
        How far the past forecasts that intervals are made from missed, and naive's at the same
        dates and steps, in one unit; 0 where there are none.
    """

    table: pd.DataFrame | None = None
    file: FileRecord | None = None
    failures: tuple[CoinFailure, ...] = ()
    lost: pd.DataFrame = field(default_factory=empty_findings)
    coins: int = 0
    bounded: int = 0
    rows: int = 0
    worker: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0
    missed: int = 0
    missed_naive: int = 0

    def without_table(self) -> "JobDone":
        """Return all but the rows."""
        return replace(self, table=None)


@attrs.frozen(kw_only=True)
class _Record:
    """A `JobDone` as JSON has it."""

    version: int
    key: str
    file: FileRecord | None
    failures: list[list[str | None]] = attrs.field(factory=list)
    lost: list[dict[str, Any]] = attrs.field(factory=list)
    coins: int
    bounded: int
    rows: int
    worker: str
    seconds: dict[str, float]
    began: float
    ended: float
    missed: int = 0
    missed_naive: int = 0


COUNTS = ("coins", "bounded", "rows", "missed", "missed_naive")
PLAIN = (*COUNTS, "worker", "seconds", "began", "ended")


def check_run(files: TaskFiles, is_closing: Callable[[], bool] = lambda: False) -> None:
    """Check that the run of a job is still in progress, before a file is put into its folder.

    A worker that was frozen may continue with a job after others did it, after the end of its run,
    or when the folder has been given to another run.

    Parameters
    ----------
    files : TaskFiles
    is_closing : callable
        Whether this process is about to end, so that there is nothing to wait for.

    Raises
    ------
    WriteError
        The run has ended, or another one is in its folder.
    """
    for attempt in range(LOOKS):
        if files.run is None or _is_in_progress(files.table.parent, files.run):
            return
        if is_closing():
            break
        if attempt + 1 < LOOKS:
            time.sleep(BETWEEN_LOOKS)
    raise WriteError(
        f"{files.table}: is not written, since its run has ended, or another one is in the folder; "
        "name another folder, if that is a mistake"
    )


def _is_in_progress(folder: AnyPath, run: str) -> bool:
    try:
        return run_key(read_json(folder / PLAN)) == run and not exists(folder / MANIFEST)
    except (FileNotFoundError, InputError, KeyError, TypeError):
        return False


def write_done(files: TaskFiles, done: JobDone) -> JobDone:
    """Write the record of a job, after its table: from then on it is done.

    Where another worker did the job meanwhile, its record stays and is returned. The rows of both
    are the same.

    Parameters
    ----------
    files : TaskFiles
    done : JobDone

    Raises
    ------
    WriteError
        It can't be written.
    """
    there = read_done(files)
    if there is not None:
        return there
    check_run(files)
    content = {name: getattr(done, name) for name in PLAIN}
    content |= {"version": VERSION, "key": files.key, "file": done.file and asdict(done.file)}
    content["failures"] = [
        [f.coin, f.model, None if f.cutoff is None else str(f.cutoff), f.exception, f.message]
        for f in done.failures
    ]
    content["lost"] = [
        {name: _plain(value) for name, value in row.items()}
        # Hardly any job loses rows, and of none pandas makes no rows in milliseconds.
        for row in (done.lost.to_dict("records") if len(done.lost) else [])
    ]
    write_sealed(content, files.done)
    return done


def _plain(value: Any) -> Any:
    """Return a value of a findings table as JSON has it."""
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def read_done(files: TaskFiles) -> JobDone | None:
    """Read the record of a job and compare its file; None where it is not done.

    A record or a table that was cut off, emptied or changed, or is of another task, is as if it
    were not there: the job is done again.
    """
    from cryptodask.io.structure import structured

    try:
        content = read_json(files.done)
        if unseal(content) is not None:
            return None
        record = structured(_Record, content, str(files.done))
        done = _done_of(record)
    except (FileNotFoundError, InputError, ValueError, TypeError):
        return None
    if record.version != VERSION or record.key != files.key:
        return None
    if done.file is not None and damage(files.table, done.file):
        return None
    return done


def _done_of(record: _Record) -> JobDone:
    failures = tuple(
        CoinFailure(
            str(coin), str(model), str(exception), str(message),
            None if cutoff is None else np.datetime64(cutoff, "s"),
        )
        for coin, model, cutoff, exception, message in record.failures
    )  # fmt: skip
    lost = empty_findings()
    if record.lost:
        lost = pd.DataFrame(record.lost, columns=list(FINDING_COLUMNS)).astype(lost.dtypes)
    return JobDone(
        None, record.file, failures, lost, **{name: getattr(record, name) for name in PLAIN}
    )


TASK_COLUMNS = ("model", *COUNTS, "worker", "began", "ended", *STAGES)


def task_table(jobs: Iterable[tuple[str, JobDone]]) -> pd.DataFrame:
    """Return what each job did, of models' names and jobs: `TASK_COLUMNS`, a row a job."""
    plain = (*COUNTS, "worker", "began", "ended")
    rows = [
        [model, *(getattr(done, name) for name in plain)]
        + [float(done.seconds.get(stage, 0.0)) for stage in STAGES]
        for model, done in jobs
    ]
    return pd.DataFrame(rows, columns=list(TASK_COLUMNS))


def lost_table(jobs: Iterable[JobDone]) -> pd.DataFrame:
    """Return what was left out in reading, once: every model of a partition read the same files."""
    return join_findings(done.lost for done in jobs).drop_duplicates(ignore_index=True)

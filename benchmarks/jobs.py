"""The jobs of a run, planned as the engine plans them, for benchmarks that look at them alone."""

from collections.abc import Sequence
from pathlib import Path

from cryptodask.models import Model
from cryptodask.prices.partition import Source
from cryptodask.prices.row_filter import RowFilter
from cryptodask.results.jobs import JobDone, TaskFiles
from cryptodask.runs.workload import Workload, plan_tasks
from cryptodask.worker.forecast import forecast_job
from cryptodask.worker.job import Job

ALL = RowFilter.of(None, None, None)


def plan_jobs(source: Source, coins: Sequence[str], model: Model, workers: int) -> list[Job]:
    """Return the jobs of a forecast by one model, the coins in order."""
    tasks = plan_tasks(source, coins, [model], workers, None)
    work = Workload(source, coins, [model], tasks, list)
    return [work.job(task) for task in work.task_ids()]


def files_in(folder: Path, number: int = 0) -> TaskFiles:
    """Return the files that the job of this number writes into a folder."""
    done = folder / f"_done-{number:05d}.json"
    return TaskFiles(folder / f"forecasts-{number:05d}.parquet", done, key=f"benchmark-{number}")


def run_job(job: Job, model: Model, horizon: int, files: TaskFiles | None = None) -> JobDone:
    """Do a job in this process; forecasts are returned where there are no files for them."""
    return forecast_job(job, ALL, model, horizon, 0, files)

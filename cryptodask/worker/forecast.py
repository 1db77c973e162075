"""A job of a forecast: read some coins, and forecast them with one model."""

from cryptodask.models import Model, run_model
from cryptodask.models.allocator import keep_freed_memory
from cryptodask.prices.partition import Partition
from cryptodask.prices.row_filter import RowFilter
from cryptodask.results.forecasts import forecast_frame, forecast_rows, forecast_schema
from cryptodask.results.jobs import JobDone, TaskFiles, write_done
from cryptodask.timing import stage, watching
from cryptodask.worker.deadline import within
from cryptodask.worker.job import Job
from cryptodask.worker.read import coins_without_rows, read_panel
from cryptodask.worker.sink import JobTally, Sink, row_sink


def forecast_job(
    job: Job,
    row_filter: RowFilter,
    model: Model,
    horizon: int,
    seed: int,
    files: TaskFiles | None = None,
) -> JobDone:
    """Forecast all coins of a job with one model.

    A pure function of its arguments and of the files of prices.

    Parameters
    ----------
    job : Job
    row_filter : RowFilter
        Which rows the model sees.
    model : Model
    horizon : int
        Bars.
    seed : int
    files : TaskFiles, optional
        Where forecasts are written, partition by partition; by default they are returned.
    """
    keep_freed_memory()
    with watching() as seconds:
        tally = JobTally(seconds)
        with row_sink(files, forecast_schema()) as sink:
            for partition in job.partitions:
                with within(job.timeout):
                    _forecast_partition(partition, row_filter, model, horizon, seed, tally, sink)
    if files is None:
        return tally.done(table=forecast_frame(sink.tables))
    done = tally.done(file=sink.record)
    return write_done(files, done)


def _forecast_partition(
    partition: Partition,
    row_filter: RowFilter,
    model: Model,
    horizon: int,
    seed: int,
    tally: JobTally,
    sink: Sink,
) -> None:
    """Forecast the coins of one partition."""
    with stage("read"):
        panel, lost, rows = read_panel(
            partition, row_filter, model.lookback(horizon), model.columns
        )
    with stage("fit"):
        forecast = run_model(model, panel, horizon, seed)
    failures = forecast.failures + coins_without_rows(partition, panel, model.name)
    sink.write(forecast_rows(forecast))
    tally.add(failures, lost, len(forecast.coins), rows)

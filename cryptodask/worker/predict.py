"""A job of a prediction: read some coins, and what a version has learned of them, and forecast."""

from dataclasses import dataclass, replace

import numpy as np

from cryptodask.evaluate.intervals.bounds import Calibration
from cryptodask.evaluate.intervals.volatility import latest_spreads
from cryptodask.io.paths import AnyPath
from cryptodask.models import Model, run_model
from cryptodask.models.allocator import keep_freed_memory
from cryptodask.models.base import PanelForecast
from cryptodask.models.learned import Learned
from cryptodask.models.renamed import rename
from cryptodask.models.trained import Trained
from cryptodask.prices.partition import Partition
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import CoinFailure, FloatArray, Panel
from cryptodask.results.forecasts import forecast_frame, forecast_rows, forecast_schema
from cryptodask.results.jobs import JobDone, TaskFiles, write_done
from cryptodask.results.version import Version, version_at
from cryptodask.timing import stage, watching
from cryptodask.worker.deadline import within
from cryptodask.worker.job import Job
from cryptodask.worker.read import coins_without_rows, read_panel, rows_as_of_now
from cryptodask.worker.sink import JobTally, row_sink


@dataclass(frozen=True)
class Prediction:
    """How coins are forecast from a version.

    Attributes
    ----------
    path : Path or UPath
        The version's folder.
    key : str
        Of its manifest, so that no other version is taken for it.
    label : str
        What the forecast table calls the model.
    row_filter : RowFilter
        Which rows it sees.
    horizon, seed : int
    intervals : bool
    own : Model, optional
        A user's model, which workers make by no name.
    """

    path: AnyPath
    key: str
    label: str
    row_filter: RowFilter
    horizon: int
    seed: int
    intervals: bool
    named: Model | None = None

    @property
    def version(self) -> Version:
        """The version, opened once in a process."""
        return version_at(self.path, self.key)

    @property
    def model(self) -> Model:
        """The model, without what it learned."""
        return self.version.model if self.named is None else self.named


def predict_job(job: Job, prediction: Prediction, files: TaskFiles | None = None) -> JobDone:
    """Forecast all coins of a job from a version.

    A pure function of its arguments and of the files of prices and of the version.

    Parameters
    ----------
    job : Job
    prediction : Prediction
    files : TaskFiles, optional
        Where forecasts are written, partition by partition; by default they are returned.
    """
    keep_freed_memory()
    bounded = 0
    with watching() as seconds:
        tally = JobTally(seconds)
        with row_sink(files, forecast_schema(prediction.intervals)) as sink:
            for partition in job.partitions:
                with within(job.timeout):
                    forecast, bounds = _predict_partition(partition, prediction, tally)
                bounded += 0 if bounds is None else int(np.isfinite(bounds).all(axis=(1, 2)).sum())
                sink.write(forecast_rows(forecast, bounds))
    if files is None:
        table = forecast_frame(sink.tables, prediction.intervals)
        return tally.done(table=table, bounded=bounded)
    return write_done(files, tally.done(file=sink.record, bounded=bounded))


def _predict_partition(
    partition: Partition, prediction: Prediction, tally: JobTally
) -> tuple[PanelForecast, FloatArray | None]:
    """Forecast the coins of one partition, with intervals where they are wanted."""
    version = prediction.version
    model, row_filter = prediction.model, prediction.row_filter
    with stage("read"):
        # Spreads are over all rows.
        rows = replace(row_filter, max_points=None) if prediction.intervals else row_filter
        lookback = None if prediction.intervals else _lookback(model, version, prediction.horizon)
        panel, lost, read = read_panel(
            partition, rows, lookback, model.columns, past=prediction.intervals
        )
        seen = rows_as_of_now(panel, row_filter) if prediction.intervals else panel
    with stage("predict"):
        known, failures = _known_coins(version, seen, prediction.label)
        forecasting, calibration = _forecasting(model, version, known)
        forecast = run_model(
            rename(forecasting, prediction.label), known, prediction.horizon, prediction.seed
        )
        bounds = None
        if prediction.intervals:
            bounds = _bounds(forecast, known, panel, calibration)
    failures += forecast.failures + coins_without_rows(partition, panel, prediction.label)
    tally.add(failures, lost, len(forecast.coins), read)
    return replace(forecast, failures=[]), bounds


def _lookback(model: Model, version: Version, horizon: int) -> int | None:
    """Return how many of a coin's last rows are looked at; None of all."""
    if not version.facts.learns:
        return model.lookback(horizon)
    return _trained(model, version, Learned(None, {})).lookback(horizon)


def _known_coins(version: Version, panel: Panel, label: str) -> tuple[Panel, list[CoinFailure]]:
    """Return the coins that a version can forecast, and why it can't forecast the others."""
    if not len(panel):
        return panel, []
    errors = version.unknown(panel.coins, panel.last_dates)
    kept = [i for i, coin in enumerate(panel.coins) if coin not in errors]
    failures = [CoinFailure.of(coin, label, error) for coin, error in errors.items()]
    return (panel.take(kept) if errors else panel), failures


def _forecasting(model: Model, version: Version, panel: Panel) -> tuple[Model, Calibration | None]:
    """Return the model with what it has learned of the coins of a panel."""
    learned, calibration = version.learned(panel.coins)
    trained = model if not version.facts.learns else _trained(model, version, learned)
    return trained, calibration


def _trained(model: Model, version: Version, learned: Learned) -> Trained:
    """Return a version's model after its training.

    Of coins that were not trained on, it refuses those that the model itself would.
    """
    return Trained(model, learned, strict=version.facts.any_coin)


def _bounds(
    forecast: PanelForecast, known: Panel, panel: Panel, calibration: Calibration | None
) -> FloatArray:
    """Return the intervals of forecasts, from the spreads as of the last rows."""
    assert calibration is not None
    latest = dict(zip(panel.coins, latest_spreads(panel, forecast.values.shape[1]), strict=True))
    place = {coin: i for i, coin in enumerate(known.coins)}
    rows = [place[coin] for coin in forecast.coins]
    of_forecast = Calibration(
        calibration.ratio[rows], calibration.market[rows], calibration.quantiles[rows]
    )
    spreads = [latest[coin] for coin in forecast.coins]
    return of_forecast.bounds(forecast.values, np.reshape(spreads, forecast.values.shape))

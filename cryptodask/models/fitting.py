"""How any model is run on a panel so that a bad coin fails alone."""

from dataclasses import replace

import numpy as np

from cryptodask.errors import (
    BrokenSeriesError,
    ConstantSeriesError,
    ContractError,
    CryptoDaskError,
    ForecastError,
    InputError,
    MissingExtraError,
    OptionError,
    SeriesError,
    TooShortError,
    exit_message,
)
from cryptodask.io.modules import user_line
from cryptodask.models.base import Model, PanelForecast
from cryptodask.records import DAY, REAL, BoolArray, CoinFailure, DateArray, FloatArray, Panel

NO_COINS_FAULT = (MemoryError, MissingExtraError, InputError, ContractError)
"""What a model raises that another choice of coins would not mend."""


def run_model(model: Model, panel: Panel, horizon: int, seed: int = 0) -> PanelForecast:
    """Forecast every coin of a panel that can be forecast, and say why the others can't.

    Coins are checked first and the model gets the sound ones as one batch. If the batch as a
    whole fails, its coins are tried one by one, so that only those at fault are lost.

    Parameters
    ----------
    model : Model
    panel : Panel
        Of ``(n_coins,)``.
    horizon : int
        How far ahead, in bars, at least 1.
    seed : int
        Random seed.

    Returns
    -------
    PanelForecast
        Prices ``(n_forecast, horizon)`` in the quote currency, and failures of the other coins.

    Raises
    ------
    OptionError
        A horizon below 1, or an option that the model can't work with.
    MissingExtraError
        The model needs a package that is not installed.
    """
    check_horizon(horizon)
    batch, failures = sound_coins(model, panel, horizon)
    values = _forecast_each_if_needed(model, batch, horizon, seed, failures)
    good = np.isfinite(values).all(axis=1)
    failed = {failure.coin for failure in failures}
    for i in np.flatnonzero(~good).tolist():
        if batch.coins[i] not in failed:
            error = model.explain(batch.take([i])) or not_finite(batch.coins[i], model, values[i])
            failures.append(CoinFailure.of(batch.coins[i], model.name, error))
    done = batch if good.all() else batch.take(np.flatnonzero(good))
    return PanelForecast(
        model.name, done.coins, done.last_dates, done.future_dates(horizon), values[good], failures
    )


def forecast_batch(model: Model, batch: Panel, horizon: int, seed: int) -> FloatArray:
    """Return what a model forecasts for coins that are sound, in the shape that it must have.

    Parameters
    ----------
    model : Model
    batch : Panel
        Of ``(n_coins,)``.
    horizon : int
        Bars ahead.
    seed : int

    Returns
    -------
    ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency; not finite where a coin has no forecast.

    Raises
    ------
    ContractError
        The model returned another shape, which NumPy might stretch to the right one; or anything
        but a plain array of real numbers.
    """
    values = model.forecast(batch, horizon, seed)
    shape = len(batch), horizon
    if np.shape(values) != shape:
        raise ContractError(
            f"{model.name}: forecast returned shape {np.shape(values)}, and (n_coins, horizon) is "
            f"{shape}; cryptodask.testing.check_model finds such faults before a run"
        )
    if type(values) is not np.ndarray or values.dtype.kind not in REAL:
        raise ContractError(
            f"{model.name}: forecast returned a {type(values).__name__} of "
            f"{np.asarray(values).dtype}; it must be an ndarray of real numbers, unmasked, with "
            "NaN where a forecast is missing"
        )
    return values


def sound_coins(model: Model, panel: Panel, horizon: int) -> tuple[Panel, list[CoinFailure]]:
    """Return the coins of a panel that a model can be fitted to, and why it can't to the others.

    Parameters
    ----------
    model : Model
    panel : Panel
        Of ``(n_coins,)``.
    horizon : int
        How far ahead, in bars.

    Returns
    -------
    panel : Panel
        Of ``(n_sound,)``.
    failures : list of CoinFailure
        One for each other coin.
    """
    failures: list[CoinFailure] = []
    sound = np.ones(len(panel), dtype=bool)
    for i in np.flatnonzero(_suspects(panel, model, horizon)):
        a, b = panel.indptr[i], panel.indptr[i + 1]
        series = panel.coins[i], panel.values[a:b], panel.dates[a:b]
        try:
            check_series(*series, model, horizon, panel.step)
        except SeriesError as error:
            failures.append(CoinFailure.of(panel.coins[i], model.name, error))
            sound[i] = False
    return panel if sound.all() else panel.take(np.flatnonzero(sound)), failures


def _suspects(panel: Panel, model: Model, horizon: int) -> BoolArray:
    """Return the coins that `check_series` must look at, among them all that it would refuse.

    All coins at once, since a check coin by coin costs more than fitting a closed form.
    """
    if not len(panel):
        return np.zeros(0, dtype=bool)
    starts, lengths = panel.indptr[:-1], panel.lengths
    needed = model.min_length(horizon)
    if (lengths == 0).any():
        return np.ones(len(panel), dtype=bool)
    # Where one close is NaN, so are both.
    low, high = (f.reduceat(panel.values, starts) for f in (np.minimum, np.maximum))
    suspect = ~((low > 0) & (high < np.inf)) | (lengths < needed)
    if model.needs_variation:
        suspect |= low == high
    return suspect if panel.is_even() else suspect | _suspect_dates(panel, model, needed)


def _suspect_dates(panel: Panel, model: Model, needed: int) -> BoolArray:
    """Return the coins with dates that do not rise, or with too few after their last gap."""
    starts = panel.indptr[:-1]
    step = np.diff(panel.dates, prepend=panel.dates[:1])
    step[starts] = panel.step
    rising = (step > np.timedelta64(0)) & ~np.isnat(panel.dates)
    suspect: BoolArray = ~np.logical_and.reduceat(rising, starts)
    if model.gaps == "split":
        rows = np.arange(len(step))
        last = np.maximum.reduceat(np.where(step != panel.step, rows, -1), starts)
        suspect |= panel.indptr[1:] - np.maximum(last, starts) < needed
    return suspect


def check_series(
    coin: str,
    values: FloatArray,
    dates: DateArray,
    model: Model,
    horizon: int,
    step: np.timedelta64 = DAY,
) -> None:
    """Check that a model can be fitted to one coin.

    Parameters
    ----------
    coin : str
        Its name.
    values : ndarray of float64, ``(n_rows,)``
        Closes in the quote currency.
    dates : ndarray of datetime64, ``(n_rows,)``
    model : Model
    horizon : int
        How far ahead, in bars.
    step : timedelta64
        From one bar to the next; rows that are further apart have a gap between them.

    Raises
    ------
    TooShortError, ConstantSeriesError, BrokenSeriesError
        It can't be fitted.
    """
    if not (np.isfinite(values) & (values > 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(values) & (values > 0)))[0])
        raise BrokenSeriesError(
            f"{coin}: close {values[bad]} on {dates[bad].astype('datetime64[D]')}: "
            "closes must be finite and above 0; correct or remove the row"
        )
    if np.isnat(dates).any():
        raise BrokenSeriesError(f"{coin}: a date is missing; give each close its day")
    if (np.diff(dates) <= np.timedelta64(0)).any():
        raise BrokenSeriesError(f"{coin}: dates must rise from row to row; sort and deduplicate")
    needed = model.min_length(horizon)
    if len(values) < needed:
        raise TooShortError(
            f"{coin}: {len(values)} rows, {model.name} needs {needed} for a horizon of {horizon}"
        )
    holes = np.flatnonzero(np.diff(dates) != step)
    if model.gaps == "split" and len(holes) and len(values) - holes[-1] - 1 < needed:
        ends = dates[holes[-1] : holes[-1] + 2]
        before, after = np.datetime_as_string(ends, unit="D" if step >= DAY else "m")
        raise TooShortError(
            f"{coin}: {len(values) - holes[-1] - 1} rows after its last gap, from {before} to "
            f"{after}; {model.name} needs {needed} without a gap for a horizon of {horizon}: fill "
            "short gaps with gaps='fill' (--gaps fill --gap-limit N), or use another model"
        )
    if model.needs_variation and (values == values[0]).all():
        raise ConstantSeriesError(
            f"{coin}: all {len(values)} closes are {values[0]:.10g}, so {model.name} has nothing "
            "to fit; use naive for it, or check the prices"
        )


def _forecast_each_if_needed(
    model: Model, batch: Panel, horizon: int, seed: int, failures: list[CoinFailure]
) -> FloatArray:
    """Forecast a batch; if that raises, coin by coin, with NaN for those that raise alone."""
    if not len(batch):
        return np.empty((0, horizon))
    try:
        return forecast_batch(model, batch, horizon, seed)
    except NO_COINS_FAULT:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what one coin causes, others go on
        if len(batch) == 1:
            failures.append(failure_of(batch.coins[0], model, error))
            return np.full((1, horizon), np.nan)
    singles = [batch.take([i]) for i in range(len(batch))]
    return np.concatenate(
        [_forecast_each_if_needed(model, single, horizon, seed, failures) for single in singles]
    )


def failure_of(coin: str, model: Model, error: Exception | SystemExit) -> CoinFailure:
    """Return the failure of a coin on which a model raised; of a user's code with its line.

    Parameters
    ----------
    coin : str
    model : Model
    error : Exception or SystemExit
        The latter ends no process: a worker that ends looks like one that died of the coin.
    """
    line = None if isinstance(error, CryptoDaskError) else user_line(error)
    if isinstance(error, SystemExit):
        error = ForecastError(exit_message(error))
    failure = CoinFailure.of(coin, model.name, error)
    if line is None:
        return failure
    return replace(failure, message=f"{coin}: {model.name}: {failure.message} ({line})")


def check_horizon(horizon: int) -> None:
    """Check that there is a bar to forecast.

    Parameters
    ----------
    horizon : int
        How far ahead, in bars.

    Raises
    ------
    OptionError
        It is below 1.
    """
    if horizon < 1:
        raise OptionError(f"horizon: must be at least 1, got {horizon}")


def not_finite(coin: str, model: Model, row: FloatArray) -> ForecastError:
    """Return the error of a coin whose forecast has a NaN or an infinity in it.

    Parameters
    ----------
    coin : str
    model : Model
    row : ndarray of float64, ``(horizon,)``
        The forecast.
    """
    return ForecastError(
        f"{coin}: {model.name} gave {row.tolist()}, not finite prices; "
        "look at the coin's prices, or try other options"
    )

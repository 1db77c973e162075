"""One coin, no cluster: the models as plain functions of arrays."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from cryptodask.errors import BrokenSeriesError
from cryptodask.models.base import Model
from cryptodask.models.catalog import create_model
from cryptodask.models.fitting import check_horizon, check_series, not_finite
from cryptodask.records import DAY, DateArray, FloatArray, Panel

if TYPE_CHECKING:
    import pandas as pd


def linear_predict(prices: ArrayLike, times: ArrayLike, predict: int = 10) -> FloatArray:
    """Fit a line to closes over time and extrapolate it.

    Parameters
    ----------
    prices : array_like, ``(n,)``
        Closes in the quote currency, oldest first.
    times : array_like, ``(n,)``
        Their days in UTC: dates, text as ``2017-09-22`` or in another form that price files have,
        or numbers of days since 1970-01-01. Bars may be shorter than a day; then `predict`
        counts those.
    predict : int
        Days ahead.

    Returns
    -------
    ndarray of float64, ``(predict,)``
        The forecasts that `CryptoManager` gives for the same coin, in the quote currency.

    Raises
    ------
    OptionError
        ``predict`` is below 1.
    SeriesError
        The series is too short, constant or broken.

    Examples
    --------
    >>> linear_predict([10.0, 12.0, 14.0], ["2024-01-01", "2024-01-02", "2024-01-03"], 2)
    array([16., 18.])
    """
    return predict_one(create_model("linear"), prices, times, predict)


def deep_predict(
    prices: ArrayLike,
    times: ArrayLike,
    predict: int = 10,
    *,
    coin: str = "",
    seed: int = 0,
    **options: Any,
) -> FloatArray:
    """Train an LSTM on closes and forecast recursively.

    Parameters
    ----------
    prices, times : array_like, ``(n,)``
        Closes in the quote currency and their days, as for `linear_predict`.
    predict : int
        Days ahead.
    coin : str
        Name of the coin, which with the seed decides the random numbers: give it to get the very
        numbers that `CryptoManager` gives.
    seed : int
    **options
        Of the model ``lstm``.

    Returns
    -------
    ndarray of float64, ``(predict,)``

    Raises
    ------
    OptionError
        ``predict`` is below 1, or an option is out of its range.
    SeriesError
        The series is too short, constant or broken, or the forecast is not finite.
    MissingExtraError
        The loss or the optimiser is Keras's, and Keras or TensorFlow is not installed.
    """
    return predict_one(create_model("lstm", **options), prices, times, predict, coin, seed)


def predict_one(
    model: Model,
    prices: ArrayLike,
    times: ArrayLike,
    predict: int = 10,
    coin: str = "",
    seed: int = 0,
) -> FloatArray:
    """Forecast one coin with any model.

    Parameters
    ----------
    model : Model
    prices, times : array_like, ``(n,)``
        Closes in the quote currency and their days, as for `linear_predict`.
    predict : int
        Days ahead.
    coin : str
        Name of the coin, which with the seed decides the random numbers.
    seed : int

    Returns
    -------
    ndarray of float64, ``(predict,)``
        In the quote currency.

    Raises
    ------
    OptionError
        ``predict`` is below 1, or an option is out of its range.
    SeriesError
        The series is too short, constant or broken, or the model gave no finite number.
    """
    check_horizon(predict)
    values, dates = _as_closes(prices), _as_dates(times)
    if values.ndim != 1 or values.shape != dates.shape:
        raise BrokenSeriesError(
            f"prices and times must be two sequences of one length, got shapes {values.shape} "
            f"and {dates.shape}"
        )
    shown = coin or "prices"
    step = _usual_step(dates)
    check_series(shown, values, dates, model, predict, step)
    panel = Panel.from_series([(coin, values, dates)], step)
    forecast: FloatArray = model.forecast(panel, predict, seed)[0]
    if not np.isfinite(forecast).all():
        raise not_finite(shown, model, forecast)
    return forecast


def _usual_step(dates: DateArray) -> np.timedelta64:
    """Return the time between most rows: a day, unless they are of shorter bars."""
    steps, counts = np.unique(np.diff(dates), return_counts=True)
    usual = steps[np.argmax(counts)] if len(steps) else DAY
    return usual if np.timedelta64(0, "s") < usual < DAY else DAY


def _as_closes(prices: ArrayLike) -> FloatArray:
    try:
        closes: FloatArray = np.asarray(prices, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BrokenSeriesError(f"prices: must be numbers in one sequence ({error})") from error
    return closes


def _as_dates(times: ArrayLike) -> DateArray:
    given = np.asarray(times)
    if given.ndim != 1:
        return np.empty(given.shape, "datetime64[s]")
    if np.issubdtype(given.dtype, np.number):
        days: DateArray = (given * 86_400.0).round().astype("datetime64[s]")
        return days
    import pandas as pd

    series = pd.Series(given)
    if series.dtype == "str":
        return _read_days(series)
    try:
        dates = pd.to_datetime(series, utc=True).dt.tz_localize(None)
    except (TypeError, ValueError) as error:
        raise BrokenSeriesError(
            f"times: must be dates, text or numbers of days ({error})"
        ) from error
    return dates.to_numpy().astype("datetime64[s]")


def _read_days(cells: "pd.Series[str]") -> DateArray:
    """Read text as price files are read, so that a day in doubt is refused and not guessed."""
    from cryptodask.prices.read.days import parse_days

    cells = cells.fillna("")
    days, reasons, serial = parse_days(cells)
    bad = (days.isna() | serial).to_numpy()
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        reason = reasons.iloc[first] or "a number as text"
        raise BrokenSeriesError(
            f"times: {cells.iloc[first]!r} in place {first}: {reason}; write YYYY-MM-DD"
        )
    return days.to_numpy().astype("datetime64[s]")

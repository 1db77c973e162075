"""One coin, no cluster: the models as plain functions of arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cryptodask.errors import BrokenSeriesError
from cryptodask.models.base import Model, check_series
from cryptodask.models.catalog import create_model
from cryptodask.records import DateArray, FloatArray, Panel


def linear_predict(prices: ArrayLike, times: ArrayLike, predict: int = 10) -> FloatArray:
    """Fit a line to closes over time and extrapolate it.

    Parameters
    ----------
    prices : array_like, ``(n,)``
        Closes, oldest first.
    times : array_like, ``(n,)``
        Their days: dates, text as ``2017-09-22``, or numbers of days since 1970-01-01.
    predict : int
        Days ahead.

    Returns
    -------
    ndarray of float64, ``(predict,)``
        The forecasts that `CryptoManager` gives for the same coin.

    Raises
    ------
    SeriesError
        The series is too short, constant or broken.
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
    prices, times, predict
        As for `linear_predict`.
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
    SeriesError
        The series is too short, constant or broken.
    MissingExtraError
        TensorFlow is not installed.
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
    """Forecast one coin with any model; the parameters are those of `deep_predict`."""
    values = np.asarray(prices, dtype=np.float64)
    dates = _as_dates(times)
    if values.ndim != 1 or values.shape != dates.shape:
        raise BrokenSeriesError(
            f"prices and times must be two sequences of one length, got shapes {values.shape} "
            f"and {dates.shape}"
        )
    check_series(coin or "prices", values, dates, model, predict)
    return model.forecast(Panel.from_series([(coin, values, dates)]), predict, seed)[0]


def _as_dates(times: ArrayLike | Sequence[Any]) -> DateArray:
    given = np.asarray(times)
    if np.issubdtype(given.dtype, np.number):
        return (given * 86_400.0).round().astype("datetime64[s]")
    dates = pd.to_datetime(pd.Series(given)).dt.tz_localize(None)
    return dates.to_numpy().astype("datetime64[s]")

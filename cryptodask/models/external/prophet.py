"""``prophet``: Prophet's trend with changepoints and seasons, one coin after the other."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import MissingExtraError, OptionError
from cryptodask.models.base import Model
from cryptodask.records import DateArray, FloatArray, Panel

FIRST_DAY = np.datetime64("2000-01-01", "s")


@dataclass(frozen=True)
class Prophet(Model):
    """Prophet: a trend that bends, and seasons, fitted to the closes of each coin.

    It is ``y[t] = g[t] + s[t] + e[t]``: a line whose slope changes at changepoints, Fourier sums of
    a week and a year, and noise.

    Bars since a coin's first row are given to Prophet as days, whatever they last, so that its
    weekly and yearly seasons are of 7 and 365.25 bars; which days of the week they are makes no
    difference to it. It is the point forecast alone, by optimisation, without sampling.

    After Taylor and Letham, Forecasting at Scale, The American Statistician 72 (2018).

    Attributes
    ----------
    growth : str
        ``linear`` or ``flat``.
    n_changepoints : int
        Places at which the trend may bend, at least 0.
    changepoint_prior_scale, seasonality_prior_scale : float
        How freely the trend bends and the seasons swing, above 0.
    weekly, yearly : bool
        Whether there is such a season.
    log : bool
        Whether it is fitted to the logs of the closes over the last one, so that forecasts stay
        above 0, rather than to the closes.
    """

    name: ClassVar[str] = "prophet"
    cost: ClassVar[float] = 1_000.0
    needs_variation: ClassVar[bool] = True

    growth: str = "linear"
    n_changepoints: int = 25
    changepoint_prior_scale: float = 0.05
    seasonality_prior_scale: float = 10.0
    weekly: bool = True
    yearly: bool = False
    log: bool = True

    def __post_init__(self) -> None:
        if self.growth not in ("linear", "flat"):
            raise OptionError(f"prophet growth: must be linear or flat, got {self.growth!r}")
        if self.n_changepoints < 0:
            raise OptionError(
                f"prophet n_changepoints: must be at least 0, got {self.n_changepoints}"
            )
        for option in ("changepoint_prior_scale", "seasonality_prior_scale"):
            if not 0 < getattr(self, option) < np.inf:
                raise OptionError(
                    f"prophet {option}: must be above 0 and finite, got {getattr(self, option)}"
                )

    def warm_up(self) -> None:
        _import_prophet()

    def min_length(self, horizon: int) -> int:
        return 14  # two weeks

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        make = _import_prophet()
        ahead = np.empty((len(panel), horizon))
        with _quiet():
            for i, (_, closes, dates) in enumerate(panel):
                bars = (dates - dates[0]) / panel.step
                later = bars[-1] + np.arange(1, horizon + 1)
                # Logs over the last close, since Prophet takes what it is given for large or small.
                y = np.log(closes / closes[-1]) if self.log else closes
                ahead[i] = self._fit_one(make, y, _as_days(bars), _as_days(later))
        with np.errstate(over="ignore"):  # what overflows is not finite, and of that coin alone
            last = panel.values[panel.indptr[1:] - 1, None]
            return last * np.exp(ahead) if self.log else ahead

    def _fit_one(self, make: Any, y: FloatArray, days: DateArray, later: DateArray) -> FloatArray:
        import pandas as pd

        model = make(
            growth=self.growth,
            n_changepoints=self.n_changepoints,
            changepoint_prior_scale=self.changepoint_prior_scale,
            seasonality_prior_scale=self.seasonality_prior_scale,
            weekly_seasonality=self.weekly,
            yearly_seasonality=self.yearly,
            daily_seasonality=False,
            uncertainty_samples=0,
        )
        model.fit(pd.DataFrame({"ds": days, "y": y}), seed=1)
        ahead: FloatArray = model.predict(pd.DataFrame({"ds": later}))["yhat"].to_numpy()
        return ahead


def _as_days(bars: FloatArray) -> DateArray:
    days: DateArray = FIRST_DAY + np.round(bars * 86_400).astype("timedelta64[s]")
    return days


def _import_prophet() -> Any:
    try:
        with _quiet():
            from prophet import Prophet as Library
    except ImportError as error:
        raise MissingExtraError(
            f"prophet needs the package prophet ({error}): pip install 'cryptodask[prophet]'"
        ) from error
    return Library


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Prophet says of every fit out of the log, but not its warnings."""
    loggers = [logging.getLogger(name) for name in ("prophet", "prophet.plot", "cmdstanpy")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            quiet = logging.CRITICAL if logger.name == "prophet.plot" else logging.WARNING
            logger.setLevel(quiet)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""``prophet``: Prophet's trend with changepoints and seasons, one coin after the other."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import MissingExtraError, OptionError, VersionError
from cryptodask.models.base import Model, cannot_be_kept
from cryptodask.models.learned import Learned, ragged
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
    libraries: ClassVar[tuple[str, ...]] = ("prophet",)
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
                fitted = self._fit_one(make, closes, bars)
                ahead[i] = _predict(fitted, bars[-1], horizon)
        return self._prices(ahead, panel.values[panel.indptr[1:] - 1])

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        """Return the fitted models as Prophet writes them to JSON; see `Model.learn`.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        horizon, seed : int

        Raises
        ------
        VersionError
            What is read from the JSON forecasts other numbers.
        """
        make, texts = _import_prophet(), []
        from prophet.serialize import model_from_json, model_to_json

        with _quiet():
            for _, closes, dates in panel:
                bars = (dates - dates[0]) / panel.step
                fitted = self._fit_one(make, closes, bars)
                text = model_to_json(fitted)
                values = _predict(model_from_json(text), bars[-1], horizon)
                if not np.array_equal(_predict(fitted, bars[-1], horizon), values):
                    raise cannot_be_kept(self, "its JSON has not all digits")
                texts.append(np.frombuffer(text.encode(), dtype=np.uint8))
        arrays = {
            "first_date": panel.dates[panel.indptr[:-1]].astype("datetime64[s]").astype(np.int64),
            "last_close": panel.values[panel.indptr[1:] - 1],
        }
        return Learned(panel.coins, {**arrays, **ragged("json", texts)})

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        _import_prophet()
        from prophet.serialize import model_from_json

        first = known.arrays["first_date"].astype("datetime64[s]")
        bars = (panel.last_dates - first) / panel.step
        ahead = np.empty((len(panel), horizon))
        with _quiet():
            for i, coin in enumerate(panel.coins):
                text = known.of("json", i).tobytes()
                try:  # it is parsed, and sets attributes that Prophet lists; no code is run
                    fitted = model_from_json(text.decode())
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise VersionError(
                        f"{coin}: prophet: what was kept can't be read: {error!r}; train it again"
                    ) from error
                ahead[i] = _predict(fitted, bars[i], horizon)
        return self._prices(ahead, known.arrays["last_close"])

    def lookback_from(self, horizon: int) -> int:
        return 1

    def _prices(self, ahead: FloatArray, closes: FloatArray) -> FloatArray:
        """Return what is forecast ``(n_coins, horizon)`` as prices; closes are the last fitted."""
        with np.errstate(over="ignore"):  # what overflows is not finite, and of that coin alone
            return closes[:, None] * np.exp(ahead) if self.log else ahead

    def _fit_one(self, make: Any, closes: FloatArray, bars: FloatArray) -> Any:
        """Return a model that is fitted to closes; bars are those since the first."""
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
        # Logs over the last close, since Prophet takes what it is given for large or small.
        y = np.log(closes / closes[-1]) if self.log else closes
        model.fit(pd.DataFrame({"ds": _as_days(bars), "y": y}), seed=1)
        return model


def _predict(model: Any, last: float, horizon: int) -> FloatArray:
    """Return what a fitted model predicts of the bars after the last, ``(horizon,)``."""
    import pandas as pd

    later = last + np.arange(1.0, horizon + 1.0)
    ahead: FloatArray = model.predict(pd.DataFrame({"ds": _as_days(later)}))["yhat"].to_numpy()
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

"""What a model is, and how any model is run on a panel so that a bad coin fails alone."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import (
    BrokenSeriesError,
    ConstantSeriesError,
    ForecastError,
    InputError,
    MissingExtraError,
    OptionError,
    SeriesError,
    TooShortError,
)
from cryptodask.records import DAY, CoinFailure, DateArray, FloatArray, Panel

if TYPE_CHECKING:
    from cryptodask.features.space import FeatureSpace

Gaps = Literal["leave", "split"]


class Model:
    """Base class of models: one that forecasts a panel of many coins at once.

    A model is a frozen dataclass that derives from this class. Its fields are its options. It must
    have a ``name``, `min_length` and `forecast`; all else has a default, which is right for a model
    that looks at all rows of the closes and needs nothing before it can forecast. It gets whole
    panels, every coin of which is long enough and sound, and keeps nothing between calls. It draws
    random numbers from `rng_for` only.

    Attributes
    ----------
    name : str
        Its name in the catalog.
    cost : float
        What a row costs to fit, in rows of ``naive``; for planning only.
    needs_variation : bool
        Whether a series that never changes is refused.
    gaps : {"leave", "split"}
        ``leave``: the model reads the dates, or needs none. ``split``: it takes rows for equally
        far apart, so it sees each coin's rows after its last gap, which have to be enough.
    columns : tuple of str
        Columns that it reads beside the closes, such as ``volume``; see `Panel.extra`.
    batches_dates : bool
        Whether a coin may be in a panel several times, as of different dates. The model then looks
        no coin up by its name, and a backtest gives it many dates as one batch.
    space : FeatureSpace or None
        The features that it declares.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class LastTimes(Model):
    ...     factor: float = 1.0
    ...     name = "last_times"
    ...     def min_length(self, horizon):
    ...         return 1
    ...     def forecast(self, panel, horizon, seed):
    ...         last = panel.values[panel.indptr[1:] - 1]
    ...         return np.repeat(self.factor * last[:, None], horizon, axis=1)
    >>> panel = Panel.from_series([("Coin", [1.0, 2.0], ["2024-01-01", "2024-01-02"])])
    >>> LastTimes(1.5).forecast(panel, 3, seed=0)
    array([[3., 3., 3.]])
    """

    # Properties, since an attribute of the class or a field overrides each, and none may be set.
    @property
    def name(self) -> str:
        """Its name in the catalog."""
        raise NotImplementedError(f"{type(self).__name__}: a model needs a name")

    @property
    def cost(self) -> float:
        """What a row costs to fit, in rows of ``naive``."""
        return 1.0

    @property
    def needs_variation(self) -> bool:
        """Whether a series that never changes is refused."""
        return False

    @property
    def gaps(self) -> Gaps:
        """What it makes of gaps between rows."""
        return "leave"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it reads beside the closes."""
        return ()

    @property
    def batches_dates(self) -> bool:
        """Whether a coin may be in a panel several times, as of different dates."""
        return False

    @property
    def space(self) -> "FeatureSpace | None":
        """The features that it declares."""
        return None

    def min_length(self, horizon: int) -> int:
        """Return the fewest rows that the model can forecast from.

        Parameters
        ----------
        horizon : int
            Bars.
        """
        raise NotImplementedError(f"{self.name}: a model needs min_length")

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel.

        Parameters
        ----------
        panel : Panel
        horizon : int
            Bars ahead, at least 1: days, of daily prices.
        seed : int
            With the model's and a coin's name it decides all randomness for that coin.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency at each of the bars after the coin's last.
        """
        raise NotImplementedError(f"{self.name}: a model needs forecast")

    def lookback(self, horizon: int) -> int | None:
        """Return how many of a coin's last rows the model looks at; None of all.

        Of a panel without the others its forecast is the same, bit for bit.
        """
        del horizon
        return None

    def rows_at_ends(self, horizon: int) -> tuple[int, int] | None:
        """Return how many of a coin's first and last rows it looks at; None of others, too."""
        last = self.lookback(horizon)
        return None if last is None else (0, last)

    def warm_up(self) -> None:
        """Import and compile what the first forecast in a process needs."""

    def explain(self, panel: Panel) -> ForecastError | None:
        """Return why there is no forecast, but NaN, of a panel of one coin, if the model knows."""
        del panel
        return None


class TrainableModel(Model):
    """A model of which training is most of the work, and can be kept."""

    def train(self, panel: Panel, seed: int) -> Model:
        """Return a model that was trained on these sound coins, and forecasts them only.

        From the rows on which it was trained it forecasts what the model itself does, bit for
        bit; from newer rows, by the same training.
        """
        raise NotImplementedError(f"{self.name}: a trainable model needs train")


def fingerprints(models: Iterable[Model]) -> dict[str, str]:
    """Return the fingerprint of the features of each model that declares some, by name."""
    return {m.name: str(m.space.fingerprint) for m in models if m.space is not None}


@dataclass(frozen=True)
class PanelForecast:
    """What a model made of a panel.

    Attributes
    ----------
    model : str
        Name in the catalog.
    coins : tuple of str
        Coins with a forecast, in the panel's order, ``(n_coins,)``.
    cutoffs : ndarray of datetime64[s], ``(n_coins,)``
        Last date that the model saw.
    dates : ndarray of datetime64[s], ``(n_coins, horizon)``
    values : ndarray of float64, ``(n_coins, horizon)``
        Prices in the quote currency.
    failures : list of CoinFailure
        The coins without a forecast.
    """

    model: str
    coins: tuple[str, ...]
    cutoffs: DateArray
    dates: DateArray
    values: FloatArray
    failures: list[CoinFailure] = field(default_factory=list)


def run_model(model: Model, panel: Panel, horizon: int, seed: int = 0) -> PanelForecast:
    """Forecast every coin of a panel that can be forecast, and say why the others can't.

    Coins are checked first and the model gets the sound ones as one batch. If the batch as a
    whole fails, its coins are tried one by one, so that only those at fault are lost.

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
    told = {failure.coin for failure in failures}
    for i in np.flatnonzero(~good).tolist():
        if batch.coins[i] not in told:
            error = model.explain(batch.take([i])) or not_finite(batch.coins[i], model, values[i])
            failures.append(CoinFailure.of(batch.coins[i], model.name, error))
    done = batch if good.all() else batch.take(np.flatnonzero(good))
    return PanelForecast(
        model.name, done.coins, done.last_dates, done.future_dates(horizon), values[good], failures
    )


def sound_coins(model: Model, panel: Panel, horizon: int) -> tuple[Panel, list[CoinFailure]]:
    """Return the coins of a panel that the model can be fitted to, and why the others are not."""
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


def _suspects(panel: Panel, model: Model, horizon: int) -> NDArray[np.bool_]:
    """Return which coins `check_series` is to look at: none that it would refuse is left out.

    All coins at once, since a check one by one costs more than fitting a closed form.
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


def _suspect_dates(panel: Panel, model: Model, needed: int) -> NDArray[np.bool_]:
    """Return the coins with dates that do not rise, or with too few after their last gap."""
    starts = panel.indptr[:-1]
    step = np.diff(panel.dates, prepend=panel.dates[:1])
    step[starts] = panel.step
    rising = (step > np.timedelta64(0)) & ~np.isnat(panel.dates)
    suspect: NDArray[np.bool_] = ~np.logical_and.reduceat(rising, starts)
    if model.gaps == "split":
        rows = np.arange(len(step))
        last = np.maximum.reduceat(np.where(step != panel.step, rows, -1), starts)
        suspect |= panel.indptr[1:] - np.maximum(last, starts) < needed
    return suspect


def check_horizon(horizon: int) -> None:
    """Check that there is a bar to forecast.

    Raises
    ------
    OptionError
        There is none.
    """
    if horizon < 1:
        raise OptionError(f"horizon: must be at least 1, got {horizon}")


def check_series(
    coin: str,
    values: FloatArray,
    dates: DateArray,
    model: Model,
    horizon: int,
    step: np.timedelta64 = DAY,
) -> None:
    """Check that a model can be fitted to one coin, whose bars are a step apart but for gaps.

    Raises
    ------
    TooShortError, ConstantSeriesError, BrokenSeriesError
        It can't.
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


def not_finite(coin: str, model: Model, row: FloatArray) -> ForecastError:
    """Return the error of a coin whose forecast has a NaN or an infinity in it."""
    return ForecastError(
        f"{coin}: {model.name} gave {row.tolist()}, not finite prices; "
        "look at the coin's prices, or try other options"
    )


def rng_for(seed: int, model: str, coin: str) -> np.random.Generator:
    """Return the random numbers of one coin: the same wherever and in whatever order it runs."""
    digest = hashlib.sha256(f"{seed}\0{model}\0{coin}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def _forecast_each_if_needed(
    model: Model, batch: Panel, horizon: int, seed: int, failures: list[CoinFailure]
) -> FloatArray:
    """Forecast a batch; if that raises, coin by coin, with NaN for those that raise alone."""
    if not len(batch):
        return np.empty((0, horizon))
    try:
        return model.forecast(batch, horizon, seed)
    except (MemoryError, MissingExtraError, InputError):
        raise  # no coin's fault
    except Exception as error:  # noqa: BLE001 - whatever one coin causes, the others go on
        if len(batch) == 1:
            failures.append(CoinFailure.of(batch.coins[0], model.name, error))
            return np.full((1, horizon), np.nan)
    singles = [batch.take([i]) for i in range(len(batch))]
    return np.concatenate(
        [_forecast_each_if_needed(model, single, horizon, seed, failures) for single in singles]
    )

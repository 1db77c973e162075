"""What a model is: the base class, with a default for everything that most models leave alone."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from cryptodask.errors import ForecastError, VersionError
from cryptodask.models.learned import Learned, check_learned
from cryptodask.records import CoinFailure, DateArray, FloatArray, Panel

if TYPE_CHECKING:
    from cryptodask.features.space import FeatureSpace

Gaps = Literal["leave", "split"]


class Model:
    """Base class of models: one that forecasts a panel of many coins at once.

    A model is a frozen dataclass that derives from this class. Its fields are its options. It must
    have a ``name``, `min_length`, and `forecast`, or in place of that `learn` and `forecast_from`,
    if what it learns can be kept; all else has a default, which is right for a model that looks at
    all rows of the closes and needs nothing before it can forecast. It gets whole panels of coins
    that are sound and long enough, and keeps nothing between calls. It draws random numbers from
    `rng_for` only.

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
    learns : bool
        Whether it is fitted to rows. A model that is not forecasts as well from a version as anew.
    learns_horizon : bool
        Whether what it learns serves only the horizon that it was learned for.
    libraries : tuple of str
        Packages whose release decides whether what it learned can still be read.

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
        """Columns that it reads beside the closes; by default those of the features it declares."""
        space = self.space
        return () if space is None else space.columns

    @property
    def batches_dates(self) -> bool:
        """Whether a coin may be in a panel several times, as of different dates."""
        return False

    @property
    def space(self) -> "FeatureSpace | None":
        """The features that it declares."""
        return None

    @property
    def learns(self) -> bool:
        """Whether it is fitted to rows."""
        return True

    @property
    def learns_horizon(self) -> bool:
        """Whether what it learns serves only the horizon that it was learned for."""
        return False

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages whose release decides whether what it learned can still be read."""
        return ()

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
        if type(self).learn is Model.learn:
            raise NotImplementedError(f"{self.name}: a model needs forecast")
        if not len(panel):
            return np.empty((0, horizon))
        learned = check_learned(self.name, self.learn(panel, horizon, seed), panel.coins)
        return self.forecast_from(learned, panel, horizon, seed)

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        """Return what the model learns of coins, to forecast them later without learning again.

        Parameters
        ----------
        panel : Panel
            Sound coins, ``(n_coins,)``, at least one.
        horizon : int
            Bars ahead; see `learns_horizon`.
        seed : int

        Returns
        -------
        Learned
            Of the panel's coins, in their order. A batch of many is many batches of one.

        Raises
        ------
        VersionError
            What it learns is not arrays of numbers, so that it can't be kept.
        """
        raise cannot_be_kept(self)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast from what `learn` returned, and from rows that may have come since.

        Of the rows that it learned from, it returns what `forecast` does, bit for bit.

        Parameters
        ----------
        known : Learned
            Of the panel's coins, in their order, if it is of coins.
        panel : Panel
        horizon, seed : int

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency.
        """
        raise NotImplementedError(f"{self.name}: a model that learns needs forecast_from")

    def lookback(self, horizon: int) -> int | None:
        """Return how many of a coin's last rows the model looks at; by default all.

        Of a panel without the others its forecast is the same, bit for bit.

        Parameters
        ----------
        horizon : int
            Bars ahead.

        Returns
        -------
        int or None
            Rows; None if it looks at all of them.
        """
        return None

    def lookback_from(self, horizon: int) -> int | None:
        """Return how many of a coin's last rows `forecast_from` looks at; by default all.

        Parameters
        ----------
        horizon : int
            Bars ahead.

        Returns
        -------
        int or None
            Rows; None if it looks at all of them.
        """
        return None

    def rows_at_ends(self, horizon: int) -> tuple[int, int] | None:
        """Return how many of a coin's first and last rows it looks at; by default `lookback`.

        Parameters
        ----------
        horizon : int
            Bars ahead.

        Returns
        -------
        (int, int) or None
            First and last rows; None if it looks at others, too.
        """
        last = self.lookback(horizon)
        return None if last is None else (0, last)

    def warm_up(self) -> None:
        """Import and compile what the first forecast in a process needs."""

    def explain(self, panel: Panel) -> ForecastError | None:
        """Return why a coin has NaN in place of a forecast, if the model knows.

        Parameters
        ----------
        panel : Panel
            Of one coin, ``(1,)``.

        Returns
        -------
        ForecastError or None
            The message names the coin and what to do.
        """
        return None

    def explain_from(self, known: Learned, panel: Panel) -> ForecastError | None:
        """Return why `forecast_from` gives a coin NaN; by default what `explain` returns.

        Parameters
        ----------
        known : Learned
        panel : Panel
            Of one coin, ``(1,)``.
        """
        return self.explain(panel)


def cannot_be_kept(model: Model, why: str = "it is not arrays of numbers") -> VersionError:
    """Return the error of a model that can't become a version.

    Parameters
    ----------
    model : Model
    why : str
        The reason, as the end of a sentence.
    """
    return VersionError(
        f"{model.name}: what it learns can't be kept as a version, since {why}; forecast anew "
        "with it, or train another model"
    )


def fingerprints(models: Iterable[Model]) -> dict[str, str]:
    """Return the fingerprints of the feature spaces that models declare.

    Parameters
    ----------
    models : iterable of Model

    Returns
    -------
    dict of str to str
        By model, of those that declare features.
    """
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


def rng_for(seed: int, model: str, coin: str) -> np.random.Generator:
    """Return the random numbers of one coin: the same wherever and in whatever order it runs.

    Parameters
    ----------
    seed : int
    model, coin : str
        Names.

    Examples
    --------
    >>> rng_for(0, "random", "Bitcoin").integers(100, size=3)
    array([88, 68, 36])
    """
    digest = hashlib.sha256(f"{seed}\0{model}\0{coin}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))

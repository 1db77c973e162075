"""What is declared of a regressor over all coins: its library, features, strategy and rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from cryptodask.errors import ForecastError, OptionError, TooShortError
from cryptodask.features.market import Market
from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps
from cryptodask.models.learned import Learned
from cryptodask.models.options import of_family
from cryptodask.models.pooled.boosted_fits import BoostedFits
from cryptodask.models.pooled.fits import PREFIX, Library
from cryptodask.models.pooled.gathered import GatheredModel
from cryptodask.models.pooled.lightgbm_fits import LightGBMFits
from cryptodask.models.pooled.sklearn_fits import SklearnFits
from cryptodask.models.pooled.xgboost_fits import XGBoostFits
from cryptodask.models.regression.declared import check_alike, declared, missing_feature_error
from cryptodask.records import Panel

MARKET = "market."
"""In front of the names of the arrays of a `Market`."""

FEWEST = 2
"""Rows that can be fitted to; with fewer than `FEW` a feature a training says so."""

STRATEGIES = ("direct", "recursive")

OURS: Mapping[str, tuple[Any, Any]] = {
    "features": (str, "lag:1-5 return:10 std:5 weekday"),
    "target": (str, "scaled"),
    "normalise": (str, "window"),
    "strategy": (str, "direct"),
    "ahead": (int, 0),
    "max_rows": (int, 1_000_000),
    "distributed": (bool, False),
}
"""Type and default of the options that are not the library's."""


BOOSTED: Mapping[str, type[BoostedFits]] = {
    kind.library: kind for kind in (XGBoostFits, LightGBMFits)
}
"""Libraries of boosted trees, by what stands for a regressor of theirs."""


def library_of(estimator: str, params: Mapping[str, Any]) -> Library:
    """Return the library of a regressor.

    Parameters
    ----------
    estimator : str
        ``xgboost``, ``lightgbm``, or as ``sklearn.linear_model.Ridge``.
    params : mapping of str to value
        Parameters of the regressor.
    """
    boosted = BOOSTED.get(estimator)
    return boosted(params) if boosted else SklearnFits(estimator, params)


@dataclass(frozen=True)
class DeclaredLearner(GatheredModel):
    """A model over all coins as it is declared; `PooledLearner` is how it is trained and forecasts.

    Attributes
    ----------
    estimator, features, target, normalise, strategy, ahead, max_rows, distributed, params
        See `cryptodask.models.pooled.learner.PooledLearner`.
    """

    cost: ClassVar[float] = 30.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    pattern: ClassVar[str] = f"{PREFIX}:xgboost, {PREFIX}:lightgbm, {PREFIX}:sklearn.MODULE.CLASS"

    estimator: str
    features: str = OURS["features"][1]
    target: str = OURS["target"][1]
    normalise: str = OURS["normalise"][1]
    strategy: str = OURS["strategy"][1]
    ahead: int = OURS["ahead"][1]
    max_rows: int = OURS["max_rows"][1]
    distributed: bool = OURS["distributed"][1]
    params: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        library = self.library
        library.check()
        check_alike(self.name, self.space)
        if self.strategy not in STRATEGIES:
            raise OptionError(
                f"{self.name} strategy: must be one of {', '.join(STRATEGIES)}, got "
                f"{self.strategy!r}"
            )
        if self.strategy == "recursive" and (self.space.crosses or self.space.columns):
            beside = [f.text for f in self.space.features if f.definition.columns]
            first = [*(f.text for f in self.space.crosses), *beside][0]
            raise OptionError(
                f"{self.name} strategy: recursive makes features of days to come from the closes "
                f"that it predicts, and {first} depends on more; use direct, or leave it out"
            )
        if self.ahead < 0:
            raise OptionError(f"{self.name} ahead: must be at least 0, got {self.ahead}")
        if self.ahead and self.strategy == "recursive":
            raise OptionError(
                f"{self.name} ahead: got {self.ahead}, and recursive has one regressor for any "
                "horizon; leave ahead out, or use direct"
            )
        if self.max_rows < FEWEST:
            raise OptionError(
                f"{self.name} max_rows: must be at least {FEWEST}, got {self.max_rows}"
            )
        if self.distributed:
            library.check_distributed()

    @property
    def name(self) -> str:
        """Its name, as it was given."""
        return f"{PREFIX}:{self.estimator}"

    @classmethod
    def options(cls, estimator: str) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option.

        Parameters
        ----------
        estimator : str
            ``xgboost``, ``lightgbm``, or as ``sklearn.linear_model.Ridge``.
        """
        return {**OURS, **library_of(estimator, {}).options()}

    @classmethod
    def create(cls, estimator: str, options: Mapping[str, Any]) -> Self:
        """Create a model from its options.

        Parameters
        ----------
        estimator : str
            ``xgboost``, ``lightgbm``, or as ``sklearn.linear_model.Ridge``.
        options : mapping of str to Any
            Values, as text or not.
        """
        known = cls.options(estimator)
        return cls(estimator, **of_family(f"{PREFIX}:{estimator}", known, tuple(OURS), options))

    @classmethod
    def documented(cls, estimator: str) -> list[str]:
        """Return the library's docstrings, which say what its options mean.

        Parameters
        ----------
        estimator : str
            ``xgboost``, ``lightgbm``, or as ``sklearn.linear_model.Ridge``.
        """
        return library_of(estimator, {}).documented()

    @classmethod
    def describe(cls, estimator: str) -> str:
        """Return a line on a regressor.

        Parameters
        ----------
        estimator : str
            ``xgboost``, ``lightgbm``, or as ``sklearn.linear_model.Ridge``.
        """
        boosted = BOOSTED.get(estimator)
        what = boosted.title if boosted else f"scikit-learn's {estimator.split('.')[-1]}"
        return f"{what} over all coins, on declared features."

    @property
    def library(self) -> Library:
        """What makes and fits its regressors."""
        return library_of(self.estimator, dict(self.params))

    @property
    def libraries(self) -> tuple[str, ...]:
        return (self.library.library,)

    @property
    def space(self) -> FeatureSpace:
        return declared(self.name, self.features, self.target, self.normalise)

    @property
    def most(self) -> int:
        """Rows that are fitted to at most."""
        return 2**62 if self.distributed else self.max_rows

    def explain(self, panel: Panel) -> ForecastError | None:
        return missing_feature_error(self.name, self.space, panel, None)

    def explain_from(self, known: Learned, panel: Panel) -> ForecastError | None:
        return missing_feature_error(self.name, self.space, panel, self.market_of(known))

    def min_length(self, horizon: int) -> int:
        if self.strategy == "recursive":
            return self.space.history + FEWEST
        if 0 < self.ahead < horizon:
            raise OptionError(
                f"{self.name} ahead: {self.ahead} steps have regressors and the horizon is "
                f"{horizon}; set ahead to it or more"
            )
        return self.space.history + horizon + FEWEST - 1

    def lookback_from(self, horizon: int) -> int | None:
        return self.space.lookback

    def for_horizon(self, horizon: int) -> Self:
        if self.ahead or self.strategy == "recursive":
            return self
        return replace(self, ahead=horizon)

    @property
    def fits(self) -> int:
        return 1 if self.strategy == "recursive" else max(1, self.ahead)

    @property
    def steps(self) -> int:
        """Passes: one that counts rows, one that gathers them, and one before for the market."""
        return 3 if self.space.crosses else 2

    def market_of(self, known: Learned) -> Market | None:
        """Return what features that cross coins are taken from.

        Parameters
        ----------
        known : Learned
        """
        if not self.space.crosses:
            return None
        return Market.from_arrays(known.under(MARKET).arrays, self.space.coins)

    def nothing_known(self, step: int) -> TooShortError:
        """Return the error of a step without a regressor.

        Parameters
        ----------
        step : int
            Bars ahead.
        """
        return TooShortError(
            f"{self.name}: nothing was trained for step {step}: fewer than {FEWEST} rows have all "
            "features and a target so far ahead without a gap between; look at the columns they "
            "are made of, choose features of fewer rows, or train for this horizon"
        )

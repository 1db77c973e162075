"""A model over all coins after its training, whose regressors can't be kept as arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from cryptodask.errors import ForecastError
from cryptodask.features.market import Market
from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps, Model
from cryptodask.models.pooled.declared_learner import DeclaredLearner
from cryptodask.models.pooled.fits import Fit
from cryptodask.models.regression.declared import missing_feature_error
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True, eq=False)
class TrainedLearner(Model):
    """A model that was trained, whose regressors can't be kept: they last as long as the run.

    Attributes
    ----------
    model : DeclaredLearner
    by : callable
        The model's ``forecast_by``.
    fits : tuple of Fit
    market : Market or None
    """

    cost: ClassVar[float] = 10.0

    model: DeclaredLearner
    by: Callable[..., FloatArray]
    fits: tuple[Fit, ...]
    market: Market | None

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def needs_variation(self) -> bool:
        return self.model.needs_variation

    @property
    def gaps(self) -> Gaps:
        return self.model.gaps

    @property
    def space(self) -> FeatureSpace:
        return self.model.space

    def min_length(self, horizon: int) -> int:
        return self.model.min_length(horizon)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return self.by(self.fits, self.market, panel, horizon, seed)

    def explain(self, panel: Panel) -> ForecastError | None:
        return missing_feature_error(self.name, self.space, panel, self.market)

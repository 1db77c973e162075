"""A model under another name, so that several of one kind can be told apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptodask.errors import ForecastError
from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps, Model, TrainableModel
from cryptodask.models.pooled.base import PooledModel
from cryptodask.records import FloatArray, IntArray, Panel


def rename(model: Model, name: str) -> Model:
    """Return a model that does what another does, under this name.

    It draws its random numbers by its first name, so that forecasts are the same, bit for bit.

    Parameters
    ----------
    model : Model
    name : str
    """
    if isinstance(model, PooledModel):
        return RenamedPooled(name, model)
    if isinstance(model, TrainableModel):
        return RenamedTrainable(name, model)
    return Renamed(name, model)


@dataclass(frozen=True)
class Renamed(Model):
    """A model under another name.

    Attributes
    ----------
    label : str
        That name.
    model : Model
    """

    label: str
    model: Model

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    @property
    def cost(self) -> float:
        """The model's."""
        return self.model.cost

    @property
    def needs_variation(self) -> bool:
        """The model's."""
        return self.model.needs_variation

    @property
    def gaps(self) -> Gaps:
        """The model's."""
        return self.model.gaps

    @property
    def columns(self) -> tuple[str, ...]:
        """The model's."""
        return self.model.columns

    @property
    def batches_dates(self) -> bool:
        """The model's."""
        return self.model.batches_dates

    @property
    def space(self) -> FeatureSpace | None:
        """The model's."""
        return self.model.space

    def min_length(self, horizon: int) -> int:
        """Return the model's."""
        return self.model.min_length(horizon)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Return the model's forecasts, ``(n_coins, horizon)``, prices in the quote currency."""
        return self.model.forecast(panel, horizon, seed)

    def lookback(self, horizon: int) -> int | None:
        """Return the model's."""
        return self.model.lookback(horizon)

    def rows_at_ends(self, horizon: int) -> tuple[int, int] | None:
        """Return the model's."""
        return self.model.rows_at_ends(horizon)

    def warm_up(self) -> None:
        """Warm up the model."""
        self.model.warm_up()

    def explain(self, panel: Panel) -> ForecastError | None:
        """Return the model's explanation."""
        return self.model.explain(panel)


@dataclass(frozen=True)
class RenamedTrainable(Renamed, TrainableModel):
    """A trainable model under another name; what it trains has that name, too."""

    model: TrainableModel

    def train(self, panel: Panel, seed: int) -> Model:
        """Return the trained model under this name."""
        return rename(self.model.train(panel, seed), self.name)


@dataclass(frozen=True)
class RenamedPooled(Renamed, PooledModel):
    """A pooled model under another name; what it trains has that name, too."""

    model: PooledModel

    @property
    def steps(self) -> int:
        """The model's."""
        return self.model.steps

    @property
    def dates_at_once(self) -> int:
        """The model's."""
        return self.model.dates_at_once

    def prepare(self, panel: Panel) -> Any:
        """Return what the model's training needs."""
        return self.model.prepare(panel)

    def begin(self, seed: int) -> Any:
        """Return the model's state before the first step."""
        return self.model.begin(seed)

    def message(self, state: Any) -> Any:
        """Return the model's message."""
        return self.model.message(state)

    def contribute(self, prepared: Any, message: Any, step: int, seed: int) -> Any:
        """Return the model's sums."""
        return self.model.contribute(prepared, message, step, seed)

    def advance(self, state: Any, sums: Any) -> Any:
        """Return the model's next state."""
        return self.model.advance(state, sums)

    def trained(self, state: Any) -> Model:
        """Return the trained model under this name."""
        return rename(self.model.trained(state), self.name)

    def contribute_at(
        self, panel: Panel, starts: IntArray, stops: IntArray, step: int, seed: int
    ) -> Iterable[Any] | None:
        """Return the model's sums as of each date; see `PooledModel.contribute_at`."""
        return self.model.contribute_at(panel, starts, stops, step, seed)

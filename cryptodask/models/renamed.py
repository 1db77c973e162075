"""A model under another name, so that several of one kind can be told apart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps, Model
from cryptodask.models.learned import Learned
from cryptodask.models.pooled.base import PooledModel
from cryptodask.models.pooled.gathered import GatheredModel
from cryptodask.models.things import check_name
from cryptodask.models.trained import TrainableModel
from cryptodask.records import FloatArray, IntArray, Panel


def rename(model: Model, name: str) -> Model:
    """Return a model that does what another does, under this name.

    It draws its random numbers by its first name, so that forecasts are the same, bit for bit.

    Parameters
    ----------
    model : Model
    name : str

    Examples
    --------
    >>> from cryptodask.models import create_model, predict_one
    >>> model = rename(create_model("naive"), "last")
    >>> model.name, predict_one(model, [10.0, 11.0], [0, 1], predict=1)
    ('last', array([11.]))
    """
    if isinstance(model, GatheredModel):
        return RenamedGathered(name, model)
    if isinstance(model, PooledModel):
        return RenamedPooled(name, model)
    if isinstance(model, TrainableModel):
        return RenamedTrainable(name, model)
    return Renamed(name, model)


def split_alias(text: str) -> tuple[str | None, str]:
    """Return alias and name of a model as a command or file gives it: ``ALIAS=NAME``, or ``NAME``.

    Parameters
    ----------
    text : str

    Raises
    ------
    OptionError
        The alias is not a name.

    Examples
    --------
    >>> split_alias("ridge5=ridge"), split_alias("sklearn:sklearn.svm.SVR")
    (('ridge5', 'ridge'), (None, 'sklearn:sklearn.svm.SVR'))
    """
    alias, equals, name = text.partition("=")
    if not equals or ":" in alias:
        return None, text
    if not name:
        raise OptionError(f"{text!r}: names no model; write ALIAS=MODEL, as ridge5=ridge")
    return check_name("alias", alias), name


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
        return self.model.cost

    @property
    def needs_variation(self) -> bool:
        return self.model.needs_variation

    @property
    def gaps(self) -> Gaps:
        return self.model.gaps

    @property
    def columns(self) -> tuple[str, ...]:
        return self.model.columns

    @property
    def batches_dates(self) -> bool:
        return self.model.batches_dates

    @property
    def space(self) -> FeatureSpace | None:
        return self.model.space

    @property
    def learns(self) -> bool:
        return self.model.learns

    @property
    def learns_horizon(self) -> bool:
        return self.model.learns_horizon

    @property
    def libraries(self) -> tuple[str, ...]:
        return self.model.libraries

    def min_length(self, horizon: int) -> int:
        return self.model.min_length(horizon)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return self.model.forecast(panel, horizon, seed)

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        return self.model.learn(panel, horizon, seed)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return self.model.forecast_from(known, panel, horizon, seed)

    def lookback(self, horizon: int) -> int | None:
        return self.model.lookback(horizon)

    def lookback_from(self, horizon: int) -> int | None:
        return self.model.lookback_from(horizon)

    def rows_at_ends(self, horizon: int) -> tuple[int, int] | None:
        return self.model.rows_at_ends(horizon)

    def warm_up(self) -> None:
        self.model.warm_up()

    def explain(self, panel: Panel) -> ForecastError | None:
        return self.model.explain(panel)

    def explain_from(self, known: Learned, panel: Panel) -> ForecastError | None:
        return self.model.explain_from(known, panel)


@dataclass(frozen=True)
class RenamedTrainable(Renamed, TrainableModel):
    """A trainable model under another name; what it trains has that name, too.

    Attributes
    ----------
    model : TrainableModel
    """

    model: TrainableModel

    def train(self, panel: Panel, seed: int) -> Model:
        return rename(self.model.train(panel, seed), self.name)


@dataclass(frozen=True)
class RenamedPooled(Renamed, PooledModel):
    """A pooled model under another name; what it trains has that name, too.

    Attributes
    ----------
    model : PooledModel
    """

    model: PooledModel

    def check_keepable(self) -> None:
        self.model.check_keepable()

    def for_horizon(self, horizon: int) -> Self:
        return replace(self, model=self.model.for_horizon(horizon))

    @property
    def steps(self) -> int:
        return self.model.steps

    @property
    def dates_at_once(self) -> int:
        return self.model.dates_at_once

    def prepare(self, panel: Panel) -> Any:
        return self.model.prepare(panel)

    def begin(self, seed: int) -> Any:
        return self.model.begin(seed)

    def message(self, state: Any) -> Any:
        return self.model.message(state)

    def contribute(self, prepared: Any, message: Any, step: int, seed: int) -> Any:
        return self.model.contribute(prepared, message, step, seed)

    def advance(self, state: Any, sums: Any) -> Any:
        return self.model.advance(state, sums)

    def learned(self, state: Any) -> Learned:
        return self.model.learned(state)

    def trained(self, state: Any) -> Model:
        return rename(self.model.trained(state), self.name)

    def contribute_at(
        self, panel: Panel, starts: IntArray, stops: IntArray, step: int, seed: int
    ) -> Iterable[Any] | None:
        return self.model.contribute_at(panel, starts, stops, step, seed)


@dataclass(frozen=True)
class RenamedGathered(RenamedPooled, GatheredModel):
    """A model that is trained on rows of all coins, under another name.

    Attributes
    ----------
    model : GatheredModel
    """

    model: GatheredModel

    @property
    def fits(self) -> int:
        return self.model.fits

    @property
    def distributed(self) -> bool:
        return self.model.distributed

    def join(self, rows: Any) -> Any:
        return self.model.join(rows)

    def fit(self, joined: Any, part: int, seed: int) -> Any:
        return self.model.fit(joined, part, seed)

    def fitted(self, state: Any, fits: Sequence[Any]) -> Any:
        return self.model.fitted(state, fits)

    def notes(self, state: Any) -> Iterable[tuple[str, str]]:
        return self.model.notes(state)

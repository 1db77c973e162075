"""Models that are trained once, and forecast without training again."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps, Model
from cryptodask.models.fitting import NO_COINS_FAULT, sound_coins
from cryptodask.models.learned import Learned, join_learned
from cryptodask.models.pooled.base import is_pooled
from cryptodask.records import CoinFailure, FloatArray, Panel


def check_keepable(model: Model) -> None:
    """Check that what a model learns can be kept, as far as its class says it.

    Parameters
    ----------
    model : Model

    Raises
    ------
    VersionError
        It can't.
    """
    if model.learns and not is_pooled(model) and type(model).learn is Model.learn:
        model.learn(Panel.from_series([]), 1, 0)


def learn_panel(
    model: Model, panel: Panel, horizon: int, seed: int
) -> tuple[Learned | None, list[CoinFailure]]:
    """Learn what a model learns of every coin of a panel that it can be fitted to.

    As in `cryptodask.models.run_model`, coins are checked first and the model gets the sound ones
    as one batch; if that fails as a whole, its coins are tried one by one.

    Parameters
    ----------
    model : Model
    panel : Panel
        Of ``(n_coins,)``.
    horizon : int
        Bars ahead.
    seed : int

    Returns
    -------
    Learned or None
        None where no coin is left.
    list of CoinFailure
        Why there is nothing of the others.
    """
    batch, failures = sound_coins(model, panel, horizon)
    parts = _learn_each_if_needed(model, batch, horizon, seed, failures) if len(batch) else []
    return (join_learned(parts) if parts else None), failures


def _learn_each_if_needed(
    model: Model, batch: Panel, horizon: int, seed: int, failures: list[CoinFailure]
) -> list[Learned]:
    """Learn of a batch; if that raises, coin by coin, with a failure for those that raise alone."""
    try:
        return [model.learn(batch, horizon, seed)]
    except NO_COINS_FAULT:
        raise
    except Exception as error:  # noqa: BLE001 - whatever one coin causes, the others go on
        if len(batch) == 1:
            failures.append(CoinFailure.of(batch.coins[0], model.name, error))
            return []
    singles = [batch.take([i]) for i in range(len(batch))]
    return [
        part
        for single in singles
        for part in _learn_each_if_needed(model, single, horizon, seed, failures)
    ]


@dataclass(frozen=True, eq=False)
class Trained(Model):
    """A model after its training: it forecasts from what it learned, and learns no more.

    Attributes
    ----------
    model : Model
    learned : Learned
        Of the coins that it can forecast.
    """

    cost: ClassVar[float] = 10.0
    # What could not be learned from is not among the coins, and a coin may stand still afterwards.
    needs_variation: ClassVar[bool] = False

    model: Model
    learned: Learned

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def gaps(self) -> Gaps:
        return self.model.gaps

    @property
    def columns(self) -> tuple[str, ...]:
        return self.model.columns

    @property
    def space(self) -> FeatureSpace | None:
        return self.model.space

    def min_length(self, horizon: int) -> int:
        return self.model.min_length(horizon)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        if not len(panel):
            return np.empty((0, horizon))
        known = self.learned.take(panel.coins)
        return self.model.forecast_from(known, panel, horizon, seed)

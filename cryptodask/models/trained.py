"""Models that are trained once, and forecast without training again."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cryptodask.errors import ForecastError, UntrainedError
from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps, Model
from cryptodask.models.fitting import NO_COINS_FAULT, failure_of, sound_coins
from cryptodask.models.learned import Learned, check_learned, join_learned
from cryptodask.records import CoinFailure, FloatArray, Panel


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
    if not parts:
        return None, failures
    learned = join_learned(parts)
    known = []
    for i, coin in enumerate(learned.coins or ()):
        if learned.is_nan(i):
            failures.append(_nothing_learned(model, learned.take([coin]), batch))
        else:
            known.append(coin)
    if learned.coins and not known:
        return None, failures
    return learned.take(known), failures


def _nothing_learned(model: Model, learned: Learned, batch: Panel) -> CoinFailure:
    """Return the failure of a coin, ``(1,)``, that taught a model nothing but NaN."""
    [coin] = learned.coins or ()
    error = model.explain_from(learned, batch.take([batch.coins.index(coin)]))
    why = f"{coin}: {model.name} learned nothing but NaN; look at the coin's prices"
    return CoinFailure.of(coin, model.name, error or ForecastError(why))


def _learn_each_if_needed(
    model: Model, batch: Panel, horizon: int, seed: int, failures: list[CoinFailure]
) -> list[Learned]:
    """Learn of a batch; if that raises, coin by coin, with a failure for those that raise alone."""
    try:
        return [check_learned(model.name, model.learn(batch, horizon, seed), batch.coins)]
    except NO_COINS_FAULT:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what one coin causes, others go on
        if len(batch) == 1:
            failures.append(failure_of(batch.coins[0], model, error))
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
    strict : bool
        Whether it refuses the coins that the model itself refuses, for which it has to see all of
        their rows: so that, in the run that trained it, it stands for the model.
    """

    cost: ClassVar[float] = 10.0

    model: Model
    learned: Learned
    strict: bool = False

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def needs_variation(self) -> bool:
        # Kept, it may see a coin's last rows alone, which may stand still.
        return self.strict and self.model.needs_variation

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

    def lookback(self, horizon: int) -> int | None:
        last = self.model.lookback_from(horizon)
        return None if self.strict or last is None else max(last, self.min_length(horizon))

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel.

        Parameters
        ----------
        panel : Panel
        horizon, seed : int

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency.

        Raises
        ------
        UntrainedError
            A coin is not among those that it was trained on.
        """
        if not len(panel):
            return np.empty((0, horizon))
        known = self._known(panel)
        return self.model.forecast_from(known, panel, horizon, seed)

    def explain(self, panel: Panel) -> ForecastError | None:
        return self.model.explain_from(self._known(panel), panel)

    def _known(self, panel: Panel) -> Learned:
        """Return what is known of a panel's coins."""
        if self.learned.coins is not None and panel.coins != self.learned.coins:
            for coin in sorted(set(panel.coins) - set(self.learned.coins)):
                raise UntrainedError(
                    f"{coin}: {self.name} was not trained on it; train it again, or forecast "
                    "this coin with another model"
                )
        return self.learned.take(panel.coins)


class TrainableModel(Model):
    """A model whose training takes most of its time, so that a backtest may keep it."""

    def train(self, panel: Panel, seed: int) -> Model:
        """Return a model that is trained on these coins, and forecasts them only.

        Parameters
        ----------
        panel : Panel
            Sound coins, ``(n_coins,)``, at least one.
        seed : int
            Random seed.

        Returns
        -------
        Model
            From the rows on which it was trained it forecasts what the model itself does, bit for
            bit; from newer rows, by the same training.
        """
        learned = check_learned(self.name, self.learn(panel, 1, seed), panel.coins)
        return Trained(self, learned, strict=True)

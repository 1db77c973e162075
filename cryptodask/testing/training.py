"""Rules of models that are trained before they forecast."""

import numpy as np

from cryptodask.models.base import Model
from cryptodask.models.pooled.base import PooledModel, train
from cryptodask.models.trained import TrainableModel
from cryptodask.records import FloatArray, Panel
from cryptodask.testing.trial import Trial, require, require_same


def _trains(trial: Trial) -> None:
    """Check that what training returns forecasts as the model does, however coins are divided."""
    model, panel = trial.model, trial.panel(60, 80, 70)
    if isinstance(model, TrainableModel):
        _check_trained(trial, model.train(panel, trial.seed), panel)
    if isinstance(model, PooledModel):
        model = model.for_horizon(trial.short)
        _check_trained(trial, model.trained(train(model, panel, trial.seed)), panel)
        values = _train_apart(model, panel, trial.seed).forecast(panel, trial.short, trial.seed)
        require_same(
            trial.forecast(panel).values,
            values,
            panel.coins,
            "where coins are trained on in two parts",
            "contribute must return sums that are the same for any division of the coins; add "
            "them exactly",
        )


def _check_trained(trial: Trial, trained: Model, panel: Panel) -> None:
    require(
        trained.name == trial.model.name,
        f"what it trains is named {trained.name}, not {trial.model.name}",
    )
    values: FloatArray = trained.forecast(panel, trial.short, trial.seed)
    expected = trial.forecast(panel).values
    advice = "a trained model must forecast the coins that it was trained on as the model does"
    require_same(expected, values, panel.coins, "after training", advice)


def _train_apart(model: PooledModel, panel: Panel, seed: int) -> Model:
    """Train on coins that lie in two places; the second answers first."""
    parts = [panel.take(places) for places in np.array_split(np.arange(len(panel)), 2)]
    prepared, state = [model.prepare(part) for part in parts], model.begin(seed)
    for step in range(model.steps):
        message = model.message(state)
        first, second = (model.contribute(p, message, step, seed) for p in prepared)
        state = model.advance(state, second + first)
    return model.trained(state)


RULES = (_trains,)

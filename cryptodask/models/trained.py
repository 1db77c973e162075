"""Models that can be trained once and forecast many times."""

from typing import Protocol, TypeGuard

from cryptodask.models.base import Model
from cryptodask.records import Panel


class Trainable(Model, Protocol):
    """A model of which training is the better part, and can be kept."""

    def train(self, panel: Panel, seed: int) -> Model:
        """Return a model that was trained on these sound coins, and forecasts them only.

        From the rows on which it was trained it forecasts what the model itself does, bit for
        bit; from newer rows, by the same training.
        """
        ...


def is_trainable(model: Model) -> TypeGuard[Trainable]:
    """Tell whether a model can be trained once and forecast many times."""
    return hasattr(model, "train")  # as what wraps one has, too

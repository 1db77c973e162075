"""Models that are trained on all coins together before they forecast any.

Such a model forecasts like any other once it is trained. Training is a number of steps; in each,
whatever holds some of the coins contributes sums over them, and the sums of all advance the state.
Sums are added exactly, so that what comes out depends neither on how the coins are divided nor on
the order in which sums arrive. Nothing here knows where the coins lie: `train` has them in one
panel, and `cryptodask.cluster.rounds` goes over partitions on workers.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, Protocol, TypeGuard

from cryptodask.models.base import Model
from cryptodask.records import Panel


class PooledModel(Model, Protocol):
    """A model of the catalog whose forecasts depend on all the coins it was trained on.

    Its `forecast` trains on the panel's own coins first. What `trained` returns only forecasts:
    of it, a batch of many equals many batches of one.
    """

    @property
    def steps(self) -> int:
        """Training steps."""
        ...

    def prepare(self, panel: Panel) -> Any:
        """Return what training needs of a panel of sound coins; it stays where it was made."""
        ...

    def begin(self, seed: int) -> Any:
        """Return the state before the first step."""
        ...

    def message(self, state: Any) -> Any:
        """Return the part of a state that `contribute` needs; it travels in every step."""
        ...

    def contribute(self, prepared: Any, message: Any, step: int, seed: int) -> Any:
        """Return the sums of one step over some coins: small, and added exactly by ``+``.

        A pure function, of which the sum over any division of the coins is the same.
        """
        ...

    def advance(self, state: Any, sums: Any) -> Any:
        """Return the state after a step, from the sums over all coins."""
        ...

    def trained(self, state: Any) -> Model:
        """Return a model that forecasts from a state, and is trained no more.

        Raises
        ------
        TooShortError
            No coin had anything to train on.
        """
        ...


def is_pooled(model: Model) -> TypeGuard[PooledModel]:
    """Tell whether a model is trained on all coins before it forecasts any."""
    return hasattr(model, "contribute")  # as what wraps one has, too


def contribute(
    model: PooledModel, seed: int, prepared: Sequence[Any], message: Any, step: int
) -> Any:
    """Return the sums of one step over several things prepared, at least one."""
    return reduce(add, (model.contribute(part, message, step, seed) for part in prepared))


def train(model: PooledModel, panel: Panel, seed: int) -> Any:
    """Train on one panel of sound coins, here.

    Returns
    -------
    Any
        The state after the last step; bit for bit that of the same coins on a cluster.
    """
    prepared, state = model.prepare(panel), model.begin(seed)
    for step in range(model.steps):
        sums = model.contribute(prepared, model.message(state), step, seed)
        state = model.advance(state, sums)
    return state

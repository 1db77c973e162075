"""Models that are trained on all coins together before they forecast any.

Such a model forecasts like any other once it is trained. Training is a number of steps; in each,
whatever holds some of the coins contributes sums over them, and the sums of all advance the state.
Sums are added exactly, so that what comes out depends neither on how the coins are divided nor on
the order in which sums arrive. Nothing here knows where the coins lie: `train` has them in one
panel, and `cryptodask.cluster.rounds` goes over partitions on workers.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from cryptodask.models.base import Model
from cryptodask.records import Panel

IntArray = NDArray[np.int64]


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


class DatedModel(PooledModel, Protocol):
    """A pooled model of few steps, whose trainings as of many dates can take them together."""

    @property
    def dates_at_once(self) -> int:
        """The dates at most whose states, messages and sums are small enough together."""
        ...

    def contribute_at(
        self, panel: Panel, starts: IntArray, stops: IntArray, step: int, seed: int
    ) -> Iterable[Any] | None:
        """Return what `contribute` returns as of each date, with less work than date by date.

        Parameters
        ----------
        panel : Panel
            All rows of some coins.
        starts, stops : ndarray of int64, ``(n_dates, n_coins)``
            The rows that were to be seen of each coin as of each date: none, where the two are
            the same, of one that is not trained on.
        step, seed : int

        Returns
        -------
        iterable or None
            One for each date, the same to the last bit; None where it has to be done by each.
        """
        ...


def is_pooled(model: Model) -> TypeGuard[PooledModel]:
    """Tell whether a model is trained on all coins before it forecasts any."""
    return hasattr(model, "contribute")  # as what wraps one has, too


def takes_dates(model: PooledModel) -> TypeGuard[DatedModel]:
    """Tell whether trainings of a model as of many dates can take their steps together."""
    return hasattr(model, "contribute_at")


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

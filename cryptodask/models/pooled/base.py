"""Models that are trained on all coins together before they forecast any.

Such a model forecasts like any other once it is trained. Training is a number of steps; in each,
whatever holds some of the coins contributes sums over them, and the sums of all advance the state.
Sums are added exactly, so that the result depends neither on how the coins are divided nor on
the order in which sums arrive. Nothing here knows where the coins lie: `train` has them in one
panel, and `cryptodask.cluster.rounds` goes over partitions on workers.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self, TypeGuard

from cryptodask.models.base import Model, cannot_be_kept
from cryptodask.models.learned import Learned
from cryptodask.models.trained import Trained
from cryptodask.records import IntArray, Panel


class PooledModel(Model, ABC):
    """Base class of models whose forecasts depend on all the coins they were trained on.

    Its `forecast` trains on the panel's coins first. What `trained` returns is a plain model: a
    batch of many equals many batches of one. A model has `learned` and `forecast_from`; one that
    can't be kept has `trained` and `forecast` in place of them. The kinds of what is prepared, of
    states, messages and sums are the model's; the last three are sent between processes.
    """

    def for_horizon(self, horizon: int) -> Self:
        """Return the model that is trained for a horizon; by default it is the same for all.

        Parameters
        ----------
        horizon : int
            Bars ahead.
        """
        del horizon
        return self

    @property
    @abstractmethod
    def steps(self) -> int:
        """Training steps."""

    @property
    def dates_at_once(self) -> int:
        """The most dates that may take their steps together; see `contribute_at`."""
        return 1

    @abstractmethod
    def prepare(self, panel: Panel) -> Any:
        """Return what training needs of some coins; it stays where it is made.

        Parameters
        ----------
        panel : Panel
            Sound coins, ``(n_coins,)``.
        """

    @abstractmethod
    def begin(self, seed: int) -> Any:
        """Return the state before the first step.

        Parameters
        ----------
        seed : int
            Random seed.
        """

    @abstractmethod
    def message(self, state: Any) -> Any:
        """Return the part of a state that `contribute` needs; it travels in every step.

        Parameters
        ----------
        state : Any
            Of `begin` or `advance`.
        """

    @abstractmethod
    def contribute(self, prepared: Any, message: Any, step: int, seed: int) -> Any:
        """Return the sums of one step over some coins: small, and added exactly by ``+``.

        A pure function: the sum over any division of the coins is the same.

        Parameters
        ----------
        prepared : Any
            Of `prepare`.
        message : Any
            Of `message`.
        step : int
            From 0 to `steps` less one.
        seed : int
        """

    @abstractmethod
    def advance(self, state: Any, sums: Any) -> Any:
        """Return the state after a step.

        Parameters
        ----------
        state : Any
            Before it.
        sums : Any
            Of `contribute`, added over all coins.
        """

    def learned(self, state: Any) -> Learned:
        """Return what was learned, which serves any coin.

        Parameters
        ----------
        state : Any
            After the last step.

        Raises
        ------
        TooShortError
            No coin had anything to train on.
        VersionError
            What it learns is not arrays of numbers, so that it can't be kept.
        """
        raise cannot_be_kept(self)

    def check_keepable(self) -> None:
        """Check that what it learns can be kept as a version, as far as that is known before.

        Raises
        ------
        VersionError
            It can't.
        """

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        model = self.for_horizon(horizon)
        return model.learned(train(model, panel, seed))

    def trained(self, state: Any) -> Model:
        """Return a model that forecasts from a state, and is trained no more.

        Parameters
        ----------
        state : Any
            After the last step.

        Raises
        ------
        TooShortError
            No coin had anything to train on.
        """
        return Trained(self, self.learned(state), strict=True)

    def contribute_at(
        self, panel: Panel, starts: IntArray, stops: IntArray, step: int, seed: int
    ) -> Iterable[Any] | None:
        """Return what `contribute` returns as of each date, with less work than date by date.

        Parameters
        ----------
        panel : Panel
            All rows of some coins.
        starts, stops : ndarray of int64, ``(n_dates, n_coins)``
            The rows of each coin that are visible as of each date: none, where the two are the
            same, of a coin that is not trained on.
        step, seed : int

        Returns
        -------
        iterable or None
            One for each date, the same to the last bit; None where each date must be done alone.
        """
        return None


def is_pooled(model: Model) -> TypeGuard[PooledModel]:
    """Whether a model is trained on all coins before it forecasts any.

    Parameters
    ----------
    model : Model
    """
    return isinstance(model, PooledModel)


def train(model: PooledModel, panel: Panel, seed: int) -> Any:
    """Train on one panel of sound coins, here.

    Parameters
    ----------
    model : PooledModel
    panel : Panel
        Of ``(n_coins,)``.
    seed : int

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

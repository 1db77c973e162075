"""Models that are trained on the rows of all coins, which meet on one worker.

Where no sum that can be added exactly stands for the rows, as for trees, the rows themselves have
to meet. The last step of the training takes rows in place of sums, from worker to worker; what is
fitted to them may be several parts, such as one for each step ahead, each fitted by one worker.
Rows are put into the order of coins' names and of dates, so that what is fitted is the same, bit
for bit, however the coins are divided. The steps before it are those of any pooled model.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from cryptodask.models.base import Model
from cryptodask.models.pooled.base import PooledModel, train
from cryptodask.models.pooled.sampling import DrawArray, least
from cryptodask.records import FloatArray, FloatArray32, IntArray, Panel


@dataclass(frozen=True, eq=False)
class CoinRows:
    """Rows of some coins: what is known of each and what came, compact.

    Attributes
    ----------
    coins : tuple of str
        ``(n_coins,)``.
    counts : ndarray of int64, ``(n_coins,)``
        Rows of each.
    x : ndarray of float32, ``(n_rows, n_columns)``
        Features.
    y : ndarray of float32, ``(n_rows, ahead)``
        Targets; NaN where the segment ends before.
    numbers : ndarray of uint64, ``(n_rows,)``
        Draws of `cryptodask.models.pooled.sampling.draws`.
    """

    coins: tuple[str, ...]
    counts: IntArray
    x: FloatArray32
    y: FloatArray32
    numbers: DrawArray

    def of_step(self, step: int) -> tuple[FloatArray32, FloatArray32]:
        """Return features and targets of the rows whose target of a step is known.

        Parameters
        ----------
        step : int
            Steps ahead, from 0.

        Returns
        -------
        x : ndarray of float32, ``(n, n_columns)``
        y : ndarray of float32, ``(n,)``
        """
        known = np.isfinite(self.y[:, step])
        return self.x[known], self.y[known, step]

    def block(self, block: int, blocks: int) -> "CoinRows":
        """Return the rows of one of several blocks, into which draws divide them.

        Parameters
        ----------
        block, blocks : int
            Its number, from 0, and how many there are.
        """
        place = (self.numbers * 2.0**-64 * blocks).astype(np.int64)
        chosen = np.minimum(place, blocks - 1) == block  # the greatest draws are rounded up
        ends = np.cumsum(self.counts)
        before = np.concatenate([[0], np.cumsum(chosen)])
        counts = before[ends] - before[ends - self.counts]
        return CoinRows(self.coins, counts, self.x[chosen], self.y[chosen], self.numbers[chosen])


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of parts of the coins; those of others can be added.

    Attributes
    ----------
    parts : tuple of CoinRows
    """

    parts: tuple[CoinRows, ...]

    def __add__(self, other: "Rows") -> "Rows":
        return Rows(self.parts + other.parts)

    def block(self, block: int, blocks: int) -> "Rows":
        """Return the rows of one of several blocks; see `CoinRows.block`.

        Parameters
        ----------
        block, blocks : int
        """
        return Rows(tuple(part.block(block, blocks) for part in self.parts))

    def joined(self, most: int) -> CoinRows:
        """Return the rows in the order of coins' names and of dates, or a sample of them.

        Parameters
        ----------
        most : int
            Rows of the sample.

        Returns
        -------
        CoinRows
            Without coins.
        """
        names = [coin for part in self.parts for coin in part.coins]
        counts = np.concatenate([np.empty(0, np.int64), *(part.counts for part in self.parts)])
        begins = np.cumsum(counts) - counts
        numbers = np.concatenate([np.empty(0, np.uint64), *(p.numbers for p in self.parts)])
        order = sorted(range(len(names)), key=names.__getitem__)
        slices = [np.arange(begins[i], begins[i] + counts[i]) for i in order]
        rows = np.concatenate([np.empty(0, np.int64), *slices])
        rows = rows[least(numbers[rows], most)]
        x, y = (np.concatenate([getattr(part, name) for part in self.parts])[rows] for name in "xy")
        return CoinRows((), np.empty(0, np.int64), x, y, numbers[rows])


class GatheredModel(PooledModel):
    """Base class of pooled models whose last step takes rows, which meet where they are fitted to.

    `contribute` returns `Rows`, or what can be added likewise, in the last of `steps`; `join` puts
    them in order, `fit` fits each of `fits` parts to them, and `fitted` makes the last state of
    what it returned. In one process `advance` does all of it; on a cluster a worker joins the
    rows, and workers fit the parts (`cryptodask.runs.gathering`).
    """

    @property
    def distributed(self) -> bool:
        """Whether rows stay on several workers; see `cryptodask.runs.distributing`."""
        return False

    @property
    @abstractmethod
    def fits(self) -> int:
        """Parts that are fitted, each by itself."""

    @abstractmethod
    def join(self, rows: Any) -> Any:
        """Return the rows of all coins as `fit` takes them, the same however they were divided.

        Parameters
        ----------
        rows : Any
            Contributions of the last step, added up.
        """

    @abstractmethod
    def fit(self, joined: Any, part: int, seed: int) -> Any:
        """Return what is fitted for one part; it goes to the client.

        Parameters
        ----------
        joined : Any
            Of `join`.
        part : int
            From 0 to `fits` less one.
        seed : int
        """

    @abstractmethod
    def fitted(self, state: Any, fits: Sequence[Any]) -> Any:
        """Return the state after the last step.

        Parameters
        ----------
        state : Any
            Before it.
        fits : sequence
            Of `fit`, one a part.
        """

    def notes(self, state: Any) -> Iterable[tuple[str, str]]:
        """Return what a user should know of a training: kinds, and sentences without the name.

        As of many dates, one sentence of a kind is shown.

        Parameters
        ----------
        state : Any
            After the last step.
        """
        del state
        return ()

    def train(self, panel: Panel, horizon: int, seed: int) -> Model:
        """Return the model, trained here on a panel of sound coins.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        horizon : int
            Bars ahead.
        seed : int
        """
        model = self.for_horizon(horizon)
        return model.trained(train(model, panel, seed))

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        if not len(panel):
            return np.empty((0, horizon))
        return self.train(panel, horizon, seed).forecast(panel, horizon, seed)


def is_gathered(model: Model) -> TypeGuard[GatheredModel]:
    """Whether a model is trained on rows that meet on one worker.

    Parameters
    ----------
    model : Model
    """
    return isinstance(model, GatheredModel)

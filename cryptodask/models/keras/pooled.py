"""``keras:NETWORK`` with ``pooled``: one Keras network for all coins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from cryptodask.errors import TooShortError
from cryptodask.models.base import rng_for
from cryptodask.models.keras.base import KerasModel
from cryptodask.models.keras.examples import CoinRows, Windows, check_ahead
from cryptodask.models.keras.kept import learned, measure_of, weights_of
from cryptodask.models.keras.training import network_of
from cryptodask.models.learned import Learned
from cryptodask.models.lstm.inputs import Measure
from cryptodask.models.pooled.gathered import GatheredModel
from cryptodask.records import FloatArray, FloatArray32, IntArray, Panel
from cryptodask.timing import stage


@dataclass(frozen=True)
class PooledKerasNetwork(KerasModel, GatheredModel):
    """Any compiled Keras model, trained on windows of the closes of all coins.

    What it sees and predicts is as of `cryptodask.models.keras.network.KerasNetwork`, and features
    are standardised over the rows of all coins. Workers send the latest rows of their coins, 12
    bytes each and 8 for each feature, to the one that trains on all windows, coins in the order of
    their names: so the network is the same, bit for bit, however coins are divided over workers. It
    can forecast coins that it was not trained on.

    Attributes are those of `cryptodask.models.keras.base.KerasModel`.
    """

    cost: ClassVar[float] = 1_000.0
    pooled: bool = field(default=True, init=False)

    @property
    def steps(self) -> int:
        return 1

    @property
    def fits(self) -> int:
        return 1

    def prepare(self, panel: Panel) -> "Gathered":
        coins: dict[str, tuple[CoinRows, IntArray]] = {}
        for i, coin in enumerate(panel.coins):
            rows = CoinRows.of(panel, i, self.space, self.max_rows)
            starts = rows.starts(self.window, self.outputs, panel.step)
            if len(starts):
                coins[coin] = rows.without_dates(), starts.astype(np.int32)
        return Gathered(coins)

    def begin(self, seed: int) -> int:
        return seed

    def message(self, state: int) -> None:
        return None

    def contribute(self, prepared: "Gathered", message: None, step: int, seed: int) -> "Gathered":
        return prepared

    def join(self, rows: "Gathered") -> "Joined | None":
        """Return the rows of all coins, those of one after those of the other.

        Parameters
        ----------
        rows : Gathered

        Returns
        -------
        Joined or None
            None where no coin has a window and what comes after it.
        """
        return rows.joined() if rows.coins else None

    def fit(self, joined: "Joined | None", part: int, seed: int) -> Learned | None:
        """Return the network that was trained on all windows, or None without any.

        Parameters
        ----------
        joined : Joined or None
        part, seed : int

        Raises
        ------
        ForecastError
            The loss is not finite.
        """
        if joined is None:
            return None
        pool, starts = joined.rows, joined.starts
        measure = Measure.of(pool.trained_rows(starts, self.window))

        def examples(some: IntArray) -> tuple[FloatArray32, FloatArray32]:
            return pool.examples(starts[some], self.window, self.outputs, measure)

        with stage("trace"):
            network = network_of(self.design)
        rng = rng_for(seed, self.name, "")
        what = f"{joined.coins} coins"
        weights, losses = network.train(
            examples, len(starts), self.epochs, self.batch_size, rng, what
        )
        return learned(None, weights, losses, measure)

    def fitted(self, state: int, fits: Sequence[Learned | None]) -> Learned | None:
        return fits[0]

    def advance(self, state: int, sums: "Gathered") -> Learned | None:
        return self.fit(self.join(sums), 0, state)

    def learned(self, state: Learned | None) -> Learned:
        if state is None:
            raise TooShortError(
                f"{self.name}: no coin has {self.window + self.outputs} rows without a gap, a "
                f"window and what comes after it{self._with_features()}, so there is nothing to "
                "train on; choose a shorter window"
            )
        return state

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        check_ahead(self.name, self.space, self.outputs, horizon)
        network, measure = network_of(self.design), measure_of(known)
        ahead = Windows(panel, self.window, self.outputs, horizon, self.space, measure)
        with stage("predict"), network.lock:
            network.load([array[0] for array in weights_of(known)])
            while (x := ahead.inputs()) is not None:
                ahead.move(network.predict_many(x))
        return ahead.forecast

    def _with_features(self) -> str:
        return f", with {self.space.text} known" if self.space else ""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Rows of coins, and where examples begin; adding puts coins together, in any order.

    Attributes
    ----------
    coins : mapping
        By coin: its rows, and the rows at which an example begins, ``(n,)``, int32.
    """

    coins: Mapping[str, tuple[CoinRows, IntArray]] = field(repr=False)

    def __add__(self, other: "Gathered") -> "Gathered":
        return Gathered({**self.coins, **other.coins})

    def joined(self) -> "Joined":
        """Return all rows, coins in the order of their names."""
        parts = [self.coins[coin] for coin in sorted(self.coins)]
        ends = np.cumsum([len(rows.closes) for rows, _ in parts])
        starts = [
            starts.astype(np.int64) + end - len(rows.closes)
            for (rows, starts), end in zip(parts, ends, strict=True)
        ]
        rows = CoinRows.join([rows for rows, _ in parts])
        return Joined(len(parts), rows, np.concatenate(starts))


@dataclass(frozen=True, eq=False)
class Joined:
    """The rows of all coins, and where examples begin in them.

    Attributes
    ----------
    coins : int
        How many there are.
    rows : CoinRows
    starts : ndarray of int64, ``(n,)``
    """

    coins: int
    rows: CoinRows
    starts: IntArray

"""``keras:NETWORK`` with ``pooled``: one Keras network for all coins."""

from collections.abc import Mapping
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
from cryptodask.models.pooled.base import PooledModel
from cryptodask.records import FloatArray, FloatArray32, IntArray, Panel
from cryptodask.timing import stage


@dataclass(frozen=True)
class PooledKerasNetwork(KerasModel, PooledModel):
    """Any compiled Keras model, trained on windows of the closes of all coins.

    What it sees and predicts is as of `cryptodask.models.keras.network.KerasNetwork`, and features
    are standardised over the rows of all coins. Workers send the latest rows of their coins, 12
    bytes each and 8 for each feature, and the client trains on all windows, coins in the order of
    their names: so the network is the same, bit for bit, however coins are divided over workers. It
    can forecast coins that it was not trained on.

    Attributes are those of `cryptodask.models.keras.base.KerasModel`.
    """

    cost: ClassVar[float] = 1_000.0
    pooled: bool = field(default=True, init=False)

    @property
    def steps(self) -> int:
        return 1

    def prepare(self, panel: Panel) -> "Gathered":
        coins: dict[str, tuple[CoinRows, IntArray]] = {}
        for i, coin in enumerate(panel.coins):
            rows = CoinRows.of(panel, i, self.space, self.max_rows)
            starts = rows.starts(self.window, self.outputs, panel.step)
            if len(starts):
                coins[coin] = rows.without_dates(), starts.astype(np.int32)
        return Gathered(coins)

    def begin(self, seed: int) -> "State":
        return State(seed)

    def message(self, state: "State") -> None:
        return None

    def contribute(self, prepared: "Gathered", message: None, step: int, seed: int) -> "Gathered":
        return prepared

    def advance(self, state: "State", sums: "Gathered") -> "State":
        if not sums.coins:
            raise TooShortError(
                f"{self.name}: no coin has {self.window + self.outputs} rows without a gap, a "
                f"window and what comes after it{self._with_features()}, so there is nothing to "
                "train on; choose a shorter window"
            )
        pool, starts = sums.joined()
        measure = Measure.of(pool.trained_rows(starts, self.window))

        def examples(some: IntArray) -> tuple[FloatArray32, FloatArray32]:
            return pool.examples(starts[some], self.window, self.outputs, measure)

        with stage("trace"):
            network = network_of(self.design)
        rng = rng_for(state.seed, self.name, "")
        what = f"{len(sums.coins)} coins"
        weights, losses = network.train(
            examples, len(starts), self.epochs, self.batch_size, rng, what
        )
        return State(state.seed, learned(None, weights, losses, measure))

    def learned(self, state: "State") -> Learned:
        assert state.learned is not None
        return state.learned

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

    def joined(self) -> tuple[CoinRows, IntArray]:
        """Return all rows, coins in the order of their names, and where examples begin in them."""
        parts = [self.coins[coin] for coin in sorted(self.coins)]
        ends = np.cumsum([len(rows.closes) for rows, _ in parts])
        starts = [
            starts.astype(np.int64) + end - len(rows.closes)
            for (rows, starts), end in zip(parts, ends, strict=True)
        ]
        return CoinRows.join([rows for rows, _ in parts]), np.concatenate(starts)


@dataclass(frozen=True, eq=False)
class State:
    """A network before and after its training, on the client.

    Attributes
    ----------
    seed : int
    learned : Learned or None
    """

    seed: int
    learned: Learned | None = None

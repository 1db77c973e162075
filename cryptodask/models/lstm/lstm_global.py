"""``lstm_global``: one network of LSTM layers for all coins, trained on windows of all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from cryptodask.errors import OptionError, TooShortError
from cryptodask.features import unbroken, windows
from cryptodask.models.base import Gaps, rng_for
from cryptodask.models.learned import Learned
from cryptodask.models.lstm.global_training import (
    State,
    Sums,
    adam,
    coin_sums,
    first_values,
    to_weights,
)
from cryptodask.models.lstm.lstm import WEIGHTS
from cryptodask.models.lstm.recursive import Scale, forecast_recursively
from cryptodask.models.lstm.weights import Weights
from cryptodask.models.pooled.base import PooledModel, train
from cryptodask.records import FloatArray, FloatArray32, IntArray, Panel

MEASURED = Scale(
    enter=lambda returns, firsts: np.broadcast_to(returns[:, None], firsts.shape),
    leave=lambda output, _: output.astype(np.float64),
)
"""Returns in volatilities, which the network sees and predicts as they are."""

FARTHEST = 1e3
"""Target, in volatilities, beyond which it counts as this: after a price that stood still."""


@dataclass(frozen=True)
class LSTMGlobal(PooledModel):
    """One LSTM network for all coins, trained over the workers.

    The input is the log returns of a window of closes, divided by their root mean square, the
    coin's volatility in that window; the target is the next log return, in the same measure:
    ``r[t + 1] = s * f(r[t] / s, …, r[t - window + 1] / s)`` with ``s = sqrt(mean(r**2))``. So
    coins of any price and any volatility look alike, the network can forecast coins that it was
    not trained on, and an output of 0 is the last close. A forecast is recursive: each predicted
    return enters the next window, in the volatility of the last window known.

    Training is `steps` steps of Adam on the mean gradient of Huber's loss, with a rate that falls
    linearly to 0. In each step every coin contributes the gradient over a sample of its windows,
    drawn from seed, coin and step. Contributions are computed coin by coin and added as integers,
    so that the network is the same, bit for bit, however the coins are divided over workers. A
    coin whose rows hold no window and target contributes nothing, and is forecast all the same.

    After Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997); one
    network for many series after Salinas et al., DeepAR, International Journal of Forecasting 36
    (2020), and synchronous averages of gradients after Chen et al., Revisiting Distributed
    Synchronous SGD, ICLR workshop 2016.

    Attributes
    ----------
    window : int
        Closes in a window, at least 2.
    units : tuple of int
        Units of each LSTM layer, the first one first.
    steps : int
        Training steps.
    sample : int
        Windows of each coin in each step, or as many as it has.
    share : float
        Share of the coins that contribute to a step, drawn anew in each, in (0, 1]. A step's time
        falls with it: for tables of very many coins.
    learning_rate : float
        Of the first step.
    max_rows : int
        Latest rows of a coin that are trained on; workers hold 12 bytes for each.
    weight_decay : float
        Times a step's learning rate, the share of every weight and bias that it takes away, apart
        from the gradient; 0 or above.
    """

    name: ClassVar[str] = "lstm_global"
    cost: ClassVar[float] = 600.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"

    window: int = 50
    units: tuple[int, ...] = (32,)
    steps: int = 60
    sample: int = 32
    share: float = 1.0
    learning_rate: float = 0.003
    max_rows: int = 3_000
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        least = {"window": 2, "steps": 1, "sample": 1, "max_rows": self.window + 1}
        for option, value in least.items():
            if getattr(self, option) < value:
                raise OptionError(
                    f"lstm_global {option}: must be at least {value}, got {getattr(self, option)}"
                )
        if not self.units or min(self.units) < 1:
            raise OptionError(f"lstm_global units: one layer of 1 unit at least, got {self.units}")
        if not 0 < self.share <= 1:
            raise OptionError(f"lstm_global share: must be in (0, 1], got {self.share}")
        if not 0 < self.learning_rate < np.inf:
            raise OptionError(
                f"lstm_global learning_rate: must be above 0 and finite, got {self.learning_rate}"
            )
        if not 0 <= self.weight_decay < np.inf:
            raise OptionError(
                f"lstm_global weight_decay: must be at least 0 and finite, got {self.weight_decay}"
            )

    def min_length(self, horizon: int) -> int:
        return self.window  # a coin is forecast from these rows alone

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return self.predict(LSTMGlobalFit.of(known), panel, horizon)

    def lookback_from(self, horizon: int) -> int:
        return self.window

    def fit(self, panel: Panel, seed: int) -> "LSTMGlobalFit":
        """Train one network on all coins of a panel.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        seed : int

        Raises
        ------
        TooShortError
            No coin has a window and a target.
        """
        return self.fit_of(train(self, panel, seed))

    def predict(self, fit: "LSTMGlobalFit", panel: Panel, horizon: int) -> FloatArray:
        """Forecast coins, whether trained on or not, all together.

        Parameters
        ----------
        fit : LSTMGlobalFit
        panel : Panel
        horizon : int
            Bars ahead.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency.
        """
        latest = panel.indptr[1:, None] + np.arange(-self.window, 0)
        closes = panel.values[latest]
        returns = np.diff(np.log(closes), axis=1)
        scale = _volatility(returns)
        known = _measured(returns, scale)
        ahead = forecast_recursively(fit.weights, "linear", known, horizon, MEASURED)
        with np.errstate(over="ignore"):  # reported as a forecast that is not finite
            growth = np.exp(np.cumsum(ahead, axis=1) * scale)
            forecast: FloatArray = closes[:, -1:] * growth
        return forecast

    def prepare(self, panel: Panel) -> "Examples":
        returns, starts, coins, counts = [], [], [], []
        rows = 0
        for coin, closes, dates in panel:
            logs = np.log(closes[-self.max_rows :])
            if len(logs) <= self.window:
                continue
            dates = dates[-self.max_rows :]
            change = np.diff(logs)
            even = unbroken(dates, self.window + 1, panel.step)
            moves = windows(change, self.window)[:, :-1].any(axis=1)
            begins = np.flatnonzero(even & moves)
            if len(begins):
                coins.append(coin)
                returns.append(change.astype(np.float32))
                starts.append(begins + rows)
                counts.append(len(begins))
                rows += len(change)
        return Examples(
            tuple(coins),
            np.concatenate([np.empty(0, np.float32), *returns]),
            np.concatenate([np.empty(0, np.int64), *starts]),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )

    def begin(self, seed: int) -> State:
        return State.of(first_values(self.units, rng_for(seed, f"{self.name} weights", "")))

    def message(self, state: State) -> FloatArray32:
        return state.values.astype(np.float32)

    def contribute(self, prepared: "Examples", message: FloatArray32, step: int, seed: int) -> Sums:
        total = Sums(np.zeros(len(message), dtype=np.int64))
        for coin, starts in prepared:
            rng = rng_for(seed, f"{self.name} step {step}", coin)
            if self.share < 1 and rng.random() >= self.share:
                continue
            chosen = rng.choice(starts, min(self.sample, len(starts)), replace=False)
            rows = prepared.returns[chosen[:, None] + np.arange(self.window)].astype(np.float64)
            scaled = _measured(rows, _volatility(rows[:, :-1]))
            x = scaled[:, :-1].astype(np.float32)
            y = scaled[:, -1].clip(-FARTHEST, FARTHEST).astype(np.float32)
            total += coin_sums(message, x, y, self.units, self.sample)
        return total

    def advance(self, state: State, sums: Sums) -> State:
        rate = self.learning_rate * (1 - len(state.losses) / self.steps)
        return adam(state, sums, self.sample, rate, self.weight_decay)

    def learned(self, state: State) -> Learned:
        return self.fit_of(state).learned()

    def fit_of(self, state: State) -> "LSTMGlobalFit":
        """Return weights and losses of a state after its last step.

        Parameters
        ----------
        state : State

        Raises
        ------
        TooShortError
            No coin has a window and a target.
        """
        losses = np.array(state.losses)
        if np.isnan(losses).all():
            raise TooShortError(
                f"{self.name}: no coin has {self.window + 1} rows without a gap, a window and the "
                "close after it, so there is nothing to train on; choose a shorter window"
            )
        return LSTMGlobalFit(to_weights(self.message(state), self.units), losses)


@dataclass(frozen=True, eq=False)
class LSTMGlobalFit:
    """A trained network.

    Attributes
    ----------
    weights : Weights
        With a first axis of 1, which serves any number of coins.
    losses : ndarray of float64, ``(steps,)``
        Huber's loss of each step before it was made, mean over its windows, of log returns over
        the coin's volatility, no unit; NaN where no coin contributed.
    """

    weights: Weights
    losses: FloatArray = field(repr=False)

    @classmethod
    def of(cls, known: Learned) -> "LSTMGlobalFit":
        """Return the network that was kept as arrays.

        Parameters
        ----------
        known : Learned
            Of `learned`.
        """
        return cls(Weights(known.under(WEIGHTS).arrays), known.arrays["losses"])

    def learned(self) -> Learned:
        """Return the network as arrays, which serve any coin."""
        arrays = Learned(None, self.weights.arrays).prefixed(WEIGHTS)
        return Learned(None, {"losses": self.losses, **arrays})


@dataclass(frozen=True, eq=False)
class Examples:
    """What a partition trains on: log returns of its coins, and where windows begin.

    Attributes
    ----------
    coins : tuple of str
        Those that have a window, ``(n_coins,)``.
    returns : ndarray of float32, ``(n_rows,)``
        Of one coin after the other.
    starts : ndarray of int64, ``(n_windows,)``
        Rows at which a window begins that crosses no gap and in which the price moves.
    indptr : ndarray of int64, ``(n_coins + 1,)``
        Offsets into ``starts``.
    """

    coins: tuple[str, ...]
    returns: FloatArray32
    starts: IntArray
    indptr: IntArray

    def __iter__(self) -> Iterator[tuple[str, IntArray]]:
        """Yield each coin with the beginnings of its windows."""
        for coin, a, b in zip(self.coins, self.indptr[:-1], self.indptr[1:], strict=True):
            yield coin, self.starts[a:b]


def _volatility(returns: FloatArray) -> FloatArray:
    """Return the root mean square of each row, ``(n, 1)``."""
    result: FloatArray = np.sqrt((returns * returns).mean(axis=1, keepdims=True))
    return result


def _measured(returns: FloatArray, volatility: FloatArray) -> FloatArray:
    """Return returns over a volatility; of a price that stands still they are 0 as they are."""
    return returns / np.where(volatility > 0, volatility, 1.0)

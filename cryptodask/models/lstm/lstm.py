"""``lstm``: a network of two LSTM layers for each coin, trained on windows of its closes."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features import FeatureSpace, denormalize, normalize, unbroken, windows
from cryptodask.models.base import Gaps, rng_for
from cryptodask.models.learned import Array, Learned
from cryptodask.models.lstm.forward import ACTIVATIONS, forward
from cryptodask.models.lstm.inputs import Ahead, Measure, beside_closes, known_windows, space_of
from cryptodask.models.lstm.recursive import Scale, forecast_recursively
from cryptodask.models.lstm.weights import Weights
from cryptodask.models.trained import TrainableModel
from cryptodask.records import DAY, BoolArray, DateArray, FloatArray, FloatArray32, Panel
from cryptodask.timing import stage

GROWTH = Scale(
    enter=lambda closes, firsts: normalize(closes[:, None, None], firsts)[..., 0],
    leave=lambda growth, firsts: denormalize(growth[:, None], firsts)[:, 0],
)
"""Closes as growth over the first close of their window."""

WEIGHTS = "weights."
"""In front of the names of a network's arrays, where they are kept with others."""


@dataclass(frozen=True)
class LSTM(TrainableModel):
    """LSTM layers with dropout between them and one dense unit behind, one network a coin.

    The input is a window of closes, each divided by the window's first close less one,
    ``x[t] = y[t] / y[first] - 1``; the target is the close after the window, measured from the same
    base. At each bar of a window a layer's cell is
    ``c[t] = forget * c[t - 1] + enter * tanh(W x[t] + U h[t - 1] + b)`` and its output
    ``h[t] = leave * tanh(c[t])``, with gates ``forget``, ``enter`` and ``leave`` that are sigmoids
    of other weights on the same. A forecast is recursive: each
    predicted close enters the next window, and the window's own first close is the base of its
    normalisation both ways.

    With ``features`` each bar of a window has inputs beside its close: what is declared, of that
    bar and those before it, standardised over the bars that the coin's network is trained on.
    Only features that follow from closes and the calendar can be had, since of the bars ahead
    nothing but the close is predicted. Where that is 0 or below, a feature of it may not be known,
    and the coin then has no forecast.

    Network and training step are Keras's, with its first weights, and agree with it to 1e-4, but
    are computed by our code, which is faster and needs no TensorFlow. Every coin starts from
    weights that its seed draws and from a fresh state of the optimiser, so that what a coin gets
    does not depend on which coins were trained before it.

    After Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997).

    Attributes
    ----------
    window : int
        Closes in a window, a bar each.
    units : tuple of int
        Units of each LSTM layer, the first one first.
    dropout : float
        Share of each layer's outputs that is dropped in training, in [0, 1).
    batch_norm : bool
        Whether the outputs of each layer are batch-normalised.
    activation : str
        Of the dense unit: linear, relu, sigmoid or tanh.
    loss, optimizer : str
        Losses mse, mae, huber, optimisers sgd, rmsprop, adam; or other names that Keras knows,
        which then has to be installed.
    learning_rate : float
        Of the optimiser.
    batch_size : int
        Windows a step of the optimiser.
    epochs : int
        Times that the network sees all windows.
    validation_split : float
        Share of the windows, the latest ones, that are not trained on, in [0, 1).
    shuffle : bool
        Whether the order of the windows changes with each epoch.
    features : str
        Inputs beside the close; see `cryptodask.features.space.FeatureSpace.parse`. Empty: none.
    recurrent_dropout : float
        Share of each layer's states that is dropped in training on the way into each next step,
        in [0, 1): for each gate and window other ones, the same at all steps.
    weight_decay : float
        Times ``learning_rate``, the share of every weight and bias that each step takes away,
        apart from the gradient; 0 or above.
    patience : int
        Early stopping: training ends after ``patience`` epochs in a row without a lower loss over
        the windows held out than the least so far, and the network of the least is taken, so that
        ``epochs`` is the most. 0: all epochs, and the last network. A coin without a window held
        out is trained for all epochs.
    """

    name: ClassVar[str] = "lstm"
    cost: ClassVar[float] = 2_000.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"

    window: int = 50
    units: tuple[int, ...] = (50, 100)
    dropout: float = 0.2
    batch_norm: bool = False
    activation: str = "linear"
    loss: str = "mse"
    optimizer: str = "rmsprop"
    learning_rate: float = 0.001
    batch_size: int = 512
    epochs: int = 1
    validation_split: float = 0.05
    shuffle: bool = True
    features: str = ""
    recurrent_dropout: float = 0.0
    weight_decay: float = 0.0
    patience: int = 0

    def __post_init__(self) -> None:
        for option in ("window", "batch_size", "epochs"):
            if getattr(self, option) < 1:
                raise OptionError(f"lstm {option}: must be at least 1, got {getattr(self, option)}")
        if not self.units or min(self.units) < 1:
            raise OptionError(f"lstm units: one layer of 1 unit at least, got {self.units}")
        for option in ("dropout", "recurrent_dropout", "validation_split"):
            if not 0 <= getattr(self, option) < 1:
                raise OptionError(f"lstm {option}: must be in [0, 1), got {getattr(self, option)}")
        if not 0 < self.learning_rate < np.inf:
            raise OptionError(
                f"lstm learning_rate: must be above 0 and finite, got {self.learning_rate}"
            )
        if not 0 <= self.weight_decay < np.inf:
            raise OptionError(
                f"lstm weight_decay: must be at least 0 and finite, got {self.weight_decay}"
            )
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise OptionError(f"lstm activation: {self.activation!r} is none of {known}")
        self._check_patience()
        _ = self.space  # refused here if it can't be had

    def _check_patience(self) -> None:
        if self.patience < 0:
            raise OptionError(f"lstm patience: must be at least 0, got {self.patience}")
        if self.patience and not self.validation_split:
            raise OptionError(
                f"lstm patience: {self.patience} with validation_split 0: training stops by the "
                "loss over windows held out, and none are; set validation_split, as 0.1"
            )
        if self.patience and self.epochs == 1:
            raise OptionError(
                f"lstm patience: {self.patience} with epochs 1: training can't stop before "
                "its only epoch; set epochs to the most that training may take, as 50"
            )

    @property
    def space(self) -> FeatureSpace | None:
        return space_of(self.name, self.features)

    @property
    def inputs(self) -> int:
        """Numbers that the network sees of a bar: the close, and features."""
        return 1 + (len(self.space.names) if self.space else 0)

    def min_length(self, horizon: int) -> int:
        # The features of the first bar of a window are made from rows before it.
        before = self.space.history - 1 if self.space else 0
        return before + self.window + horizon

    def warm_up(self) -> None:
        closes = np.exp(rng_for(0, self.name, "").normal(0, 0.02, self.min_length(1) + 1).cumsum())
        coin = "", closes, np.datetime64(0, "s") + np.arange(len(closes)) * DAY
        replace(self, epochs=1, patience=0).forecast(Panel.from_series([coin]), 1, 0)

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        return self.fit(panel, seed).learned(panel.coins)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        with stage("predict"):
            return self.predict(LSTMFit.of(known), panel, horizon)

    def lookback_from(self, horizon: int) -> int | None:
        if self.space is None:
            return self.window
        before = self.space.lookback
        return None if before is None else before - 1 + self.window

    def fit(self, panel: Panel, seed: int) -> "LSTMFit":
        """Train one network a coin.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        seed : int

        Returns
        -------
        LSTMFit
            Weights of all coins, stacked.
        """
        from cryptodask.models.lstm.training import trainer

        with stage("trace"):
            teacher = trainer(self)
        fits, measures = [], []
        losses = np.empty((len(panel), 2))
        for i, coin in enumerate(panel.coins):
            x, y, split, measure = self._seen(panel, i)
            held_out = x[split:], y[split:]
            rng = rng_for(seed, self.name, coin)
            weights, losses[i, 0] = teacher.fit(x[:split], y[:split], rng, held_out)
            fits.append(weights)
            measures += [measure] if measure else []
            predicted = forward(Weights.stack([weights]), x[None, split:], self.activation)[0]
            error = predicted - y[split:]
            losses[i, 1] = float((error**2).mean()) if len(error) else np.nan
        measure = Measure.stack(measures) if measures else None
        return LSTMFit(Weights.stack(fits), losses, measure)

    def predict(self, fit: "LSTMFit", panel: Panel, horizon: int) -> FloatArray:
        """Forecast from trained networks, all coins together.

        Parameters
        ----------
        fit : LSTMFit
            Of the panel's coins, in their order.
        panel : Panel
        horizon : int
            Bars ahead.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency.
        """
        latest = panel.indptr[1:, None] + np.arange(-self.window, 0)
        beside = None
        if self.space and fit.measure and len(panel):
            beside = Ahead(self.space, panel, horizon, self.window, fit.measure)
        return forecast_recursively(
            fit.weights, self.activation, panel.values[latest], horizon, GROWTH, beside
        )

    def _seen(self, panel: Panel, i: int) -> tuple[FloatArray32, FloatArray32, int, Measure | None]:
        """Return a coin's inputs and targets, how many are trained on, and its features' measure.

        Raises
        ------
        ForecastError
            In none of its windows all features are known.
        """
        rows = slice(panel.indptr[i], panel.indptr[i + 1])
        closes, dates = panel.values[rows], panel.dates[rows]
        if self.space is None:
            x, y = self._examples(closes, dates, panel.step)
            return x, y, self._trained(len(x)), None
        features = self.space.compute(self.space.rows(panel.take([i])))
        usable = unbroken(dates, self.window + 1, panel.step)
        usable &= known_windows(features, self.window)
        if not usable.any():
            raise ForecastError(
                f"{panel.coins[i]}: lstm: no window of {self.window} rows has "
                f"{self.space.text} known in all of them; look at the prices, or leave features out"
            )
        x, y = self._examples(closes, dates, panel.step, usable)
        split = self._trained(len(x))
        beside, measure = beside_closes(features, np.flatnonzero(usable), self.window, split)
        return np.concatenate([x[..., None], beside], axis=2), y, split, measure

    def _trained(self, n: int) -> int:
        """Return how many of ``n`` windows are trained on, at least one."""
        return n - int(n * self.validation_split)

    def _examples(
        self,
        closes: FloatArray,
        dates: DateArray,
        step: np.timedelta64,
        usable: BoolArray | None = None,
    ) -> tuple[FloatArray32, FloatArray32]:
        """Return inputs ``(n, window)`` and targets ``(n,)``, none of them across a gap.

        ``usable`` says of each window that it may be used, if more than gaps decides that.
        """
        views = windows(closes, self.window + 1)
        if usable is None:
            usable = unbroken(dates, self.window + 1, step)
        views = views if usable.all() else views[usable]
        growth = normalize(views, views[:, 0]).astype(np.float32)
        return growth[:, :-1], growth[:, -1]


@dataclass(frozen=True)
class LSTMFit:
    """Trained networks of the coins of a panel.

    Attributes
    ----------
    weights : Weights
        Stacked over coins.
    losses : ndarray of float64, ``(n_coins, 2)``
        Training loss of the epoch whose network it is, the last one but with ``patience``, and
        mean squared error over the windows held out (NaN where there are none); of growth over a
        window's base, no unit.
    measure : Measure or None
        Of the coins' features, if they have any.
    """

    weights: Weights
    losses: FloatArray = field(repr=False)
    measure: Measure | None = field(default=None, repr=False)

    @classmethod
    def of(cls, known: Learned) -> "LSTMFit":
        """Return the networks that were kept as arrays.

        Parameters
        ----------
        known : Learned
            Of `learned`.
        """
        arrays = known.arrays
        scaled = "feature_mean" in arrays
        measure = Measure(arrays["feature_mean"], arrays["feature_deviation"]) if scaled else None
        return cls(Weights(known.under(WEIGHTS).arrays), arrays["losses"], measure)

    def learned(self, coins: tuple[str, ...]) -> Learned:
        """Return the networks as arrays.

        Parameters
        ----------
        coins : tuple of str
            Theirs, ``(n_coins,)``.
        """
        arrays: dict[str, Array] = {"losses": self.losses}
        arrays |= Learned(coins, self.weights.arrays).prefixed(WEIGHTS)
        if self.measure:
            arrays["feature_mean"] = self.measure.mean
            arrays["feature_deviation"] = self.measure.deviation
        return Learned(coins, arrays)

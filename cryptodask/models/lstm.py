"""``lstm``: a network of two LSTM layers for each coin, trained on windows of its closes."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.features import denormalize, normalize, unbroken, windows
from cryptodask.models.base import Gaps, rng_for
from cryptodask.models.lstm_forward import ACTIVATIONS, Forward, forward
from cryptodask.models.lstm_weights import Weights
from cryptodask.records import DateArray, FloatArray, Panel
from cryptodask.stages import stage

FloatArray32 = NDArray[np.float32]


@dataclass(frozen=True)
class LSTM:
    """LSTM layers with dropout between them and one dense unit behind, one network a coin.

    The input is a window of closes, each divided by the window's first close less one; the target
    is the close after the window, measured from the same base. A forecast is recursive: each
    predicted close enters the next window, and the window's own first close is the base of its
    normalisation both ways.

    Network and training step are Keras's, with its first weights, and agree with it to 1e-4, but
    are computed by code of our own that is faster and needs no TensorFlow. Every coin starts from
    weights of its own seed and from a fresh state of the optimiser, so that what a coin gets does
    not depend on which coins were trained before it.

    After Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997).

    Attributes
    ----------
    window : int
        Closes in a window.
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
    batch_size, epochs : int
        Windows a training step; passes over the windows.
    validation_split : float
        Share of the windows, the latest ones, that are not trained on, in [0, 1).
    shuffle : bool
        Whether the order of the windows changes with each epoch.
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

    def __post_init__(self) -> None:
        for option in ("window", "batch_size", "epochs"):
            if getattr(self, option) < 1:
                raise OptionError(f"lstm {option}: must be at least 1, got {getattr(self, option)}")
        if not self.units or min(self.units) < 1:
            raise OptionError(f"lstm units: one layer of 1 unit at least, got {self.units}")
        for option in ("dropout", "validation_split"):
            if not 0 <= getattr(self, option) < 1:
                raise OptionError(f"lstm {option}: must be in [0, 1), got {getattr(self, option)}")
        if not 0 < self.learning_rate < np.inf:
            raise OptionError(
                f"lstm learning_rate: must be above 0 and finite, got {self.learning_rate}"
            )
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise OptionError(f"lstm activation: {self.activation!r} is none of {known}")

    def min_length(self, horizon: int) -> int:
        """Return the rows of one window and one horizon after it, without a gap."""
        return self.window + horizon

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Forecast every coin of a panel; see `cryptodask.models.base.Model`."""
        if not len(panel):
            return np.empty((0, horizon))
        fit = self.fit(panel, seed)
        with stage("predict"):
            return self.predict(fit, panel, horizon)

    def fit(self, panel: Panel, seed: int) -> "LSTMFit":
        """Train one network a coin.

        Returns
        -------
        LSTMFit
            Weights of all coins, stacked.
        """
        from cryptodask.models.lstm_training import trainer

        with stage("trace"):
            teacher = trainer(self)
        fits = []
        losses = np.empty((len(panel), 2))
        for i, (coin, closes, dates) in enumerate(panel):
            x, y = self._examples(closes, dates, panel.step)
            split = len(x) - int(len(x) * self.validation_split)
            rng = rng_for(seed, self.name, coin)
            weights, losses[i, 0] = teacher.fit(x[:split], y[:split], rng)
            fits.append(weights)
            held_out = forward(Weights.stack([weights]), x[None, split:], self.activation)
            error = held_out[0] - y[split:]
            losses[i, 1] = float((error**2).mean()) if len(error) else np.nan
        return LSTMFit(Weights.stack(fits), losses)

    def train(self, panel: Panel, seed: int) -> "TrainedLSTM":
        """Return the model trained on these coins; see `cryptodask.models.trained.Trainable`."""
        return TrainedLSTM(self, panel.coins, self.fit(panel, seed))

    def predict(self, fit: "LSTMFit", panel: Panel, horizon: int) -> FloatArray:
        """Forecast from trained networks, all coins together.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
        """
        latest = panel.indptr[1:, None] + np.arange(-self.window, 0)
        seen = np.concatenate([panel.values[latest], np.empty((len(panel), horizon))], axis=1)
        network = Forward(fit.weights, self.activation)
        for step in range(horizon):
            window = seen[:, step : step + self.window]
            x = normalize(window, window[:, 0]).astype(np.float32)
            growth = network(x[:, None, :])
            seen[:, self.window + step] = denormalize(growth, window[:, 0])[:, 0]
        return seen[:, self.window :]

    def _examples(
        self, closes: FloatArray, dates: DateArray, step: np.timedelta64
    ) -> tuple[FloatArray32, FloatArray32]:
        """Return inputs ``(n, window)`` and targets ``(n,)``, none of them across a gap."""
        views = windows(closes, self.window + 1)
        whole = unbroken(dates, self.window + 1, step)
        views = views if whole.all() else views[whole]
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
        Training loss of the last epoch, and mean squared error over the windows held out (NaN
        where there are none); of growth over a window's base, no unit.
    """

    weights: Weights
    losses: FloatArray = field(repr=False)


@dataclass(frozen=True, eq=False)
class TrainedLSTM:
    """``lstm`` after its training: it forecasts the coins that it was trained on.

    Attributes
    ----------
    options : LSTM
    coins : tuple of str
        In the order of the fit's networks.
    fit : LSTMFit
    """

    name: ClassVar[str] = LSTM.name
    cost: ClassVar[float] = 10.0
    needs_variation: ClassVar[bool] = LSTM.needs_variation
    gaps: ClassVar[Gaps] = LSTM.gaps

    options: LSTM
    coins: tuple[str, ...]
    fit: LSTMFit

    def min_length(self, horizon: int) -> int:
        """Return the rows of one window and one horizon after it, without a gap."""
        return self.options.min_length(horizon)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:  # noqa: ARG002
        """Forecast coins of those trained on; nothing is random any more."""
        place = {coin: i for i, coin in enumerate(self.coins)}
        rows = [place[coin] for coin in panel.coins]
        own = Weights({name: a[rows] for name, a in self.fit.weights.arrays.items()})
        return self.options.predict(LSTMFit(own, self.fit.losses[rows]), panel, horizon)

"""``keras:NETWORK``: any compiled Keras model, one network a coin or one for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import ForecastError
from cryptodask.models.base import rng_for
from cryptodask.models.keras import networks
from cryptodask.models.keras.base import OURS, KerasModel, arguments_of, window_of
from cryptodask.models.keras.examples import CoinRows, Windows, check_ahead
from cryptodask.models.keras.kept import learned, measure_of, stack, weights_of
from cryptodask.models.keras.pooled import PooledKerasNetwork
from cryptodask.models.keras.sources import SHIPPED, Saved, source_named
from cryptodask.models.keras.training import Network, network_of
from cryptodask.models.learned import Learned
from cryptodask.models.lstm.inputs import Measure
from cryptodask.models.options import convert, of_family
from cryptodask.models.own import is_place
from cryptodask.models.trained import TrainableModel
from cryptodask.records import FloatArray, Panel
from cryptodask.timing import stage


@dataclass(frozen=True)
class KerasNetwork(KerasModel, TrainableModel):
    """Any compiled Keras model, on windows of each coin's closes, or of all coins'.

    The network sees a window of closes, each divided by the window's first close less one, and
    features beside it, as ``lstm`` does; it predicts the next ``outputs`` closes, measured from the
    same base. Where the horizon is longer, what it predicted enters the next window: with
    ``outputs`` 1 the forecast is recursive, with as many as the horizon it is direct.

    It is built and traced once a process. Every coin starts from the weights that the function
    draws after Keras's ``set_random_seed`` with a number of the seed, the model and the coin, and
    from a fresh optimiser; from the weights of the file where the network is a file. So what a coin
    gets does not depend on which were trained before it.

    Attributes
    ----------
    pooled : bool
        Whether there is one network for all coins, and not one for each.

    See Also
    --------
    cryptodask.models.keras.base.KerasModel : Has the other attributes.

    Examples
    --------
    >>> KerasNetwork("gru", params={"units": 8}).name
    'keras:gru'
    """

    cost: ClassVar[float] = 10_000.0
    pattern: ClassVar[str] = (
        "keras:gru, keras:tcn, keras:transformer, keras:MODULE:BUILDER, keras:FILE.keras"
    )
    pooled: bool = field(default=False, init=False)

    @classmethod
    def code_of(cls, network: str) -> str | None:
        """Return the ``MODULE:BUILDER`` of a user's code that a network is of, if any.

        Parameters
        ----------
        network : str
            As ``gru``, ``MODULE:BUILDER`` or a path.
        """
        return network if is_place(network) else None

    @classmethod
    def options(cls, network: str) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option; a default of ... is none.

        Parameters
        ----------
        network : str
            As ``gru``, ``MODULE:BUILDER`` or a path.
        """
        source = source_named(network)
        of_file = {"sha256": (str, "")} if isinstance(source, Saved) else {}
        pooled = {"pooled": (bool, False)}
        ours = {**OURS, "window": (int, window_of(source, f"keras:{network}"))}
        return {**ours, **pooled, **of_file, **arguments_of(f"keras:{network}", source)}

    @classmethod
    def create(cls, network: str, options: Mapping[str, Any]) -> KerasModel:
        """Create a model from its options.

        Parameters
        ----------
        network : str
            As ``gru``, ``MODULE:BUILDER`` or a path.
        options : mapping of str to Any
            Values, as text or not.
        """
        name, others = f"keras:{network}", dict(options)
        pooled = convert(name, "pooled", others.pop("pooled", False), bool)
        kind = PooledKerasNetwork if pooled else cls
        return kind(network, **of_family(name, cls.options(network), (*OURS, "sha256"), others))

    @classmethod
    def documented(cls, network: str) -> list[str]:
        """Return the docstrings that say what options mean: a builder's, and those of ours.

        Parameters
        ----------
        network : str
            As ``gru``, ``MODULE:BUILDER`` or a path.
        """
        function = getattr(source_named(network), "function", None)
        return [getattr(function, "__doc__", None) or "", KerasModel.__doc__ or ""]

    @classmethod
    def describe(cls, network: str) -> str:
        """Return a line on a network.

        Parameters
        ----------
        network : str
            As ``gru``, ``MODULE:BUILDER`` or a path.
        """
        if network in SHIPPED:
            what = (getattr(networks, network).__doc__ or "").partition("\n")[0].rstrip(".")
            return f"{what}, in Keras on windows of a coin's closes."
        return f"The Keras network {network} on windows of a coin's closes."

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        check_ahead(self.name, self.space, self.outputs, horizon)  # before it trains
        return super().forecast(panel, horizon, seed)

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        with stage("trace"):
            network = network_of(self.design)
        return stack(panel.coins, [self._fit(network, panel, i, seed) for i in range(len(panel))])

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        check_ahead(self.name, self.space, self.outputs, horizon)
        network = network_of(self.design)
        forecast = np.empty((len(panel), horizon))
        with stage("predict"):
            for i in range(len(panel)):
                coin = known.take([panel.coins[i]])
                ahead = Windows(
                    panel.take([i]),
                    self.window,
                    self.outputs,
                    horizon,
                    self.space,
                    measure_of(coin),
                )
                with network.lock:
                    network.load([array[0] for array in weights_of(coin)])
                    while (x := ahead.inputs()) is not None:
                        ahead.move(network.predict(x))
                forecast[i] = ahead.forecast[0]
        return forecast

    def _fit(self, network: Network, panel: Panel, i: int, seed: int) -> Learned:
        """Return the network of one coin.

        Raises
        ------
        ForecastError
            It has no window whose features are known, or the loss is not finite.
        """
        coin = panel.coins[i]
        rows = CoinRows.of(panel, i, self.space, self.max_rows)
        starts = rows.starts(self.window, self.outputs, panel.step)
        if not len(starts):
            what = f"has {self.space.text} known in all of them" if self.space else "has no gap"
            raise ForecastError(
                f"{coin}: {self.name}: no window of {self.window} rows, of the last "
                f"{self.max_rows}, {what}; look at the prices, or leave features out"
            )
        measure = Measure.of(rows.trained_rows(starts, self.window))
        x, y = rows.examples(starts, self.window, self.outputs, measure)
        rng = rng_for(seed, self.name, coin)
        weights, losses = network.train(
            lambda some: (x[some], y[some]), len(x), self.epochs, self.batch_size, rng, coin
        )
        return learned((coin,), weights, losses, measure)

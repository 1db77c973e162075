"""``keras:NETWORK``: any compiled Keras model, trained on windows of each coin's closes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features import FeatureSpace
from cryptodask.models.base import Gaps, rng_for
from cryptodask.models.keras.examples import CoinRows, Windows, check_ahead, space_for
from cryptodask.models.keras.kept import learned, measure_of, stack, weights_of
from cryptodask.models.keras.sources import (
    SHIPPED,
    Saved,
    Source,
    source_named,
    source_of_object,
)
from cryptodask.models.keras.training import Design, Network, network_of
from cryptodask.models.learned import Learned
from cryptodask.models.lstm.inputs import Measure
from cryptodask.models.options import from_text, of_family
from cryptodask.models.regression.declared import missing_feature_error
from cryptodask.models.trained import TrainableModel
from cryptodask.records import FloatArray, Panel
from cryptodask.timing import stage

OURS: Mapping[str, tuple[Any, Any]] = {
    "window": (int, 50),
    "outputs": (int, 1),
    "epochs": (int, 5),
    "batch_size": (int, 128),
    "features": (str, ""),
    "max_rows": (int, 3_000),
}
"""Type and default of each option that is ours; a network's own come after them."""


@dataclass(frozen=True)
class KerasNetwork(TrainableModel):
    """Any compiled Keras model, trained on windows of each coin's closes.

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
    network : str, callable or keras.Model
        ``gru``, ``tcn``, ``transformer``; ``MODULE:BUILDER``, a function of window, features and
        outputs, as far as it takes them, that returns a compiled model; the path of a ``.keras``
        file. In Python also the function, or a compiled model. It becomes a name.
    window : int
        Closes in a window, a bar each.
    outputs : int
        Bars that a call predicts.
    epochs, batch_size : int
        Passes over the windows; windows a training step. 0 epochs leave a file's weights as they
        are.
    features : str
        Inputs beside the close; see `cryptodask.features.space.FeatureSpace.parse`. Such as need
        volumes can be had where ``outputs`` is the horizon.
    max_rows : int
        Latest rows of a coin that are trained on.
    params : tuple of (str, value)
        Options of the network: arguments of the function, by name; or a mapping.
    sha256 : str
        Of the file, which must be the same one later; by default what it is now.

    Examples
    --------
    >>> KerasNetwork("gru", params={"units": 8}).name
    'keras:gru'
    """

    cost: ClassVar[float] = 10_000.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    libraries: ClassVar[tuple[str, ...]] = ("keras",)
    pattern: ClassVar[str] = "keras:MODULE:BUILDER"

    network: Any
    window: int = OURS["window"][1]
    outputs: int = OURS["outputs"][1]
    epochs: int = OURS["epochs"][1]
    batch_size: int = OURS["batch_size"][1]
    features: str = OURS["features"][1]
    max_rows: int = OURS["max_rows"][1]
    params: tuple[tuple[str, Any], ...] = ()
    sha256: str = ""
    source: Source | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        if self.source is None or self.network != self.source.place:
            find = source_named if isinstance(self.network, str) else source_of_object
            set_field(self, "source", find(self.network))
        set_field(self, "network", self._source.place)
        set_field(self, "params", _checked(self.name, self._source, self.params))
        digest = self._source.digest if isinstance(self._source, Saved) else ""
        if self.sha256 not in ("", digest):
            raise OptionError(
                f"{self.name} sha256: is {digest or 'of files only'}, not {self.sha256}: the file "
                "is another than the one that was named before; restore it, or begin anew"
            )
        set_field(self, "sha256", digest)
        _check_least(self, self.name, 0 if digest else 1)
        _ = self.space  # refused here if it can't be had

    @property
    def _source(self) -> Source:
        assert self.source is not None
        return self.source

    @property
    def name(self) -> str:
        """``keras:`` and the network."""
        return f"keras:{self.network}"

    @property
    def space(self) -> FeatureSpace | None:
        return space_for(self.name, self.features, self.outputs)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.space.columns if self.space else ()

    @property
    def design(self) -> Design:
        """What decides which functions a process traces."""
        features = 1 + (len(self.space.names) if self.space else 0)
        return Design(self._source, self.params, (self.window, features, self.outputs))

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
        return {**OURS, **of_file, **_arguments(f"keras:{network}", source)}

    @classmethod
    def create(cls, network: str, options: Mapping[str, Any]) -> "KerasNetwork":
        """Create a model from its options.

        Parameters
        ----------
        network : str
            As ``gru``, ``MODULE:BUILDER`` or a path.
        options : mapping of str to Any
            Values, as text or not.
        """
        ours = (*OURS, "sha256")
        return cls(network, **of_family(f"keras:{network}", cls.options(network), ours, options))

    @classmethod
    def describe(cls, network: str) -> str:
        """Return a line on a network.

        Parameters
        ----------
        network : str
            As ``gru``, ``MODULE:BUILDER`` or a path.
        """
        if network in SHIPPED:
            return f"A small {network} network of Keras on windows of a coin's closes."
        return f"The Keras network {network} on windows of a coin's closes."

    def min_length(self, horizon: int) -> int:
        before = self.space.history - 1 if self.space else 0
        return before + self.window + self.outputs

    def lookback_from(self, horizon: int) -> int | None:
        if self.space is None:
            return self.window
        before = self.space.lookback
        return None if before is None else before - 1 + self.window

    def warm_up(self) -> None:
        network_of(self.design)

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
                    panel.take([i]), self.window, self.outputs, horizon, self.space, measure_of(coin)
                )
                with network.lock:
                    network.load([array[0] for array in weights_of(coin)])
                    while (x := ahead.inputs()) is not None:
                        ahead.move(network.predict(x))
                forecast[i] = ahead.forecast[0]
        return forecast

    def explain(self, panel: Panel) -> ForecastError | None:
        if self.space is not None:
            missing = missing_feature_error(self.name, self.space, panel, None)
            if missing is not None:
                return missing
        return ForecastError(
            f"{panel.coins[0]}: {self.name}: the network gave numbers that are not finite; lower "
            "its learning rate, limit gradients (clipnorm of its optimiser), or look at the prices"
        )

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
        weights, losses = network.train(x, y, self.epochs, self.batch_size, rng, coin)
        return learned((coin,), weights, losses, measure)


def _arguments(name: str, source: Source) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each option of a network.

    Raises
    ------
    OptionError
        One is named as something that each model has.
    """
    for argument in source.arguments:
        if hasattr(KerasNetwork, argument) or argument in KerasNetwork.__dataclass_fields__:
            raise OptionError(
                f"{name}: its argument {argument} has the name of something that each model has; "
                "rename it"
            )
    return source.arguments


def _checked(name: str, source: Source, params: Any) -> tuple[tuple[str, Any], ...]:
    """Return options of a network in order, as plain values.

    Raises
    ------
    OptionError
        One is unknown, missing, or not a plain value.
    """
    known = _arguments(name, source)
    given = dict(params)
    for option in given:
        if option not in known:
            listed = ", ".join(known) or "none"
            raise OptionError(f"{name}: has no option {option!r}; options of it: {listed}")
    for option, (_, default) in known.items():
        if default is ... and option not in given:
            raise OptionError(f"{name} {option}: has no default; give a value")
    return tuple(sorted((k, from_text(name, k, v, known[k][1])) for k, v in given.items()))


def _check_least(model: Any, name: str, epochs: int) -> None:
    """Check that numbers are not too small; see `OptionError`."""
    least = {"window": 1, "outputs": 1, "epochs": epochs, "batch_size": 1,
             "max_rows": model.window + model.outputs}  # fmt: skip
    for option, smallest in least.items():
        value = getattr(model, option)
        if value < smallest:
            raise OptionError(f"{name} {option}: must be at least {smallest}, got {value}")

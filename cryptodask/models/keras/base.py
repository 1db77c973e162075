"""What Keras networks have in common, whether they are of a coin or of all coins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features import FeatureSpace
from cryptodask.models.base import Gaps, Model
from cryptodask.models.keras.examples import space_for
from cryptodask.models.keras.sources import Saved, Source, source_named, source_of_object
from cryptodask.models.keras.training import Design, network_of
from cryptodask.models.options import from_text
from cryptodask.models.regression.declared import missing_feature_error
from cryptodask.records import Panel

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
class KerasModel(Model):
    """Base class of models that are a compiled Keras network, with its options.

    Attributes
    ----------
    network : str, callable or keras.Model
        ``gru``, ``tcn``, ``transformer``; ``MODULE:BUILDER``, a function of window, features and
        outputs, as far as it takes them, that returns a compiled model; the path of a ``.keras``
        file. In Python also the function, or a compiled model. It becomes a name.
    window : int
        Closes in a window, a bar each; by default what a file's input takes, or else 50.
    outputs : int
        Bars that a call predicts.
    epochs : int
        Passes over the windows; of 0, a file's weights stay as they are.
    batch_size : int
        Windows a training step.
    features : str
        Inputs beside the close; see `cryptodask.features.space.FeatureSpace.parse`. Such as need
        volumes can be had where ``outputs`` is the horizon.
    max_rows : int
        Latest rows of a coin that are trained on.
    params : tuple of (str, value)
        Options of the network: arguments of the function, by name; or a mapping.
    sha256 : str
        Of the file, which must be the same one later; by default what it is now.
    """

    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    libraries: ClassVar[tuple[str, ...]] = ("keras",)

    network: Any
    window: int = None  # type: ignore[assignment]  # __post_init__ sets it
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
        set_field(self, "window", window_of(self._source, self.name, self.window))
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
    def design(self) -> Design:
        """What decides which functions a process traces."""
        features = 1 + (len(self.space.names) if self.space else 0)
        return Design(self._source, self.params, (self.window, features, self.outputs))

    def min_length(self, horizon: int) -> int:
        return self._before + self.window + self.outputs

    def lookback_from(self, horizon: int) -> int | None:
        if self.space is None:
            return self.window
        before = self.space.lookback
        return None if before is None else before - 1 + self.window

    def warm_up(self) -> None:
        network_of(self.design)

    def explain(self, panel: Panel) -> ForecastError | None:
        if self.space is not None:
            missing = missing_feature_error(self.name, self.space, panel, None)
            if missing is not None:
                return missing
        return ForecastError(
            f"{panel.coins[0]}: {self.name}: the network gave numbers that are not finite; lower "
            "its learning rate, limit gradients (clipnorm of its optimiser), or look at the prices"
        )

    @property
    def _before(self) -> int:
        """Rows before a window from which the features of its first row are made."""
        return self.space.history - 1 if self.space else 0


def window_of(source: Source, name: str, given: int | None = None) -> int:
    """Return the window of a network: what is given, what a file's input takes, or our default.

    Parameters
    ----------
    source : Source
    name : str
        Of the model, for the message.
    given : int, optional

    Raises
    ------
    OptionError
        The input of a file takes another one.
    """
    fixed = source.window if isinstance(source, Saved) else None
    if fixed is not None and given not in (None, fixed):
        raise OptionError(
            f"{name} window: got {given}, and the network's input takes {fixed} rows; leave "
            "window out"
        )
    default: int = OURS["window"][1]
    return next(window for window in (given, fixed, default) if window is not None)


def arguments_of(name: str, source: Source) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each option of a network.

    Raises
    ------
    OptionError
        One is named as something that each model has.
    """
    for argument in source.arguments:
        if hasattr(KerasModel, argument) or argument in (
            *KerasModel.__dataclass_fields__,
            "pooled",
        ):
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
    known = arguments_of(name, source)
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

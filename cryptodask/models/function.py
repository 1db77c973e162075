"""A function ``f(prices, horizon)`` of one coin's closes, as a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, ClassVar, get_type_hints

import numpy as np

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features.rows import last_segment
from cryptodask.models.base import Gaps, Model, rng_for
from cryptodask.models.options import convert
from cryptodask.records import REAL, FloatArray, Panel

FORM = "def NAME(prices, horizon): …, which returns horizon prices"

RNG = "rng"


@dataclass(frozen=True, repr=False)
class FunctionModel(Model):
    """A function of one coin's closes and the horizon, called for each coin.

    It gets a copy of the closes after the coin's last gap, oldest first, and returns a price for
    each bar ahead. Parameters after these two are the model's options and have defaults; one that
    is named ``rng`` gets a NumPy generator, seeded by the run's seed, the model and the coin.

    Attributes
    ----------
    function : callable
    params : tuple of (str, value)
        Options that are not the function's defaults, by name.

    Examples
    --------
    >>> def last(prices, horizon, times=1.0):
    ...     return [times * prices[-1]] * horizon
    >>> panel = Panel.from_series([("Coin", [1.0, 2.0], ["2024-01-01", "2024-01-02"])])
    >>> FunctionModel.create(last, {"times": "1.5"}).forecast(panel, 3, seed=0)
    array([[3., 3., 3.]])
    """

    cost: ClassVar[float] = 100.0
    gaps: ClassVar[Gaps] = "split"
    batches_dates: ClassVar[bool] = True
    learns: ClassVar[bool] = False

    function: Callable[..., Any]
    params: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        _check_form(self.function)

    def __repr__(self) -> str:
        values = "".join(f", {name}={value!r}" for name, value in self.params)
        return f"FunctionModel({self.function.__module__}:{self.function.__qualname__}{values})"

    @property
    def name(self) -> str:
        """The function's."""
        return self.function.__name__

    @classmethod
    def options(cls, function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option of a function.

        Parameters
        ----------
        function : callable
        """
        _check_form(function)
        hints = get_type_hints(function)
        return {
            p.name: (hints.get(p.name, type(p.default)), p.default)
            for p in list(signature(function).parameters.values())[2:]
            if p.name != RNG and p.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
        }

    @classmethod
    def create(cls, function: Callable[..., Any], values: Mapping[str, Any]) -> "FunctionModel":
        """Create a model from a function and its options.

        Parameters
        ----------
        function : callable
        values : mapping of str to Any
            Options, as text or not.
        """
        known = cls.options(function)
        name = function.__name__
        converted = {k: convert(name, k, v, known[k][0]) for k, v in values.items()}
        return cls(function, tuple(sorted(converted.items())))

    def min_length(self, horizon: int) -> int:
        return 2

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Call the function for each coin; see `Model.forecast`.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        horizon, seed : int

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency.

        Raises
        ------
        ForecastError
            It returns another number of values, or what is not a number.
        """
        ahead = np.empty((len(panel), horizon))
        if not len(panel):
            return ahead
        draws = RNG in signature(self.function).parameters
        options = dict(self.params)
        for i, (a, b) in enumerate(zip(last_segment(panel), panel.indptr[1:], strict=True)):
            if draws:
                options[RNG] = rng_for(seed, self.name, panel.coins[i])
            returned = self.function(panel.values[a:b].copy(), horizon, **options)
            ahead[i] = self._checked(returned, panel.coins[i], horizon)
        return ahead

    def _checked(self, returned: Any, coin: str, horizon: int) -> FloatArray:
        """Return what the function returned as an array of prices, ``(horizon,)``.

        What is masked becomes NaN, so that the coin has no forecast.
        """
        try:
            array = np.asanyarray(returned)
        except (TypeError, ValueError) as error:
            raise ForecastError(
                f"{coin}: {self.name}: returned {_short(returned)}, which is not an array of "
                f"prices; write {FORM}"
            ) from error
        if array.dtype.kind not in REAL:
            raise ForecastError(
                f"{coin}: {self.name}: returned {_short(returned)} of {array.dtype}, and prices "
                f"are real numbers; write {FORM}"
            )
        if array.shape != (horizon,):
            raise ForecastError(
                f"{coin}: {self.name}: returned {_short(returned)} of shape {array.shape}, and "
                f"a horizon of {horizon} takes ({horizon},); write {FORM}"
            )
        prices: FloatArray = np.ma.filled(array.astype(np.float64), np.nan)
        return prices


def _check_form(function: Any) -> None:
    """Check that a function can be called as ``f(prices, horizon)``, and has a name.

    Raises
    ------
    OptionError
        It can't, or has none.
    """
    name = getattr(function, "__name__", "<lambda>")
    if not name.isidentifier():
        raise OptionError(f"{function!r}: has no name to show; write {FORM}")
    kinds = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD
    parameters = list(signature(function).parameters.values())
    stars = Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD
    needed = [p.name for p in parameters[2:] if p.default is p.empty and p.kind not in stars]
    needed = [option for option in needed if option != RNG]
    if len(parameters) < 2 or any(p.kind not in kinds for p in parameters[:2]):
        raise OptionError(f"{name}{signature(function)}: takes other arguments; write {FORM}")
    if needed:
        raise OptionError(
            f"{name}{signature(function)}: {needed[0]} needs a default: parameters after prices "
            "and horizon are options"
        )


def _short(value: Any) -> str:
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= 60 else f"{shown[:60]}…"

"""``stats:CLASS``: any model of statsforecast, one coin after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import MissingExtraError, OptionError, UnknownModelError
from cryptodask.features.rows import last_segment
from cryptodask.models.base import Gaps, Model
from cryptodask.models.options import class_docs, of_family
from cryptodask.records import FloatArray, Panel

NOT_TEXT = ("alias", "prediction_intervals", "trend_forecaster")
"""Parameters that only name the model, or are objects."""


@dataclass(frozen=True)
class StatsModel(Model):
    """Any model of statsforecast, fitted to the closes of each coin after its last gap.

    Its defaults are statsforecast's, so that ``season_length`` is 1, no season, where it has a
    default, and has to be given where it has none.

    Source: Garza, Mergenthaler Canseco, Challú and Olivares, StatsForecast: Lightning fast
    forecasting with statistical and econometric models, PyCon 2022.

    Attributes
    ----------
    kind : str
        A class of ``statsforecast.models``, as ``AutoETS``.
    log : bool
        Whether it is fitted to the logs of the closes, so that forecasts stay above 0, rather than
        to the closes.
    params : tuple of (str, value)
        Parameters of the class that are not its defaults, by name.
    """

    cost: ClassVar[float] = 500.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    pattern: ClassVar[str] = "stats:CLASS"

    kind: str
    log: bool = False
    params: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        try:
            find_model(self.kind)(**dict(self.params))
        except (TypeError, ValueError) as error:
            raise OptionError(f"{self.name}: {error}") from error

    @property
    def name(self) -> str:
        """Its name, as it was given."""
        return f"stats:{self.kind}"

    @classmethod
    def options(cls, kind: str) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option of a model; a default of ... is none.

        Parameters
        ----------
        kind : str
            A class of ``statsforecast.models``, as ``AutoETS``.
        """
        from inspect import Parameter, signature

        parameters = list(signature(find_model(kind).__init__).parameters.values())[1:]
        given = {
            p.name: (type(p.default), ... if p.default is Parameter.empty else p.default)
            for p in parameters
            if p.name not in NOT_TEXT
        }
        return {"log": (bool, cls.log), **given}

    @classmethod
    def create(cls, kind: str, options: Mapping[str, Any]) -> "StatsModel":
        """Create a model from its options.

        Parameters
        ----------
        kind : str
            A class of ``statsforecast.models``, as ``AutoETS``.
        options : mapping of str to Any
            Values, as text or not.
        """
        return cls(kind, **of_family(f"stats:{kind}", cls.options(kind), ("log",), options))

    @classmethod
    def documented(cls, kind: str) -> list[str]:
        """Return the library's docstrings, which say what its options mean.

        Parameters
        ----------
        kind : str
        """
        return class_docs(find_model(kind))

    @classmethod
    def describe(cls, kind: str) -> str:
        """Return a line on a model.

        Parameters
        ----------
        kind : str
            A class of ``statsforecast.models``, as ``AutoETS``.
        """
        return f"statsforecast's {kind} on a coin's closes."

    def warm_up(self) -> None:
        find_model(self.kind)

    def min_length(self, horizon: int) -> int:
        season = dict(self.params).get("season_length", 1)
        longest = max(season) if isinstance(season, tuple) else int(season or 1)
        return max(2 * longest + 2, 10)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        make, params = find_model(self.kind), dict(self.params)
        ahead = np.empty((len(panel), horizon))
        if not len(panel):
            return ahead
        for i, (a, b) in enumerate(zip(last_segment(panel), panel.indptr[1:], strict=True)):
            closes = np.log(panel.values[a:b]) if self.log else panel.values[a:b].copy()
            ahead[i] = make(**params).forecast(y=closes, h=horizon)["mean"]
        with np.errstate(over="ignore"):  # what overflows is not finite, and of that coin alone
            return np.exp(ahead) if self.log else ahead


def find_model(name: str) -> Any:
    """Return a class of ``statsforecast.models`` by its name.

    Parameters
    ----------
    name : str
        As ``AutoETS``.

    Raises
    ------
    UnknownModelError
        statsforecast has none of that name.
    MissingExtraError
        statsforecast is not installed.
    """
    try:
        import statsforecast.models as library
    except ImportError as error:
        raise MissingExtraError(
            f"stats:{name} needs statsforecast ({error}): pip install 'cryptodask[stats]'"
        ) from error
    if name not in library.__all__:
        raise UnknownModelError(
            f"'stats:{name}': statsforecast has no such model; its models: "
            f"{', '.join(library.__all__)}"
        )
    return getattr(library, name)

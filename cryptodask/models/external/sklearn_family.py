"""``sklearn:sklearn.MODULE.CLASS``: any regressor of scikit-learn on a coin's last returns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models.base import Gaps, Model, rng_for
from cryptodask.models.learned import Learned
from cryptodask.models.options import class_docs, of_family
from cryptodask.models.regression.lagged import (
    Regressor,
    check_lags,
    forecast_by_kept,
    forecast_by_lags,
    learn_by_lags,
    shortest,
)
from cryptodask.records import FloatArray, Panel

OURS = ("random_state", "n_jobs")
"""Parameters that CryptoDask sets: of the seed, the model and the coin, and to 1."""


class LaggedRegressor(Model, ABC):
    """Base class of models that fit a regressor to a coin's last returns, one fit a coin.

    See `cryptodask.models.regression.lagged.forecast_by_lags` for what it is fitted to.

    Attributes
    ----------
    lags : int
        Returns from which the next one is predicted, a bar each.
    max_rows : int
        Windows to fit to, the latest ones; at least two more than ``lags``.
    """

    cost: ClassVar[float] = 1_000.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    lags: int
    max_rows: int

    def min_length(self, horizon: int) -> int:
        return shortest(self.lags)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        with one_openmp_thread():
            return forecast_by_lags(panel, horizon, self.lags, self.max_rows, self._maker(seed))

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        """Return the fitted regressors; see `Model.learn`.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``.
        horizon, seed : int

        Raises
        ------
        VersionError
            They have parts that are not numbers, as the trees of forests are.
        """
        with one_openmp_thread():
            return learn_by_lags(self, panel, self.lags, self.max_rows, self._maker(seed))

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        with one_openmp_thread():
            return forecast_by_kept(self, known, panel, horizon, self.lags, self._maker(seed))

    def lookback_from(self, horizon: int) -> int:
        return self.lags + 1

    @abstractmethod
    def _maker(self, seed: int) -> Callable[[str], Regressor]:
        """Return what makes a regressor for a coin."""


@dataclass(frozen=True)
class SklearnRegressor(LaggedRegressor):
    """Any regressor of scikit-learn, of the next log return on the last ones, one fit a coin.

    See `cryptodask.models.regression.lagged.forecast_by_lags` for what it is fitted to. Options are
    ``lags``, ``max_rows`` and the parameters of the class; its ``random_state`` is drawn from the
    seed, the model and the coin, and ``n_jobs`` is 1.

    Only public regressors of scikit-learn are imported, whatever name is given.

    Attributes
    ----------
    estimator : str
        As ``sklearn.ensemble.RandomForestRegressor``.
    lags : int
        Returns from which the next one is predicted, a bar each.
    max_rows : int
        Windows to fit to, the latest ones; at least two more than ``lags``.
    params : tuple of (str, value)
        Parameters of the class that are not its defaults, by name.
    """

    pattern: ClassVar[str] = "sklearn:sklearn.MODULE.CLASS"

    estimator: str
    lags: int = 10
    max_rows: int = 2_000
    params: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check_lags(self.name, self.lags, self.max_rows)
        check_regressor(self.name, self.estimator, dict(self.params))

    @property
    def name(self) -> str:
        """Its name, as it was given."""
        return f"sklearn:{self.estimator}"

    @classmethod
    def options(cls, estimator: str) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option of a regressor.

        Parameters
        ----------
        estimator : str
            As ``sklearn.ensemble.RandomForestRegressor``.
        """
        given = regressor_options(estimator)
        return {"lags": (int, cls.lags), "max_rows": (int, cls.max_rows), **given}

    @classmethod
    def create(cls, estimator: str, options: Mapping[str, Any]) -> "SklearnRegressor":
        """Create a model from its options.

        Parameters
        ----------
        estimator : str
            As ``sklearn.ensemble.RandomForestRegressor``.
        options : mapping of str to Any
            Values, as text or not.
        """
        known = cls.options(estimator)
        name = f"sklearn:{estimator}"
        return cls(estimator, **of_family(name, known, ("lags", "max_rows"), options))

    @classmethod
    def documented(cls, estimator: str) -> list[str]:
        """Return the library's docstrings, which say what its options mean.

        Parameters
        ----------
        estimator : str
        """
        return class_docs(find_regressor(estimator))

    @classmethod
    def describe(cls, estimator: str) -> str:
        """Return a line on a regressor.

        Parameters
        ----------
        estimator : str
            As ``sklearn.ensemble.RandomForestRegressor``.
        """
        return f"scikit-learn's {estimator.rpartition('.')[2]} on a coin's last log returns."

    def _maker(self, seed: int) -> Callable[[str], Regressor]:
        kind, given = find_regressor(self.estimator), dict(self.params)
        takes = kind(**given).get_params(deep=False)

        def make(coin: str) -> Regressor:
            ours: dict[str, Any] = {"n_jobs": 1} if "n_jobs" in takes else {}
            if "random_state" in takes:
                ours["random_state"] = int(rng_for(seed, self.name, coin).integers(2**31))
            regressor: Regressor = kind(**given, **ours)
            return regressor

        return make


def one_openmp_thread() -> AbstractContextManager[Any]:
    """Have scikit-learn's compiled loops run on one thread inside the block."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="openmp")
    return limits


def regressor_options(estimator: str, prefix: str = "sklearn") -> dict[str, tuple[Any, Any]]:
    """Return type and default of each parameter of a regressor that may be given.

    Parameters
    ----------
    estimator : str
        As ``sklearn.ensemble.RandomForestRegressor``.
    prefix : str
        Of the model's name, for messages.
    """
    from inspect import Parameter, signature

    parameters = signature(find_regressor(estimator, prefix).__init__).parameters.values()
    return {
        p.name: (type(p.default), p.default)
        for p in list(parameters)[1:]
        if p.kind is not Parameter.VAR_KEYWORD and p.name not in OURS
    }


def check_regressor(name: str, estimator: str, params: Mapping[str, Any]) -> None:
    """Check that a regressor can be made of its parameters, and fitted to returns.

    Parameters
    ----------
    name : str
        The model's name, for messages.
    estimator : str
        As ``sklearn.ensemble.RandomForestRegressor``.
    params : mapping of str to value

    Raises
    ------
    OptionError
        It can't.
    """
    kind = find_regressor(estimator, name.partition(":")[0])
    try:
        regressor = kind(**params)
        regressor._validate_params()
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name}: {error}") from error
    check_fit_for_returns(name, regressor)


def find_regressor(dotted: str, prefix: str = "sklearn") -> Any:
    """Return a public regressor of scikit-learn by its name.

    The name comes from a command line or a file, and importing runs code: so nothing is imported
    but modules that scikit-learn lists as its own, and nothing returned but a regressor.

    Parameters
    ----------
    dotted : str
        As ``sklearn.ensemble.RandomForestRegressor``.
    prefix : str
        Of the model's name, for messages.

    Raises
    ------
    UnknownModelError
        It names anything else.
    """
    import sklearn
    from sklearn.base import BaseEstimator, RegressorMixin

    package, _, rest = dotted.partition(".")
    part, _, name = rest.partition(".")
    kind = None
    if package == "sklearn" and part in sklearn.__all__ and not name.startswith("_"):
        with suppress(ModuleNotFoundError):  # a function that is listed among the modules
            kind = getattr(import_module(f"sklearn.{part}"), name, None)
    if (
        isinstance(kind, type)
        and f"{kind.__module__}.".startswith(f"sklearn.{part}.")
        and issubclass(kind, RegressorMixin)
        and issubclass(kind, BaseEstimator)
    ):
        return kind
    raise UnknownModelError(
        f"'{prefix}:{dotted}': no public regressor of scikit-learn, and nothing else is imported; "
        f"write {prefix}:sklearn.MODULE.CLASS, as {prefix}:sklearn.ensemble.RandomForestRegressor"
    )


def check_fit_for_returns(name: str, regressor: Any) -> None:
    """Refuse what could not be fitted to any coin's returns."""
    from sklearn.utils import get_tags

    tags = get_tags(regressor)
    if not tags.target_tags.single_output:
        raise OptionError(f"{name}: predicts several targets at once; a return is one")
    if tags.target_tags.positive_only:
        raise OptionError(f"{name}: takes targets above 0 only; returns are of either sign")
    if not tags.input_tags.two_d_array:
        raise OptionError(f"{name}: takes one feature only; returns before it are several")

"""A user's regressor that keeps to scikit-learn's interface, on a coin's last returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models.base import Model, rng_for
from cryptodask.models.external.sklearn_family import (
    OURS,
    LaggedRegressor,
    SklearnRegressor,
    check_fit_for_returns,
    find_regressor,
)
from cryptodask.models.options import convert, from_text
from cryptodask.models.regression.lagged import (
    Regressor,
    check_lags,
)

PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True, eq=False)
class OwnRegressor(LaggedRegressor):
    """A regressor of a user on a coin's last log returns, one fit a coin.

    It is fitted to what ``sklearn:…`` fits regressors of scikit-learn to; see
    `cryptodask.models.regression.lagged.forecast_by_lags`. Every ``random_state`` in it is drawn
    from the seed, the model and the coin, and every ``n_jobs`` is 1.

    Attributes
    ----------
    estimator : Any
        With ``fit``, ``predict``, ``get_params`` and ``set_params``, as those of scikit-learn; it
        is copied before it is fitted.
    lags : int
        Returns from which the next one is predicted, a bar each.
    max_rows : int
        Windows to fit to, the latest ones; at least two more than ``lags``.
    params : tuple of (str, value)
        Parameters of the estimator that were set as options, by name.
    place : str
        What names the estimator, or its class, in a command: ``MODULE:NAME``; empty of one that
        was made in Python.
    """

    estimator: Any
    lags: int = 10
    max_rows: int = 2_000
    params: tuple[tuple[str, Any], ...] = ()
    place: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        check_lags(self.name, self.lags, self.max_rows)
        _check_states(self.name, self.estimator)
        check_fit_for_returns(self.name, self.estimator)
        self._maker(0)("")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnRegressor) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return _key_of(self.estimator), self.lags, self.max_rows, self.params

    @property
    def name(self) -> str:
        """The class's."""
        return type(self.estimator).__name__

    @classmethod
    def options(cls, estimator: Any) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option of an estimator.

        Parameters
        ----------
        estimator : Any
        """
        given = {
            name: (type(value), value)
            for name, value in estimator.get_params(deep=True).items()
            if isinstance(value, PLAIN) and name.rpartition("__")[2] not in OURS
        }
        return {"lags": (int, cls.lags), "max_rows": (int, cls.max_rows), **given}

    @classmethod
    def create(cls, estimator: Any, values: Mapping[str, Any], place: str = "") -> "OwnRegressor":
        """Create a model from an estimator and options.

        Parameters
        ----------
        estimator : Any
        values : mapping of str to Any
            Options, as text or not.
        place : str
        """
        known, name = cls.options(estimator), type(estimator).__name__
        ours = {k: convert(name, k, v, int) for k, v in values.items() if k in ("lags", "max_rows")}
        theirs = {k: from_text(name, k, v, known[k][1]) for k, v in values.items() if k not in ours}
        return cls(estimator, **ours, params=tuple(sorted(theirs.items())), place=place)

    def _maker(self, seed: int) -> Callable[[str], Regressor]:
        from sklearn.base import clone

        takes = self.estimator.get_params(deep=True)
        jobs: dict[str, Any] = {k: 1 for k in takes if k.rpartition("__")[2] == "n_jobs"}
        states = sorted(k for k in takes if k.rpartition("__")[2] == "random_state")

        def make(coin: str) -> Regressor:
            rng = rng_for(seed, self.name, coin)
            drawn = {name: int(rng.integers(2**31)) for name in states}
            try:
                regressor: Regressor = clone(self.estimator).set_params(
                    **dict(self.params), **jobs, **drawn
                )
            except RuntimeError as error:  # of clone, where a parameter is not as it was given
                raise OptionError(
                    f"{self.name}: {error}; scikit-learn's convention is that __init__ keeps each "
                    "parameter as it is given (self.k = k), and that fit computes from it"
                ) from error
            except (TypeError, ValueError) as error:
                raise OptionError(f"{self.name}: {error}") from error
            return regressor

        return make


def is_estimator(thing: Any) -> bool:
    """Return whether something is, or is a class of, what scikit-learn calls an estimator.

    Parameters
    ----------
    thing : Any
    """
    return all(hasattr(thing, name) for name in ("fit", "get_params", "set_params"))


def instance_of(thing: Any) -> Any:
    """Return an estimator, of a class one with its defaults.

    Parameters
    ----------
    thing : Any
        An estimator of scikit-learn's interface, or a class of these.

    Raises
    ------
    OptionError
        It predicts classes or nothing, or its class can't be called without arguments.
    """
    name = thing.__name__ if isinstance(thing, type) else type(thing).__name__
    if not hasattr(thing, "predict"):
        raise OptionError(f"{name}: has no predict; give a regressor of scikit-learn's interface")
    if isinstance(thing, type):
        try:
            thing = thing()
        except TypeError as error:
            raise OptionError(
                f"{name}: {error}; make it: model = {name}(…), and name model"
            ) from error
    from sklearn.base import is_regressor

    if not is_regressor(thing):
        raise OptionError(
            f"{name}: is not a regressor; derive it from RegressorMixin and BaseEstimator, in this "
            "order"
        )
    return thing


def of_library(estimator: Any) -> Model | None:
    """Return the model of ``sklearn:…`` that does the same, if its parameters are plain values.

    Parameters
    ----------
    estimator : Any
    """
    kind = type(estimator)
    public = ".".join(p for p in kind.__module__.split(".") if not p.startswith("_"))
    name = f"{public}.{kind.__name__}"
    try:
        if find_regressor(name) is not kind:
            return None
    except UnknownModelError:
        return None
    _check_states(kind.__name__, estimator)
    known = SklearnRegressor.options(name)
    given = {k: v for k, v in estimator.get_params(deep=False).items() if k in known}
    if not all(isinstance(value, PLAIN) for value in given.values()):
        return None
    changed = {k: v for k, v in given.items() if v != known[k][1]}
    return SklearnRegressor.create(name, changed)


def _check_states(name: str, estimator: Any) -> None:
    """Refuse a random state that is set, which would be drawn over."""
    for key, value in estimator.get_params(deep=True).items():
        if key.rpartition("__")[2] == "random_state" and value is not None:
            raise OptionError(
                f"{name} {key}: got {value!r}, and it is drawn from the run's seed, the model and "
                "the coin; leave it out"
            )


def _key_of(value: Any) -> Any:
    """Return what is equal for values, among them estimators, that are set alike."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = sorted(value.get_params(deep=False).items())
        return type(value), tuple((name, _key_of(each)) for name, each in params)
    if isinstance(value, list | tuple):
        return tuple(map(_key_of, value))
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value

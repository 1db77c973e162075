"""``svr_linear``, ``svr_poly``, ``svr_rbf``: support vector regression of a coin's next return."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.models.base import Gaps, Model
from cryptodask.models.learned import Learned
from cryptodask.models.regression.lagged import (
    Regressor,
    check_lags,
    forecast_by_kept,
    forecast_by_lags,
    learn_by_lags,
    shortest,
)
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class SVRLinear(Model):
    """Support vector regression of the next log return on the last ones, linear kernel.

    It minimises ``|w|**2 / 2 + C * sum(max(0, |r - predicted| - epsilon))``. It is scikit-learn's
    ``SVR``, one fit a coin, on windows of returns over the coin's standard deviation; see
    `cryptodask.models.regression.lagged.forecast_by_lags`. Time grows with the square of the
    windows, hence ``max_rows``.

    After Drucker, Burges, Kaufman, Smola and Vapnik, Support Vector Regression Machines, Advances
    in Neural Information Processing Systems 9 (1997).

    Attributes
    ----------
    lags : int
        Returns from which the next one is predicted, a bar each.
    C : float
        Weight of the errors beside that of a flat function, above 0.
    epsilon : float
        Errors up to this cost nothing, in standard deviations of the coin's returns; at least 0.
    max_rows : int
        Windows to fit to, the latest ones; at least two more than ``lags``.

    Examples
    --------
    >>> from cryptodask.models import predict_one
    >>> closes = [10.0, 11.0, 10.0, 11.0, 10.0, 11.0]
    >>> predict_one(SVRLinear(lags=1, C=10.0), closes, range(6), predict=3).round(1)
    array([10.1, 10.9, 10.2])
    """

    name: ClassVar[str] = "svr_linear"
    cost: ClassVar[float] = 120.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    lags: int = 10
    C: float = 0.001
    epsilon: float = 0.1
    max_rows: int = 1_000

    def __post_init__(self) -> None:
        check_lags(self.name, self.lags, self.max_rows)
        self._check("C", self.C, 0 < self.C < np.inf, "above 0 and finite")
        self._check("epsilon", self.epsilon, 0 <= self.epsilon < np.inf, "at least 0 and finite")

    def min_length(self, horizon: int) -> int:
        return shortest(self.lags)

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return forecast_by_lags(panel, horizon, self.lags, self.max_rows, self._regressor)

    def learn(self, panel: Panel, horizon: int, seed: int) -> Learned:
        return learn_by_lags(self, panel, self.lags, self.max_rows, self._regressor)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return forecast_by_kept(self, known, panel, horizon, self.lags, self._regressor)

    def lookback_from(self, horizon: int) -> int:
        return self.lags + 1

    def _regressor(self, coin: str) -> Regressor:
        from sklearn.svm import SVR

        regressor: Regressor = SVR(C=self.C, epsilon=self.epsilon, **self._kernel())
        return regressor

    def _kernel(self) -> dict[str, Any]:
        return {"kernel": "linear"}

    def _check(self, option: str, value: float, holds: bool, rule: str) -> None:
        if not holds:
            raise OptionError(f"{self.name} {option}: must be {rule}, got {value}")


@dataclass(frozen=True)
class SVRPoly(SVRLinear):
    """Support vector regression of the next log return on the last ones, polynomial kernel.

    As `SVRLinear`, with the kernel ``(gamma * x·z + coef0) ** degree``.

    After Boser, Guyon and Vapnik, A Training Algorithm for Optimal Margin Classifiers, Annual
    Workshop on Computational Learning Theory 5 (1992).

    Attributes
    ----------
    degree : int
        Of the polynomial, at least 1.
    gamma : float
        Above 0; of 0 it is one over ``lags``.
    coef0 : float
        At least 0; the higher it is, the more the lower powers weigh.
    """

    name: ClassVar[str] = "svr_poly"
    cost: ClassVar[float] = 120.0

    degree: int = 3
    gamma: float = 0.0
    coef0: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("degree", self.degree, self.degree >= 1, "at least 1")
        self._check("gamma", self.gamma, 0 <= self.gamma < np.inf, "at least 0 and finite")
        self._check("coef0", self.coef0, 0 <= self.coef0 < np.inf, "at least 0 and finite")

    def _kernel(self) -> dict[str, Any]:
        return {
            "kernel": "poly",
            "degree": self.degree,
            "gamma": self.gamma or "auto",
            "coef0": self.coef0,
        }


@dataclass(frozen=True)
class SVRRbf(SVRLinear):
    """Support vector regression of the next log return on the last ones, Gaussian kernel.

    As `SVRLinear`, with the kernel ``exp(-gamma * |x - z|**2)``.

    After Boser, Guyon and Vapnik, A Training Algorithm for Optimal Margin Classifiers, Annual
    Workshop on Computational Learning Theory 5 (1992).

    Attributes
    ----------
    gamma : float
        Above 0; of 0 it is one over ``lags``.
    """

    name: ClassVar[str] = "svr_rbf"
    cost: ClassVar[float] = 120.0

    C: float = 0.01
    gamma: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("gamma", self.gamma, 0 <= self.gamma < np.inf, "at least 0 and finite")

    def _kernel(self) -> dict[str, Any]:
        return {"kernel": "rbf", "gamma": self.gamma or "auto"}

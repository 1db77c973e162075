"""``pooled_linear``: one linear regression over all coins, on declared features."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from cryptodask.errors import ForecastError, OptionError, TooShortError
from cryptodask.features.market import Market
from cryptodask.features.rows import Rows
from cryptodask.features.segments import Segments
from cryptodask.features.space import FeatureSpace
from cryptodask.models.base import Gaps
from cryptodask.models.blas import one_blas_thread
from cryptodask.models.learned import Learned
from cryptodask.models.pooled.base import PooledModel
from cryptodask.models.pooled.dated_sums import Sums, sums_at
from cryptodask.models.pooled.exact import LIMIT
from cryptodask.models.pooled.least_squares import least_squares
from cryptodask.models.regression.declared import (
    check_alike,
    check_named,
    check_own_size,
    declared,
    latest_features,
    missing_feature_error,
    some_at_a_time,
)
from cryptodask.records import FloatArray, IntArray, Panel

MOST_NUMBERS, MOST_MARKETS = 2**20, 32
"""Of sums as of many dates the whole numbers, and of markets, that are held at once."""

MARKET = "market."
"""In front of the names of the arrays of a `Market`."""


@dataclass(frozen=True)
class PooledLinear(PooledModel):
    """Linear regression of the returns ahead on declared features, over all coins.

    With features ``x`` and the target ``y[h]`` of step ``h`` it is ``y[h] = a[h] + x · w[h]``,
    where ``a`` and ``w`` are those of the least ``sum((y - predicted)**2) + alpha * sum(w**2)``
    over the rows of all coins. It is direct: each step ahead has separate coefficients, so that no
    feature has to be known of days to come. By default the target is the log return over the coin's
    volatility and features are normalised along a window, so that coins of any price and volatility
    look alike. Rows count where all features and the target are known; no window or target lies
    across a gap.

    It is ordinary least squares with an intercept, as scikit-learn's ``LinearRegression`` on the
    rows of all coins stacked, or with ``alpha`` its ``Ridge`` on standardised features. dask-ml's
    ``LinearRegression`` fits the same over a Dask table of all rows, to 1e-6 by its Newton solver,
    but its sums of floats differ with the partitions in their last digits; its default solver
    took over 20 times as long, on 74,000 rows, and ended 0.002 to 0.004 away from the solution.
    Here each partition sends the sums of products of its rows, once, as whole numbers: one pass,
    and the same coefficients, bit for bit, however the coins are divided over workers. Features
    that cross coins take a pass before, which sums the market's returns by date.

    After Hoerl and Kennard, Ridge Regression: Biased Estimation for Nonorthogonal Problems,
    Technometrics 12 (1970); pooled over series after Montero-Manso and Hyndman, Principles and
    Algorithms for Forecasting Groups of Time Series, International Journal of Forecasting 37
    (2021).

    Attributes
    ----------
    features : str
        As ``lag:1-5 market:1 weekday``; see `cryptodask.features.space.FeatureSpace.parse`.
    target : str
        ``return``, ``log_return`` or ``scaled``.
    normalise : str
        ``none``, ``window``, ``coin`` or ``global``. The penalty is on features that are
        normalised over all coins in any case, so that ``global`` is the same as ``none`` here.
    alpha : float
        Penalty on the squared coefficients of features standardised over all rows, at least 0.
    ahead : int
        The longest horizon that can be forecast, in bars: each step has coefficients.
    """

    name: ClassVar[str] = "pooled_linear"
    cost: ClassVar[float] = 12.0
    needs_variation: ClassVar[bool] = True
    gaps: ClassVar[Gaps] = "split"

    features: str = "lag:1-5 return:10 std:5 weekday"
    target: str = "scaled"
    normalise: str = "window"
    alpha: float = 1000.0
    ahead: int = 30

    def __post_init__(self) -> None:
        check_alike(self.name, self.space)
        if not 0 <= self.alpha < np.inf:
            raise OptionError(
                f"pooled_linear alpha: must be at least 0 and finite, got {self.alpha}"
            )
        if self.ahead < 1:
            raise OptionError(f"pooled_linear ahead: must be at least 1, got {self.ahead}")

    @property
    def space(self) -> FeatureSpace:
        return declared(self.name, self.features, self.target, self.normalise)

    def explain(self, panel: Panel) -> ForecastError | None:
        return missing_feature_error(self.name, self.space, panel, None)

    @property
    def steps(self) -> int:
        """Passes over the rows: one for sums of products, and one before for the market."""
        return 2 if self.space.crosses else 1

    def min_length(self, horizon: int) -> int:
        if horizon > self.ahead:
            raise OptionError(
                f"pooled_linear ahead: {self.ahead} steps have coefficients and the horizon is "
                f"{horizon}; set ahead to it or more"
            )
        return self.space.history + horizon

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        coefficients = known.arrays["coefficients"]
        if len(coefficients) < min(horizon, self.ahead):
            raise self.nothing_known(len(coefficients) + 1)
        self.min_length(horizon)
        market = self._market(known)
        parts = [
            self._forecast(coefficients, market, panel.take(chosen), horizon)
            for chosen in some_at_a_time(panel)
        ]
        return np.concatenate([np.empty((0, horizon)), *parts])

    def lookback_from(self, horizon: int) -> int | None:
        return self.space.lookback

    def explain_from(self, known: Learned, panel: Panel) -> ForecastError | None:
        return missing_feature_error(self.name, self.space, panel, self._market(known))

    def _features(self, rows: Rows) -> FloatArray:
        return check_own_size(self.name, self.space, self.space.compute(rows), LIMIT)

    def _market(self, known: Learned) -> Market | None:
        if not self.space.crosses:
            return None
        return Market.from_arrays(known.under(MARKET).arrays, self.space.coins)

    def _forecast(
        self, coefficients: FloatArray, market: Market | None, panel: Panel, horizon: int
    ) -> FloatArray:
        rows = self.space.rows(panel, market)
        latest = latest_features(self.name, self.space, rows)
        latest = check_own_size(self.name, self.space, latest, LIMIT).clip(-LIMIT, LIMIT)
        # Feature by feature, since the order of a product's sums may depend on its shape.
        targets = np.repeat(coefficients[None, :horizon, 0], len(panel), axis=0)
        for weights, column in zip(coefficients[:horizon, 1:].T, latest.T, strict=True):
            targets = targets + column[:, None] * weights
        ends = panel.indptr[1:] - 1
        scale = self.space.target.scale(rows)[ends]
        return self.space.target.prices(targets, panel.values[ends], scale)

    def prepare(self, panel: Panel) -> Panel:
        return panel

    def begin(self, seed: int) -> "State":
        return State()

    def message(self, state: "State") -> Market | None:
        return state.market

    def contribute(
        self, prepared: Panel, message: Market | None, step: int, seed: int
    ) -> "Market | Sums":
        space = self.space
        if step + 1 < self.steps:
            return Market.of(prepared, space.coins)
        total = Sums.nothing(len(space.names), self.ahead)
        with one_blas_thread():
            for chosen in some_at_a_time(prepared):
                rows = space.rows(prepared.take(chosen), message)
                total += Sums.of(self._features(rows), space.target.of(rows, self.ahead))
        return total

    @property
    def dates_at_once(self) -> int:
        n = 1 + len(self.space.names)
        most = MOST_NUMBERS // (self.ahead * n * (n + 1))
        return max(1, min(most, MOST_MARKETS) if self.space.crosses else most)

    def contribute_at(
        self, panel: Panel, starts: IntArray, stops: IntArray, step: int, seed: int
    ) -> Iterator[Sums] | None:
        """Return some coins' sums as of many dates.

        None where features of a row are others as of another date: of other coins, since more of
        them are trained on later; normalised over all rows of the coin; or of all rows of a
        segment, where a window cuts segments.

        Parameters
        ----------
        panel : Panel
        starts, stops : ndarray of int64, ``(n_dates, n_coins)``
            The rows that are visible as of each date.
        step, seed : int
        """
        space = self.space
        if space.crosses or space.scaling.kind == "coin":
            return None
        if any(f.definition.endless for f in space.features):
            within = Segments.of(panel).before
            if within[starts[stops > starts]].any():
                return None
        return self._sums_at(panel, starts, stops)

    def _sums_at(self, panel: Panel, starts: IntArray, stops: IntArray) -> Iterator[Sums]:
        """Yield the sums as of each date, those of all coins in exact integers."""
        space, ahead = self.space, self.ahead
        total = [Sums.nothing(len(space.names), ahead)] * len(starts)
        with one_blas_thread():
            for chosen in some_at_a_time(panel):
                part = panel.take(chosen)
                moved = part.indptr[:-1] - panel.indptr[:-1][chosen]
                # With fewer rows before it in a window, a row's features were not known.
                firsts = starts[:, chosen] + moved + (space.history - 1)
                rows = space.rows(part)
                features, targets = self._features(rows), space.target.of(rows, ahead)
                more = sums_at(features, targets, part.indptr, firsts, stops[:, chosen] + moved)
                total = [before + sums for before, sums in zip(total, more, strict=True)]
        yield from total

    def advance(self, state: "State", sums: "Market | Sums") -> "State":
        """Return what is known after a pass.

        Parameters
        ----------
        state : State
        sums : Market or Sums
            Over all coins.

        Raises
        ------
        ForecastError
            A coin that a feature names is not among those that are trained on: in a backtest, it
            may be so as of some dates only.
        """
        if isinstance(sums, Sums):
            return replace(state, sums=sums)
        check_named(self.name, self.space, sums.coins)
        return replace(state, market=sums)

    def learned(self, state: "State") -> Learned:
        """Return the coefficients, and what features that cross coins are taken from.

        Parameters
        ----------
        state : State

        Returns
        -------
        Learned
            ``coefficients (n_steps, 1 + n_columns)``: of each step the intercept, and the weights
            of the features as they are declared; of the steps, ``ahead`` at most, that there were
            rows to fit to.

        Raises
        ------
        TooShortError
            No row can be fitted to for the first step.
        """
        assert state.sums is not None
        inner = np.cumsum(state.sums.inner[::-1], axis=0)[::-1]
        fitted = int(np.count_nonzero(inner[:, 0, 0]))
        if not fitted:
            raise self.nothing_known(1)
        with one_blas_thread():
            fits = [
                least_squares(inner[step], state.sums.outer[:, step], self.alpha)
                for step in range(fitted)
            ]
        coefficients = np.array([np.append(intercept, weights) for intercept, weights in fits])
        market = state.market.as_arrays(self.space.coins) if state.market else {}
        kept = Learned(None, market).prefixed(MARKET)
        return Learned(None, {"coefficients": coefficients, **kept})

    def nothing_known(self, step: int) -> TooShortError:
        """Return the error of a step without a row to fit to.

        Parameters
        ----------
        step : int
            Bars ahead.
        """
        return TooShortError(
            f"{self.name}: nothing to train on for step {step}: no coin has "
            f"{self.min_length(step)} rows without a gap in which all features are known; look "
            "at the columns they are made of, choose features of fewer rows, or a shorter horizon"
        )


@dataclass(frozen=True, eq=False)
class State:
    """What the passes so far have given, on the client.

    Attributes
    ----------
    market : Market or None
    sums : Sums or None
    """

    market: Market | None = None
    sums: Sums | None = None

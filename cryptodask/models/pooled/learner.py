"""``pooled:xgboost``, ``:lightgbm`` and ``:sklearn.…``: one regressor over all coins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptodask.errors import ForecastError
from cryptodask.features.market import Market
from cryptodask.features.segments import Segments
from cryptodask.models.base import Model, cannot_be_kept
from cryptodask.models.learned import Learned
from cryptodask.models.pooled.declared_learner import FEWEST, MARKET, DeclaredLearner
from cryptodask.models.pooled.fits import Fit, as_arrays, from_arrays
from cryptodask.models.pooled.gathered import CoinRows, Rows
from cryptodask.models.pooled.predicting import Forecaster, compact
from cryptodask.models.pooled.sampling import RowCounts, draws, places
from cryptodask.models.pooled.trained_learner import TrainedLearner
from cryptodask.models.regression.declared import check_named, some_at_a_time
from cryptodask.records import BoolArray, FloatArray, Panel
from cryptodask.text import counted

FEW = 10
"""Rows for each feature; with fewer a training says so."""

TRIAL_ROWS = 128
"""Random rows by which a regressor shows whether it can be kept."""


@dataclass(frozen=True)
class PooledLearner(DeclaredLearner):
    """XGBoost, LightGBM, or any regressor of scikit-learn, over all coins, on declared features.

    Features and targets are those of ``pooled_linear``: by default the log return ahead over the
    coin's volatility, and features normalised along a window, so that coins look alike. Workers
    make the rows of their coins, which go from them to the one that fits, and never through the
    client. Those of a sample are drawn by seed, coin and date, and are put into the order of names
    and dates, so that fits are the same, bit for bit, however the coins are divided.

    With the strategy ``direct`` each step ahead has a regressor, and workers fit them side by side.
    With ``recursive`` there is one of the next bar, and the bar that it predicts counts as known
    for the one after it. Predictions are held within the targets that were fitted to.

    Montero-Manso and Hyndman, Principles and Algorithms for Forecasting Groups of Time Series,
    International Journal of Forecasting 37 (2021); Chen and Guestrin, XGBoost: A Scalable Tree
    Boosting System, KDD 2016; Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision
    Tree, NIPS 2017; strategies after Ben Taieb et al., A review and comparison of
    strategies for multi-step ahead time series forecasting, Expert Systems with Applications 39
    (2012).

    Attributes
    ----------
    estimator : str
        ``xgboost``, ``lightgbm``, or as ``sklearn.linear_model.Ridge``.
    features : str
        As ``lag:1-5 column:NAME``; see `cryptodask.features.space.FeatureSpace.parse`.
    target : str
        What is predicted of a bar ahead: its ``return`` or ``log_return`` since the last close, or
        the latter ``scaled`` by the coin's volatility.
    normalise : str
        Over what features are: ``none``, a ``window``, the ``coin``'s rows, or all: ``global``.
    strategy : str
        ``direct`` or ``recursive``.
    ahead : int
        Steps ahead that ``direct`` has regressors for, in bars; 0 for as many as the horizon of
        the training.
    max_rows : int
        Rows that are fitted to at most, so that they fit a worker: 4 bytes for each feature and
        step. Of more there is a sample.
    distributed : bool
        Whether rows stay on several workers, so that `max_rows` does not count: XGBoost by its own
        Dask interface, whose trees differ with the workers, and regressors that have
        ``partial_fit`` by dask-ml's ``Incremental``. Others are refused.
    params : tuple of (str, value)
        Parameters of the library that are not the defaults, by name.
    """

    def prepare(self, panel: Panel) -> Panel:
        return panel

    def begin(self, seed: int) -> "State":
        return State(seed)

    def message(self, state: "State") -> "Wanted":
        last = state.counts.last_place(self.most) if state.counts else 0
        return Wanted(state.market, last)

    def contribute(
        self, prepared: Panel, message: "Wanted", step: int, seed: int
    ) -> Market | RowCounts | Rows:
        if step == self.steps - 3:
            return Market.of(prepared, self.space.coins)
        if step == self.steps - 2:
            return RowCounts.of(draws(prepared, seed)[self._has_example(prepared)])
        groups = [prepared.take(chosen) for chosen in some_at_a_time(prepared)]
        return Rows(tuple(self._rows(group, message, seed) for group in groups))

    def _has_example(self, panel: Panel) -> BoolArray:
        """Return which rows have enough before them, and one after, in their segment."""
        segments = Segments.of(panel)
        return (segments.before >= self.space.history - 1) & (segments.after >= 1)

    def _rows(self, panel: Panel, message: "Wanted", seed: int) -> CoinRows:
        """Return the rows of some coins that may be in the sample, and whose features are known."""
        space, numbers = self.space, draws(panel, seed)
        rows = space.rows(panel, message.market)
        x = space.compute(rows)
        chosen = self._has_example(panel) & (places(numbers) <= message.last)
        y = space.target.of(rows, self.fits)
        chosen &= np.isfinite(x).all(axis=1) & np.isfinite(y[:, 0])
        counts = np.add.reduceat(chosen, panel.indptr[:-1], dtype=np.int64)
        counts[panel.lengths == 0] = 0
        return CoinRows(
            panel.coins,
            counts,
            compact(x[chosen]),
            compact(y[chosen]),
            numbers[chosen],
        )

    def join(self, rows: Rows) -> CoinRows:
        return rows.joined(self.most)

    def fit(self, joined: CoinRows, part: int, seed: int) -> Fit | None:
        """Return the regressor of a step, or None where too few rows have its target.

        Parameters
        ----------
        joined : CoinRows
        part : int
            Step ahead, from 0.
        seed : int

        Raises
        ------
        ForecastError
            No feature varies, or the library refuses to fit.
        """
        x, y = joined.of_step(part)
        if len(x) < FEWEST:
            return None
        if (x == x[0]).all():
            raise ForecastError(
                f"{self.name}: nothing to learn from: in all {counted(len(x), 'row')} that are "
                f"trained on, each feature has one value ({', '.join(self.space.names[:3])} …); "
                "declare others"
            )
        try:
            return self.library.fit(x, y, seed)
        except ValueError as error:  # as of neighbours, where there are fewer rows than those
            raise ForecastError(
                f"{self.name}: can't be fitted to {counted(len(x), 'row')}: {error}"
            ) from error

    def blocks(self, state: "State") -> int:
        """Return how many blocks of about `max_rows` rows a distributed training has.

        Parameters
        ----------
        state : State
        """
        assert state.counts is not None
        return max(1, -(-state.counts.total // self.max_rows))

    def _fit_blocks(self, joined: CoinRows, part: int, state: "State") -> Fit | None:
        """Return what a distributed training fits for a step, here."""
        pieces = self.blocks(state)
        blocks = [joined.block(i, pieces).of_step(part) for i in range(pieces)]
        filled = [block for block in blocks if len(block[0])]
        if sum(len(x) for x, _ in filled) < FEWEST:
            return None
        return self.library.fit_blocks(filled, state.seed)

    def fitted(self, state: "State", fits: Sequence[Fit | None]) -> "State":
        """Return the state with its regressors: those of the first steps, up to one without rows.

        Parameters
        ----------
        state : State
        fits : sequence of Fit or None
        """
        there = [fit is not None for fit in fits]
        many = there.index(False) if False in there else len(there)
        return replace(state, fits=tuple(fit for fit in fits[:many] if fit is not None))

    def advance(self, state: "State", sums: Market | RowCounts | Rows) -> "State":
        if isinstance(sums, Market):
            check_named(self.name, self.space, sums.coins)
            return replace(state, market=sums)
        if isinstance(sums, RowCounts):
            return replace(state, counts=sums)
        joined, parts = self.join(sums), range(self.fits)
        if self.distributed:
            return self.fitted(state, [self._fit_blocks(joined, part, state) for part in parts])
        return self.fitted(state, [self.fit(joined, part, state.seed) for part in parts])

    def notes(self, state: "State") -> Iterator[tuple[str, str]]:
        """Yield how many rows of how many it was trained on, if not on all.

        Parameters
        ----------
        state : State
        """
        assert state.counts is not None
        if state.fits and state.counts.total > self.most:
            yield (
                "sample",
                (
                    f"trained on a sample of {state.fits[0].rows:,} of {state.counts.total:,} rows "
                    "(max_rows)"
                ),
            )
        few = FEW * len(self.space.names)
        if state.fits and state.fits[0].rows < few:
            yield "few", f"trained on {state.fits[0].rows} rows only, fewer than {FEW} a feature"
        if self.distributed and not self.library.bit_equal:
            yield (
                "distributed",
                (
                    "trained on several workers: forecasts are not bit-equal to those of another "
                    "number of workers or partitions (distributed)"
                ),
            )

    def learned(self, state: "State") -> Learned:
        """Return the regressors, and what features that cross coins are taken from.

        Parameters
        ----------
        state : State

        Returns
        -------
        Learned
            What `cryptodask.models.pooled.fits.as_arrays` returns, and ``candidates (1,)``: how
            many rows there were.

        Raises
        ------
        TooShortError
            No row can be fitted to for the first step.
        VersionError
            The regressor can't be kept.
        """
        if not state.fits:
            raise self.nothing_known(1)
        for fit in state.fits:
            if fit.kept is None:
                raise cannot_be_kept(self, fit.why)
        assert state.counts is not None
        market = state.market.as_arrays(self.space.coins) if state.market else {}
        kept = Learned(None, market).prefixed(MARKET)
        candidates = np.array([state.counts.total], dtype=np.int64)
        return Learned(None, {**as_arrays(state.fits), "candidates": candidates, **kept})

    def check_keepable(self) -> None:
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(TRIAL_ROWS, len(self.space.names) + 1)).astype(np.float32)
        fit = self.library.fit(rows[:, :-1], rows[:, -1], 0)
        if fit.kept is None:
            raise cannot_be_kept(self, fit.why)

    def trained(self, state: "State") -> Model:
        if any(fit.kept is None for fit in state.fits):
            return TrainedLearner(self, self.forecast_by, state.fits, state.market)
        return super().trained(state)

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return self.forecast_by(from_arrays(known), self.market_of(known), panel, horizon, seed)

    def forecast_by(
        self, fits: Sequence[Fit], market: Market | None, panel: Panel, horizon: int, seed: int
    ) -> FloatArray:
        """Forecast coins by what was fitted.

        Parameters
        ----------
        fits : sequence of Fit
        market : Market or None
        panel : Panel
        horizon, seed : int

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency.

        Raises
        ------
        TooShortError
            A step has not been trained.
        """
        needed = 1 if self.strategy == "recursive" else horizon
        if len(fits) < needed:
            raise self.nothing_known(len(fits) + 1)
        self.min_length(horizon)
        library, columns = self.library, len(self.space.names)
        predictors = [library.predictor(fit, columns, seed) for fit in fits[:needed]]
        forecaster = Forecaster(self.name, self.space, market, fits, predictors)
        if self.strategy == "recursive":
            return forecaster.recursive(panel, horizon)
        return forecaster.direct(panel, horizon)


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a pass has to know of those before it.

    Attributes
    ----------
    market : Market or None
    last : int
        Up to which of `cryptodask.models.pooled.sampling.places` rows are wanted.
    """

    market: Market | None
    last: int


@dataclass(frozen=True, eq=False)
class State:
    """What the passes so far have given.

    Attributes
    ----------
    seed : int
    market : Market or None
    counts : RowCounts or None
    fits : tuple of Fit
        One a step ahead.
    """

    seed: int
    market: Market | None = None
    counts: RowCounts | None = None
    fits: tuple[Fit, ...] = ()

"""Forecasts of many coins by regressors over all coins: one a step, or one again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptodask.features.market import Market
from cryptodask.features.space import FeatureSpace
from cryptodask.models.pooled.exact import LIMIT
from cryptodask.models.pooled.fits import Fit, Predictor
from cryptodask.models.regression.declared import latest_features, some_at_a_time
from cryptodask.records import FloatArray, FloatArray32, Panel


def compact(values: FloatArray) -> FloatArray32:
    """Return features or targets as they are fitted to: held within bounds, of half the bytes.

    Parameters
    ----------
    values : ndarray of float64, ``(n, m)``

    Returns
    -------
    ndarray of float32, ``(n, m)``
    """
    return np.clip(values, -LIMIT, LIMIT).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Regressors that forecast the coins of a panel, each by itself, in one call a step.

    Attributes
    ----------
    name : str
        The model's, for messages.
    space : FeatureSpace
    market : Market or None
    fits : sequence of Fit
    predictors : sequence of Predictor
        One a fit.
    """

    name: str
    space: FeatureSpace
    market: Market | None
    fits: Sequence[Fit]
    predictors: Sequence[Predictor]

    def direct(self, panel: Panel, horizon: int) -> FloatArray:
        """Forecast each step by its own regressor.

        Parameters
        ----------
        panel : Panel
        horizon : int
            Bars ahead, of at most as many as there are regressors.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency; NaN where a feature is not known.
        """
        parts = [np.empty((0, horizon))]
        for chosen in some_at_a_time(panel):
            group = panel.take(chosen)
            parts.append(self._prices(group, range(horizon)))
        return np.concatenate(parts)

    def recursive(self, panel: Panel, horizon: int) -> FloatArray:
        """Forecast the next bar by the one regressor, append it, and forecast the one after it.

        Parameters
        ----------
        panel : Panel
        horizon : int
            Bars ahead.

        Returns
        -------
        ndarray of float64, ``(n_coins, horizon)``
            Prices in the quote currency; NaN where a feature is not known.
        """
        last = self.space.lookback
        parts = [np.empty((0, horizon))]
        for chosen in some_at_a_time(panel if last is None else panel.tail(last)):
            longer = panel.take(chosen)
            steps = []
            for _ in range(horizon):
                longer = longer if last is None else longer.tail(last)
                steps.append(self._prices(longer, range(1))[:, 0])
                longer = appended(longer, steps[-1])
            parts.append(np.stack(steps, axis=1))
        return np.concatenate(parts)

    def _prices(self, panel: Panel, steps: range) -> FloatArray:
        """Return prices at some steps after each coin's last row, ``(n_coins, n_steps)``."""
        rows = self.space.rows(panel, self.market)
        latest = latest_features(self.name, self.space, rows)
        known = np.isfinite(latest).all(axis=1)
        x = compact(latest[known])
        targets = np.full((len(panel), len(steps)), np.nan)
        for step in steps if len(x) else ():
            fit = self.fits[step]
            predicted = np.asarray(self.predictors[step].predict(x), dtype=np.float64)
            targets[known, step] = np.clip(predicted, fit.low, fit.high)
        ends = panel.indptr[1:] - 1
        scale = self.space.target.scale(rows)[ends]
        return self.space.target.prices(targets, panel.values[ends], scale)


def appended(panel: Panel, closes: FloatArray) -> Panel:
    """Return a panel with one more row of each coin, a bar after its last.

    Parameters
    ----------
    panel : Panel
        Of ``(n_coins,)``, at least one row each, without other columns.
    closes : ndarray of float64, ``(n_coins,)``
        In the quote currency.
    """
    places = panel.indptr[1:]
    return replace(
        panel,
        values=np.insert(panel.values, places, closes),
        dates=np.insert(panel.dates, places, panel.future_dates(1)[:, 0]),
        indptr=panel.indptr + np.arange(len(panel) + 1),
        extra={},
    )

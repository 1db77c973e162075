"""Volatility forecasts of fitted models, each coin's fit drawn towards those of all coins."""

import numpy as np

from cryptodask.errors import ForecastError
from cryptodask.records import YEAR, CoinFailure, FloatArray
from cryptodask.risk.distribution import MoveDistribution
from cryptodask.risk.estimate import Prices
from cryptodask.volatility import PoolSums, Prior, Returns, VolatilityModel, fit, forecast_variance


def fitted_volatility(
    prices: Prices, moves: MoveDistribution, kind: str
) -> tuple[FloatArray, list[CoinFailure]]:
    """Fit a volatility model to each coin, and forecast with it.

    Prices are read twice: the fits of all coins by themselves say what coins have in common, and
    towards that the second fits are drawn. With few coins there are first fits alone.

    Parameters
    ----------
    prices : Prices
    moves : MoveDistribution
        Of the coins that are wanted, ``n_coins``.
    kind : {"ewma", "garch", "gjr", "harch"}
        See `cryptodask.volatility.VolatilityModel`.

    Returns
    -------
    volatility : ndarray of float64, ``(n_coins, horizon)``
        Annualised: the root of the variance up to each step, over the root of the step, times the
        root of the bars in 365 days. NaN of coins without a fit.
    failures : list of CoinFailure
        These.
    """
    model = VolatilityModel(kind)
    sums: PoolSums | None = None
    for panel, _, _ in prices.panels():
        part = PoolSums.of(fit(model, Returns.of(panel)))
        sums = part if sums is None else sums + part
    prior: Prior | None = None
    if sums is not None and sums.fits >= len(model.free_names) + 2:
        prior = sums.prior()
    place = {coin: i for i, coin in enumerate(moves.coins)}
    variance = np.full((len(place), moves.horizon), np.nan)
    failures = []
    for panel, _, _ in prices.panels():
        returns = Returns.of(panel)
        fits = fit(model, returns, prior=prior)
        ahead = forecast_variance(fits.parameters, returns, moves.horizon).cumulated
        for row, (coin, reason) in enumerate(zip(panel.coins, fits.reasons, strict=True)):
            if coin not in place:
                continue
            if reason:
                error = ForecastError(f"{coin}: no volatility by {kind}: {reason}")
                failures.append(CoinFailure.of(coin, kind, error))
                continue
            variance[place[coin]] = ahead[row]
    steps = np.arange(1, moves.horizon + 1)
    volatility: FloatArray = np.sqrt(variance / steps * float(YEAR / moves.step))
    return volatility, failures

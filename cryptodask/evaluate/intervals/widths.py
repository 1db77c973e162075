"""From quantiles of scaled errors to prices: intervals that widen with the step and are nested."""

import numpy as np

from cryptodask.records import FloatArray


def rising(widths: FloatArray) -> FloatArray:
    """Return distances to the middle that, times the root of the step, rise with the step.

    Parameters
    ----------
    widths : ndarray of float64, ``(n_origins, horizon, n_levels)``
        Below 0 of levels below the middle.
    """
    from scipy.optimize import isotonic_regression

    roots = np.sqrt(np.arange(1, widths.shape[1] + 1))
    result = np.empty_like(widths)
    for origin, level in np.ndindex(widths.shape[0], widths.shape[2]):
        column = widths[origin, :, level]
        sign = 1.0 if column.sum() >= 0 else -1.0
        result[origin, :, level] = sign * isotonic_regression(sign * column * roots).x / roots
    return result


def scales(spreads: FloatArray, market: FloatArray, ratio: FloatArray) -> FloatArray:
    """Return the factors of the pool's quantiles.

    Parameters
    ----------
    spreads : ndarray of float64, ``(..., horizon)``
        Expected absolute log returns; NaN or 0 where a coin has none.
    market : ndarray of float64, ``(...,)``
        That of a bar, of the middle coin: for those that have none.
    ratio : ndarray of float64, ``(...,)``
        Size of each coin's errors over that of the pool.

    Returns
    -------
    ndarray of float64, ``(..., horizon)``
        Log returns.
    """
    roots = np.sqrt(np.arange(1, spreads.shape[-1] + 1))
    either = np.where(spreads > 0, spreads, market[..., None] * roots)
    factors: FloatArray = either * ratio[..., None]
    return factors


def price_quantiles(
    forecasts: FloatArray, scale: FloatArray, quantiles: FloatArray, middle: FloatArray
) -> FloatArray:
    """Return the quantiles of prices around point forecasts.

    Parameters
    ----------
    forecasts : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Prices in the quote currency.
    scale : ndarray of float64, ``(n_coins, n_origins, horizon)``
        Log returns, from `Conformal.scale`.
    quantiles : ndarray of float64, ``(n_origins, horizon, n_levels)``
        Scaled errors, from `Conformal.quantiles`.
    middle : ndarray of float64, ``(n_origins, horizon)``
        Their median, from which no quantile comes nearer with the step.

    Returns
    -------
    ndarray of float64, ``(n_coins, n_origins, horizon, n_levels)``
        Prices above 0 that do not fall with the level; NaN where a forecast is missing or not
        above 0, or where no spread was known.
    """
    centre = np.full(forecasts.shape, np.nan)
    np.log(forecasts, out=centre, where=forecasts > 0)
    limits = np.log([np.finfo(np.float64).tiny, np.finfo(np.float64).max / 2])
    widths = scale[..., None] * (quantiles - middle[..., None])
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        above = np.maximum.accumulate(np.maximum(widths, 0.0), axis=-2)
        below = np.minimum.accumulate(np.minimum(widths, 0.0), axis=-2)
    logs = (centre + scale * middle)[..., None] + above + below
    return np.exp(np.clip(logs, *limits))

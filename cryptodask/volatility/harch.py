"""Passes of the HARCH model, whose variance is linear in means of the last 1, 5 and 22 squares."""

import math

import numpy as np

from cryptodask.records import FloatArray
from cryptodask.volatility.compiling import compiled
from cryptodask.volatility.passes import BLOCK, add_row, density, total, weigh

WEEK, MONTH = 5, 22
"""Lengths of the longer means, as of Corsi, A Simple Approximate Long-Memory Model of Realized
Volatility (2009)."""


@compiled
def past_sums(
    y: FloatArray, t: int, mu: float, backcast: float, first: int, last: int
) -> tuple[float, float]:
    """Return sums over some lags of squares, and of returns less their mean.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
    t : int
        The row before which lags are counted.
    mu, backcast : float
        The mean; what stands for squares before the first row.
    first, last : int
        Lags.
    """
    squares, simple = 0.0, 0.0
    for lag in range(first, last + 1):
        if lag > t:
            return squares + (last - lag + 1) * backcast, simple
        e = y[t - lag] - mu
        squares += e * e
        simple += e
    return squares, simple


@compiled
def regressors(
    y: FloatArray, t: int, mu: float, backcast: float
) -> tuple[float, float, float, float, float, float]:
    """Return the three means of squares before a row, and those of returns less their mean.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
    t : int
    mu, backcast : float
    """
    day, e_day = past_sums(y, t, mu, backcast, 1, 1)
    week, e_week = past_sums(y, t, mu, backcast, 2, WEEK)
    month, e_month = past_sums(y, t, mu, backcast, WEEK + 1, MONTH)
    week, e_week = week + day, e_week + e_day
    month, e_month = month + week, e_month + e_week
    return day, week / WEEK, month / MONTH, e_day, e_week / WEEK, e_month / MONTH


@compiled
def harch(
    y: FloatArray, natural: FloatArray, student: bool, backcast: float, gradient: FloatArray
) -> float:
    """Return the log likelihood of a HARCH model; fill in its gradient.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
        Scaled returns without a missing one.
    natural, gradient : ndarray of float64, ``(6,)``
    student : bool
        Whether errors are t.
    backcast : float
        What stands for squared returns before the first.
    """
    mu, omega, first, second, third, nu = natural
    log_h, log_ratio, ratios = 0.0, 0.0, 0.0
    gradient[:] = 0.0
    for start in range(0, len(y), BLOCK):
        product_h, product_ratio = 1.0, 1.0
        for t in range(start, min(start + BLOCK, len(y))):
            day, week, month, e1, e2, e3 = regressors(y, t, mu, backcast)
            h = omega + first * day + second * week + third * month
            by_variance, by_return, ratio = density(y[t] - mu, h, student, nu)
            product_h *= h
            product_ratio *= ratio
            ratios += ratio
            d_mu = -2.0 * (first * e1 + second * e2 + third * e3)
            gradient[0] += by_variance * d_mu - by_return
            gradient[1] += by_variance
            gradient[2] += by_variance * day
            gradient[3] += by_variance * week
            gradient[4] += by_variance * month
        log_h += math.log(product_h)
        log_ratio += math.log(product_ratio)
    return total(len(y), student, nu, log_h, log_ratio, ratios, gradient)


@compiled
def harch_information(
    y: FloatArray, natural: FloatArray, student: bool, backcast: float, information: FloatArray
) -> None:
    """Fill in the expected information about the natural parameters of a HARCH model.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
    natural : ndarray of float64, ``(6,)``
    student : bool
    backcast : float
    information : ndarray of float64, ``(6, 6)``
    """
    mu, omega, first, second, third, nu = natural
    information[:] = 0.0
    sums = np.zeros(6)
    for t in range(len(y)):
        day, week, month, e1, e2, e3 = regressors(y, t, mu, backcast)
        per_h = 1.0 / (omega + first * day + second * week + third * month)
        d_mu = -2.0 * (first * e1 + second * e2 + third * e3)
        add_row(d_mu * per_h, per_h, day * per_h, week * per_h, month * per_h, information, sums)
        sums[5] += per_h
    weigh(len(y), student, nu, information, sums)

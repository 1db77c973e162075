"""Variances row by row, of returns as they are: filters, forecasts, likelihoods, simulated paths.

A missing return is left out: the variance after it is the one before it. So what follows a gap of
any length is what would have followed without the gap.
"""

import math

import numpy as np
from numpy.typing import NDArray

from cryptodask.records import FloatArray, IntArray
from cryptodask.volatility.batch import backcast_of, known_returns, scaled
from cryptodask.volatility.compiling import compiled
from cryptodask.volatility.harch import MONTH, WEEK, harch
from cryptodask.volatility.passes import garch
from cryptodask.volatility.transforms import FIRST, HARCH, MU, N_NATURAL, NU, OMEGA, SECOND, THIRD


@compiled
def first_variance(natural: FloatArray, kind: int, backcast: float, squares: FloatArray) -> float:
    """Return the variance of the first return; fill the squares before it with the backcast.

    Parameters
    ----------
    natural : ndarray of float64, ``(6,)``
    kind : int
    backcast : float
    squares : ndarray of float64, ``(22,)``
    """
    squares[:] = backcast
    return float(natural[OMEGA] + persistence_of(natural, kind) * backcast)


@compiled
def persistence_of(natural: FloatArray, kind: int) -> float:
    """Return how much of a deviation from the long-run variance is expected one step later.

    Parameters
    ----------
    natural : ndarray of float64, ``(6,)``
    kind : int
    """
    half = 1.0 if kind == HARCH else 0.5
    return float(half * (natural[FIRST] + natural[SECOND]) + natural[THIRD])


@compiled
def har_variance(natural: FloatArray, square: float, squares: FloatArray, at: int) -> float:
    """Return the next variance of a HARCH model; put a square in the place of the oldest.

    Parameters
    ----------
    natural : ndarray of float64, ``(6,)``
    square : float
        Of the last return, or what is expected of it.
    squares : ndarray of float64, ``(22,)``
        The last ones, in a ring.
    at : int
        How many squares there were before.
    """
    squares[at % MONTH] = square
    week = 0.0
    for lag in range(1, WEEK):
        week += squares[(at - lag) % MONTH]
    week += square
    month = 0.0
    for lag in range(WEEK, MONTH):
        month += squares[(at - lag) % MONTH]
    month += week
    mean = natural[SECOND] * (week / WEEK) + natural[THIRD] * (month / MONTH)
    return float(natural[OMEGA] + natural[FIRST] * square + mean)


@compiled
def next_variance(
    natural: FloatArray, kind: int, h: float, e: float, squares: FloatArray, at: int
) -> float:
    """Return the variance after a return.

    Parameters
    ----------
    natural : ndarray of float64, ``(6,)``
    kind : int
    h, e : float
        Variance of the return, and the return less its mean.
    squares : ndarray of float64, ``(22,)``
        Of a HARCH model; see `har_variance`.
    at : int
    """
    if kind == HARCH:
        return har_variance(natural, e * e, squares, at)
    factor = natural[FIRST] if e >= 0.0 else natural[SECOND]
    return float(natural[OMEGA] + factor * (e * e) + natural[THIRD] * h)


@compiled
def filter_all(
    values: FloatArray, starts: IntArray, stops: IntArray, natural: FloatArray, kind: int,
    backcast: FloatArray, offsets: IntArray, variance: FloatArray, after: FloatArray,
    horizon: int, ahead: FloatArray,
) -> None:  # fmt: skip
    """Fill in the variance at each row, after the last one, and of steps from there on.

    Parameters
    ----------
    values : ndarray of float64, ``(n_rows,)``
    starts, stops : ndarray of int64, ``(n_fits,)``
    natural : ndarray of float64, ``(n_fits, 6)``
    kind : int
    backcast : ndarray of float64, ``(n_fits,)``
    offsets : ndarray of int64, ``(n_fits,)``
        Where each fit's rows begin in ``variance``; empty: variances of rows are not kept.
    variance : ndarray of float64, ``(n_kept,)``
    after : ndarray of float64, ``(n_fits,)``
    horizon : int
    ahead : ndarray of float64, ``(n_fits, horizon)``
    """
    squares = np.empty(MONTH)
    for i in range(len(starts)):
        h, at = first_variance(natural[i], kind, backcast[i], squares), 0
        for t in range(stops[i] - starts[i]):
            if len(offsets):
                variance[offsets[i] + t] = h
            value = values[starts[i] + t]
            if not math.isnan(value):
                h = next_variance(natural[i], kind, h, value - natural[i, MU], squares, at)
                at += 1
        after[i] = h
        for k in range(horizon):
            ahead[i, k] = h
            if kind == HARCH:
                h = har_variance(natural[i], h, squares, at + k)
            else:
                h = natural[i, OMEGA] + persistence_of(natural[i], kind) * h


@compiled
def loglikelihood_all(
    values: FloatArray, starts: IntArray, stops: IntArray, natural: FloatArray, kind: int,
    constant: bool, student: bool, backcast: FloatArray, result: FloatArray,
) -> None:  # fmt: skip
    """Fill in log likelihoods.

    Parameters
    ----------
    values : ndarray of float64, ``(n_rows,)``
    starts, stops : ndarray of int64, ``(n_fits,)``
    natural : ndarray of float64, ``(n_fits, 6)``
    kind, constant, student : int, bool, bool
    backcast, result : ndarray of float64, ``(n_fits,)``
        The first is filled in where it is NaN.
    """
    longest = 0
    for i in range(len(starts)):
        longest = max(longest, stops[i] - starts[i])
    kept, space = np.empty(longest), np.empty((3, longest))
    work, gradient = np.empty(N_NATURAL), np.empty(N_NATURAL)
    for i in range(len(starts)):
        n, _ = known_returns(values[starts[i] : stops[i]], kept)
        y = kept[:n]
        level, scale = scaled(y, constant)
        if math.isnan(backcast[i]):
            backcast[i] = backcast_of(y, level) * scale * scale
        work[:] = natural[i]
        work[MU] /= scale
        work[OMEGA] /= scale * scale
        before = backcast[i] / (scale * scale)
        if kind == HARCH:
            value = harch(y, work, student, before, gradient)
        else:
            value = garch(y, work, constant, student, before, space, gradient)
        result[i] = value - n * math.log(scale) if np.isfinite(value) else np.nan


@compiled
def uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Return the next state of a generator, and a number in (-1, 1).

    Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (2014).

    Parameters
    ----------
    state : uint64
    """
    state += np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, (np.float64(z >> np.uint64(11)) + 0.5) * 2.0**-52 - 1.0


@compiled
def draw(state: np.uint64, nu: float) -> tuple[np.uint64, float]:
    """Return the next state, and a normal number or one of Student's t, of unit variance.

    Bailey, Polar Generation of Random Variates with the t-Distribution (1994).

    Parameters
    ----------
    state : uint64
    nu : float
        Degrees of freedom; infinite: normal.
    """
    u, w = 0.0, 2.0
    while w >= 1.0:
        state, u = uniform(state)
        state, v = uniform(state)
        w = u * u + v * v
    if nu == np.inf:
        return state, u * math.sqrt(-2.0 * math.log(w) / w)
    return state, u * math.sqrt((nu - 2.0) * math.expm1(-2.0 / nu * math.log(w)) / w)


@compiled
def simulate_all(
    seeds: NDArray[np.uint64],
    natural: FloatArray,
    kind: int,
    backcast: FloatArray,
    paths: FloatArray,
) -> None:
    """Fill in simulated returns.

    Parameters
    ----------
    seeds : ndarray of uint64, ``(n_fits,)``
    natural : ndarray of float64, ``(n_fits, 6)``
    kind : int
    backcast : ndarray of float64, ``(n_fits,)``
        The variance before the first return.
    paths : ndarray of float64, ``(n_fits, n_rows)``
    """
    squares = np.empty(MONTH)
    for i in range(len(seeds)):
        state = seeds[i]
        h = first_variance(natural[i], kind, backcast[i], squares)
        for t in range(paths.shape[1]):
            state, error = draw(state, natural[i, NU])
            e = math.sqrt(h) * error
            paths[i, t] = natural[i, MU] + e
            h = next_variance(natural[i], kind, h, e, squares, t)

"""Fits of many coins, one after the other: each depends on its returns and the prior alone."""

import math

import numpy as np

from cryptodask.records import FloatArray, IntArray
from cryptodask.volatility.compiling import compiled
from cryptodask.volatility.optimiser import Problem, curvature, minimise, objective, penalty
from cryptodask.volatility.transforms import BEND, EWMA, GARCH, GJR, N_NATURAL, unfold

CONVERGED, NOT_CONVERGED, SHORT, CONSTANT, STALE, INFINITE = range(6)
BACKCAST_ROWS, BACKCAST_DECAY = 75, 0.94
"""The variance before the first return is a weighted mean of the first squares, as in `arch`."""


@compiled
def known_returns(values: FloatArray, y: FloatArray) -> tuple[int, int]:
    """Copy the returns that are not missing; return how many, and why they can't be fitted.

    Parameters
    ----------
    values, y : ndarray of float64, ``(n_rows,)``
        Log returns, NaN where missing; those that are not.
    """
    n, zeros, state = 0, 0, CONVERGED
    low, high = np.inf, -np.inf
    for value in values:
        if math.isnan(value):
            continue
        y[n] = value
        n += 1
        low, high = min(low, value), max(high, value)
        zeros += value == 0.0
    if low == -np.inf or high == np.inf:
        state = INFINITE
    elif n > 0 and low == high:
        state = CONSTANT
    elif 2 * zeros > n:
        state = STALE
    return n, state


@compiled
def scaled(y: FloatArray, constant: bool) -> tuple[float, float]:
    """Scale returns to a mean square of 1, about their mean if there is one; return both.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
        Overwritten.
    constant : bool

    Returns
    -------
    mean : float
        Of the scaled returns, or 0.
    scale : float
        By which they were divided.
    """
    largest = 0.0
    for value in y:
        largest = max(largest, abs(value))
    mean, square = 0.0, 0.0
    if constant:
        for value in y:
            mean += value / largest
        mean /= len(y)
    for value in y:
        square += (value / largest - mean) ** 2
    scale = largest * math.sqrt(square / len(y))
    for t in range(len(y)):
        y[t] /= scale
    return mean * (largest / scale), scale


@compiled
def backcast_of(y: FloatArray, mean: float) -> float:
    """Return the variance before the first return, as `arch` does.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
    mean : float
        Of all returns, or 0.
    """
    weight, weights, square = 1.0, 0.0, 0.0
    for t in range(min(len(y), BACKCAST_ROWS)):
        square += weight * (y[t] - mean) ** 2
        weights += weight
        weight *= BACKCAST_DECAY
    return square / weights


@compiled
def descend(
    theta: FloatArray, problem: Problem, level: float, grid: FloatArray, work: FloatArray, most: int
) -> tuple[float, int, bool]:
    """Fill in the best parameters; return what is maximised, steps, and whether they converged.

    A descent begins at the best point of a grid, whose long-run variance is that of all returns. If
    it ends where returns hardly move the variance, or it hardly persists, others begin at the other
    points: short series have more than one optimum there. So may an EWMA.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
    problem : Problem
    level : float
        Mean of the scaled returns.
    grid : ndarray of float64, ``(n_starts, n_free)``
    work : ndarray of float64, ``(8, 6)``
    most : int
        Steps of a descent.
    """
    values, gradient = np.empty(len(grid)), np.empty(len(theta))
    for i in range(len(grid)):
        theta[:] = grid[i]
        if problem.constant:
            theta[0] = level
        values[i] = objective(theta, problem, work, gradient)
    best, steps, converged = np.inf, 0, False
    trial = np.empty(len(theta))
    for _ in range(len(grid)):
        chosen = np.argmin(values)
        values[chosen] = np.inf
        trial[:] = grid[chosen]
        if problem.constant:
            trial[0] = level
        value, more, success = minimise(trial, problem, work, most)
        value -= penalty(trial, problem)
        unfold(trial, problem.kind, problem.constant)
        value += penalty(trial, problem)
        steps += more
        if value < best:
            best, converged = value, success
            theta[:] = trial
        if not is_odd(theta, problem.kind, problem.constant):
            break
    return -best, steps, converged


@compiled
def is_odd(theta: FloatArray, kind: int, constant: bool) -> bool:
    """Return whether an optimum may be one of several.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
    kind : int
    constant : bool
    """
    at = 1 if constant else 0
    if kind in (GARCH, GJR):
        return bool(theta[at + 1] < 0.0 or abs(theta[at + 2]) > BEND)
    return kind == EWMA and len(theta) > at


@compiled
def fit_all(
    values: FloatArray, starts: IntArray, stops: IntArray, kind: int, constant: bool,
    student: bool, decay: float, mean: FloatArray, precision: FloatArray, grid: FloatArray,
    least: int, most: int, theta: FloatArray, natural: FloatArray, information: FloatArray,
    numbers: FloatArray, states: IntArray,
) -> None:  # fmt: skip
    """Fit a model to each slice of the returns.

    Parameters
    ----------
    values : ndarray of float64, ``(n_rows,)``
        Log returns, NaN where missing.
    starts, stops : ndarray of int64, ``(n_fits,)``
        Rows of each fit.
    kind, constant, student, decay : int, bool, bool, float
        See `cryptodask.volatility.transforms.to_natural`.
    mean, precision : ndarray of float64, ``(n_free,)``, ``(n_free, n_free)``
        Of the prior; zeros: none.
    grid : ndarray of float64, ``(n_starts, n_free)``
    least, most : int
        Returns that a fit needs, and steps that it may take.
    theta, natural, information : ndarray of float64
        ``(n_fits, n_free)``, ``(n_fits, 6)`` and ``(n_fits, n_free, n_free)``; filled in, of scaled
        returns.
    numbers : ndarray of float64, ``(n_fits, 4)``
        Log likelihood of the returns, their scale, backcast of the scaled ones, steps.
    states : ndarray of int64, ``(n_fits, 2)``
        Returns, and how it ended.
    """
    longest = 0
    for i in range(len(starts)):
        longest = max(longest, stops[i] - starts[i])
    kept, space = np.empty(longest), np.empty((3, longest))
    work = np.empty((2 + N_NATURAL, N_NATURAL))
    for i in range(len(starts)):
        n, state = known_returns(values[starts[i] : stops[i]], kept)
        if n < least and state != INFINITE:
            state = SHORT
        states[i, 0], states[i, 1] = n, state
        if state != CONVERGED:
            continue
        y = kept[:n]
        level, scale = scaled(y, constant)
        backcast = backcast_of(y, level)
        problem = Problem(y, space, backcast, kind, constant, student, decay, mean, precision)
        value, steps, converged = descend(theta[i], problem, level, grid, work, most)
        states[i, 1] = CONVERGED if converged else NOT_CONVERGED
        curvature(theta[i], problem, work, information[i])
        natural[i] = work[0]
        value += penalty(theta[i], problem)
        numbers[i, 0], numbers[i, 1] = value - n * math.log(scale), scale
        numbers[i, 2], numbers[i, 3] = backcast, steps

"""Maximum likelihood of one coin: BFGS from the inverse of the expected information.

What is minimised is the negative log likelihood, with half the squared distance from the prior
where there is one. Nocedal and Wright, Numerical Optimization (2006), chapter 6.
"""

from typing import NamedTuple

import numpy as np

from cryptodask.records import FloatArray
from cryptodask.volatility.compiling import compiled
from cryptodask.volatility.harch import harch, harch_information
from cryptodask.volatility.passes import garch, garch_information
from cryptodask.volatility.transforms import HARCH, N_NATURAL, to_natural

TOLERANCE = 1e-7
"""Convergence: what a step is expected to add to the log likelihood."""
LONGEST = 4.0
"""No parameter moves further in a step."""
SUFFICIENT = 1e-4
HALVINGS = 15


class Problem(NamedTuple):
    """What the parameters of one coin are fitted to."""

    y: FloatArray  # (n_rows,) scaled returns without a missing one
    space: FloatArray  # (3, at least n_rows), overwritten
    backcast: float
    kind: int
    constant: bool
    student: bool
    decay: float
    mean: FloatArray  # (n_free,) of the prior
    precision: FloatArray  # (n_free, n_free), zeros: no prior


@compiled
def objective(theta: FloatArray, problem: Problem, work: FloatArray, gradient: FloatArray) -> float:
    """Return what is minimised; fill in its gradient.

    Parameters
    ----------
    theta, gradient : ndarray of float64, ``(n_free,)``
    problem : Problem
    work : ndarray of float64, ``(8, 6)``
        Overwritten.
    """
    p, n_free = problem, len(theta)
    natural, slopes, jacobian = work[0], work[1], work[2:, :n_free]
    to_natural(theta, p.kind, p.constant, p.student, p.decay, natural, jacobian)
    if p.kind == HARCH:
        value = -harch(p.y, natural, p.student, p.backcast, slopes)
    else:
        value = -garch(p.y, natural, p.constant, p.student, p.backcast, p.space, slopes)
    for i in range(n_free):
        gradient[i] = 0.0
        for j in range(N_NATURAL):
            gradient[i] -= jacobian[j, i] * slopes[j]
        gradient[i] += pull_of(theta, p, i)
    value += penalty(theta, p)
    return value if np.isfinite(value) else np.inf


@compiled
def pull_of(theta: FloatArray, problem: Problem, i: int) -> float:
    """Return the derivative of `penalty` by a parameter.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
    problem : Problem
    i : int
        Its position.
    """
    pull = 0.0
    for j in range(len(theta)):
        pull += problem.precision[i, j] * (theta[j] - problem.mean[j])
    return pull


@compiled
def penalty(theta: FloatArray, problem: Problem) -> float:
    """Return half the squared distance from the prior, 0 if there is none.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
    problem : Problem
    """
    result = 0.0
    for i in range(len(theta)):
        result += 0.5 * pull_of(theta, problem, i) * (theta[i] - problem.mean[i])
    return result


@compiled
def curvature(
    theta: FloatArray, problem: Problem, work: FloatArray, information: FloatArray
) -> None:
    """Fill in the expected information about the free parameters, without the prior's.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
    problem : Problem
    work : ndarray of float64, ``(8, 6)``
    information : ndarray of float64, ``(n_free, n_free)``
    """
    p, n_free = problem, len(theta)
    natural, jacobian = work[0], work[2:, :n_free]
    to_natural(theta, p.kind, p.constant, p.student, p.decay, natural, jacobian)
    inner = np.empty((N_NATURAL, N_NATURAL))
    if p.kind == HARCH:
        harch_information(p.y, natural, p.student, p.backcast, inner)
    else:
        garch_information(p.y, natural, p.student, p.backcast, inner)
    for i in range(n_free):
        for j in range(n_free):
            term = 0.0
            for a in range(N_NATURAL):
                for b in range(N_NATURAL):
                    term += jacobian[a, i] * inner[a, b] * jacobian[b, j]
            information[i, j] = term


@compiled
def invert(matrix: FloatArray, inverse: FloatArray) -> None:
    """Fill in the inverse of a positive definite matrix, by Gauss and Jordan's elimination.

    Pivots are at least a hundredth of a unit of information, so that directions about which the
    data say nothing get short steps.

    Parameters
    ----------
    matrix, inverse : ndarray of float64, ``(n_free, n_free)``
        The first is overwritten.
    """
    n = len(matrix)
    inverse[:] = 0.0
    for i in range(n):
        inverse[i, i] = 1.0
    for i in range(n):
        pivot = max(matrix[i, i], 0.01)
        for j in range(n):
            matrix[i, j] /= pivot
            inverse[i, j] /= pivot
        matrix[i, i] = 1.0
        for k in range(n):
            if k != i:
                factor = matrix[k, i]
                for j in range(n):
                    matrix[k, j] -= factor * matrix[i, j]
                    inverse[k, j] -= factor * inverse[i, j]


@compiled
def start_metric(theta: FloatArray, problem: Problem, work: FloatArray, metric: FloatArray) -> None:
    """Fill in the inverse of information and prior: the metric that steps begin with.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
    problem : Problem
    work : ndarray of float64, ``(8, 6)``
    metric : ndarray of float64, ``(n_free, n_free)``
    """
    information = np.empty_like(metric)
    curvature(theta, problem, work, information)
    information += problem.precision
    invert(information, metric)


@compiled
def direction_of(metric: FloatArray, gradient: FloatArray, direction: FloatArray) -> float:
    """Fill in a step down the gradient; return the slope along it.

    Parameters
    ----------
    metric : ndarray of float64, ``(n_free, n_free)``
    gradient, direction : ndarray of float64, ``(n_free,)``
    """
    slope = 0.0
    for i in range(len(gradient)):
        direction[i] = 0.0
        for j in range(len(gradient)):
            direction[i] -= metric[i, j] * gradient[j]
        slope += direction[i] * gradient[i]
    return slope


@compiled
def update(metric: FloatArray, step: FloatArray, change: FloatArray, image: FloatArray) -> None:
    """Update a metric by BFGS's formula, where the step curves upwards.

    Parameters
    ----------
    metric : ndarray of float64, ``(n_free, n_free)``
    step, change : ndarray of float64, ``(n_free,)``
        Of the parameters, and of the gradient.
    image : ndarray of float64, ``(n_free,)``
        Overwritten.
    """
    n = len(step)
    along, inner, length, size = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        image[i] = 0.0
        for j in range(n):
            image[i] += metric[i, j] * change[j]
        along += step[i] * change[i]
        inner += change[i] * image[i]
        length += step[i] * step[i]
        size += change[i] * change[i]
    if not along > 1e-10 * np.sqrt(length * size):
        return
    scale = (1.0 + inner / along) / along
    for i in range(n):
        for j in range(n):
            cross = image[i] * step[j] + step[i] * image[j]
            metric[i, j] += scale * step[i] * step[j] - cross / along


@compiled
def search(
    theta: FloatArray, value: float, slope: float, direction: FloatArray, problem: Problem,
    work: FloatArray, trial: FloatArray, gradient: FloatArray,
) -> float:  # fmt: skip
    """Fill in a point along a direction that is lower enough; return its value, infinite: none.

    Parameters
    ----------
    theta, direction, trial, gradient : ndarray of float64, ``(n_free,)``
        From where; the direction; the point, and the gradient there.
    value, slope : float
        At ``theta``.
    problem : Problem
    work : ndarray of float64, ``(8, 6)``
    """
    n = len(theta)
    longest = 0.0
    for i in range(n):
        longest = max(longest, abs(direction[i]))
    share = min(1.0, LONGEST / longest)
    for _ in range(HALVINGS):
        for i in range(n):
            trial[i] = theta[i] + share * direction[i]
        reached = objective(trial, problem, work, gradient)
        if reached <= value + SUFFICIENT * share * slope:
            return reached
        bend = reached - value - share * slope
        smaller = -0.5 * slope * share * share / bend if bend < np.inf else 0.0
        share = min(max(smaller, 0.1 * share), 0.5 * share)
    return np.inf


@compiled
def minimise(
    theta: FloatArray, problem: Problem, work: FloatArray, most: int
) -> tuple[float, int, bool]:
    """Move parameters to a minimum; return what is minimised, steps, and whether they converged.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
        From where; overwritten.
    problem : Problem
    work : ndarray of float64, ``(8, 6)``
    most : int
        Steps.
    """
    n = len(theta)
    metric, vectors = np.empty((n, n)), np.empty((5, n))
    gradient, direction, trial, new, image = vectors
    value = objective(theta, problem, work, gradient)
    renew, fresh = True, False
    for i in range(most):
        if renew:
            start_metric(theta, problem, work, metric)
        renew, fresh = False, renew
        slope = direction_of(metric, gradient, direction)
        if -0.5 * slope < TOLERANCE:
            return value, i, True
        reached = search(theta, value, slope, direction, problem, work, trial, new)
        if reached == np.inf:
            if fresh:
                return value, i, False
            renew = True
            continue
        for j in range(n):
            direction[j] = trial[j] - theta[j]
            theta[j] = trial[j]
            trial[j] = new[j] - gradient[j]
            gradient[j] = new[j]
        value = reached
        update(metric, direction, trial, image)
    return value, most, False

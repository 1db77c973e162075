"""Passes over the returns of one coin: log likelihood with gradient, and expected information.

Parameters are the natural ones of `cryptodask.volatility.transforms`. Derivatives are analytic:
those of the variance follow their own recursions (Fiorentini, Calzolari and Panattoni, Analytic
Derivatives and the Computation of GARCH Estimates, 1996), and those of the likelihood their
adjoint. Log likelihoods sum logs of products: a log of each row would take as long as all else.
"""

import math

import numpy as np

from cryptodask.records import FloatArray
from cryptodask.volatility.compiling import compiled

BLOCK = 16
"""Rows whose variances are multiplied before a log is taken. Those of scaled returns lie between
1e-8 and 1e12, so that products stay within floats."""
LOG_PI = math.log(math.pi)


@compiled
def density(e: float, h: float, student: bool, nu: float) -> tuple[float, float, float]:
    """Return what one row adds: slopes by variance and by return, and a ratio.

    Parameters
    ----------
    e, h : float
        The return less its mean, and its variance.
    student : bool
    nu : float
        Degrees of freedom, of t errors.

    Returns
    -------
    by_variance, by_return : float
        Derivatives of the log density.
    ratio : float
        ``h / (h (nu - 2) + e**2)``, or ``e**2 / h`` of normal errors.
    """
    square = e * e
    if student:
        s = h * (nu - 2.0) + square
        inverse = 1.0 / (h * s)
        per_s = h * inverse
        more = nu + 1.0
        by_variance = 0.5 * (nu * s * inverse - more * (nu - 2.0) * per_s)
        return by_variance, -more * e * per_s, h * per_s
    per_h = 1.0 / h
    ratio = square * per_h
    return 0.5 * per_h * (ratio - 1.0), -e * per_h, ratio


@compiled
def total(
    n: int, student: bool, nu: float, log_h: float, log_ratio: float, ratio: float,
    gradient: FloatArray,
) -> float:  # fmt: skip
    """Return a log likelihood from sums over rows; fill in its derivative by degrees of freedom.

    Parameters
    ----------
    n : int
        Rows.
    student : bool
    nu : float
    log_h, log_ratio, ratio : float
        Sums of the logs of variances and of `density`'s ratios, and of these ratios.
    gradient : ndarray of float64, ``(6,)``
    """
    gradient[5] = 0.0
    if not student:
        return -0.5 * (n * (LOG_PI + math.log(2.0)) + log_h + ratio)
    half, more, free = 0.5 * nu, 0.5 * (nu + 1.0), nu - 2.0
    constant = math.lgamma(more) - math.lgamma(half) + half * math.log(free) - 0.5 * LOG_PI
    slope = 0.5 * (digamma(more) - digamma(half) + math.log(free)) + half / free
    gradient[5] = n * slope + 0.5 * log_ratio - more * ratio
    return n * constant - 0.5 * log_h + more * log_ratio


@compiled
def garch(
    y: FloatArray, natural: FloatArray, constant: bool, student: bool, backcast: float,
    space: FloatArray, gradient: FloatArray,
) -> float:  # fmt: skip
    """Return the log likelihood of a model of the GARCH family; fill in its gradient.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
        Scaled returns without a missing one.
    natural, gradient : ndarray of float64, ``(6,)``
    constant, student : bool
        Whether the derivative by the mean is wanted; whether errors are t.
    backcast : float
        What stands for the squared return and the variance before the first.
    space : ndarray of float64, ``(3, at least n_rows)``
        Overwritten: variances, slopes, ratios of `density`.
    """
    n, nu = len(y), natural[5]
    h, slope, ratio = space[0], space[1], space[2]
    log_h = garch_variances(y, natural, backcast, h)
    if student:  # two loops without a branch inside, which become vectors
        for t in range(n):
            slope[t], _, ratio[t] = density(y[t] - natural[0], h[t], True, nu)
    else:
        for t in range(n):
            slope[t], _, ratio[t] = density(y[t] - natural[0], h[t], False, nu)
    log_ratio, ratios = garch_adjoint(y, natural, backcast, space, gradient)
    if constant:
        gradient[0] = 0.0
        after = 0.0
        for t in range(n - 1, -1, -1):
            e = y[t] - natural[0]
            factor = natural[2] if e >= 0.0 else natural[3]
            _, by_return, _ = density(e, h[t], student, nu)
            gradient[0] -= by_return + 2.0 * factor * e * after
            after = slope[t]
    return total(n, student, nu, log_h, log_ratio, ratios, gradient)


@compiled
def garch_variances(
    y: FloatArray, natural: FloatArray, backcast: float, variance: FloatArray
) -> float:
    """Fill in the variances of the GARCH family; return the sum of their logs.

    Parameters
    ----------
    y, variance : ndarray of float64, ``(n_rows,)``
    natural : ndarray of float64, ``(6,)``
    backcast : float
    """
    mu, omega, up, down, beta, _ = natural
    h = omega + (0.5 * (up + down) + beta) * backcast
    log_h = 0.0
    for start in range(0, len(y), BLOCK):
        product = 1.0
        for t in range(start, min(start + BLOCK, len(y))):
            variance[t] = h
            product *= h
            e = y[t] - mu
            factor = up if e >= 0.0 else down
            h = omega + factor * (e * e) + beta * h
        log_h += math.log(product)
    return log_h


@compiled
def garch_adjoint(
    y: FloatArray, natural: FloatArray, backcast: float, space: FloatArray, gradient: FloatArray
) -> tuple[float, float]:
    """Fill in the gradient by the coefficients, from the last row to the first.

    The derivative of the likelihood by a variance is its slope, and ``beta`` times that by the next
    variance. So one recursion backwards stands for one forwards for each parameter.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
    natural, gradient : ndarray of float64, ``(6,)``
    backcast : float
    space : ndarray of float64, ``(3, at least n_rows)``
        As of `garch`; slopes become derivatives that count later rows, too.

    Returns
    -------
    log_ratio, ratios : float
        Sums of the logs of ratios, and of ratios.
    """
    mu, beta, n = natural[0], natural[4], len(y)
    h, slope, ratio = space[0], space[1], space[2]
    after, g_omega, g_up, g_down, g_beta, ratios, log_ratio = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for stop in range(n, 0, -BLOCK):
        product = 1.0
        for t in range(stop - 1, max(stop - BLOCK, 0) - 1, -1):
            e = y[t] - mu
            weighted = after * (e * e)
            gain = weighted if e >= 0.0 else 0.0
            g_up += gain
            g_down += weighted - gain
            g_beta += after * h[t]
            after = slope[t] + beta * after
            slope[t] = after
            g_omega += after
            ratios += ratio[t]
            product *= ratio[t]
        log_ratio += math.log(product)
    gradient[0], gradient[1] = 0.0, g_omega
    gradient[2], gradient[3] = g_up + 0.5 * backcast * after, g_down + 0.5 * backcast * after
    gradient[4] = g_beta + backcast * after
    return log_ratio, ratios


@compiled
def garch_information(
    y: FloatArray, natural: FloatArray, student: bool, backcast: float, information: FloatArray
) -> None:
    """Fill in the expected information about the natural parameters of the GARCH family.

    Parameters
    ----------
    y : ndarray of float64, ``(n_rows,)``
    natural : ndarray of float64, ``(6,)``
    student : bool
    backcast : float
    information : ndarray of float64, ``(6, 6)``
    """
    mu, omega, up, down, beta, nu = natural
    h = omega + (0.5 * (up + down) + beta) * backcast
    d0, d1, d2, d3, d4 = 0.0, 1.0, 0.5 * backcast, 0.5 * backcast, backcast
    information[:] = 0.0
    sums = np.zeros(6)
    for t in range(len(y)):
        per_h = 1.0 / h
        add_row(d0 * per_h, d1 * per_h, d2 * per_h, d3 * per_h, d4 * per_h, information, sums)
        sums[5] += per_h
        e = y[t] - mu
        square = e * e
        positive = square if e >= 0.0 else 0.0
        factor = up if e >= 0.0 else down
        d0 = beta * d0 - 2.0 * factor * e
        d1 = beta * d1 + 1.0
        d2 = beta * d2 + positive
        d3 = beta * d3 + (square - positive)
        d4 = beta * d4 + h
        h = omega + factor * square + beta * h
    weigh(len(y), student, nu, information, sums)


@compiled
def add_row(
    x0: float, x1: float, x2: float, x3: float, x4: float, products: FloatArray, sums: FloatArray
) -> None:
    """Add the products of one row's derivatives of the log variance, above the diagonal.

    Parameters
    ----------
    x0, x1, x2, x3, x4 : float
    products : ndarray of float64, ``(6, 6)``
    sums : ndarray of float64, ``(6,)``
    """
    row = (x0, x1, x2, x3, x4)
    for i in range(5):
        sums[i] += row[i]
        for j in range(i, 5):
            products[i, j] += row[i] * row[j]


@compiled
def weigh(n: int, student: bool, nu: float, information: FloatArray, sums: FloatArray) -> None:
    """Make expected information of sums of products of derivatives of the log variance.

    A t of variance ``h`` has the scale ``h (nu - 2) / nu``; information about scale and degrees of
    freedom is that of Lange, Little and Taylor, Robust Statistical Modeling Using the t
    Distribution (1989).

    Parameters
    ----------
    n : int
        Rows.
    student : bool
    nu : float
    information : ndarray of float64, ``(6, 6)``
        The sums of products; filled in.
    sums : ndarray of float64, ``(6,)``
        Of the five derivatives, and of one by the variance.
    """
    a, location, cross = 0.5, 1.0, 0.0
    if student:
        a = 0.5 * nu / (nu + 3.0)
        location = nu * (nu + 1.0) / ((nu - 2.0) * (nu + 3.0))
        b, c = -1.0 / ((nu + 1.0) * (nu + 3.0)), 2.0 / (nu * (nu - 2.0))
        shape = trigamma(0.5 * nu) - trigamma(0.5 * (nu + 1.0))
        shape = 0.25 * (shape - 2.0 * (nu + 5.0) / (nu * (nu + 1.0) * (nu + 3.0)))
        cross = b + a * c
        information[5, 5] = n * (shape + 2.0 * b * c + a * c * c)
    for i in range(5):
        for j in range(i, 5):
            information[i, j] *= a
            information[j, i] = information[i, j]
        information[i, 5] = cross * sums[i]
        information[5, i] = information[i, 5]
    information[0, 0] += location * sums[5]


@compiled
def digamma(x: float) -> float:
    """Return the derivative of the log of the gamma function, by its asymptotic series.

    Parameters
    ----------
    x : float
        Above 0.
    """
    result = 0.0
    while x < 10.0:
        result -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    series = 1.0 / 252.0 - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * 691.0 / 32760.0))
    return result + math.log(x) - 0.5 / x - z * (1.0 / 12.0 - z * (1.0 / 120.0 - z * series))


@compiled
def trigamma(x: float) -> float:
    """Return the derivative of `digamma`.

    Parameters
    ----------
    x : float
        Above 0.
    """
    result = 0.0
    while x < 10.0:
        result += 1.0 / (x * x)
        x += 1.0
    z = 1.0 / (x * x)
    series = 1.0 / 30.0 - z * (1.0 / 42.0 - z * (1.0 / 30.0 - z * 5.0 / 66.0))
    return result + 1.0 / x + 0.5 * z + z / x * (1.0 / 6.0 - z * series)

"""From parameters without bounds, which are optimised and pooled, to the natural ones.

The natural parameters, ``(6,)``, are the mean, the constant of the variance, three coefficients and
the degrees of freedom (infinite: normal errors), all of scaled returns. Of the GARCH family the
coefficients are those of a squared return of at least 0, of one below 0, and of the last variance;
of a HARCH model those of the mean of the last 1, 5 and 22 squared returns.

Those without bounds are, in this order and where a model has them: the mean; the log of the
constant; the logit of the persistence; logits of how it is shared out; the logit of where the
reciprocal of the degrees of freedom lies between those of `NU_MOST` and `NU_LEAST`. Close to their
bounds logs and logits are bent, see `share_of`.
"""

import math

import numpy as np

from cryptodask.records import FloatArray
from cryptodask.volatility.compiling import compiled

EWMA, GARCH, GJR, HARCH = range(4)
N_NATURAL = 6
MU, OMEGA, FIRST, SECOND, THIRD, NU = range(N_NATURAL)
NU_LEAST, NU_MOST = 2.05, 500.0
OMEGA_LEAST = 1e-8
"""Of the variance of the returns; bounds as in `arch`."""
MOST_PERSISTENCE = 1.0 - 1e-8
BEND, LOG_BEND, LARGEST = 4.0, -10.0, 18.0
"""Beyond `BEND` a logit, and below `LOG_BEND` a log, is left for a parabola; largest log."""
EDGE = 1.0 / (1.0 + math.exp(BEND))
BOUND, LOG_BOUND = BEND + 2.0 / (1.0 - EDGE), LOG_BEND - 2.0
"""Where the parabolas end: a share is 0 or 1 there, a number 0."""


@compiled
def mirrored(x: float) -> float:
    """Return a logit on the other side of the bound that it lies beyond.

    Parameters
    ----------
    x : float
    """
    return math.copysign(2.0 * BOUND, x) - x


@compiled
def share_of(x: float) -> tuple[float, float]:
    """Return a share from 0 to 1, and its derivative.

    It is the logistic function up to `BEND`. From there a parabola reaches 0 or 1 at `BOUND`,
    beyond which all is mirrored. So an optimum at a bound is one like others, and no step ends on a
    plateau far out.

    Parameters
    ----------
    x : float
    """
    sign = 1.0
    if abs(x) > BOUND:
        x, sign = mirrored(x), -1.0
        if abs(x) > BOUND:  # beyond the mirror's other end
            x, sign = math.copysign(BOUND, x), 0.0
    if abs(x) <= BEND:
        share = 1.0 / (1.0 + math.exp(-x))
        return share, sign * share * (1.0 - share)
    left = (BOUND - abs(x)) / (BOUND - BEND)
    rest, slope = EDGE * left * left, sign * 2.0 * EDGE * left / (BOUND - BEND)
    return (1.0 - rest, slope) if x > 0.0 else (rest, slope)


@compiled
def exponential(x: float) -> tuple[float, float]:
    """Return a number of at least 0, and its derivative; bent as `share_of` is.

    Parameters
    ----------
    x : float
    """
    sign = 1.0
    if x < LOG_BOUND:
        x, sign = 2.0 * LOG_BOUND - x, -1.0
    if x >= LOG_BEND:
        number = math.exp(min(x, LARGEST))
        return number, sign * number if x < LARGEST else 0.0
    left = (x - LOG_BOUND) / (LOG_BEND - LOG_BOUND)
    edge = math.exp(LOG_BEND)
    return edge * left * left, sign * 2.0 * edge * left / (LOG_BEND - LOG_BOUND)


@compiled
def unfold(theta: FloatArray, kind: int, constant: bool) -> None:
    """Bring parameters that lie in a mirror to this side of it.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
        Overwritten.
    kind : int
    constant : bool
    """
    begin = 1 if constant else 0
    if kind != EWMA:
        if theta[begin] < LOG_BOUND:
            theta[begin] = 2.0 * LOG_BOUND - theta[begin]
        begin += 1
    for i in range(begin, len(theta)):
        if abs(theta[i]) > BOUND:
            theta[i] = min(max(mirrored(theta[i]), -BOUND), BOUND)


@compiled
def to_natural(
    theta: FloatArray, kind: int, constant: bool, student: bool, decay: float,
    natural: FloatArray, jacobian: FloatArray,
) -> None:  # fmt: skip
    """Fill in the natural parameters, and their derivatives.

    Parameters
    ----------
    theta : ndarray of float64, ``(n_free,)``
        Those without bounds.
    kind : int
        `EWMA`, `GARCH`, `GJR` or `HARCH`.
    constant, student : bool
        Whether there are a mean and degrees of freedom.
    decay : float
        The weight of the last variance of an EWMA; NaN: it is among ``theta``.
    natural : ndarray of float64, ``(6,)``
    jacobian : ndarray of float64, ``(6, n_free)``
    """
    jacobian[:] = 0.0
    natural[MU], natural[NU] = 0.0, np.inf
    at = 0
    if constant:
        natural[MU], jacobian[MU, 0] = theta[0], 1.0
        at = 1
    if kind == EWMA:
        _ewma(theta, at, decay, natural, jacobian)
    else:
        excess, jacobian[OMEGA, at] = exponential(theta[at])
        natural[OMEGA] = OMEGA_LEAST + excess
        _coefficients(theta, at + 1, kind, natural, jacobian)
    if student:
        last = len(theta) - 1
        share, slope = share_of(theta[last])
        width = 1.0 / NU_LEAST - 1.0 / NU_MOST
        natural[NU] = 1.0 / (1.0 / NU_MOST + width * share)
        jacobian[NU, last] = -natural[NU] * natural[NU] * width * slope


@compiled
def _ewma(
    theta: FloatArray, at: int, decay: float, natural: FloatArray, jacobian: FloatArray
) -> None:
    beta = decay
    if math.isnan(decay):
        beta, slope = share_of(theta[at])
        jacobian[FIRST, at], jacobian[SECOND, at], jacobian[THIRD, at] = -slope, -slope, slope
    natural[OMEGA], natural[FIRST], natural[SECOND] = 0.0, 1.0 - beta, 1.0 - beta
    natural[THIRD] = beta


@compiled
def _coefficients(
    theta: FloatArray, at: int, kind: int, natural: FloatArray, jacobian: FloatArray
) -> None:
    """Share out the persistence: to returns and the last variance, or to three means."""
    total, d_total = share_of(theta[at])
    total, d_total = MOST_PERSISTENCE * total, MOST_PERSISTENCE * d_total
    share, d_share = share_of(theta[at + 1])
    rest = 1.0 - share
    part, d_part = 0.5, 0.0  # GARCH: equal shares
    if kind != GARCH:
        part, d_part = share_of(theta[at + 2])
    if kind == HARCH:
        first, second, third = share, rest * part, rest * (1.0 - part)
        jacobian[FIRST, at + 1] = total * d_share
        jacobian[SECOND, at + 1] = -total * d_share * part
        jacobian[THIRD, at + 1] = -total * d_share * (1.0 - part)
        jacobian[SECOND, at + 2] = total * rest * d_part
        jacobian[THIRD, at + 2] = -total * rest * d_part
    else:
        first, second, third = 2.0 * share * (1.0 - part), 2.0 * share * part, rest
        jacobian[FIRST, at + 1] = 2.0 * total * d_share * (1.0 - part)
        jacobian[SECOND, at + 1] = 2.0 * total * d_share * part
        jacobian[THIRD, at + 1] = -total * d_share
        if kind == GJR:
            jacobian[FIRST, at + 2] = -2.0 * total * share * d_part
            jacobian[SECOND, at + 2] = 2.0 * total * share * d_part
    natural[FIRST], natural[SECOND], natural[THIRD] = total * first, total * second, total * third
    jacobian[FIRST, at], jacobian[SECOND, at] = d_total * first, d_total * second
    jacobian[THIRD, at] = d_total * third

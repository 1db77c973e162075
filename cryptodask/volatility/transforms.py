"""From parameters without bounds, which are optimised and pooled, to the natural ones.

The natural parameters, ``(6,)``, are the mean, the constant of the variance, three coefficients and
the degrees of freedom (infinite: normal errors), all of scaled returns. Of the GARCH family the
coefficients are those of a squared return of at least 0, of one below 0, and of the last variance;
of a HARCH model those of the mean of the last 1, 5 and 22 squared returns.

Those without bounds are, in this order and where a model has them: the mean; the log of the
constant; the logit of the persistence; logits of how it is shared out; the logit of where the
degrees of freedom lie between `NU_LEAST` and `NU_MOST`.
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
FAR = 18.0
"""Beyond it a logit or a log has no more effect."""


@compiled
def logistic(x: float) -> float:
    """Return a number between 0 and 1; `FAR` bounds the argument.

    Parameters
    ----------
    x : float
    """
    return 1.0 / (1.0 + math.exp(-min(max(x, -FAR), FAR)))


@compiled
def slope_of(share: float, x: float) -> float:
    """Return the derivative of `logistic`.

    Parameters
    ----------
    share, x : float
        The result of `logistic`, and its argument.
    """
    return share * (1.0 - share) if abs(x) < FAR else 0.0


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
        log_omega = min(max(theta[at], -FAR), FAR)
        excess = math.exp(log_omega)
        natural[OMEGA] = OMEGA_LEAST + excess
        jacobian[OMEGA, at] = excess if log_omega == theta[at] else 0.0
        _coefficients(theta, at + 1, kind, natural, jacobian)
    if student:
        last = len(theta) - 1
        share = logistic(theta[last])
        natural[NU] = NU_LEAST + (NU_MOST - NU_LEAST) * share
        jacobian[NU, last] = (NU_MOST - NU_LEAST) * slope_of(share, theta[last])


@compiled
def _ewma(
    theta: FloatArray, at: int, decay: float, natural: FloatArray, jacobian: FloatArray
) -> None:
    beta = decay
    if math.isnan(decay):
        beta = logistic(theta[at])
        slope = slope_of(beta, theta[at])
        jacobian[FIRST, at], jacobian[SECOND, at], jacobian[THIRD, at] = -slope, -slope, slope
    natural[OMEGA], natural[FIRST], natural[SECOND] = 0.0, 1.0 - beta, 1.0 - beta
    natural[THIRD] = beta


@compiled
def _coefficients(
    theta: FloatArray, at: int, kind: int, natural: FloatArray, jacobian: FloatArray
) -> None:
    """Share out the persistence: to returns and the last variance, or to three means."""
    total, share = logistic(theta[at]), logistic(theta[at + 1])
    d_total, d_share = slope_of(total, theta[at]), slope_of(share, theta[at + 1])
    rest = 1.0 - share
    part, d_part = 0.5, 0.0  # GARCH: equal shares
    if kind != GARCH:
        part = logistic(theta[at + 2])
        d_part = slope_of(part, theta[at + 2])
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

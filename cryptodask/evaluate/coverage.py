"""Tests of whether losses beyond a value at risk, or misses of intervals, come as they should.

They should come with the probability that was promised, and one should say nothing of the next.
Forecasts must not overlap: of those over ``h`` bars, take every ``h``-th.

Sources: Kupiec, Techniques for verifying the accuracy of risk measurement models, Journal of
Derivatives 1995; Christoffersen, Evaluating interval forecasts, International Economic Review 1998.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.records import BoolArray


@dataclass(frozen=True)
class CoverageTest:
    """A likelihood ratio test.

    Attributes
    ----------
    statistic : float
        Twice the log likelihood ratio, 0 or more; NaN where there is nothing to test.
    freedom : int
        Degrees of freedom of its chi-squared distribution.
    p_value : float
        Probability of a statistic at least as large, 0 to 1, if what is tested is true.
    """

    statistic: float
    freedom: int
    p_value: float


def kupiec(misses: BoolArray | Sequence[bool], probability: float) -> CoverageTest:
    """Test whether misses come with a probability: unconditional coverage.

    Parameters
    ----------
    misses : ndarray of bool, ``(n,)``
        Whether each forecast was missed, as a loss that is larger than its value at risk.
    probability : float
        Of a miss, between 0 and 1: 0.05 for a value at risk of 5%.

    Returns
    -------
    CoverageTest
        Of one degree of freedom.

    Raises
    ------
    OptionError
        The probability is out of range, or misses are not one row of yes and no.

    Examples
    --------
    >>> round(kupiec([True] * 6 + [False] * 249, 0.01).statistic, 2)
    3.42
    """
    hits = _checked(misses, probability)
    n, missed = len(hits), int(hits.sum())
    if not n:
        return _tested(math.nan, 1)
    promised = _log_likelihood(missed, n - missed, probability)
    return _tested(2.0 * (_log_likelihood(missed, n - missed, missed / n) - promised), 1)


def christoffersen(misses: BoolArray | Sequence[bool]) -> CoverageTest:
    """Test whether a miss says nothing of the next: independence, against a Markov chain.

    Parameters
    ----------
    misses : ndarray of bool, ``(n,)``
        In the order of time.

    Returns
    -------
    CoverageTest
        Of one degree of freedom; NaN of fewer than two.

    Raises
    ------
    OptionError
        Misses are not one row of yes and no.
    """
    hits = _checked(misses, 0.5)
    before, after = hits[:-1], hits[1:]
    if not len(after):
        return _tested(math.nan, 1)
    chain = 0.0
    for state in (False, True):
        follows = after[before == state]
        if len(follows):
            missed = int(follows.sum())
            chain += _log_likelihood(missed, len(follows) - missed, missed / len(follows))
    missed = int(after.sum())
    always = _log_likelihood(missed, len(after) - missed, missed / len(after))
    return _tested(2.0 * (chain - always), 1)


def conditional_coverage(misses: BoolArray | Sequence[bool], probability: float) -> CoverageTest:
    """Test both: that misses come with a probability, whatever came before.

    Parameters
    ----------
    misses : ndarray of bool, ``(n,)``
        In the order of time. The first has nothing before it, so that only the others count.
    probability : float
        Of a miss, between 0 and 1.

    Returns
    -------
    CoverageTest
        Of two degrees of freedom; NaN of fewer than two.

    Raises
    ------
    OptionError
        As `kupiec` raises it.
    """
    hits = _checked(misses, probability)
    both = kupiec(hits[1:], probability).statistic + christoffersen(hits).statistic
    return _tested(both, 2)


def _checked(misses: BoolArray | Sequence[bool], probability: float) -> BoolArray:
    hits = np.asarray(misses)
    if hits.ndim != 1 or (len(hits) and hits.dtype != np.bool_):
        raise OptionError(
            f"misses: must be one row of yes and no, got {hits.dtype} of shape {hits.shape}"
        )
    if not 0.0 < probability < 1.0:
        raise OptionError(f"probability: must be above 0 and below 1, got {probability}")
    return hits.astype(np.bool_)


def _log_likelihood(missed: int, kept: int, probability: float) -> float:
    """Return the log likelihood of counts; 0 times the log of 0 is 0."""
    total = 0.0
    for count, share in ((missed, probability), (kept, 1.0 - probability)):
        total += count * math.log(share) if count else 0.0
    return total


def _tested(statistic: float, freedom: int) -> CoverageTest:
    from scipy.special import chdtrc

    # Rounding may leave a little below 0.
    known = math.nan if math.isnan(statistic) else max(statistic, 0.0)
    return CoverageTest(known, freedom, float(chdtrc(freedom, known)))

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
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.evaluate.rows import LEVELS, bounded
from cryptodask.records import BoolArray

FEWEST = 20
"""Forecasts that a test needs: of fewer, its p value is not what it says."""

REJECTED = 0.05
"""A p value below which what is tested counts as not true."""


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


def coverage_tests(table: pd.DataFrame) -> pd.DataFrame:
    """Test the intervals of each coin and model, at the last step of a backtest.

    Forecasts that overlap are left out: after one that is taken, the next is that from its last
    date on. Counts of parts, each of whole coins, are joined by `pandas.concat`.

    Parameters
    ----------
    table : DataFrame
        A backtest; see `cryptodask.evaluate.rows.SCORED_COLUMNS`.

    Returns
    -------
    DataFrame
        ``coin, model, level, n, missed, kupiec, christoffersen``: ``n`` forecasts; ``missed`` is
        how many had an actual outside the interval of ``level`` percent; then p values of `kupiec`
        and `christoffersen`. Coins with fewer than `FEWEST` are left out.
    """
    rows = bounded(table)
    rows = rows[rows["step"] == table["step"].max()].sort_values("cutoff")
    tested = []
    for (coin, model), forecasts in rows.groupby(["coin", "model"], sort=True):
        taken = forecasts[_apart(forecasts)]
        if len(taken) < FEWEST:
            continue
        for level in LEVELS:
            inside = taken["actual"].between(taken[f"lower_{level}"], taken[f"upper_{level}"])
            missed = ~inside.to_numpy()
            p_values = kupiec(missed, 1 - level / 100).p_value, christoffersen(missed).p_value
            tested.append((coin, model, level, len(taken), int(missed.sum()), *p_values))
    return pd.DataFrame(
        tested, columns=["coin", "model", "level", "n", "missed", "kupiec", "christoffersen"]
    )


def rejected(tests: pd.DataFrame) -> pd.DataFrame:
    """Return of how many coins the coverage is refuted: about 5% where intervals are right.

    Coins move together, so that the share of one stretch of time may be far from that by chance.

    Parameters
    ----------
    tests : DataFrame
        See `coverage_tests`; of all parts.

    Returns
    -------
    DataFrame
        ``model, level, coins, n, coverage, kupiec, christoffersen``: ``n`` is the mean number of
        forecasts a coin, ``coverage`` the mean share inside, and the last two are the shares of
        coins with a p value below `REJECTED`.
    """
    columns = {
        "coin": tests["coin"],
        "n": tests["n"],
        "coverage": 1 - tests["missed"] / tests["n"],
        "kupiec": tests["kupiec"] < REJECTED,
        "christoffersen": tests["christoffersen"] < REJECTED,
    }
    groups = pd.DataFrame(columns).groupby([tests["model"], tests["level"]], sort=True)
    means = groups[["n", "coverage", "kupiec", "christoffersen"]].mean()
    means.insert(0, "coins", groups["coin"].count())
    return means.reset_index()


def _apart(forecasts: pd.DataFrame) -> BoolArray:
    """Return which forecasts of a coin to take, by cutoff, so that none overlap, ``(n,)``."""
    taken = np.zeros(len(forecasts), dtype=np.bool_)
    end = None
    pairs = zip(forecasts["cutoff"], forecasts["date"], strict=True)
    for i, (cutoff, date) in enumerate(pairs):
        if end is None or cutoff >= end:
            taken[i], end = True, date
    return taken


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

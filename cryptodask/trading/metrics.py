"""What an equity curve was worth: return, risk, Sharpe ratios and how sure they are.

Bars without a change count. The riskless rate is 0. A year has 365 days, as coins trade on all.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.records import FloatArray
from cryptodask.trading.simulation import Market, Outcome

CURVE_COLUMNS = (
    "return", "cagr", "volatility", "sharpe", "sharpe_error", "sortino", "drawdown",
)  # fmt: skip
"""Figures of an equity curve. All but Sharpe and Sortino ratios are shares; ``cagr``,
``volatility`` and the ratios are a year's, and ``drawdown`` is 0 or below."""

TRADE_COLUMNS = ("turnover", "exposure", "fees", "slipped", "borrowed", "fills", "hit_rate")
"""Figures of trades: ``turnover`` is what was bought and sold, a year, in multiples of the mean
equity; ``exposure`` the mean share of the equity in positions; ``fees``, ``slipped`` and
``borrowed`` (fees for what was short) are in the quote currency; ``hit_rate`` is the share of
closing fills with a profit."""

SUMS = ("traded", "closed", "won")
"""What turnover and hit rate are made of: traded in the quote currency, closing fills, and those
with a profit."""


def returns_of(equity: FloatArray) -> FloatArray:
    """Return the simple return of each bar.

    Parameters
    ----------
    equity : ndarray of float64, ``(n_dates, ...)``
        In the quote currency.

    Returns
    -------
    ndarray of float64, ``(n_dates - 1, ...)``
        Shares; 0 where nothing was left before.
    """
    before = equity[:-1]
    change = np.diff(equity, axis=0)
    return np.divide(change, before, out=np.zeros_like(change), where=before > 0)


def curve_figures(equity: FloatArray, bars_a_year: float) -> dict[str, FloatArray]:
    """Return the figures of equity curves.

    Parameters
    ----------
    equity : ndarray of float64, ``(n_dates, n_curves)``
        In the quote currency, above 0 at the start.
    bars_a_year : float

    Returns
    -------
    dict of str to ndarray of float64, ``(n_curves,)``
        See `CURVE_COLUMNS`; from a date on which nothing is left, nothing is. NaN where it is not
        defined, as the Sharpe ratio of what never moved, or of what came to owe.
        The error of the Sharpe ratio is that of Lo (2002), "The Statistics of Sharpe Ratios",
        Financial Analysts Journal 58(4), of returns that are independent: ``sqrt((1 + SR**2 / 2) /
        T)`` for a bar, times the root of the bars a year.
    """
    owes = (equity < 0.0).any(axis=0)
    # What was lost is lost: shorts may leave debts, and no ratio says anything of these.
    equity = np.where(np.logical_or.accumulate(equity <= 0.0, axis=0), 0.0, equity)
    # A curve a row: the sums of one do not depend on how many are beside it.
    returns = np.ascontiguousarray(returns_of(equity).T)
    bars = returns.shape[1]
    root = math.sqrt(bars_a_year)
    with np.errstate(all="ignore"):
        growth = equity[-1] / equity[0]
        mean = returns.mean(axis=1) if bars else np.full(equity.shape[1], np.nan)
        deviation = (returns.std(axis=1, ddof=1) if bars > 1
                     else np.full(equity.shape[1], np.nan))  # fmt: skip
        # The same return on all bars has a deviation of rounding, and no ratio.
        still = deviation <= 1e-14 * np.abs(mean) if bars else deviation
        ratio = np.where(still | owes | (deviation == 0), np.nan, mean / deviation)
        below = np.sqrt((np.minimum(returns, 0.0) ** 2).mean(axis=1)) if bars else mean
        peak = np.maximum.accumulate(equity, axis=0)
        return {
            "return": growth - 1.0,
            "cagr": growth ** (bars_a_year / bars) - 1.0 if bars else growth * np.nan,
            "volatility": deviation * root,
            "sharpe": ratio * root,
            "sharpe_error": np.sqrt((1.0 + ratio**2 / 2.0) / bars) * root,
            "sortino": np.where((below > 0) & ~owes, mean / below * root, np.nan),
            "drawdown": (equity / peak - 1.0).min(axis=0),
        }


def deflated_sharpe(returns: FloatArray, tried: Sequence[float], rules: int | None = None) -> float:
    """Return the probability that a rule's Sharpe ratio is above what luck gives the best of many.

    Bailey and López de Prado (2014), "The Deflated Sharpe Ratio", Journal of Portfolio Management
    40(5). With one rule it is their probabilistic Sharpe ratio against 0.

    Parameters
    ----------
    returns : ndarray of float64, ``(n_bars,)``
        Simple returns of the rule, shares.
    tried : sequence of float
        Sharpe ratios of a bar of the rules that were tried, this one's among them.
    rules : int, optional
        How many were tried, if more than these.

    Returns
    -------
    float
        From 0 to 1; NaN of returns that never change.
    """
    from scipy.stats import kurtosis, norm, skew

    if len(returns) < 3 or np.ptp(returns) == 0:
        return math.nan
    ratio = float(returns.mean() / returns.std(ddof=1))
    known = [value for value in tried if math.isfinite(value)]
    luck = expected_best(float(np.std(known, ddof=1)) if len(known) > 1 else 0.0,
                         max(rules or 1, len(tried)))  # fmt: skip
    variance = 1.0 - skew(returns) * ratio + (kurtosis(returns, fisher=False) - 1.0) / 4 * ratio**2
    if not variance > 0:
        return math.nan
    return float(norm.cdf((ratio - luck) * math.sqrt((len(returns) - 1) / variance)))


def expected_best(deviation: float, rules: int) -> float:
    """Return the Sharpe ratio that luck gives the best of some rules without any worth.

    Parameters
    ----------
    deviation : float
        Standard deviation of the ratios of the rules that were tried.
    rules : int
        How many.
    """
    from scipy.stats import norm

    if rules < 2:
        return 0.0
    first, second = norm.ppf(1.0 - 1.0 / rules), norm.ppf(1.0 - 1.0 / (rules * math.e))
    return float(deviation * ((1.0 - np.euler_gamma) * first + np.euler_gamma * second))


def in_all(
    total: FloatArray, held: FloatArray, coins: pd.DataFrame, bars_a_year: float
) -> dict[str, float]:
    """Return the figures of all coins together.

    Parameters
    ----------
    total, held : ndarray of float64, ``(n_dates,)``
        Equity of all, and absolute values of all positions, in the quote currency.
    coins : DataFrame
        What `by_coin` says of each, in any order.
    bars_a_year : float
    """
    figures = {k: float(v[0]) for k, v in curve_figures(total[:, None], bars_a_year).items()}
    sums = {name: math.fsum(coins[name]) for name in (*SUMS, *TRADE_COLUMNS[2:6])}
    years = max(len(total) - 1, 1) / bars_a_year
    return figures | {
        "turnover": float(sums["traded"] / np.maximum(total, 0.0).mean() / years),
        "exposure": float(exposure_of(total[:, None], held[:, None])[0]),
        **{name: sums[name] for name in TRADE_COLUMNS[2:6]},
        "hit_rate": sums["won"] / sums["closed"] if sums["closed"] else math.nan,
    }


def exposure_of(equity: FloatArray, held: FloatArray) -> FloatArray:
    """Return the mean share of the equity in positions, ``(n_curves,)``.

    Parameters
    ----------
    equity, held : ndarray of float64, ``(n_dates, n_curves)``
        In the quote currency; where nothing is left, a date counts as 0.
    """
    share = np.divide(held, equity, out=np.zeros_like(held), where=equity > 0)
    return np.asarray(np.ascontiguousarray(share.T).mean(axis=1))


def by_coin(outcome: Outcome, market: Market, bars_a_year: float) -> pd.DataFrame:
    """Return the figures of each coin.

    Parameters
    ----------
    outcome : Outcome
    market : Market
    bars_a_year : float

    Returns
    -------
    DataFrame
        ``coin, profit`` (in the quote currency, what is held at its last close included),
        `TRADE_COLUMNS` and `SUMS`; with `CURVE_COLUMNS` where each coin has its own cash. Turnover
        of coins that share cash is in multiples of the equity of all; their exposure is NaN.
    """
    coins = list(outcome.coins)
    trades = _trades(outcome.fills, coins)
    years = max(len(outcome.dates) - 1, 1) / bars_a_year
    last = pd.DataFrame(market.close).ffill().fillna(0.0).to_numpy()[-1]
    profit = trades["flow"].to_numpy() + trades["held"].to_numpy() * last - outcome.borrowed
    frame = pd.DataFrame({"coin": pd.array(coins, dtype="str"), "profit": profit})
    # As in `curve_figures`, and of shared cash there is one curve for all.
    mean = np.ascontiguousarray(np.maximum(outcome.equity, 0.0).T).mean(axis=1)
    exposure: Any = np.nan
    if not outcome.shared:
        frame = frame.assign(**curve_figures(outcome.equity, bars_a_year))
        exposure = exposure_of(outcome.equity, outcome.held)
    plain = ("fees", "slipped", "fills", "hit_rate", *SUMS)
    named = {name: trades[name].to_numpy() for name in plain} | {"borrowed": outcome.borrowed}
    named |= {"turnover": named["traded"] / mean / years, "exposure": exposure}
    return frame.assign(**{name: named[name] for name in (*TRADE_COLUMNS, *SUMS)})


def _trades(fills: pd.DataFrame, coins: Sequence[str]) -> pd.DataFrame:
    """Return sums of fills by coin, those without fills too."""
    sign = np.where(fills["side"] == "buy", 1.0, -1.0)
    notional = fills["quantity"] * fills["price"]
    columns = {
        "traded": notional.where(fills["reason"] == "order", 0.0),
        "held": sign * fills["quantity"],
        "flow": -sign * notional - fills["fee"],
        "fees": fills["fee"],
        "slipped": fills["slipped"],
        "fills": np.ones(len(fills)),
        "closed": fills["profit"].notna(),
        "won": fills["profit"] > 0,
    }
    # In the order of a coin's fills, whatever is beside them; a group's sum of pandas is not.
    codes = pd.Index(coins).get_indexer(pd.Index(fills["coin"]))
    sums = pd.DataFrame(
        {name: np.bincount(codes, np.asarray(values, dtype=float), len(coins))
         for name, values in columns.items()},
        index=pd.Index(coins),
    )  # fmt: skip
    return sums.assign(hit_rate=sums["won"] / sums["closed"].where(sums["closed"] > 0))

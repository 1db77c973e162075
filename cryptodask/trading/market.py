"""Prices as matrices of dates and coins, and whether they are those that a backtest saw."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError
from cryptodask.prices import CryptoLoader
from cryptodask.prices.freq import step_of
from cryptodask.records import DateArray, FloatArray
from cryptodask.trading.simulation import Market

SAME = 1e-12
"""Share of a price by which writing and reading it may change it."""

COLUMNS = ("open", "close", "volume")
"""Of prices, that a market has."""

WINDOW, LEAST = 30, 10
"""Bars of recent volatility, and how many returns it needs."""


def read_market(
    loader: CryptoLoader, coins: Sequence[str], first: np.datetime64, last: np.datetime64
) -> Market:
    """Read the prices of coins onto a common grid of dates.

    Parameters
    ----------
    loader : CryptoLoader
    coins : sequence of str
    first, last : datetime64[s]
        Dates of the first and the last bar.

    Returns
    -------
    Market
        Opens and volumes are None where no coin has any.

    Raises
    ------
    UnknownCoinError
        The source has no coin of that name.
    OptionError
        The backtest has no forecast.
    """
    if not coins or last < first:
        raise OptionError("backtest: has no forecast, so there is nothing to trade")
    dates = grid_of(first, last, step_of(loader.freq))
    names = sorted(coins)
    frames = [partition.load(COLUMNS).prices for partition in loader.partitions(names)]
    return market_of(pd.concat(frames), names, dates)


def grid_of(first: np.datetime64, last: np.datetime64, step: np.timedelta64) -> DateArray:
    """Return all dates from one to another, a bar apart."""
    return np.arange(first, last + step, step).astype("datetime64[s]")


def market_of(prices: pd.DataFrame, coins: Sequence[str], dates: DateArray) -> Market:
    """Return the prices of coins on a grid of dates.

    Parameters
    ----------
    prices : DataFrame
        ``coin, date`` and `COLUMNS`; rows of other coins and dates are left out.
    coins : sequence of str
        In order.
    dates : ndarray of datetime64[s], ``(n_dates,)``

    Returns
    -------
    Market
        Opens and volumes are None where no coin has any.
    """
    rows = pd.Index(dates).get_indexer(pd.Index(prices["date"].to_numpy().astype("datetime64[s]")))
    columns = pd.Index(coins).get_indexer(pd.Index(prices["coin"]))
    inside = (rows >= 0) & (columns >= 0)
    matrices = {}
    for name in COLUMNS:
        matrix = np.full((len(dates), len(coins)), np.nan)
        matrix[rows[inside], columns[inside]] = prices[name].to_numpy()[inside]
        matrices[name] = matrix if name == "close" or np.isfinite(matrix).any() else None
    close = matrices["close"]
    assert close is not None
    return Market(tuple(coins), dates, close, matrices["open"], matrices["volume"])


def check_same_prices(market: Market, rows: pd.DataFrame) -> None:
    """Check that closes are those that a backtest saw, at its origins and after them.

    Parameters
    ----------
    market : Market
    rows : DataFrame
        ``coin, cutoff, date, last, actual`` of a backtest.

    Raises
    ------
    InputError
        A close is another, or is missing; the message names coin, date and both.
    """
    for when, column in (("cutoff", "last"), ("date", "actual")):
        seen = rows[["coin", when, column]].dropna().drop_duplicates()
        dates, columns = places_of(market, seen["coin"], seen[when])
        outside = dates < 0
        closes = np.where(outside, np.nan, market.close[dates, columns])
        theirs = seen[column].to_numpy()
        with np.errstate(invalid="ignore"):
            same = np.abs(closes - theirs) <= SAME * np.abs(theirs)
        if not same.all():
            row, close = seen[~same].iloc[0], closes[~same][0]
            shown = "no close" if np.isnan(close) else f"{close:.12g}"
            raise InputError(
                f"{row['coin']}: the backtest saw a close of {row[column]:.12g} at {row[when]}, "
                f"and these prices have {shown}; simulate with the prices that it saw"
            )


def places_of(
    market: Market, coins: "pd.Series[str]", dates: "pd.Series[pd.Timestamp]"
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of a market's matrices, -1 for dates beyond it.

    Parameters
    ----------
    market : Market
    coins : Series of str, ``(n_rows,)``
    dates : Series of datetime64, ``(n_rows,)``

    Returns
    -------
    rows, columns : ndarray of int64, ``(n_rows,)``
    """
    columns = pd.Index(market.coins).get_indexer(pd.Index(coins))
    rows = pd.Index(market.dates).get_indexer(pd.Index(dates.to_numpy().astype("datetime64[s]")))
    return np.asarray(rows), np.asarray(columns)


def volatility_at(market: Market, date: int) -> FloatArray:
    """Return the standard deviation of each coin's latest log returns, at a date.

    Parameters
    ----------
    market : Market
    date : int
        A row of its matrices.

    Returns
    -------
    ndarray of float64, ``(n_coins,)``
        Log returns of a bar; of 30 bars, NaN of coins with fewer than 10 returns among them, or
        with the same return on all.
    """
    # A coin a row: the sums of one do not depend on how many are beside it.
    closes = np.ascontiguousarray(market.close[max(0, date - WINDOW) : date + 1].T)
    returns = np.diff(np.log(closes), axis=1)
    known = np.isfinite(returns)
    count = known.sum(axis=1)
    filled = np.where(known, returns, 0.0)
    with np.errstate(all="ignore"):
        mean = (filled.sum(axis=1) / count)[:, None]
        squares = np.where(known, returns - mean, 0.0) ** 2
        deviation = np.sqrt(squares.sum(axis=1) / (count - 1))
    return np.where((count >= LEAST) & (deviation > 0), deviation, np.nan)


def from_date(market: Market, date: np.datetime64) -> Market:
    """Return a market from a date on.

    Parameters
    ----------
    market : Market
    date : datetime64
    """
    start = int(np.searchsorted(market.dates, date))
    later = [None if m is None else m[start:] for m in (market.open, market.volume)]
    dates: DateArray = market.dates[start:]
    return Market(market.coins, dates, market.close[start:], *later)

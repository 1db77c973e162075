"""Made-up daily prices of made-up coins, with the habits of real ones.

The log price of coin ``i`` on day ``t`` is its level, plus ``x``, plus the bounce of the last
trade between bid and ask; ``g`` is its variance in units of the usual one::

    x[t]         = (1 - PULL) x[t-1] + beta_i m[t] + sigma_i sqrt(g[t]) z[t]    z: Student-t
    g[t+1]       = (1 - persistence_i) + (shock_i z[t]² + persistence_i - shock_i) g[t]
    log close[t] = level_i + x[t] + bounce_i sigma_i sqrt(g[t]) w[t]            w: normal

so each coin is a GARCH(1,1), and so is the market ``m``, which all share and whose drift and
scale follow a Markov chain of calm, rising and falling times. ``TRAITS`` and the constants are
set so that Cont's stylised facts come out near those of coin listings: fat tails, clustered
volatility, next to no memory in returns, correlated coins, volume that rises with volatility.
Not imitated: the positive skew of real coins' returns.

References
----------
Cont (2001), "Empirical properties of asset returns: stylized facts and statistical issues".
Bollerslev (1986), "Generalized autoregressive conditional heteroskedasticity"; (1987), with t.
Hamilton (1989), "A new approach to the economic analysis of nonstationary time series": regimes.
Roll (1984), "A simple implicit measure of the effective bid-ask spread": the bounce.
Karpoff (1987), "The relation between price changes and trading volume".
Glasserman (2003), "Monte Carlo Methods in Financial Engineering", 6.4: extremes of a bridge.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from math import inf, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.records import DAY, FloatArray

Ints = NDArray[np.int64]

#: The ranges from which every coin draws its constants, uniformly and in this order.
TRAITS = {
    "age": (0.0, 1.0),  # 0: as young as ordinary coins come, 1: as old as the table
    "log10_level": (-4.5, 3.0),  # of the price about which x moves, USD
    "beta": (0.5, 1.7),  # log return for a log return of the market
    "log_sigma": (
        -2.4,
        -1.5,
    ),  # of the daily standard deviation of its log returns apart from the market
    "shock": (0.25, 0.40),  # GARCH: the part of a squared surprise that lasts
    "persistence": (0.94, 0.99),  # GARCH: the part of all variance that lasts, a day
    "dof": (2.6, 4.0),  # degrees of freedom of Student's t
    "bounce": (0.1, 0.65),  # standard deviation of the bounce, in those of a day's return
    "log10_cap": (5.5, 9.5),  # of the market cap at the level price, USD
    "log10_turnover": (-3.0, -1.0),  # of the share of the market cap traded in a usual day
    "unknown": (0.0, 1.0),  # below 1/4: volume missing at first; above 11/12: no market cap
}
BROKEN = ("constant", "gap")  # what can be wrong with a coin of a clean table
PULL = 0.003  # a day; in the long run keeps prices within about two decades of their level
MOST_VARIANCE, MOST_SHOCK = 20.0, 8.0  # so that not one coin of a hundred thousand explodes
MIN_DAYS = 100  # days of the youngest ordinary coin
MARKET_SIGMA, MARKET_SHOCK, MARKET_PERSISTENCE, MARKET_DOF = 0.04, 0.12, 0.96, 6.0
REGIMES = ((0.0, 0.8), (0.006, 1.1), (-0.006, 1.6))  # log return a day, scale of sigma
REGIME_CHANGE = 0.015  # a day: a regime lasts 67 days in the mean

_COIN_DAYS_AT_ONCE = 1_000_000  # bounds the memory of a simulation to some 200 MB
_SYLLABLES = [consonant + vowel for consonant in "bdklmnrstv" for vowel in "aeiou"]
_COLUMNS = ("open", "high", "low", "close", "volume", "market_cap")
_HEADER = "Date,Open,High,Low,Close,Volume,Market Cap"
# Not strftime, whose names of months depend on the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def coin_name(number: int) -> str:
    """Return the name of coin ``number`` (from 0): syllables and ``toy``, as in ``Lumekotoy``.

    No two numbers share a name, not even when case is folded.
    """
    base = len(_SYLLABLES)
    block, place = divmod(number, base**3)
    # A factor coprime to the base permutes the places, so that neighbours do not look alike.
    place = (place + 1) * 31_847 % base**3
    digits = [place // base**2, place // base % base, place % base]
    while block:
        block, digit = divmod(block, base)
        digits.insert(0, digit)
    return "".join(_SYLLABLES[digit] for digit in digits).capitalize() + "toy"


def synthetic_prices(
    n_coins: int = 100,
    n_days: int = 1_600,
    *,
    seed: int = 0,
    end: str | date = "2026-06-30",
    short: Sequence[int] = (),
    broken: Sequence[str] = (),
) -> pd.DataFrame:
    """Make a price table of made-up coins; the same arguments give the same table.

    Coin ``i`` is called ``coin_name(i)``. Its rows depend on the other arguments and its number,
    not on how many coins there are: more coins add rows and change none.

    Parameters
    ----------
    n_coins : int
        Number of coins, at least 1.
    n_days : int
        Days of the oldest coin there may be, at least 1. The number of rows of an ordinary coin
        is spread evenly from 100 (or half of ``n_days``, if that is less) to ``n_days``.
    seed : int
        Not negative.
    end : str or date
        Last day of every coin.
    short : sequence of int
        Number of days of the first coins, one after the other.
    broken : sequence of {"constant", "gap"}
        The coins after those have one price for ever, or lack the middle third of their days.

    Returns
    -------
    DataFrame
        Columns coin (str), date (datetime64[s], a UTC day), and float64 open, high, low, close
        (USD), volume (USD a day), market_cap (USD). Sorted by coin and date, no pair twice. The
        open is the close of the day before. One coin in four has no volume (NaN) in the first
        tenth of its days, and one in twelve no market cap (NaN).

    Raises
    ------
    OptionError
        If an argument is out of its range.
    """
    last = _checked(n_coins, n_days, seed, end, short, broken)
    names = [coin_name(number) for number in range(n_coins)]
    order = np.array(sorted(range(n_coins), key=names.__getitem__))
    market = _market(n_days, seed)
    width = max(1, _COIN_DAYS_AT_ONCE // n_days)
    special: dict[int, int | str] = dict(enumerate([*map(int, short), *broken]))
    blocks = [_block(order[i : i + width], market, seed, special) for i in range(0, n_coins, width)]
    rows, ages, values = (list(part) for part in zip(*blocks, strict=True))
    columns: dict[str, Any] = {
        "coin": pd.array([names[i] for i in order], dtype="str").repeat(np.concatenate(rows)),
        "date": (last - np.concatenate(ages) * DAY).astype("datetime64[s]"),
    }
    for name in _COLUMNS:  # popped, so that a column is in memory twice but the table is not
        columns[name] = np.concatenate([block.pop(name) for block in values])
    return pd.DataFrame(columns, copy=False)


def write_sample(folder: str | Path, *, seed: int = 0) -> None:
    """Write a sample of 100 files, one a coin, in the layout of coin listings.

    Newest row first, dates as ``Sep 22, 2017``, six significant digits, volume and market cap
    from 1,000 USD up in whole dollars with separators, missing as ``-``; 78,266 rows for seed 0.
    As in a real download, not all is well:

    =============  ==================================================
    ``Kisevitoy``  11 days
    ``Namotutoy``  34 days
    ``Sokatetoy``  51 days
    ``Bavisotoy``  the same price every day
    ``Korusatoy``  lacks the middle third of its days
    ``Nemeritoy``  an impossible date (Feb 30) in rows 10, 20 and 30
    ``Sudonutoy``  the text ``unknown`` for the close of those rows
    ``Bevanetoy``  a header and no row
    =============  ==================================================

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist; files of the same names are replaced.
    seed : int
        Not negative. It changes prices and ages; names and defects stay.

    Raises
    ------
    OptionError
        If the seed is negative.
    """
    folder = Path(folder)
    table = synthetic_prices(seed=seed, short=(11, 34, 51), broken=BROKEN)
    bad_dates, bad_closes, header_only = (coin_name(number) for number in (5, 6, 7))
    folder.mkdir(parents=True, exist_ok=True)
    for coin, prices in table.groupby("coin"):
        rows = [_cells(row) for row in prices.iloc[::-1].itertuples(index=False)]
        if coin == bad_dates:
            for row in rows[9:30:10]:
                row[0] = f'"Feb 30, {row[0][-5:-1]}"'
        elif coin == bad_closes:
            for row in rows[9:30:10]:
                row[4] = "unknown"
        elif coin == header_only:
            rows.clear()
        text = "\n".join([_HEADER, *map(",".join, rows), ""])
        (folder / f"{coin}.csv").write_text(text, encoding="ascii", newline="\n")


def _market(n_days: int, seed: int) -> FloatArray:
    """Return log returns and relative variance of the market, ``(2, n_days)``."""
    rng = _rng(seed, 0)
    z = rng.standard_t(MARKET_DOF, (1, n_days)) * sqrt(1 - 2 / MARKET_DOF)
    changes = rng.random(n_days) < REGIME_CHANGE
    regime = np.cumsum(changes * rng.integers(1, len(REGIMES), n_days)) % len(REGIMES)
    drift, scale = np.array(REGIMES).T[:, regime]
    g = scale**2 * _garch(np.array([[MARKET_SHOCK]]), np.array([[MARKET_PERSISTENCE]]), z)
    return np.vstack([drift + MARKET_SIGMA * np.sqrt(g) * z, g])


def _rng(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of the market (key 0) or of a coin (key 1 and its number)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _garch(shock: FloatArray, persistence: FloatArray, z: FloatArray) -> FloatArray:
    """Return ``g`` of the module's docstring, ``(n_coins, n_days)`` as ``z``."""
    factors = (shock * z**2 + persistence - shock).T.copy()  # a day of all coins is one row
    day_by_day = np.ones_like(factors)
    for today, tomorrow, factor in zip(day_by_day, day_by_day[1:], factors, strict=False):
        np.minimum(1 - persistence[:, 0] + factor * today, MOST_VARIANCE, out=tomorrow)
    return day_by_day.T.copy()


def _pulled(returns: FloatArray) -> FloatArray:
    """Return ``x`` of the module's docstring from its terms after the first."""
    day_by_day = returns.T.copy()
    for yesterday, today in pairwise(day_by_day):
        today += (1 - PULL) * yesterday
    return day_by_day.T.copy()


def _draw(numbers: Ints, n_days: int, seed: int) -> tuple[dict[str, FloatArray], FloatArray]:
    """Draw the traits ``(n_coins, 1)`` and noise ``(5, n_coins, n_days)`` of these coins."""
    low, high = np.array(list(TRAITS.values())).T
    drawn = np.empty((len(numbers), len(TRAITS)))
    noise = np.empty((5, len(numbers), n_days))
    for row, number in enumerate(numbers):
        rng = _rng(seed, 1, int(number))
        drawn[row] = low + (high - low) * rng.random(len(TRAITS))
        dof = drawn[row, list(TRAITS).index("dof")]
        noise[0, row] = rng.standard_t(dof, n_days) * sqrt(1 - 2 / dof)
        noise[1:3, row] = rng.standard_normal((2, n_days))
        noise[3:5, row] = rng.standard_exponential((2, n_days))
    np.clip(noise[0], -MOST_SHOCK, MOST_SHOCK, out=noise[0])
    return {name: drawn[:, [column]] for column, name in enumerate(TRAITS)}, noise


def _block(
    numbers: Ints, market: FloatArray, seed: int, special: dict[int, int | str]
) -> tuple[Ints, Ints, dict[str, FloatArray]]:
    """Return the number of rows of each of these coins, and of all rows age (days) and values."""
    n_days = market.shape[1]
    traits, (z, bounce, chatter, *extremes) = _draw(numbers, n_days, seed)
    defects = [special.get(int(number)) for number in numbers]
    moves = np.array([[defect != "constant"] for defect in defects])
    beta, sigma = traits["beta"] * moves, np.exp(traits["log_sigma"]) * moves
    g = _garch(traits["shock"], traits["persistence"], z)
    x = _pulled(beta * market[0] + sigma * np.sqrt(g) * z)
    level = traits["log10_level"] * np.log(10.0)
    log_close = level + x + traits["bounce"] * sigma * np.sqrt(g) * bounce
    variance = sigma**2 * g + (beta * MARKET_SIGMA) ** 2 * market[1]
    values = _candles(np.hstack([level, log_close]), variance, extremes)

    least = min(MIN_DAYS, (n_days + 1) // 2)
    days = np.floor(least + traits["age"] * (n_days + 1 - least))
    for row, defect in enumerate(defects):
        if isinstance(defect, int):
            days[row] = defect
    age = np.broadcast_to(np.arange(n_days)[::-1], x.shape)
    third = 3 * age // days
    keep = (third < 3) & ~((third == 1) & np.array([[defect == "gap"] for defect in defects]))
    cap = 10.0 ** traits["log10_cap"] * values["close"] / np.exp(level)
    activity = 0.5 * np.log(g * market[1]) + 0.4 * np.abs(z) + 0.5 * chatter
    volume = cap * 10.0 ** traits["log10_turnover"] * np.exp(activity)
    too_early = (traits["unknown"] < 1 / 4) & (age >= 0.9 * days)
    values["volume"] = np.where(too_early, np.nan, volume)
    values["market_cap"] = np.where(traits["unknown"] > 11 / 12, np.nan, cap)
    return keep.sum(axis=1), age[keep], {name: values[name][keep] for name in _COLUMNS}


def _candles(
    log_closes: FloatArray, variance: FloatArray, extremes: Sequence[FloatArray]
) -> dict[str, FloatArray]:
    """Return open, high, low, close ``(n_coins, n_days)`` from ``n_days + 1`` log closes.

    Within a day the log price is a Brownian bridge between two closes, whose highest and lowest
    point are each an exact function of an exponential variate.
    """
    move = np.diff(log_closes)
    up, down = (np.sqrt(move**2 + 2 * variance * extreme) for extreme in extremes)
    prices = np.exp(log_closes)
    before, close = prices[:, :-1], prices[:, 1:]
    # The outer extremes are for rounding: a root or exp may be off by a last bit.
    high = np.maximum(np.exp(log_closes[:, :-1] + (move + up) / 2), np.maximum(before, close))
    low = np.minimum(np.exp(log_closes[:, :-1] + (move - down) / 2), np.minimum(before, close))
    return {"open": before, "high": high, "low": low, "close": close}


def _cells(row: tuple[Any, ...]) -> list[str]:
    """Write a row of the table as the cells of a line."""
    _, day, *prices, volume, cap = row
    written = f'"{_MONTHS[day.month - 1]} {day.day:02d}, {day.year}"'
    return [written, *map(_number, prices), _number(volume, True), _number(cap, True)]


def _number(value: float, separators: bool = False) -> str:
    """Write six digits, which also hide the last bits in which platforms differ; no exponent."""
    rounded = float(f"{value:.6g}")
    if separators and rounded >= 1000:
        return f'"{rounded:,.0f}"'
    return "-" if np.isnan(value) else np.format_float_positional(rounded, trim="-")


def _checked(
    n_coins: int,
    n_days: int,
    seed: int,
    end: str | date,
    short: Sequence[int],
    broken: Sequence[str],
) -> "np.datetime64[date]":
    """Refuse arguments out of their range, and return the last day."""
    limits = [("n_coins", n_coins, 1, inf), ("n_days", n_days, 1, inf), ("seed", seed, 0, inf)]
    for name, value, least, most in [*limits, *(("short", days, 1, n_days) for days in short)]:
        if not isinstance(value, int | np.integer) or not least <= value <= most:
            raise OptionError(f"{name} takes whole numbers from {least} to {most}, got {value!r}.")
    for defect in broken:
        if defect not in BROKEN:
            raise OptionError(f"broken takes names out of {BROKEN}, got {defect!r}.")
    special = len(short) + len(broken)
    if special > n_coins:
        raise OptionError(f"short and broken need n_coins of at least {special}, got {n_coins}.")
    try:
        return np.datetime64(pd.Timestamp(end).date(), "D")
    except (TypeError, ValueError):
        raise OptionError(f"end takes a day such as '2026-06-30', got {end!r}.") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the sample: ``python -m cryptodask.prices.synthetic data --seed 0``."""
    parser = argparse.ArgumentParser(description="Write a sample of made-up coin prices.")
    parser.add_argument("folder", type=Path, help="where to write one CSV file a coin")
    parser.add_argument("--seed", type=int, default=0, help="that of the committed sample is 0")
    options = parser.parse_args(arguments)
    write_sample(options.folder, seed=options.seed)


if __name__ == "__main__":
    main()

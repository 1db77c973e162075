"""One number a day over coins: coverage, errors, and how the day's moves are distributed.

Coins rise and fall together, so that a hundred of them are little more evidence than a few: a
number over coins is compared with the same number of other days, and never coin by coin.
"""

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import pandas as pd

from cryptodask.errors import InputError
from cryptodask.evaluate.rows import LEVELS
from cryptodask.records import DateArray, FloatArray, IntArray

NEEDED = (
    "coin", "date", "forecast", "lower_80", "upper_80", "lower_95", "upper_95", "actual", "last",
)  # fmt: skip
"""Columns of rows that numbers are made of; prices in the quote currency."""

DRIFTS: Mapping[str, str] = {
    "coverage_80": "share of coins whose close lies in the 80% interval",
    "coverage_95": "share of coins whose close lies in the 95% interval",
    "error_over_naive": "log of the mean absolute error over that of the last close",
    "error_over_width": "log of the mean absolute error over the half width of the 80% interval",
}
"""Numbers whose shifts a CUSUM finds, and what each is; errors are of log prices."""

GROWING = ("error_over_naive", "error_over_width")
"""Drifts that matter upwards only: errors that shrink are no harm, and wide intervals show in
coverage."""

FEATURES: Mapping[str, str] = {
    "returns": "log return from the cutoff to the day",
    "scaled_errors": "error of the log price over the half width of the 80% interval",
}
"""What is compared with the reference by its distribution over coins and days."""

PLAIN: Mapping[str, str] = {
    "error": "mean absolute error of the log price",
    "move": "mean absolute log return from the cutoff to the day",
}
"""Numbers that have no limits, for the page."""

SMALLEST = 1e-6
"""Least absolute error whose log is taken: a millionth of the price, below which no price moves."""

BINS = 10
"""Bins of a feature, tenths of the reference."""

MOST_LACKING = 0.5
"""Share of coins that a day may lack and still have numbers: those of a few coins differ more."""


@attrs.frozen(eq=False)
class Days:
    """The numbers of some days, in the order of dates.

    Attributes
    ----------
    dates : ndarray of datetime64[s], ``(n_days,)``
    coins : ndarray of int64, ``(n_days,)``
        How many coins have a forecast with an interval and a close.
    numbers : dict of str to ndarray of float64, ``(n_days,)``
        `DRIFTS` and `PLAIN`; NaN of days with too few coins.
    counts : dict of str to ndarray of int64, ``(n_days, n_bins)``
        Of `FEATURES`: coins in each bin.
    """

    dates: DateArray
    coins: IntArray
    numbers: dict[str, FloatArray]
    counts: dict[str, IntArray]

    def __len__(self) -> int:
        return len(self.dates)


def usable_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have a forecast, an interval, a close and the one at the cutoff.

    Parameters
    ----------
    rows : DataFrame
        With columns `NEEDED`, a row a coin and date.

    Returns
    -------
    DataFrame
        `NEEDED` and `FEATURES`.

    Raises
    ------
    InputError
        A column is missing.
    """
    missing = [name for name in NEEDED if name not in rows.columns]
    if missing:
        raise InputError(f"forecasts: have no column {missing[0]!r}; monitoring needs {NEEDED}")
    prices = rows[list(NEEDED[2:])].to_numpy(dtype=np.float64)
    kept = (np.isfinite(prices) & (prices > 0)).all(axis=1)
    usable = rows.loc[kept, list(NEEDED)].reset_index(drop=True)
    logs = {name: np.log(usable[name].to_numpy()) for name in NEEDED[2:]}
    usable["returns"] = logs["actual"] - logs["last"]
    half = np.maximum((logs["upper_80"] - logs["lower_80"]) / 2, SMALLEST)
    usable["scaled_errors"] = (logs["actual"] - logs["forecast"]) / half
    usable["error"] = np.abs(logs["actual"] - logs["forecast"])
    return pd.DataFrame(usable)


def bin_edges(rows: pd.DataFrame) -> dict[str, list[float]]:
    """Return the inner edges of the bins of each feature: tenths of all values.

    Parameters
    ----------
    rows : DataFrame
        Of `usable_rows`.
    """
    tenths = np.arange(1, BINS) / BINS
    return {name: np.quantile(rows[name].to_numpy(), tenths).tolist() for name in FEATURES}


def daily_numbers(
    rows: pd.DataFrame, edges: Mapping[str, Sequence[float]], usual_coins: float | None = None
) -> Days:
    """Return the numbers of each day that has rows.

    Parameters
    ----------
    rows : DataFrame
        Of `usable_rows`.
    edges : mapping of str to sequence of float
        Inner edges of the bins of each feature.
    usual_coins : float, optional
        How many coins a day should have; by default the median of these days.
    """
    days = rows["date"].to_numpy().astype("datetime64[s]")
    dates, place = np.unique(days, return_inverse=True)
    coins = np.bincount(place, minlength=len(dates)).astype(np.int64)
    usual = float(np.median(coins)) if usual_coins is None and len(coins) else usual_coins or 0.0
    lacking = coins < (1 - MOST_LACKING) * usual

    def mean(values: FloatArray) -> FloatArray:
        means: FloatArray = np.bincount(place, values, len(dates)) / coins
        means[lacking] = np.nan
        return means

    actual = rows["actual"].to_numpy()
    numbers = {}
    for level in LEVELS:
        lower, upper = rows[f"lower_{level}"].to_numpy(), rows[f"upper_{level}"].to_numpy()
        numbers[f"coverage_{level}"] = mean(((lower <= actual) & (actual <= upper)).astype(float))
    numbers["error"] = mean(rows["error"].to_numpy())
    numbers["move"] = mean(np.abs(rows["returns"].to_numpy()))
    scaled = mean(np.abs(rows["scaled_errors"].to_numpy()))
    floor = {name: np.log(np.maximum(numbers[name], SMALLEST)) for name in ("error", "move")}
    numbers["error_over_naive"] = floor["error"] - floor["move"]
    numbers["error_over_width"] = np.log(np.maximum(scaled, SMALLEST))
    counts = {}
    for name, inner in edges.items():
        bins = np.searchsorted(np.asarray(inner), rows[name].to_numpy(), side="left")
        table = np.bincount(place * (len(inner) + 1) + bins, minlength=len(dates) * BINS)
        counts[name] = table.reshape(len(dates), len(inner) + 1).astype(np.int64)
        counts[name][lacking] = 0
    return Days(dates, coins, numbers, counts)

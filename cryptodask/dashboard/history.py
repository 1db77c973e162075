"""Past prices as they are drawn: which columns and days, and where lines break."""

import numpy as np
import pandas as pd

CANDLE = ("open", "high", "low")
"""What a candle needs besides the close."""

VOLUME = "volume"

OTHERS = (*CANDLE, VOLUME)
"""Columns that are drawn where there are any."""

MOST_CELLS = 1_500_000
"""Numbers of past prices on a page without a server: some 16 MB."""

ALL_DAYS = 100_000
"""Days that stand for all."""

DAY = pd.Timedelta(days=1)


def bar_of(closes: pd.DataFrame) -> pd.Timedelta:
    """Return the time from one row to the next, as most rows have it.

    Parameters
    ----------
    closes : DataFrame
        ``coin, date``, sorted by both.

    Returns
    -------
    Timedelta
        A day where no coin has two rows.
    """
    steps = closes["date"].diff()[closes["coin"] == closes["coin"].shift()]
    steps = steps[steps > pd.Timedelta(0)]
    return DAY if steps.empty else pd.Timedelta(steps.mode().iloc[0])


def with_breaks(closes: pd.DataFrame, bar: pd.Timedelta) -> pd.DataFrame:
    """Put a row without numbers into each gap, where a line breaks off.

    Parameters
    ----------
    closes : DataFrame
        ``coin, date`` and numbers, sorted by the first two.
    bar : Timedelta
        From one row to the next.

    Returns
    -------
    DataFrame
        The same columns, sorted; the row of a gap is one bar after the last one before it.
    """
    gap = closes.groupby("coin")["date"].shift(-1) - closes["date"] > 1.5 * bar
    holes = closes.loc[gap, ["coin", "date"]]
    holes = holes.assign(date=holes["date"] + bar).reindex(columns=closes.columns)
    joined = pd.concat([closes, holes.astype(closes.dtypes.to_dict())])
    return joined.sort_values(["coin", "date"], kind="stable", ignore_index=True)


def last_days(closes: pd.DataFrame, days: int) -> pd.DataFrame:
    """Return the rows of each coin's last days, up to and with its last one.

    Parameters
    ----------
    closes : DataFrame
        ``coin, date``.
    days : int
    """
    last = closes.groupby("coin")["date"].transform("max")
    return closes[closes["date"] > last - days * DAY]


def drawn_history(closes: pd.DataFrame, days: int | None) -> tuple[pd.DataFrame, int]:
    """Return the rows and columns that a page shows, and how many days they are at most.

    Parameters
    ----------
    closes : DataFrame
        ``coin, date, close``, and perhaps some of `OTHERS`, sorted by the first two.
    days : int or None
        By default as many as a page without a server can hold, all of them if possible: where
        there are too many numbers, candles and volume are left out first, then the oldest rows.

    Returns
    -------
    DataFrame
        Candles only where all of `CANDLE` are known of any row, with a row in each gap.
    int
        `ALL_DAYS` where no row is left out.
    """
    bar = bar_of(closes)
    known = [name for name in OTHERS if name in closes and closes[name].notna().any()]
    if not set(CANDLE) <= set(known):
        known = [name for name in known if name not in CANDLE]
    if days is None:
        if len(closes) * (2 + len(known)) > MOST_CELLS:
            known = []
        days = ALL_DAYS
        if 2 * len(closes) > MOST_CELLS:
            rows = MOST_CELLS // (2 * closes["coin"].nunique())
            days = max(1, int(rows * bar / DAY))
    shown = last_days(closes, days)
    days = ALL_DAYS if days >= ALL_DAYS else days
    return with_breaks(shown[["coin", "date", "close", *known]], bar), days


def milliseconds_of(bar: pd.Timedelta) -> float:
    """Return a duration in milliseconds, as a browser counts.

    Parameters
    ----------
    bar : Timedelta
    """
    return float(bar / np.timedelta64(1, "ms"))

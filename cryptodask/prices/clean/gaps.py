"""Gaps in the series of coins: left as they are, filled and flagged, or used to split a series.

A table holds rows as they were read. Gaps are dealt with when rows are read from it. Pure
functions of frames.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.errors import OptionError
from cryptodask.prices.freq import DAILY, step_of
from cryptodask.prices.schema import AMOUNT_COLUMNS, PRICE_COLUMNS, starts_of

GapMode = Literal["leave", "fill", "split"]


@dataclass(frozen=True)
class GapHandling:
    """What to do about gaps.

    Attributes
    ----------
    mode : {"leave", "fill", "split"}
        Leave them; fill those that are short enough (`fill_gaps`); or number the segments
        between them (`number_segments`).
    limit : int, optional
        Of "fill", the most bars that a gap may lack to be filled.

    Raises
    ------
    OptionError
        Neither of the three, or a limit where there is none, or none where there must be one.
    """

    mode: GapMode = "leave"
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(GapMode):
            raise OptionError(
                f"gaps: must be one of {', '.join(get_args(GapMode))}, got {self.mode!r}"
            )
        if (self.mode == "fill") != (self.limit is not None):
            raise OptionError(
                f"gap_limit: says up to how many missing bars are filled, by gaps 'fill' only; "
                f"got {self.limit} with {self.mode!r}"
            )
        if self.limit is not None and self.limit < 1:
            raise OptionError(f"gap_limit: must be at least 1 bar, got {self.limit}")

    def __call__(self, prices: pd.DataFrame, freq: str) -> pd.DataFrame:
        """Return rows, by coin and date, with gaps dealt with."""
        if self.mode == "fill":
            assert self.limit is not None
            return fill_gaps(prices, self.limit, freq)
        return number_segments(prices, freq) if self.mode == "split" else prices


def bars_since(prices: pd.DataFrame, freq: str) -> NDArray[np.int64]:
    """Return how many bars after the row before each row is.

    Parameters
    ----------
    prices : DataFrame
        ``coin, date``, by coin and date.
    freq : str
        How long a bar lasts.

    Returns
    -------
    ndarray of int64, ``(n_rows,)``
        1 where no bar is missing between the two; 0 for the first row of a coin.
    """
    dates = prices["date"].to_numpy().astype("datetime64[s]")
    since: NDArray[np.int64] = np.diff(dates, prepend=dates[:1]) // step_of(freq)
    since[starts_of(prices["coin"])] = 0
    return since


def fill_gaps(prices: pd.DataFrame, limit: int, freq: str = DAILY) -> pd.DataFrame:
    """Return rows with gaps of up to ``limit`` bars filled by the last close; longer ones stay.

    Parameters
    ----------
    prices : DataFrame
        By coin and date.
    limit : int
        Missing bars at most.
    freq : str
        How long a bar lasts.

    Returns
    -------
    DataFrame
        With a column ``filled``, True for the rows that nobody quoted: open, high, low and close
        are the close before the gap, volume and market cap are missing.
    """
    missing = bars_since(prices, freq) - 1
    short = np.flatnonzero((missing > 0) & (missing <= limit))
    counts = missing[short]
    before = np.repeat(short - 1, counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    new = prices.iloc[before].reset_index(drop=True)
    new["date"] = new["date"].to_numpy() + number * step_of(freq)
    for name in set(PRICE_COLUMNS) & set(prices):
        new[name] = new["close"]
    for name in set(AMOUNT_COLUMNS) & set(prices):
        new[name] = np.nan
    filled = pd.concat([prices.assign(filled=False), new.assign(filled=True)], ignore_index=True)
    # Each new row goes behind the row before its gap: of equal places the order stays.
    places = np.concatenate([np.arange(len(prices)), before])
    return filled.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)


def number_segments(prices: pd.DataFrame, freq: str = DAILY) -> pd.DataFrame:
    """Return rows with the number of their segment: the rows of a coin between two gaps.

    Parameters
    ----------
    prices : DataFrame, ``(n_rows,)``
        By coin and date.
    freq : str
        How long a bar lasts.

    Returns
    -------
    DataFrame, ``(n_rows,)``
        With a column ``run``, the number of the segment, from 0 for each coin.
    """
    broken = pd.Series(bars_since(prices, freq) > 1, index=prices.index)
    return prices.assign(run=broken.groupby(prices["coin"], sort=False).cumsum().astype("int64"))


def last_segments(prices: pd.DataFrame, freq: str = DAILY) -> pd.DataFrame:
    """Return the rows of each coin after its last gap.

    Parameters
    ----------
    prices : DataFrame
        By coin and date.
    freq : str
        How long a bar lasts.
    """
    segment = number_segments(prices, freq)["run"]
    last = segment.groupby(prices["coin"], sort=False).transform("max")
    return prices[segment == last].reset_index(drop=True)

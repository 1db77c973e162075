"""Clean price rows and findings from the bars of an exchange."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from cryptodask.prices.clean.cleaning import clean_reading
from cryptodask.prices.clean.findings import empty_findings, findings, join_findings
from cryptodask.prices.clean.policies import Policies, action_of, settle
from cryptodask.prices.clean.series import find_gaps
from cryptodask.prices.exchange.client import Bar
from cryptodask.prices.exchange.grid import beginning
from cryptodask.prices.freq import FREQS
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import DATE_DTYPE, empty_prices

Answers = Mapping[int, Sequence[Bar]]
"""Number of a bar -> what pages say of it, in the order in which they came."""


def to_rows(
    coin: str, file: str, answers: Answers, freq: str, policies: Policies, now: datetime
) -> Reading:
    """Return clean rows of bars, and findings.

    Parameters
    ----------
    coin, file : str
        Of the rows, and what findings name as their file.
    answers : mapping of int to sequence of Bar
        Bars, each of them more than once where pages overlap.
    freq : str
        Of the bars.
    policies : mapping of str to str
        As `check_policies` returns them.
    now : datetime
        The present moment, in UTC and without a zone.

    Returns
    -------
    Reading

    Raises
    ------
    PolicyError
        There is a finding whose policy is to fail.
    """
    if not answers:
        return Reading(empty_prices(), empty_findings())
    frame, differing = _one_row_a_bar(coin, file, answers, freq, policies)
    frame, bad_closes = _without_bad_closes(frame)
    frame, bad_values = _without_bad_values(frame)
    read_findings = join_findings([differing, bad_closes, bad_values])
    return clean_reading(frame, read_findings, policies, freq, now)


def gap_before(
    prices: pd.DataFrame, file: str, had: int, freq: str, policies: Policies
) -> pd.DataFrame:
    """Return a finding if bars are missing between the last bar there was and the first new row.

    Parameters
    ----------
    prices : DataFrame
        New rows of one coin.
    file : str
        What findings name as their file.
    had : int
        Number of the last bar that was there.
    freq, policies
        As for `to_rows`.

    Raises
    ------
    PolicyError
        There are such bars, and the policy for gaps is to fail.
    """
    if prices.empty:
        return empty_findings()
    dates = [beginning(had, freq), prices["date"].iloc[0]]
    both = pd.DataFrame({"coin": prices["coin"].iloc[0], "file": file, "date": dates})
    return settle(find_gaps(both, freq), policies)


def _one_row_a_bar(
    coin: str, file: str, answers: Answers, freq: str, policies: Policies
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row for each bar, and findings where its answers differ."""
    answers = {number: _with_values(bars) for number, bars in answers.items()}
    place = -1 if action_of(policies, "conflicting_row") == "repair:last" else 0
    numbers = sorted(answers)
    frame = pd.DataFrame(
        [answers[number][place][1:] for number in numbers],
        columns=["open", "high", "low", "close", "volume"],
    )
    began = (np.array(numbers) * FREQS[freq]).astype(DATE_DTYPE)
    frame = frame.assign(coin=coin, date=began, market_cap=math.nan, file=file, line=0)
    # As text, since a missing number is not even equal to itself.
    differ = [len(set(map(str, answers[number]))) > 1 for number in numbers]
    return frame, findings("conflicting_row", frame[differ], message="pages differ in this bar")


def _with_values(bars: Sequence[Bar]) -> Sequence[Bar]:
    """Leave out what begins off the grid where there is a bar on it."""
    return [bar for bar in bars if not math.isnan(bar[4])] or bars


def _without_bad_closes(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave out rows whose close is missing or can't be a price."""
    close, tables = frame["close"], []
    for kind, bad, message in (
        ("unreadable_row", close.isna(), "no close, or begins off the grid"),
        ("nonpositive_close", close <= 0, "close: must be above 0"),
    ):
        value = close[bad].astype("str")
        tables.append(findings(kind, frame[bad], value=value, message=message))
    return frame[close > 0].reset_index(drop=True), join_findings(tables)


def _without_bad_values(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set what can't be a price or a volume to missing, and report all that is missing."""
    good, tables = frame.copy(), []
    for column in ("open", "high", "low", "volume"):
        bad = frame[column] < 0 if column == "volume" else frame[column] <= 0
        tables.append(findings("nonpositive_value", frame[bad], message=column))
        tables.append(findings("missing_value", frame[frame[column].isna()], message=column))
        good[column] = frame[column].mask(bad)
    return good, join_findings(tables)

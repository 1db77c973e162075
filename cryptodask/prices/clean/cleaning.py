"""Clean series from rows as they were read: one row a bar, in order, and findings."""

from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd

from cryptodask.prices.clean.findings import file_finding, findings, join_findings, stack_findings
from cryptodask.prices.clean.policies import Policies, action_of, settle
from cryptodask.prices.clean.series import settle_series
from cryptodask.prices.freq import DAILY, bar, bars
from cryptodask.prices.own import join_own
from cryptodask.prices.reading import RAW_COLUMNS, Reading
from cryptodask.prices.schema import (
    DATE_DTYPE,
    NUMBER_COLUMNS,
    as_price_dtypes,
    as_text,
    codes_of,
    empty_prices,
    starts_of,
)

_VALUES = list(NUMBER_COLUMNS)
_KEY = ["coin", "date", "file", "line"]
_AS_READ = ("serial_date", "missing_value", "nonpositive_value", "unended_bar")


def clean_reading(
    prices: pd.DataFrame,
    read_findings: pd.DataFrame,
    policies: Policies,
    freq: str = DAILY,
    now: date | None = None,
) -> Reading:
    """Return clean series and all findings, with what is odd dealt with as policies say.

    Parameters
    ----------
    prices : DataFrame
        Columns of the schema, and ``file`` and ``line``.
    read_findings : DataFrame
        Those of reading the rows.
    policies : mapping of str to str
        As `check_policies` returns them.
    freq : str
        Of the bars.
    now : date or datetime, optional
        By default the present moment in UTC.

    Raises
    ------
    PolicyError
        There is a finding whose policy is to fail.
    """
    rows, noted = _one_row_a_bar(prices, read_findings, policies, freq)
    return settle_reading(rows, stack_findings(noted), policies, freq, now)


def settle_reading(
    rows: pd.DataFrame,
    read_findings: pd.DataFrame,
    policies: Policies,
    freq: str = DAILY,
    now: date | None = None,
) -> Reading:
    """Return what `clean_reading` does of rows that are one a bar already, by coin and date.

    Parameters
    ----------
    rows, read_findings, policies, freq, now
        As of `clean_reading`.

    Raises
    ------
    PolicyError
        There is a finding whose policy is to fail.
    """
    settled = settle_series(rows, policies, freq, now)
    clean, touched = settled.prices, settled.touched
    return Reading(
        as_price_dtypes(clean).reset_index(drop=True),
        settle(join_findings([read_findings, settled.findings]), policies),
        # A name for each row would be most of what a worker sends back.
        clean[["file", "line"]].astype({"file": "category"}).reset_index(drop=True),
        as_raw(rows[touched].assign(future=settled.future[touched])),
    )


def join_readings(readings: Iterable[Reading], notes: pd.DataFrame) -> Reading:
    """Return all rows and findings of some readings as one.

    Parameters
    ----------
    readings : iterable of Reading
    notes : DataFrame
        Further findings.
    """
    readings = list(readings)
    prices = [reading.prices for reading in readings]
    origins = [
        reading.prices[[]].assign(file="", line=0) if reading.origin is None else reading.origin
        for reading in readings
    ]
    changed = [reading.changed for reading in readings if reading.changed is not None]
    return Reading(
        pd.concat([empty_prices(), *prices], ignore_index=True),
        join_findings([notes, *(reading.findings for reading in readings)]),
        pd.concat(origins, ignore_index=True).astype({"file": "str"}) if origins else None,
        pd.concat(changed, ignore_index=True) if changed else None,
        further=join_own(reading.further for reading in readings),
    )


def as_raw(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows in the columns and dtypes of rows as they were read.

    Parameters
    ----------
    rows : DataFrame
        With all of `cryptodask.prices.reading.RAW_COLUMNS`.
    """
    rows = rows[list(RAW_COLUMNS)].assign(coin=as_text(rows["coin"]), file=as_text(rows["file"]))
    types = {"date": DATE_DTYPE, "line": "int64", "future": "bool"}
    return rows.astype(types).reset_index(drop=True)


def _one_row_a_bar(
    prices: pd.DataFrame, read_findings: pd.DataFrame, policies: Policies, freq: str
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Return rows by coin and date, without those dropped for what a cell has, and findings."""
    dropped = [kind for kind in _AS_READ if action_of(policies, kind) == "drop"]
    prices = _without(prices, read_findings[read_findings["kind"].isin(dropped)])
    prices, repeated = keep_one_row_a_day(prices, policies, freq)
    return prices, [read_findings, repeated]


def _without(prices: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that no finding is about."""
    if findings.empty:
        return prices
    about = pd.MultiIndex.from_frame(findings[_KEY])
    return prices[~pd.MultiIndex.from_frame(prices[_KEY]).isin(about)].reset_index(drop=True)


def keep_one_row_a_day(
    prices: pd.DataFrame, policies: Policies | None = None, freq: str = DAILY
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a coin and bar, by coin and date, and what was found in the others.

    The first row of a bar is kept, or the last where the policy for conflicting rows says so. A
    second file of a coin is merged where it agrees with the first. It is left out entirely where
    it has another value for the same bar: file names that differ by case or spaces may mean two
    coins, and a mixture of two coins would look like prices and be none.

    Parameters
    ----------
    prices : DataFrame
        Columns of the schema, and ``file`` and ``line``.
    policies : mapping of str to str, optional
        For conflicting rows, and for those out of order.
    freq : str
        Of the bars.

    Returns
    -------
    prices, findings : DataFrame
    """
    policies = policies or {}
    unordered = _find_unordered(prices)
    if action_of(policies, "out_of_order") == "drop":
        prices = _without(prices, unordered)
    # The last of a file before the others of it; which of two files comes first stays as it is.
    last = action_of(policies, "conflicting_row") == "repair:last"
    line = prices["line"].to_numpy()
    order = np.lexsort(
        (
            -line if last else line,
            codes_of(prices["file"]),
            prices["date"].to_numpy().astype(np.int64),
            codes_of(prices["coin"]),
        )
    )
    rows = prices.take(order).reset_index(drop=True)
    clean, repeated = _keep_first(rows, freq)
    return clean, join_findings([unordered, repeated])


def _keep_first(prices: pd.DataFrame, freq: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the first row of each bar, of rows by coin and date."""
    coin, dates = codes_of(prices["coin"]), prices["date"].to_numpy()
    again = (np.diff(coin) == 0) & (dates[1:] == dates[:-1])
    if not again.any():
        return prices, join_findings([_find_merged(prices, prices, freq)])
    prices = prices.astype({"coin": "str", "file": "str"})
    repeats = pd.Series(np.append(False, again))
    first = prices.loc[~repeats, ["coin", "date", "file", *_VALUES]]
    kept = prices[["coin", "date"]].merge(first, on=["coin", "date"], how="left")
    same_cell = (prices[_VALUES] == kept[_VALUES]) | (prices[_VALUES].isna() & kept[_VALUES].isna())
    same = same_cell.all(axis=1)
    other_file = prices["file"] != kept["file"]

    against = prices[repeats & ~same & other_file]
    # One file of a coin at a time: what contradicts only a file that is left out is not suspect.
    against = against[against["file"] == against.groupby("coin")["file"].transform("min")]
    if len(against):
        contradictions = _find_contradictions(against, kept, same_cell, freq)
        bad = pd.MultiIndex.from_frame(against[["coin", "file"]])
        rest = prices[~pd.MultiIndex.from_frame(prices[["coin", "file"]]).isin(bad)]
        clean, others = _keep_first(rest.reset_index(drop=True), freq)
        return clean, join_findings([*contradictions, others])

    closes = prices["close"].map("{:.10g}".format)
    message = f"another row of the file has this {bar(freq)}"
    repeated, conflicting = repeats & same & ~other_file, repeats & ~same
    return prices[~repeats].reset_index(drop=True), join_findings(
        [
            findings("repeated_row", prices[repeated], value=closes[repeated], message=message),
            findings(
                "conflicting_row", prices[conflicting], value=closes[conflicting], message=message
            ),
            _find_merged(prices, prices[~repeats], freq),
        ]
    )


def _find_contradictions(
    against: pd.DataFrame, kept: pd.DataFrame, same_cell: pd.DataFrame, freq: str
) -> list[pd.DataFrame]:
    """Return a finding for each file that contradicts the first file of its coin.

    Parameters
    ----------
    against : DataFrame
        Rows that differ from that of the first file for the same bar.
    kept : DataFrame
        The row that is kept of the bar of each row of all files.
    same_cell : DataFrame of bool
        Where each of those rows has the value that is kept.
    freq : str
        Of the bars.
    """
    contradictions = []
    form = "%Y-%m-%d" if freq == DAILY else "%Y-%m-%d %H:%M"
    for (coin, file), rows in against.groupby(["coin", "file"]):
        row, where = rows.iloc[0], rows.index[0]
        name = next(n for n in ("close", *_VALUES) if not same_cell[n][where])
        message = (
            f"{len(rows)} {bars(freq)} differ from {kept['file'][where]}, which has a {name} of "
            f"{kept[name][where]:.10g} on {row['date']:{form}}; this file has "
            f"{row[name]:.10g}; rename or remove one of the two"
        )
        place = {"line": row["line"], "date": row["date"]}
        contradictions.append(
            file_finding("contradicting_file", str(coin), str(file), message, **place)
        )
    return contradictions


def _find_unordered(prices: pd.DataFrame) -> pd.DataFrame:
    """Return findings of rows against the order, up or down, of most rows of their file."""
    coin, line = codes_of(prices["coin"]), prices["line"].to_numpy()
    order = np.lexsort((line, coin, codes_of(prices["file"])))
    coin, file = coin[order], codes_of(prices["file"])[order]
    moments = prices["date"].to_numpy().astype("datetime64[s]").astype(np.int64)[order]
    step = np.sign(np.diff(moments, prepend=moments[:1]))
    is_new = np.append(False, (np.diff(coin) != 0) | (np.diff(file) != 0))[: len(step)]
    step[is_new] = 0
    series = np.cumsum(is_new)
    way = np.bincount(series, weights=step)[series] if len(step) else step
    rows = prices.iloc[order[step * np.sign(way) < 0]]
    return findings("out_of_order", rows, message="dated against the order of the file")


def _find_merged(read: pd.DataFrame, kept: pd.DataFrame, freq: str) -> pd.DataFrame:
    """Return a finding for each further file of a coin."""
    starts = np.union1d(starts_of(read["coin"]), starts_of(read["file"]))
    pairs = read[["coin", "file"]].iloc[starts].drop_duplicates().astype("str")
    several = pairs[pairs["coin"].duplicated(keep=False)]
    merged = []
    for coin, names in several.groupby("coin")["file"]:
        first, *others = sorted(names)
        for name in others:
            new = int(((kept["coin"] == coin) & (kept["file"] == name)).sum())
            message = f"merged with {first}: {new} {bars(freq)} are new"
            merged.append(file_finding("merged_file", str(coin), name, message))
    return join_findings(merged)

"""Clean series from rows as they were read: one row a bar, in order, and findings."""

from datetime import date

import numpy as np
import pandas as pd

from cryptodask.prices.clean.findings import file_finding, findings, join_findings
from cryptodask.prices.clean.policies import Policies, action_of, settle
from cryptodask.prices.clean.series import settle_series
from cryptodask.prices.freq import DAILY
from cryptodask.prices.schema import NUMBER_COLUMNS

_VALUES = list(NUMBER_COLUMNS)
_KEY = ["coin", "date", "file", "line"]
_AS_READ = ("serial_date", "missing_value", "nonpositive_value")


def clean_rows(
    prices: pd.DataFrame,
    read_findings: pd.DataFrame,
    policies: Policies,
    freq: str = DAILY,
    now: date | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
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

    Returns
    -------
    prices, findings : DataFrame
        Rows by coin and date, and all findings, those given among them.

    Raises
    ------
    PolicyError
        There is a finding whose policy is to fail.
    """
    dropped = [kind for kind in _AS_READ if action_of(policies, kind) == "drop"]
    prices = _without(prices, read_findings[read_findings["kind"].isin(dropped)])
    prices, repeated = keep_one_row_a_day(prices, policies)
    prices, odd = settle_series(prices, policies, freq, now)
    return prices, settle(join_findings([read_findings, repeated, odd]), policies)


def _without(prices: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that no finding is about."""
    if findings.empty:
        return prices
    about = pd.MultiIndex.from_frame(findings[_KEY])
    return prices[~pd.MultiIndex.from_frame(prices[_KEY]).isin(about)].reset_index(drop=True)


def keep_one_row_a_day(
    prices: pd.DataFrame, policies: Policies | None = None
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
    turned = prices.assign(line=-prices["line"]) if last else prices
    rows = turned.sort_values(_KEY, kind="stable", ignore_index=True)
    rows = rows.assign(line=-rows["line"]) if last else rows
    clean, repeated = _keep_first(rows)
    return clean, join_findings([unordered, repeated])


def _keep_first(prices: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the first row of each bar, of rows by coin and date."""
    repeats = prices.duplicated(["coin", "date"])
    if not repeats.any():
        return prices, join_findings([_find_merged(prices, prices)])
    first = prices.loc[~repeats, ["coin", "date", "file", *_VALUES]]
    kept = prices[["coin", "date"]].merge(first, on=["coin", "date"], how="left")
    same_cell = (prices[_VALUES] == kept[_VALUES]) | (prices[_VALUES].isna() & kept[_VALUES].isna())
    same = same_cell.all(axis=1)
    other_file = prices["file"] != kept["file"]

    against = prices[repeats & ~same & other_file]
    # One file of a coin at a time: what contradicts only a file that is left out is not suspect.
    against = against[against["file"] == against.groupby("coin")["file"].transform("min")]
    if len(against):
        contradictions = _find_contradictions(against, kept, same_cell)
        bad = pd.MultiIndex.from_frame(against[["coin", "file"]])
        rest = prices[~pd.MultiIndex.from_frame(prices[["coin", "file"]]).isin(bad)]
        clean, others = _keep_first(rest.reset_index(drop=True))
        return clean, join_findings([*contradictions, others])

    closes = prices["close"].map("{:.10g}".format)
    message = "another row of the file has this day"
    repeated, conflicting = repeats & same & ~other_file, repeats & ~same
    return prices[~repeats].reset_index(drop=True), join_findings(
        [
            findings("repeated_row", prices[repeated], value=closes[repeated], message=message),
            findings(
                "conflicting_row", prices[conflicting], value=closes[conflicting], message=message
            ),
            _find_merged(prices, prices[~repeats]),
        ]
    )


def _find_contradictions(
    against: pd.DataFrame, kept: pd.DataFrame, same_cell: pd.DataFrame
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
    """
    contradictions = []
    for (coin, file), rows in against.groupby(["coin", "file"]):
        row, where = rows.iloc[0], rows.index[0]
        name = next(n for n in ("close", *_VALUES) if not same_cell[n][where])
        message = (
            f"{len(rows)} days differ from {kept['file'][where]}, which has a {name} of "
            f"{kept[name][where]:.10g} on {row['date']:%Y-%m-%d}; this file has "
            f"{row[name]:.10g}; rename or remove one of the two"
        )
        place = {"line": row["line"], "date": row["date"]}
        contradictions.append(
            file_finding("contradicting_file", str(coin), str(file), message, **place)
        )
    return contradictions


def _find_unordered(prices: pd.DataFrame) -> pd.DataFrame:
    """Return findings of rows against the order, up or down, of most rows of their file."""
    rows = prices.sort_values(["file", "coin", "line"], kind="stable")
    name = rows["file"].to_numpy(dtype=object) + "\0" + rows["coin"].to_numpy(dtype=object)
    moments = rows["date"].to_numpy().astype("datetime64[s]").astype(np.int64)
    step = np.sign(np.diff(moments, prepend=moments[:1]))
    step[1:][name[1:] != name[:-1]] = 0
    way = pd.Series(step).groupby(name).transform("sum").to_numpy()
    against = step * np.sign(way) < 0
    return findings("out_of_order", rows[against], message="dated against the order of the file")


def _find_merged(read: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Return a finding for each further file of a coin."""
    files = read.groupby("coin")["file"].unique()
    merged = []
    for coin, names in files[files.map(len) > 1].items():
        first, *others = sorted(names)
        for name in others:
            new = int(((kept["coin"] == coin) & (kept["file"] == name)).sum())
            message = f"merged with {first}: {new} days are new"
            merged.append(file_finding("merged_file", str(coin), name, message))
    return join_findings(merged)

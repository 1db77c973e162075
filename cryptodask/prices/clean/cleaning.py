"""Rows that were read to one clean series a coin: a row a bar, in order, with what is odd told."""

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
    found: pd.DataFrame,
    policies: Policies,
    freq: str = DAILY,
    now: date | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make clean series of rows as they were read, and do what policies say about what is odd.

    Parameters
    ----------
    prices : DataFrame
        Columns of the schema, and ``file`` and ``line``.
    found : DataFrame
        What was found when they were read.
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
    prices = _without(prices, found[found["kind"].isin(dropped)])
    prices, again = keep_one_row_a_day(prices, policies)
    prices, odd = settle_series(prices, policies, freq, now)
    return prices, settle(join_findings([found, again, odd]), policies)


def _without(prices: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that no finding is about."""
    if found.empty:
        return prices
    about = pd.MultiIndex.from_frame(found[_KEY])
    return prices[~pd.MultiIndex.from_frame(prices[_KEY]).isin(about)].reset_index(drop=True)


def keep_one_row_a_day(
    prices: pd.DataFrame, policies: Policies | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sort rows by coin and date, and keep one row of each day (or shorter bar).

    That is the first one, or the last where the policy for conflicting rows says so. A second
    file of a coin is merged where it agrees with the first, and left out as a whole where it
    tells another value for the same day: file names that differ by case or spaces may mean two
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
    unordered = _tell_unordered(prices)
    if action_of(policies, "out_of_order") == "drop":
        prices = _without(prices, unordered)
    # The last of a file before the others of it; which of two files comes first stays as it is.
    last = action_of(policies, "conflicting_row") == "repair:last"
    turned = prices.assign(line=-prices["line"]) if last else prices
    rows = turned.sort_values(_KEY, kind="stable", ignore_index=True)
    rows = rows.assign(line=-rows["line"]) if last else rows
    clean, found = _keep_first(rows)
    return clean, join_findings([unordered, found])


def _keep_first(prices: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the first row of each day, of rows by coin and date."""
    again = prices.duplicated(["coin", "date"])
    if not again.any():
        return prices, join_findings([_tell_merged(prices, prices)])
    first = prices.loc[~again, ["coin", "date", "file", *_VALUES]]
    days = prices[["coin", "date"]].merge(first, on=["coin", "date"], how="left")
    mine, kept = prices[_VALUES], days[_VALUES]
    same_cell = (mine == kept) | (mine.isna() & kept.isna())
    same = same_cell.all(axis=1)
    other_file = prices["file"] != days["file"]

    against = prices[again & ~same & other_file]
    # One file of a coin at a time: what contradicts only a file that is left out is no suspect.
    against = against[against["file"] == against.groupby("coin")["file"].transform("min")]
    found = []
    for (coin, file), rows in against.groupby(["coin", "file"]):
        row, where = rows.iloc[0], rows.index[0]
        name = next(n for n in ("close", *_VALUES) if not same_cell[n][where])
        message = (
            f"{len(rows)} days differ from {days['file'][where]}, which tells a {name} of "
            f"{kept[name][where]:.10g} on {row['date']:%Y-%m-%d}; this file tells "
            f"{row[name]:.10g}; rename or remove one of the two"
        )
        found.append(
            file_finding(
                "contradicting_file",
                str(coin),
                str(file),
                message,
                line=row["line"],
                date=row["date"],
            )
        )
    if found:
        bad = pd.MultiIndex.from_frame(against[["coin", "file"]])
        rest = prices[~pd.MultiIndex.from_frame(prices[["coin", "file"]]).isin(bad)]
        clean, more = _keep_first(rest.reset_index(drop=True))
        return clean, join_findings([*found, more])

    closes = prices["close"].map("{:.10g}".format)
    for kind, which in (
        ("repeated_row", again & same & ~other_file),
        ("conflicting_row", again & ~same),
    ):
        message = "another row of the file tells this day"
        found.append(findings(kind, prices[which], value=closes[which], message=message))
    found.append(_tell_merged(prices, prices[~again]))
    return prices[~again].reset_index(drop=True), join_findings(found)


def _tell_unordered(prices: pd.DataFrame) -> pd.DataFrame:
    """Report rows that go against the order, up or down, that most rows of their file have."""
    rows = prices.sort_values(["file", "coin", "line"], kind="stable")
    name = rows["file"].to_numpy(dtype=object) + "\0" + rows["coin"].to_numpy(dtype=object)
    moments = rows["date"].to_numpy().astype("datetime64[s]").astype(np.int64)
    step = np.sign(np.diff(moments, prepend=moments[:1]))
    step[1:][name[1:] != name[:-1]] = 0
    way = pd.Series(step).groupby(name).transform("sum").to_numpy()
    against = step * np.sign(way) < 0
    return findings("out_of_order", rows[against], message="dated against the order of the file")


def _tell_merged(read: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Report each coin that has more than one file."""
    files = read.groupby("coin")["file"].unique()
    found = []
    for coin, names in files[files.map(len) > 1].items():
        first, *others = sorted(names)
        for name in others:
            new = int(((kept["coin"] == coin) & (kept["file"] == name)).sum())
            message = f"merged with {first}: {new} days are new"
            found.append(file_finding("merged_file", str(coin), name, message))
    return join_findings(found)

"""Rows that were read to one clean series a coin: a row a day, in order, with what is odd told."""

import numpy as np
import pandas as pd

from cryptodask.prices.findings import file_finding, findings, join_findings
from cryptodask.prices.schema import NUMBER_COLUMNS

STALE_RUN = 5
"""Rows of equal closes from which on a run is reported."""

_VALUES = list(NUMBER_COLUMNS)


def keep_one_row_a_day(prices: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sort rows by coin and date, and keep the first row of each day.

    A second file of a coin is merged where it agrees with the first, and left out as a whole
    where it tells another value for the same day: file names that differ by case or spaces may
    mean two coins, and a mixture of two coins would look like prices and be none.

    Parameters
    ----------
    prices : DataFrame
        Columns of the schema, and ``file`` and ``line``.

    Returns
    -------
    prices, findings : DataFrame
    """
    prices = prices.sort_values(["coin", "date", "file", "line"], kind="stable", ignore_index=True)
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
        clean, more = keep_one_row_a_day(rest)
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


def describe_series(prices: pd.DataFrame) -> pd.DataFrame:
    """Find gaps, runs of equal closes and days without volume in clean rows.

    Parameters
    ----------
    prices : DataFrame
        By coin and date, with columns ``file`` and ``line``.
    """
    coin = prices["coin"].to_numpy()
    same_coin = coin[1:] == coin[:-1]
    days = prices["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    steps = np.diff(days)
    holes = np.flatnonzero(same_coin & (steps > 1))
    close = prices["close"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], ~(same_coin & (close[1:] == close[:-1]))]))
    starts = starts[: len(prices)]
    runs = np.diff(np.append(starts, len(close)))
    long = runs >= STALE_RUN
    return join_findings(
        [
            findings(
                "gap",
                prices.iloc[holes],
                value=(steps[holes] - 1).astype(str),
                message="days missing after this one",
            ),
            findings(
                "stale_run",
                prices.iloc[starts[long]],
                value=runs[long].astype(str),
                message="equal closes from here on",
            ),
            findings("zero_volume", prices[prices["volume"] == 0], value="0"),
        ]
    )

"""Rows that were read to one clean series a coin: a row a day, in order, with what is odd told."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.findings import file_finding, findings, join_findings
from cryptodask.prices.schema import NUMBER_COLUMNS

STALE_RUN = 5
"""Rows of equal closes from which on a run is reported."""

ROBUST_SIGMAS, SMALLEST_MOVE = 10.0, float(np.log(1.5))
"""A daily log return is a large move beyond so many robust standard deviations of the coin's
returns (1.4826 times their median absolute deviation), and never within a factor of 1.5."""

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
    unordered = _tell_unordered(prices)
    prices = prices.sort_values(["coin", "date", "file", "line"], kind="stable", ignore_index=True)
    clean, found = _keep_first(prices)
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
    days = rows["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    step = np.sign(np.diff(days, prepend=days[:1]))
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


def describe_series(prices: pd.DataFrame, today: date | None = None) -> pd.DataFrame:
    """Find what is odd in clean rows: gaps, runs of equal closes, moves, prices that disagree.

    Parameters
    ----------
    prices : DataFrame
        By coin and date, with columns ``file`` and ``line``.
    today : date, optional
        Days after it are in the future; by default the day that it is now in UTC.
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
    future = prices["date"] > pd.Timestamp(today or datetime.now(UTC).date())
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
            findings("future_date", prices[future]),
            *_tell_disagreements(prices),
            *_tell_moves(prices, same_coin & (steps == 1)),
        ]
    )


def _tell_disagreements(prices: pd.DataFrame) -> list[pd.DataFrame]:
    """Report rows whose prices can't all be of the same day."""
    low, high = prices["low"].to_numpy(), prices["high"].to_numpy()
    upside_down = high < low
    found = [
        findings(
            "high_under_low",
            prices[upside_down],
            value=[f"{v:.10g}" for v in high[upside_down]],
            message=[f"low is {v:.10g}" for v in low[upside_down]],
        )
    ]
    for name in ("open", "close"):
        values = prices[name].to_numpy()
        outside = ~upside_down & ((values > high) | (values < low))
        ends = zip(low[outside], high[outside], strict=True)
        found.append(
            findings(
                "outside_range",
                prices[outside],
                value=[f"{v:.10g}" for v in values[outside]],
                message=[f"{name}; low to high is {a:.10g} to {b:.10g}" for a, b in ends],
            )
        )
    return found


def _tell_moves(prices: pd.DataFrame, next_day: NDArray[np.bool_]) -> list[pd.DataFrame]:
    """Report closes that moved too far in a day, and of these the jumps that were undone."""
    log_close = np.log(prices["close"].to_numpy())
    moves = np.full(len(prices), np.nan)
    moves[1:][next_day] = np.diff(log_close)[next_day]
    by_coin = pd.Series(moves).groupby(prices["coin"].to_numpy())
    off = pd.Series(np.abs(moves - by_coin.transform("median").to_numpy()))
    scale = 1.4826 * off.groupby(prices["coin"].to_numpy()).transform("median").to_numpy()
    large = np.abs(moves) > np.fmax(ROBUST_SIGMAS * scale, SMALLEST_MOVE)
    after = np.append(moves[1:], np.nan)[: len(moves)]
    undone = large & (np.abs(moves + after) < 0.2 * np.abs(moves))
    return [
        findings(
            kind,
            prices[where],
            value=[f"{move:+.0%}" for move in np.expm1(moves[where])],
            message=message,
        )
        for kind, where, message in (
            ("large_move", large & ~undone, ""),
            ("reverting_jump", undone, "undone next day"),
        )
    ]

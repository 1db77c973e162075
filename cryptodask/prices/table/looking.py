"""Look at series with rows that came, and say what that changes: in rows, and in what is odd.

Both the rows before and those after are gone over by the same rules, all rows of a coin or those
of its seam, and only what differs between the two is done to the table. So a split of a history
into appends comes to the rows and findings of one import.

Pure functions of frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.prices.clean.cleaning import as_raw
from cryptodask.prices.clean.gaps import bars_since
from cryptodask.prices.clean.policies import Policies
from cryptodask.prices.clean.series import moves_of, settle_series
from cryptodask.prices.schema import NUMBER_COLUMNS, TABLE_COLUMNS, as_price_dtypes
from cryptodask.prices.table.seam import MoveLimits, Seam, find_seams, join_seams

FINDING_KEY = ["kind", "coin", "date", "value", "message"]
"""What a finding about a row of a series is known by, wherever the row came from."""

_KEY = ["coin", "date"]


@dataclass(frozen=True)
class Look:
    """What rows that came do to some series.

    Attributes
    ----------
    settled : DataFrame
        The rows of these series as they are now, of coins with a seam from its first row on.
    changed, added, removed : DataFrame
        Rows to be written; ``coin, date`` of those among them that were not there; and of those
        that are not there any more.
    findings : DataFrame
        What is odd in the rows that came, and what was not found before.
    fresh, withdrawn : DataFrame
        What was not found before, and what was found then and is not now.
    kept : DataFrame
        Rows as they were read, where the table has another, or none.
    seams : dict of str to Seam
    """

    settled: pd.DataFrame
    changed: pd.DataFrame
    added: pd.DataFrame
    removed: pd.DataFrame
    findings: pd.DataFrame
    fresh: pd.DataFrame
    withdrawn: pd.DataFrame
    kept: pd.DataFrame
    seams: dict[str, Seam]


@dataclass(frozen=True)
class Rules:
    """By what rows are judged.

    Attributes
    ----------
    policies : mapping of str to str
        As `cryptodask.prices.clean.policies.check_policies` returns them.
    freq : str
        Of the bars.
    now : datetime
        Rows after it are in the future.
    """

    policies: Policies
    freq: str
    now: datetime


def look(
    old: pd.DataFrame,
    new: pd.DataFrame,
    came: pd.DataFrame,
    rules: Rules,
    *,
    limits: Mapping[str, MoveLimits] | None = None,
    kept: pd.DataFrame | None = None,
) -> Look:
    """Compare series before and after rows came.

    Parameters
    ----------
    old, new : DataFrame
        `cryptodask.prices.reading.RAW_COLUMNS`, by coin and date: all rows, or the seam's and
        those after it.
    came : DataFrame
        ``coin, date`` of the rows that came.
    rules : Rules
    limits : mapping of str to MoveLimits, optional
        Of the coins whose seams alone are given, with the rows that came.
    kept : DataFrame, optional
        ``coin, date`` of rows that the table keeps as they were read, of coins whose rows
        are all given.
    """
    limits = limits or {}
    before, after = (
        settle_series(raw, rules.policies, rules.freq, rules.now, _limits_of(raw, limits))
        for raw in (old, new)
    )
    was, now = (as_price_dtypes(s.prices).reset_index(drop=True) for s in (before, after))
    differs, is_new = _compare(was, now)
    is_found = _keys(after.findings, FINDING_KEY).isin(_keys(before.findings, FINDING_KEY))
    is_left = _keys(before.findings, FINDING_KEY).isin(_keys(after.findings, FINDING_KEY))
    is_about = _keys(after.findings, _KEY).isin(_keys(came, _KEY))
    known = _keys(old[before.touched], _KEY)
    if kept is not None:
        complete = ~old["coin"].isin(list(limits)).to_numpy()
        known = _keys(old[before.touched & ~complete], _KEY).append(_keys(kept, _KEY))
    there = _keys(new, _KEY).isin(known)
    raw = new.assign(future=new["future"].to_numpy() | after.future)
    is_other = _compare(old, raw, [*NUMBER_COLUMNS, "future"])[0]
    return Look(
        settled=now,
        changed=now[differs].reset_index(drop=True),
        added=now.loc[is_new, _KEY],
        removed=was.loc[~_keys(was, _KEY).isin(_keys(now, _KEY)), _KEY],
        findings=after.findings[is_about | ~is_found],
        fresh=after.findings[~is_found],
        withdrawn=before.findings[~is_left],
        kept=as_raw(raw[(after.touched & ~there) | (there & is_other)]),
        seams=find_seams(raw, rules.freq, limits),
    )


def _keys(rows: pd.DataFrame, names: list[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[names])


def _limits_of(raw: pd.DataFrame, limits: Mapping[str, MoveLimits]) -> NDArray[np.float64] | None:
    """Return the size of a large move at each row, NaN where all rows are given."""
    if not limits:
        return None
    low = raw["coin"].map({coin: known.low for coin, known in limits.items()})
    sizes: NDArray[np.float64] = low.to_numpy().astype(np.float64)
    return sizes


def _compare(
    old: pd.DataFrame, new: pd.DataFrame, names: list[str] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where new rows differ from the old ones of their bars, and where there was none."""
    names = names or list(NUMBER_COLUMNS)
    places = _keys(old, _KEY).get_indexer(_keys(new, _KEY))
    is_new = places < 0
    had = old[names].to_numpy(dtype="float64")
    has = new[names].to_numpy(dtype="float64")
    if not len(had):
        return is_new | True, is_new | True
    had = had[places]
    same = ((had == has) | (np.isnan(had) & np.isnan(has))).all(axis=1)
    return is_new | ~same, is_new


def limits_after(seams: Mapping[str, Seam], rows: pd.DataFrame, freq: str) -> dict[str, MoveLimits]:
    """Return limits of the coins for which their seam is enough to judge these rows.

    Parameters
    ----------
    seams : mapping of str to Seam
    rows : DataFrame
        `TABLE_COLUMNS` of new rows, by coin and date.
    freq : str
        Of the bars.

    Returns
    -------
    dict of str to MoveLimits
        Those that hold once the rows have come. Of any other coin, all rows must be read: its
        new rows are not all after those that it has, or may be large moves.
    """
    firsts = rows.groupby("coin")["date"].first()
    later = {
        coin: seam for coin, seam in seams.items() if coin in firsts and firsts[coin] > seam.last
    }
    if not later:
        return {}
    ends = join_seams(later.values()).drop_duplicates("coin", keep="last")
    mine = rows[rows["coin"].isin(list(later))]
    names = list(TABLE_COLUMNS)
    both = pd.concat([ends[names], mine[names]]).sort_values(_KEY, ignore_index=True)
    both["move"] = moves_of(both, bars_since(both, freq))
    limits = {}
    for coin, moves in both.groupby("coin", sort=False)["move"]:
        after = later[str(coin)].limits.after(moves.dropna().to_numpy())
        if after is not None:
            limits[str(coin)] = after
    return limits

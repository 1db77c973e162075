"""How often the quantiles and intervals of a backtest held, beside how often they should have.

Of a quantile, that is the share of actuals at or below it (a reliability diagram); of an interval,
the share inside it, bounds included. As with all scores, a share is the mean over coins of the
coin's own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.evaluate.rows import BOUNDS, LEVELS
from cryptodask.records import DateArray

QUANTILES = {0.025: "lower_95", 0.1: "lower_80", 0.9: "upper_80", 0.975: "upper_95"}
"""The bounds that are quantiles, by their share."""

WHOLE = -1
"""The period that is all of them together."""

KEYS = ["coin", "model", "period"]


def count_held(table: pd.DataFrame, starts: DateArray) -> pd.DataFrame:
    """Count rows in which quantiles and intervals held, by coin, model and period.

    Counts of parts, each of whole coins, are joined by `pandas.concat` in any order.

    Parameters
    ----------
    table : DataFrame
        A backtest; see `cryptodask.evaluate.rows.NEEDED`.
    starts : ndarray of datetime64
        First origin of each period, rising; rows with an earlier cutoff are left out.

    Returns
    -------
    DataFrame
        ``coin, model, period``, ``n`` rows with an actual and all four bounds, ``below_*`` of
        each bound, and ``inside_80`` and ``inside_95``. Without intervals it has no rows.
    """
    rows = table[table[["actual", "forecast", *BOUNDS]].notna().all(axis="columns")]
    found: dict[str, Any] = {"coin": rows["coin"], "model": rows["model"]}
    found["period"] = np.searchsorted(starts, rows["cutoff"].to_numpy(), side="right") - 1
    found["n"] = 1
    for bound in BOUNDS:
        found[f"below_{bound}"] = (rows["actual"] <= rows[bound]).astype(np.int64)
    for level in LEVELS:
        inside = rows["actual"].between(rows[f"lower_{level}"], rows[f"upper_{level}"])
        found[f"inside_{level}"] = inside.astype(np.int64)
    counted = pd.DataFrame(found)
    return counted[counted["period"] >= 0].groupby(KEYS, as_index=False).sum()


def reliability(counts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return nominal and observed shares.

    Parameters
    ----------
    counts : sequence of DataFrame
        See `count_held`; of all parts, at least one.

    Returns
    -------
    DataFrame
        ``model, period, kind, nominal, observed, coins``: ``period`` is a number, or `WHOLE`;
        ``kind`` is quantile or interval.
    """
    each = pd.concat(list(counts), ignore_index=True).sort_values(KEYS, ignore_index=True)
    whole = each.groupby(["coin", "model"], as_index=False).sum().assign(period=WHOLE)
    joined = pd.concat([whole, each], ignore_index=True)
    shares = joined.drop(columns=[*KEYS, "n"]).div(joined["n"], axis="index")
    groups = shares.groupby([joined["model"], joined["period"]])
    means, coins = groups.mean(), groups.size()
    columns = [("quantile", share, f"below_{bound}") for share, bound in QUANTILES.items()]
    columns += [("interval", level / 100, f"inside_{level}") for level in LEVELS]
    frames = [
        pd.DataFrame({"kind": kind, "nominal": nominal, "observed": means[name], "coins": coins})
        for kind, nominal, name in columns
    ]
    return (
        pd.concat(frames)
        .reset_index()
        .sort_values(["model", "period", "kind", "nominal"], ignore_index=True)
    )

"""How often the quantiles and intervals of a backtest held, beside how often they should have.

A quantile holds if the actual is at or below it (a reliability diagram), an interval if the actual
is inside it, bounds included. The forecast counts as the median. As with all scores, a share is the
mean of the shares of all coins.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.evaluate.rows import LEVELS, QUANTILES, bounded
from cryptodask.records import DateArray

ALL_PERIODS = -1
"""Number of the period that spans all others."""

_KEYS = ["coin", "model", "period"]


def count_held(table: pd.DataFrame, starts: DateArray) -> pd.DataFrame:
    """Count rows in which quantiles and intervals held, by coin, model and period.

    Counts of parts, each of whole coins, are joined by `pandas.concat` in any order.

    Parameters
    ----------
    table : DataFrame
        A backtest; see `cryptodask.evaluate.rows.SCORED_COLUMNS`.
    starts : ndarray of datetime64
        First origin of each period, ``(n_periods,)``, rising; rows with an earlier cutoff are
        left out.

    Returns
    -------
    DataFrame
        ``coin, model, period``, ``n`` rows with an actual and all four bounds, ``below_*`` of each
        bound and of the forecast, and ``inside_80`` and ``inside_95``. Without intervals it has no
        rows.
    """
    rows = bounded(table)
    columns: dict[str, Any] = {"coin": rows["coin"], "model": rows["model"]}
    columns["period"] = np.searchsorted(starts, rows["cutoff"].to_numpy(), side="right") - 1
    columns["n"] = 1
    for bound in QUANTILES:
        columns[f"below_{bound}"] = (rows["actual"] <= rows[bound]).astype(np.int64)
    for level in LEVELS:
        inside = rows["actual"].between(rows[f"lower_{level}"], rows[f"upper_{level}"])
        columns[f"inside_{level}"] = inside.astype(np.int64)
    counted = pd.DataFrame(columns)
    return counted[counted["period"] >= 0].groupby(_KEYS, as_index=False).sum()


def reliability(counts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return nominal and observed shares.

    Parameters
    ----------
    counts : sequence of DataFrame
        See `count_held`; of all parts, at least one.

    Returns
    -------
    DataFrame
        ``model, period, kind, nominal, observed, coins``: ``period`` is a number, or
        `ALL_PERIODS`; ``kind`` is quantile or interval; ``nominal`` and ``observed`` are shares,
        0 to 1.
    """
    each = pd.concat(list(counts), ignore_index=True).sort_values(_KEYS, ignore_index=True)
    overall = each.groupby(["coin", "model"], as_index=False).sum().assign(period=ALL_PERIODS)
    joined = pd.concat([overall, each], ignore_index=True)
    shares = joined.drop(columns=[*_KEYS, "n"]).div(joined["n"], axis="index")
    groups = shares.groupby([joined["model"], joined["period"]])
    means, coins = groups.mean(), groups.size()
    columns = [("quantile", share, f"below_{bound}") for bound, share in QUANTILES.items()]
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


def pit_histogram(shares: pd.DataFrame) -> pd.DataFrame:
    """Return how often actuals fell between which quantiles: a histogram of the PIT.

    The probability integral transform is the probability that a forecast gave to prices up to the
    actual. Of forecasts that are calibrated it is uniform: every density is 1. A middle that is
    too high says that intervals are too wide, ends that are too high that they are too narrow.

    Source: Diebold, Gunther and Tay, Evaluating density forecasts with applications to financial
    risk management, International Economic Review 1998.

    Parameters
    ----------
    shares : DataFrame
        See `reliability`.

    Returns
    -------
    DataFrame
        ``model, period, lower, upper, share, density, coins``: ``lower`` and ``upper`` are levels
        from 0 to 1, ``share`` of actuals between their quantiles, ``density`` is it over
        ``upper - lower``.
    """
    edges = np.array([0.0, *QUANTILES.values(), 1.0])
    quantiles = shares[shares["kind"] == "quantile"]
    names = ["model", "period", "coins"]
    frames = [pd.DataFrame(columns=[*names[:2], "lower", "upper", "share", "density", names[2]])]
    for keys, rows in quantiles.groupby(["model", "period"], sort=True):
        below = np.array([0.0, *rows.sort_values("nominal")["observed"], 1.0])
        shares_between = np.diff(below)
        columns = {"lower": edges[:-1], "upper": edges[1:], "share": shares_between}
        columns["density"] = shares_between / np.diff(edges)
        facts = dict(zip(names, [*keys, rows["coins"].iloc[0]], strict=True))
        frames.append(pd.DataFrame(columns).assign(**facts)[frames[0].columns])
    return pd.concat(frames[1:] or frames, ignore_index=True)

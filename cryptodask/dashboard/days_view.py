"""What the days of a pipeline brought, from its store, as columns: no drawing here."""

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryptodask.dashboard.overlay import Overlay, build_overlay, how_many
from cryptodask.dashboard.view import sorted_names
from cryptodask.errors import InputError
from cryptodask.evaluate.rows import LEVELS
from cryptodask.text import counted, shown_date, shown_names

if TYPE_CHECKING:
    from cryptodask.store.monitoring import MonitorStore

MOST_DAYS = 60
"""Days on a page at most, the latest."""

MOST_ROWS = 400_000
"""Forecasts, one for each coin, model and day, that a page reads at most."""

MOST_LISTED = 500
"""Requests, trades and alerts on a page at most, the latest of each."""


@dataclass(frozen=True, slots=True)
class DaysView:
    """What the latest days brought.

    Attributes
    ----------
    summary : str
        Days, models and coins there are.
    ahead : DataFrame
        A row a day and model, the latest first: ``day, model, coins`` forecast a bar before,
        ``came``: how many of them have a close, ``error`` and ``move``: means of the absolute log
        error and of naive's, ``in_80, in_95``: shares of closes within intervals.
    brought : DataFrame
        A row a day, the latest first: ``day, runs, forecasts, failures, requests, alerts``.
    requests : DataFrame
        ``day, coin, model, rule, side, weight, expected, came``: the return that was forecast, and
        that which came, NaN where it is to come.
    accounts : DataFrame
        A row an account and day: ``day, account, cash, equity``, in the quote currency.
    trades : DataFrame
        Fills, the latest first: ``day, account, coin, side, quantity, price, fee, slipped``.
    alerts : DataFrame
        ``day, kind, message``.
    numbers : DataFrame
        The monitor's: ``day, model, measure, value, least, most``.
    overlay : Overlay
        Forecasts over closes.
    left_out : str
        Which coins are not drawn; or empty.
    """

    summary: str
    ahead: pd.DataFrame
    brought: pd.DataFrame
    requests: pd.DataFrame
    accounts: pd.DataFrame
    trades: pd.DataFrame
    alerts: pd.DataFrame
    numbers: pd.DataFrame
    overlay: Overlay
    left_out: str


def read_days(place: "str | os.PathLike[str]", model: str | None = None) -> DaysView:
    """Return what the latest days brought, from a store.

    Parameters
    ----------
    place : str or path
        Of the store.
    model : str, optional
        Only this one's forecasts and numbers.

    Raises
    ------
    StoreError
        The store is missing or can't be read.
    InputError
        It has no forecast of a day.
    """
    from cryptodask.store.monitoring import MonitorStore

    with MonitorStore(place, make=False) as store:
        runs = store.runs()
        runs = runs[(runs["kind"] != "backtest") & (runs["rows"] > 0)]
        if runs.empty:
            raise InputError(
                f"{store.name}: has no forecast; `cryptodask pipeline run` or `cryptodask store "
                "add` stores some"
            )
        since, until = _first_of(runs), runs["last_cutoff"].max()
        heads = store.rows_of_days(model, 1, since, until)
        if heads.empty:
            raise InputError(
                f"{store.name}: has no forecast of model {model}; it has "
                f"{shown_names(store.models())}"
            )
        heads = _beside_closes(heads, store.actuals(since=since))
        overlay = _overlay(store, heads, model)
        alerts = store.alerts()
        alerts = alerts[alerts["subject"] >= f"{since:%Y-%m-%d}"]
        return DaysView(
            summary=_summary(heads),
            ahead=_ahead(heads),
            brought=_brought(runs[runs["last_cutoff"] >= since], store, alerts, since),
            requests=_requests(store, since),
            accounts=store.trading_days()[["day", "account", "cash", "equity"]],
            trades=_trades(store.fills()),
            alerts=_alerts(alerts),
            numbers=store.numbers(model),
            overlay=overlay,
            left_out=_left_out(overlay, heads),
        )


def _first_of(runs: pd.DataFrame) -> pd.Timestamp:
    """Return the first cutoff on the page, so that there are neither too many days nor rows."""
    day = runs["last_cutoff"].dt.normalize()
    rows = (runs["rows"] / runs["horizon"]).groupby(day).sum().sort_index(ascending=False)
    kept = int((rows.cumsum() <= MOST_ROWS).sum())
    return pd.Timestamp(rows.index[:MOST_DAYS][max(kept, 1) - 1 if kept < MOST_DAYS else -1])


def _beside_closes(rows: pd.DataFrame, closes: pd.DataFrame) -> pd.DataFrame:
    """Return forecasts beside ``actual``, the close that came, and ``last``, at the cutoff."""
    known = closes.set_index(["coin", "date"])["close"]
    beside = {
        name: known.reindex(pd.MultiIndex.from_frame(rows[["coin", key]])).to_numpy()
        for name, key in (("actual", "date"), ("last", "cutoff"))
    }
    return rows.assign(**beside)


def _summary(heads: pd.DataFrame) -> str:
    first, last = (shown_date(day) for day in (heads["cutoff"].min(), heads["cutoff"].max()))
    days = counted(heads["cutoff"].dt.normalize().nunique(), "day")
    models, coins = (counted(heads[name].nunique(), name) for name in ("model", "coin"))
    return f"{days}, {first} to {last} · {models} · {coins}"


def _ahead(heads: pd.DataFrame) -> pd.DataFrame:
    """Return the row of each day and model: what was forecast a bar ahead, and what came."""
    logs = {name: np.log(heads[name]) for name in ("forecast", "actual", "last")}
    columns = {
        "came": heads["actual"].notna().astype(float),
        "error": (logs["actual"] - logs["forecast"]).abs(),
        "move": (logs["actual"] - logs["last"]).abs(),
    }
    for level in LEVELS:
        lower, upper = heads[f"lower_{level}"], heads[f"upper_{level}"]
        within = heads["actual"].between(lower, upper).astype(float)
        columns[f"in_{level}"] = within.where(lower.notna() & heads["actual"].notna())
    by = {"day": heads["date"], "model": heads["model"]}
    groups = pd.DataFrame(columns | by).groupby(["day", "model"])
    rows = groups[["error", "move", *(f"in_{level}" for level in LEVELS)]].mean()
    rows = rows.assign(coins=groups.size(), came=groups["came"].sum()).reset_index()
    rows = rows.sort_values(["day", "model"], ascending=[False, True], ignore_index=True)
    return _dated(rows)


def _dated(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose days are texts."""
    return rows.assign(day=[shown_date(day) for day in rows["day"]])


def _brought(
    runs: pd.DataFrame, store: "MonitorStore", alerts: pd.DataFrame, since: pd.Timestamp
) -> pd.DataFrame:
    """Return how much each day stored."""
    failures = store.failures_by_run().set_index("run")["failures"]
    runs = runs.assign(
        day=runs["last_cutoff"].dt.normalize(),
        failures=runs["id"].map(failures).fillna(0.0),
    )
    days = runs.groupby("day").agg(
        runs=("id", "size"), forecasts=("rows", "sum"), failures=("failures", "sum")
    )
    requested = store.requests_since(since)["cutoff"].dt.normalize().value_counts()
    alerted = pd.to_datetime(alerts["subject"], errors="coerce").value_counts()
    days["requests"] = requested.reindex(days.index).fillna(0)
    days["alerts"] = alerted.reindex(days.index).fillna(0)
    return _dated(days.reset_index().sort_values("day", ascending=False, ignore_index=True))


def _requests(store: "MonitorStore", since: pd.Timestamp) -> pd.DataFrame:
    """Return requests with the return that was forecast, and that which came."""
    rows = store.requests_since(since).head(MOST_LISTED)
    seen = pd.DataFrame([json.loads(text) for text in rows["seen"]])
    seen = seen.reindex(columns=["step", "last", "return"]).astype("float64")
    coins = sorted(rows["coin"].unique())
    closes = store.actuals(coins, since) if coins else store.actuals(coins)
    known = closes.set_index(["coin", "date"])["close"]
    date = rows["cutoff"] + pd.to_timedelta(seen["step"], unit="D")
    came = known.reindex(pd.MultiIndex.from_arrays([rows["coin"], date.astype("datetime64[s]")]))
    returns = {"expected": seen["return"], "came": came.to_numpy() / seen["last"] - 1}
    rows = rows.assign(day=rows["cutoff"], **returns)
    return _dated(rows)[["day", "coin", "model", "rule", "side", "weight", "expected", "came"]]


def _trades(fills: pd.DataFrame) -> pd.DataFrame:
    rows = fills.iloc[::-1].head(MOST_LISTED).rename(columns={"date": "day"})
    names = ["day", "account", "coin", "side", "quantity", "price", "fee", "slipped"]
    return _dated(rows.reset_index(drop=True))[names]


def _alerts(alerts: pd.DataFrame) -> pd.DataFrame:
    rows = alerts.sort_values(["subject", "id"], ascending=False).head(MOST_LISTED)
    return rows.rename(columns={"subject": "day"})[["day", "kind", "message"]]


def _overlay(store: "MonitorStore", heads: pd.DataFrame, model: str | None) -> Overlay:
    """Return forecasts over closes, of as many coins and days as a page holds."""
    models, origins = sorted_names(heads["model"]), np.sort(heads["cutoff"].unique())
    horizon = int(store.runs()["horizon"].max())
    n_coins, n_origins = how_many(len(models), len(origins), horizon)
    origins = origins[-n_origins:]
    coins = sorted_names(heads["coin"])[:n_coins]
    since, until = pd.Timestamp(origins[0]), pd.Timestamp(origins[-1])
    closes = store.actuals(coins)
    rows = _beside_closes(store.rows_of_days(model, None, since, until, coins), closes)
    captions = _captions(heads[heads["coin"].isin(coins)], coins, models)
    return build_overlay(rows, coins, models, origins, captions, closes)


def _left_out(overlay: Overlay, heads: pd.DataFrame) -> str:
    coins, drawn = heads["coin"].nunique(), len(overlay.coins)
    if drawn == coins:
        return ""
    return f"The first {drawn:,} of {counted(coins, 'coin')} by name are drawn; tables have all."


def _captions(heads: pd.DataFrame, coins: list[str], models: list[str]) -> list[str]:
    """Return what one day ahead was worth of each coin and model."""
    groups: Any = dict(list(heads.groupby(["coin", "model"])))
    return [_caption(groups.get((coin, model))) for coin in coins for model in models]


def _caption(rows: pd.DataFrame | None) -> str:
    if rows is None:
        return "No forecast of this model."
    came = rows[rows["actual"].notna()]
    text = f"{counted(len(rows), 'day')} forecast, {counted(len(came), 'close')} came since"
    bounded = came[came["lower_80"].notna()]
    if bounded.empty:
        return f"{text}."
    within = bounded["actual"].between(bounded["lower_80"], bounded["upper_80"]).sum()
    return f"{text}; {within:,} of {len(bounded):,} lie in the 80% interval of a day ahead."

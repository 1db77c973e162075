"""Watch a day: read the store, let `judging` decide, and keep what it decided."""

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pandas as pd

from cryptodask.errors import CryptoDaskError, InputError
from cryptodask.io.paths import path_of
from cryptodask.pipeline.monitor.daily import daily_numbers, usable_rows
from cryptodask.pipeline.monitor.judging import Facts, Reading, alert_of, judge_day, meaning_of
from cryptodask.pipeline.monitor.limits import HISTORY
from cryptodask.pipeline.monitor.reference import Reference, check_daily
from cryptodask.prices.days import day_text
from cryptodask.text import shown_names

if TYPE_CHECKING:
    from cryptodask.store.monitoring import MonitorStore

LATELY = 7
"""Days in which a coin that was forecast is expected again."""


@attrs.frozen(kw_only=True)
class Watched:
    """What the monitor saw of a day.

    Attributes
    ----------
    day : str
    model : str
    readings : list of Reading
    new : int
        Alerts that were not in the store before.
    """

    day: str
    model: str
    readings: list[Reading]
    new: int

    @property
    def alarms(self) -> list[Reading]:
        """The readings that are beyond a limit."""
        return [reading for reading in self.readings if reading.is_alarm]

    def summary(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        alerts = [alert_of(reading, self.day, self.model) for reading in self.alarms]
        numbers = [attrs.asdict(r) | {"alarm": r.is_alarm} for r in self.readings]
        return {
            "day": self.day,
            "model": self.model,
            "alarms": [{"key": alert.key, "message": alert.message} for alert in alerts],
            "new": self.new,
            "numbers": numbers,
        }


def watch_day(place: "str | os.PathLike[str]", reference: Reference, date: str) -> Watched:
    """Measure a day, and store its numbers and alerts.

    The same day again replaces the numbers, as closes may have been corrected, and adds no alert
    twice.

    Parameters
    ----------
    place : str or path
        Of the store.
    reference : Reference
    date : str
        The last day whose prices are known, YYYY-MM-DD.

    Raises
    ------
    InputError
        It is not a day, or the store has no closes up to it.
    StoreError
        The store is missing, or can't be reached.
    """
    from cryptodask.store.monitoring import MonitorStore

    text = str(day_text(date))
    with MonitorStore(place, make=False) as store:
        readings = read_day(store, reference, text)
        alerts = [alert_of(r, text, reference.model) for r in readings if r.is_alarm]
        names = ("measure", "value", "least", "most")
        numbers = [{name: getattr(r, name) for name in names} for r in readings]
        store.add_numbers(text, reference.model, numbers)
        new = store.add_alerts(alerts)
    return Watched(day=text, model=reference.model, readings=readings, new=new)


def read_day(store: "MonitorStore", reference: Reference, date: str) -> list[Reading]:
    """Return the measures of a day from a store.

    Parameters
    ----------
    store : MonitorStore
    reference : Reference
    date : str

    Raises
    ------
    InputError
        The store has no closes up to that day, or no forecast of the model.
    """
    end = pd.Timestamp(date)
    since = end - pd.Timedelta(days=HISTORY - 1 + reference.step)
    closes = store.actuals()
    closes = closes[closes["date"] <= end]
    if closes.empty:
        raise InputError(
            f"{store.name}: has no closes up to {date}; `cryptodask pipeline store` adds them"
        )
    rows = store.rows_of_days(reference.model, reference.step, since, end)
    check_daily(rows, reference.step, f"{store.name}: {reference.model}")
    seen = closes[closes["date"] >= since].set_index(["coin", "date"])["close"]
    rows["actual"] = seen.reindex(pd.MultiIndex.from_frame(rows[["coin", "date"]])).to_numpy()
    at_cutoff = pd.MultiIndex.from_frame(rows[["coin", "cutoff"]])
    rows["last"] = seen.reindex(at_cutoff).to_numpy()
    days = daily_numbers(usable_rows(rows), reference.edges, reference.coins)
    facts = _facts(store, reference, rows, closes, end)
    if rows.empty and not facts.expected:
        raise InputError(
            f"{store.name}: has no forecast of {reference.model} at step {reference.step} in the "
            f"{HISTORY} days up to {date}, so that there is nothing to watch; it has forecasts of "
            f"{shown_names(store.models()) or 'no model'}"
        )
    return judge_day(reference, days, facts, np.datetime64(date, "D"))


def _facts(
    store: "MonitorStore",
    reference: Reference,
    rows: pd.DataFrame,
    closes: pd.DataFrame,
    end: pd.Timestamp,
) -> Facts:
    """Return what is known of a day beside what forecasts were worth."""
    runs = store.runs()
    runs = runs[(runs["kind"] != "backtest") & (runs["last_cutoff"] == end)]
    failed: set[str] = set()
    ages = []
    for run in runs["id"]:
        failures = store.failures(int(run))
        failed |= set(failures.loc[failures["model"] == reference.model, "coin"])
        versions = store.versions(int(run))
        paths = versions.loc[versions["label"] == reference.model, "path"]
        ages += [age for path in paths if (age := _age(path, end)) is not None]
    lately = rows[rows["cutoff"] >= end - pd.Timedelta(days=LATELY)]
    return Facts(
        last_bars=closes.groupby("coin")["date"].max().to_numpy().astype("datetime64[s]"),
        expected={*lately["coin"], *failed},
        forecast=set(rows.loc[rows["cutoff"] == end, "coin"]),
        trained=max(ages, default=None),
    )


def _age(path: str, end: pd.Timestamp) -> float | None:
    """Return the days since a version was trained; None, with a warning, where it can't be read."""
    from cryptodask.results.manifest import read_manifest
    from cryptodask.results.version_facts import KIND, read_time

    try:
        trained = read_time(read_manifest(path_of(path), [KIND]).facts["trained"])
    except (CryptoDaskError, OSError, KeyError, ValueError) as error:
        text = f"{path}: the age of this version, which the day used, is not known: {error}"
        warnings.warn(text, UserWarning, stacklevel=2)
        return None
    days = (end.tz_localize("UTC") - trained).total_seconds() / 86_400
    return max(days, 0.0)


def lines_of(watched: Watched) -> Sequence[tuple[str, str, str, str, str]]:
    """Return a line a reading: measure, value, limits, whether it is an alarm, what it is.

    Parameters
    ----------
    watched : Watched
    """

    def limits(reading: Reading) -> str:
        sides = (("at least", reading.least), ("at most", reading.most))
        return ", ".join(f"{side} {x:.4g}" for side, x in sides if x is not None)

    return [
        (
            reading.measure,
            "" if reading.value is None else f"{reading.value:.4g}",
            limits(reading),
            "ALARM" if reading.is_alarm else "",
            meaning_of(reading.measure),
        )
        for reading in watched.readings
    ]

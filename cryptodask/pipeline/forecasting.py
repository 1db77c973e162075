"""The steps of a group up to its forecasts: check, send, wait.

Each may be called again: what is done is not done twice.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from cryptodask.errors import ClusterError, InputError, PolicyError
from cryptodask.pipeline import sending
from cryptodask.pipeline.day import (
    CHECKED,
    DONE,
    NOTHING,
    SENT,
    WAITING,
    Day,
    Group,
    Report,
    groups_of,
)
from cryptodask.pipeline.polling import index_of, last_rows
from cryptodask.text import counted

TRIES = 3
"""How often the process of a group is started that ends without a result."""

PAUSE = 0.5
"""Seconds between two looks at a run."""


def groups(day: Day) -> Report:
    """Return the names of the groups of coins.

    Parameters
    ----------
    day : Day

    Raises
    ------
    TableError
        The table is missing.
    """
    coins = index_of(Path(day.settings.prices.table))["coin"].tolist()
    divided = groups_of(coins, day.settings.forecast.groups)
    state = DONE if divided else NOTHING
    return {"step": "groups", "state": state, "groups": list(divided), "coins": len(coins)}


@attrs.frozen
class Known:
    """What the table knows of coins on a day.

    Attributes
    ----------
    groups : dict of str to list of str
        Coins by the name of their group.
    ages : dict of str to int
        Days from each coin's last row up to the day; without coins that have none.
    kinds : dict of str to set of str
        Kinds of what was noted about each coin in its latest days.
    """

    groups: dict[str, list[str]]
    ages: dict[str, int]
    kinds: dict[str, set[str]]


def know(day: Day, name: str | None = None) -> Known:
    """Return what the table knows of coins on a day: of a group, or of all.

    Parameters
    ----------
    day : Day
    name : str, optional
        Of the group.

    Raises
    ------
    InputError
        The group has no coin.
    """
    coins = index_of(Path(day.settings.prices.table))["coin"].tolist()
    divided = groups_of(coins, day.settings.forecast.groups)
    if name is not None:
        divided = {name: _members(divided, name)}
        coins = divided[name]
    return Known(divided, _ages(day, coins), _findings(day))


def check(day: Day, name: str, known: Known | None = None) -> Report:
    """Decide which coins of a group are fit to be forecast.

    Parameters
    ----------
    day : Day
    name : str
        Of the group.
    known : Known, optional
        Of all coins, so that the table is not read again for each of many groups.

    Returns
    -------
    dict
        ``coins`` that are fit, and ``stopped``, why others are not.

    Raises
    ------
    InputError
        The group has no coin.
    PolicyError
        More coins are stopped than the settings allow.
    """
    group, limits = Group(day, name), day.settings.check
    known = know(day, name) if known is None else known
    members, ages, kinds = _members(known.groups, name), known.ages, known.kinds
    facts = {"check": attrs.asdict(limits), "members": members}
    if done := group.done_before(CHECKED, facts):
        return done
    stopped = {}
    for coin in members:
        bad = sorted(kinds.get(coin, set()) & set(limits.refuse))
        if coin not in ages:
            stopped[coin] = f"no row up to {day.date}"
        elif ages[coin] > limits.max_age:
            stopped[coin] = f"its last row is {counted(ages[coin], 'day')} before {day.date}"
        elif bad:
            stopped[coin] = f"{', '.join(bad)} in its last {counted(limits.days, 'day')}"
    fit = [coin for coin in members if coin not in stopped]
    report = {"step": "check", "group": name, "coins": fit, "stopped": stopped, "asked": facts}
    report |= {"ages": {coin: ages[coin] for coin in fit}}
    report |= {"findings": {coin: sorted(kinds[coin]) for coin in fit if coin in kinds}}
    if len(stopped) > limits.most * len(members):
        first = next(iter(stopped))
        raise PolicyError(
            f"group {name} of {day.date}: {len(stopped):,} of {counted(len(members), 'coin')} are "
            f"stopped, more than check.most = {limits.most:g} allows; {first}: {stopped[first]}"
        )
    report |= {"state": DONE if fit else NOTHING}
    group.write(CHECKED, report)
    return report


def _members(groups: Mapping[str, list[str]], name: str) -> list[str]:
    if name not in groups:
        raise InputError(f"group {name}: has no coin; `cryptodask pipeline groups` lists them")
    return groups[name]


def _ages(day: Day, coins: Sequence[str]) -> dict[str, int]:
    """Return the days between each coin's last row up to the day, if it has one, and the day."""
    rows = last_rows(day.settings.prices.table, coins, day.date)
    ages = (np.datetime64(day.date) - rows["date"].to_numpy().astype("datetime64[D]")).astype(int)
    return dict(zip(rows["coin"], ages.tolist(), strict=True))


def _findings(day: Day) -> dict[str, set[str]]:
    """Return the kinds of what was found in each coin's latest days."""
    from cryptodask.prices import PriceTable

    noted = PriceTable(day.settings.prices.table).findings()
    end = np.datetime64(day.date, "s") + np.timedelta64(86_399, "s")
    begin = end - np.timedelta64(day.settings.check.days * 86_400, "s")
    recent = noted[(noted["date"] > begin) & (noted["date"] <= end)]
    return {str(coin): set(rows) for coin, rows in recent.groupby("coin")["kind"]}


def send(day: Day, name: str, *, foreground: bool = False) -> Report:
    """Start the run of a group's coins, in a separate process.

    Parameters
    ----------
    day : Day
    name : str
        Of the group.
    foreground : bool
        Whether it runs in this process, which then waits for it.

    Raises
    ------
    InputError
        `check` did not run.
    """
    group, forecast = Group(day, name), day.settings.forecast
    checked = group.read(CHECKED)
    if not checked["coins"]:
        return {"step": "send", "group": name, "state": NOTHING}
    sent = {
        "date": day.date,
        "table": day.settings.prices.table,
        "coins": checked["coins"],
        "models": forecast.models,
        "options": forecast.options,
        "versions": day.versions(),
        "registry": forecast.registry,
        "horizon": forecast.horizon,
        "intervals": forecast.intervals,
    }
    if group.done_before(SENT, sent) is None:
        cluster = {"scheduler": forecast.scheduler, "tls": forecast.tls}
        how = {"cluster": cluster | {"workers": forecast.workers}}
        if not sending.is_running(group.folder):
            group.write(SENT, {"asked": sent} | how)
        if foreground:
            sending.run(group.folder)
        else:
            sending.start(group.folder)
    return {"step": "send", "group": name, "state": DONE, "folder": str(group.run)}


def wait(day: Day, name: str, *, timeout: float | None = None) -> Report:
    """Wait for the run of a group.

    A process that ended without a result is started again, `TRIES` times in all.

    Parameters
    ----------
    day : Day
    name : str
        Of the group.
    timeout : float, optional
        In seconds; the state is ``waiting`` then. 0 to look once.

    Raises
    ------
    ClusterError
        Its process ended too often without a result; the message has the end of its log.
    """
    group = Group(day, name)
    report = {"step": "wait", "group": name, "folder": str(group.run)}
    if not group.read(CHECKED)["coins"]:
        return report | {"state": NOTHING}
    group.read(SENT)
    until = None if timeout is None else time.monotonic() + timeout
    while not group.is_whole:
        if not sending.is_running(group.folder) and not group.is_whole:
            if sending.starts(group.folder) >= TRIES:
                raise ClusterError(
                    f"group {name} of {day.date}: its process ended {TRIES} times without a "
                    f"result; {group.folder / sending.LOG} ends with: "
                    f"{sending.last_lines(group.folder)}"
                )
            sending.start(group.folder)
        if until is not None and time.monotonic() >= until:
            return report | {"state": WAITING}
        time.sleep(PAUSE)
    return report | {"state": DONE}

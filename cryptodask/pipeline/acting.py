"""The steps of a group after its forecasts: judge them by rules, store them, ask for trades.

Each may be called again: what is done is not done twice.
"""

from typing import Any

import attrs
import pandas as pd

from cryptodask.errors import InputError
from cryptodask.io.paths import path_of
from cryptodask.pipeline.day import CHECKED, DONE, JUDGED, LAST, NOTHING, Day, Group, Report
from cryptodask.pipeline.rules import judge as judge_forecasts
from cryptodask.results import open_forecasts
from cryptodask.results.manifest import read_manifest
from cryptodask.store import Alert, Judgement, Request, open_store


def judge(day: Day, name: str) -> Report:
    """Apply the rules to the forecasts of a group.

    Parameters
    ----------
    day : Day
    name : str
        Of the group.

    Returns
    -------
    dict
        ``judged``: what `cryptodask.pipeline.rules.judge` returns; ``actions``: how many of each.

    Raises
    ------
    TableError
        The run of the group has not ended.
    InputError
        A rule looks beyond the horizon, or the group was judged by other rules.
    """
    group = Group(day, name)
    checked = group.read(CHECKED)
    if not checked["coins"]:
        return {"step": "judge", "group": name, "state": NOTHING}
    result = open_forecasts(path_of(str(group.run)))
    facts = {"rules": [attrs.asdict(rule) for rule in day.settings.rules]}
    if done := group.done_before(JUDGED, facts):
        return {key: done[key] for key in done if key not in ("judged", "run", "asked")}
    for rule in day.settings.rules:
        if (rule.step or 1) > result.horizon:
            raise InputError(
                f"rules: {rule.name}: step: {rule.step} is beyond the horizon, {result.horizon}"
            )
    rows = result.get_df()
    judged = judge_forecasts(
        day.settings.rules, rows, group.read(LAST)["closes"], checked["ages"], checked["findings"]
    )
    actions = pd.Series([j["action"] for j in judged], dtype="str").value_counts()
    report = {
        "step": "judge",
        "group": name,
        "state": DONE,
        "forecasts": len(rows),
        "failed": result.failures["message"].tolist(),
        "actions": {str(action): int(n) for action, n in actions.items()},
    }
    group.write(JUDGED, report | {"judged": judged, "run": result_key(group), "asked": facts})
    return report


def result_key(group: Group) -> str:
    """Return the key of a group's run.

    Parameters
    ----------
    group : Group
    """
    return read_manifest(path_of(str(group.run))).key


def keep(day: Day, name: str) -> Report:
    """Store the forecasts of a group, but for those to skip; what rules saw; and what came.

    Parameters
    ----------
    day : Day
    name : str
        Of the group.

    Raises
    ------
    InputError
        `judge` did not run.
    StoreError
        The store has other numbers of this run.
    """
    from cryptodask.prices import CryptoLoader

    group = Group(day, name)
    checked = group.read(CHECKED)
    if not checked["coins"]:
        return {"step": "store", "group": name, "state": NOTHING}
    content = group.read(JUDGED)
    judged = content["judged"]
    skipped = {(j["coin"], j["model"]) for j in judged if j["action"] == "skip"}
    horizon = read_manifest(path_of(str(group.run))).horizon
    closes = CryptoLoader(day.settings.prices.table).get_df(
        checked["coins"], max_points=horizon + 1, to_date=day.date
    )
    judgements = [_judgement(content["run"], j) for j in judged]
    alerts = [_alert(day, j) for j in judged if j["action"] == "alert"]
    with open_store(day.settings.store) as store:
        stored = store.add(group.run, without=skipped)
        came = store.add_actuals(closes)
        store.add_judgements(judgements)
        store.add_alerts(alerts)
    return {
        "step": "store",
        "group": name,
        "state": DONE,
        "run": stored.run,
        "rows": stored.rows,
        "new": stored.new,
        "skipped": len(skipped),
        "actuals": came,
        "alerts": len(alerts),
    }


def _judgement(run: str, judged: dict[str, Any]) -> Judgement:
    names = ("rule", "coin", "model", "action", "seen")
    return Judgement(run_key=run, **{name: judged[name] for name in names})


def _alert(day: Day, judged: dict[str, Any]) -> Alert:
    about = f"{judged['coin']}, {judged['model']}"
    return Alert(
        key=f"{day.date} {judged['rule']}: {about}",
        kind="rule",
        subject=day.date,
        message=f"rule {judged['rule']} holds for {about}",
        value=judged["seen"]["return"],
    )


def request(day: Day, name: str) -> Report:
    """Store the trades that rules ask for; a broker may take them from there.

    Parameters
    ----------
    day : Day
    name : str
        Of the group.

    Raises
    ------
    InputError
        `judge` did not run.
    """
    group = Group(day, name)
    report = {"step": "request", "group": name}
    wanted = []
    if group.read(CHECKED)["coins"]:
        content = group.read(JUDGED)
        wanted = [
            Request(
                judgement=_judgement(content["run"], j),
                cutoff=j["cutoff"],
                side=j["side"],
                weight=j["weight"],
            )
            for j in content["judged"]
            if j["action"] == "request"
        ]
    if not wanted:
        return report | {"state": NOTHING, "requests": 0}
    with open_store(day.settings.store) as store:
        added = store.add_requests(wanted)
    return report | {"state": DONE, "requests": len(wanted), "new": added}

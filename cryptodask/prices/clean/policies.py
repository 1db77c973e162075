"""What is to be done about each kind of finding: keep it, drop its rows, repair them, or fail.

By default nothing is invented: what can't be a price is left out, what is merely odd is kept, and
both are reported. `FINDING_KINDS` lists the actions of each kind, the default first.
"""

from collections.abc import Mapping

import pandas as pd

from cryptodask.errors import OptionError, PolicyError
from cryptodask.prices.clean.findings import FINDING_KINDS, NEIGHBOUR_KINDS, ROW_KINDS

Policies = Mapping[str, str]
"""Kind of finding -> action; kinds that are not there have their default."""


def check_policies(policies: Policies) -> dict[str, str]:
    """Return the policies that are not the default, in the order of `FINDING_KINDS`.

    Parameters
    ----------
    policies : mapping of str to str
        ``repair`` alone stands for a kind's first way to repair it.

    Raises
    ------
    OptionError
        A kind or action that is not known.
    """
    chosen = {}
    for kind, wanted in policies.items():
        actions = FINDING_KINDS[kind].actions if kind in FINDING_KINDS else ()
        if not actions:
            known = ", ".join(kind for kind, k in FINDING_KINDS.items() if k.actions)
            raise OptionError(f"policy: no kind of finding {kind!r} to choose for; known: {known}")
        repairs = [action for action in actions if action.startswith("repair:")]
        action = repairs[0] if wanted == "repair" and repairs else wanted
        if action not in actions:
            raise OptionError(f"policy {kind}: must be one of {', '.join(actions)}, got {wanted!r}")
        if action != FINDING_KINDS[kind].default:
            chosen[kind] = action
    return {kind: chosen[kind] for kind in FINDING_KINDS if kind in chosen}


def action_of(policies: Policies, kind: str) -> str:
    """Return the action for a kind.

    Parameters
    ----------
    policies : mapping of str to str
        As `check_policies` returns them.
    kind : str
        One of `FINDING_KINDS`.
    """
    return policies.get(kind) or FINDING_KINDS[kind].default


def of_rows_alone(policies: Policies) -> dict[str, str]:
    """Return the policies for what depends on one row or file: a table has the rows beside it.

    Parameters
    ----------
    policies : mapping of str to str
        As `check_policies` returns them.
    """
    return {kind: action for kind, action in policies.items() if kind not in NEIGHBOUR_KINDS}


def without_series(policies: Policies) -> dict[str, str]:
    """Return the policies that keep all rows of series, to be looked at later.

    Parameters
    ----------
    policies : mapping of str to str
        As `check_policies` returns them.
    """
    of_series = (*NEIGHBOUR_KINDS, *ROW_KINDS)
    others = {kind: action for kind, action in policies.items() if kind not in of_series}
    return others | {"future_date": "keep"}


def settle(findings: pd.DataFrame, policies: Policies) -> pd.DataFrame:
    """Return findings with the actions that policies choose.

    Parameters
    ----------
    findings : DataFrame
        With the default action of each kind.
    policies : mapping of str to str
        As `check_policies` returns them.

    Raises
    ------
    PolicyError
        There is one whose policy is to fail.
    """
    if not policies or findings.empty:
        return findings
    refuse(findings, policies)
    chosen = findings["kind"].map(policies)
    return findings.assign(action=chosen.fillna(findings["action"]))


def refuse(findings: pd.DataFrame, policies: Policies) -> None:
    """Raise about the first finding whose policy is to fail.

    Parameters
    ----------
    findings : DataFrame
        As of `cryptodask.prices.clean.findings.empty_findings`.
    policies : mapping of str to str
        As `check_policies` returns them.

    Raises
    ------
    PolicyError
        There is one.
    """
    failing = [kind for kind, action in policies.items() if action == "fail"]
    refused = findings[findings["kind"].isin(failing)]
    if refused.empty:
        return
    first = refused.iloc[0]
    kind = first["kind"]
    where = [first["file"], f"line {first['line']}" if first["line"] else "", first["coin"]]
    if pd.notna(first["date"]):
        where.append(str(first["date"]).removesuffix(" 00:00:00"))
    value = f": {first['value']!r}" if first["value"] else ""
    message = f" ({first['message']})" if first["message"] else ""
    others = ", ".join(action for action in FINDING_KINDS[kind].actions if action != "fail")
    raise PolicyError(
        f"{', '.join(filter(None, where))}: {kind}{value}{message}: {FINDING_KINDS[kind].meaning}, "
        f"and the policy for it is to fail; {int((refused['kind'] == kind).sum())} found in these "
        f"rows: correct the file, or choose another policy: {others}"
    )

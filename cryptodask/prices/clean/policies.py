"""What is to be done about each kind of finding: keep it, drop its rows, repair them, or fail.

By default nothing is invented: what can't be a price is left out, what is merely odd is kept, and
both are told. `FINDING_KINDS` lists the actions of each kind, the default first.
"""

from collections.abc import Mapping

import pandas as pd

from cryptodask.errors import OptionError, PolicyError
from cryptodask.prices.clean.findings import FINDING_KINDS

Policies = Mapping[str, str]
"""Kind of finding -> action; kinds that are not there have their default."""


def check_policies(policies: Policies) -> dict[str, str]:
    """Return policies as they are to be remembered: those that are not the default, in order.

    ``repair`` alone stands for a kind's one way to repair it.

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
    """Return what is to be done about a kind."""
    return policies.get(kind) or FINDING_KINDS[kind].default


def without_gaps(policies: Policies) -> dict[str, str]:
    """Return the policies for rows that go to a table, which may have what they lack."""
    return {kind: action for kind, action in policies.items() if kind != "gap"}


def settle(found: pd.DataFrame, policies: Policies) -> pd.DataFrame:
    """Write into findings what is done about them.

    Raises
    ------
    PolicyError
        There is one whose policy is to fail.
    """
    if not policies or found.empty:
        return found
    refuse(found, policies)
    chosen = found["kind"].map(policies)
    return found.assign(action=chosen.fillna(found["action"]))


def refuse(found: pd.DataFrame, policies: Policies) -> None:
    """Raise about the first finding whose policy is to fail.

    Raises
    ------
    PolicyError
        There is one.
    """
    failing = [kind for kind, action in policies.items() if action == "fail"]
    told = found[found["kind"].isin(failing)]
    if told.empty:
        return
    one = told.iloc[0]
    kind = one["kind"]
    where = [one["file"], f"line {one['line']}" if one["line"] else "", one["coin"]]
    if pd.notna(one["date"]):
        where.append(str(one["date"]).removesuffix(" 00:00:00"))
    value = f": {one['value']!r}" if one["value"] else ""
    message = f" ({one['message']})" if one["message"] else ""
    others = ", ".join(action for action in FINDING_KINDS[kind].actions if action != "fail")
    raise PolicyError(
        f"{', '.join(filter(None, where))}: {kind}{value}{message}: {FINDING_KINDS[kind].meaning}, and the "
        f"policy for it is to fail; {int((told['kind'] == kind).sum())} found in these rows: "
        f"correct the file, or choose another policy: {others}"
    )

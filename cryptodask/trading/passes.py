"""The passes of a simulation over parts: what rules choose from, then trades."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError
from cryptodask.trading.joining import Joined, join_markets, with_all
from cryptodask.trading.parts import (
    EQUAL,
    HOLDING,
    Looked,
    Setting,
    Summary,
    Traded,
    Weights,
    look,
    summary_of,
    trade,
)
from cryptodask.trading.partwise import Partwise
from cryptodask.trading.rules import HOLD, MOMENTUM, Rule, Weigh
from cryptodask.trading.simulation import simulate_targets
from cryptodask.trading.targets import matrix_of, weights_of


def run_rules(
    parts: Partwise, setting: Setting, rules: Mapping[str, Rule | Weigh]
) -> tuple[dict[str, Joined], Any]:
    """Simulate rules, and what they are shown beside.

    Parameters
    ----------
    parts : Partwise
    setting : Setting
    rules : dict of str to Rule or callable

    Returns
    -------
    accounts : dict of str to Joined
        Of rules, then of holding.
    bars : ndarray of int64, ``(3,)``
        See `cryptodask.trading.parts.Traded`.

    Raises
    ------
    OptionError
        A rule decides on nothing at all, or costs need volumes that are not there.
    InputError
        A part is missing.
    """
    weights, looked_at = _weights(parts, setting, rules)

    def arguments(coins: Sequence[str]) -> tuple[Any, ...]:
        some = {name: w[w["coin"].isin(coins)] for name, w in weights.items()}
        return setting.of(coins), some

    traded: list[Traded] = list(parts.map(trade, arguments))
    if sum(part.coins for part in traded) != setting.coins:
        raise InputError("simulation: coins of the backtest were not read; see its files")
    bars = np.sum([part.bars for part in traded], axis=0)
    for part in traded:
        looked_at.update(part.looked_at)
    _check(setting, looked_at, bars)
    summaries: dict[str, list[Summary]] = {}
    for part in traded:
        for name, summary in part.summaries.items():
            summaries.setdefault(name, []).append(summary)
    if setting.account.shared:
        summaries |= _shared(traded, setting, rules, weights)
    names, dates, cash = parts.coins, setting.traded, setting.account.cash
    accounts = {
        name: Joined(summaries[name], names, dates, cash) for name in [*rules, HOLDING, EQUAL]
    }
    if setting.account.shared:
        for name in rules:
            accounts[name].coins = with_all(accounts[name].coins, names)
    return accounts, bars


def _weights(
    parts: Partwise, setting: Setting, rules: Mapping[str, Rule | Weigh]
) -> tuple[dict[str, Weights], Counter[str]]:
    """Return the decisions of rules that compare coins and of functions, and what they saw."""
    shared, compared = setting.account.shared, setting.compared
    looked_at: Counter[str] = Counter()
    if not compared and not setting.functions:
        return {}, looked_at
    looked: list[Looked] = list(parts.map(look, lambda coins: (setting.of(coins),)))
    for part in looked:
        looked_at.update(part.looked_at)
    weights = {
        name: rule.divide(pd.concat([p.chosen[name] for p in looked], ignore_index=True), shared)
        for name, rule in compared.items()
    }
    if setting.functions:
        seen = pd.concat([p.seen for p in looked], ignore_index=True)
        seen = seen.sort_values(["coin", "model", "cutoff", "step"], ignore_index=True)
        for name, rule in rules.items():
            if not isinstance(rule, Rule):
                weights[name] = weights_of(rule, seen)
    plain = {name: some[["coin", "cutoff", "weight"]] for name, some in weights.items()}
    return plain, looked_at


def _shared(
    traded: Sequence[Traded],
    setting: Setting,
    rules: Mapping[str, Rule | Weigh],
    weights: Mapping[str, Weights],
) -> dict[str, list[Summary]]:
    """Simulate shared cash by date, over the coins that any rule holds."""
    market = join_markets([part.acting for part in traded if part.acting is not None])
    starting = sorted(set(market.coins) & setting.starting)
    hold = pd.DataFrame({"coin": starting, "cutoff": pd.Timestamp(setting.origins[0]),
                         "weight": 1.0 / max(1, len(starting))})  # fmt: skip
    summaries = {}
    for name, rule in rules.items():
        is_hold = isinstance(rule, Rule) and rule.source == HOLD
        declared = rule if isinstance(rule, Rule) and not is_hold else None
        given = hold if is_hold else weights[name]
        given = given[given["coin"].isin(market.coins)]
        targets = matrix_of(declared, given, market, setting.origins)
        outcome = simulate_targets(market, targets, setting.account, setting.costs, setting.lots)
        summaries[name] = [summary_of(outcome, market, setting)]
    return summaries


def _check(setting: Setting, looked_at: Mapping[str, int], bars: Any) -> None:
    """Refuse rules that decide on nothing, and costs that need volumes where there are none."""
    if setting.costs.participation is not None and not bars[2]:
        raise OptionError("participation: prices have no volume; leave it out")
    for name, rule in setting.rules.items():
        if rule.source != HOLD and not looked_at[name]:
            if rule.source == MOMENTUM:
                why = f"no coin has a bar {rule.lookback} bars before any origin"
            elif rule.probability is not None:
                why = f"the backtest has no intervals of {rule.source}, and so no probability"
            else:
                why = f"{rule.source} has no forecast there"
            raise OptionError(f"rule {name}: {why}, so that it decides nothing; leave it out")


def fills_at(bars: Any) -> str:
    """Return what orders are filled at, as a text.

    Parameters
    ----------
    bars : ndarray of int64, ``(3,)``
        See `cryptodask.trading.parts.Traded`.
    """
    if not bars[1]:
        return "next close"
    without = int(bars[0] - bars[1])
    return (
        "next open" if without <= 0 else f"next open, or at the close of {without:,} bars without"
    )

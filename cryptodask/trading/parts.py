"""What is done with a part of a backtest: whole coins, their rows and their prices.

A part knows nothing of others. What it gives adds up to the same bits whatever the parts are: sums
over coins are exact (`cryptodask.trading.exact`), and all else is of one coin. Where the weights of
coins depend on each other, `look` says what a rule would choose from, and `trade` gets the weights.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import attrs
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryptodask.records import DateArray, FloatArray
from cryptodask.trading.exact import whole_sums
from cryptodask.trading.holding import held_targets
from cryptodask.trading.market import check_same_prices, from_date, market_of
from cryptodask.trading.metrics import by_coin
from cryptodask.trading.rules import HOLD, RULE_COLUMNS, Rule
from cryptodask.trading.simulation import Market, Outcome, simulate_targets
from cryptodask.trading.targets import Evidence, matrix_of
from cryptodask.trading.terms import Account, Costs, Lots

HOLDING, EQUAL, CASH = "hold each coin", "hold equal parts", "cash"
"""What rules are shown beside: each coin bought at its first bar with its part of the cash; equal
parts of all cash in the coins that are forecast at the first origin; and nothing."""

Weights = pd.DataFrame
"""``coin, cutoff, weight``: a row a decision."""


@dataclass(frozen=True)
class Setting:
    """What all parts of a simulation have in common.

    Attributes
    ----------
    rules : dict of str to Rule
        Those that are declared, by name.
    functions : bool
        Whether there are rules that are functions, which see all coins.
    account : Account
    costs : Costs
    lots : Lots
    dates : ndarray of datetime64[s], ``(n_dates,)``
        From before the first origin to the last bar that was forecast.
    origins : ndarray of datetime64[s], ``(n_origins,)``
    horizon : int
    bars_a_year : float
    coins : int
        Of the backtest.
    starting : frozenset of str
        Coins that are forecast at the first origin.
    starters : int
        How many these are, in all parts.
    """

    rules: Mapping[str, Rule]
    functions: bool
    account: Account
    costs: Costs
    lots: Lots
    dates: DateArray
    origins: DateArray
    horizon: int
    bars_a_year: float
    coins: int
    starting: frozenset[str]
    starters: int

    @property
    def round_trip(self) -> float:
        """What buying and selling costs, a share of the notional."""
        return 2 * (self.costs.fee + self.costs.slip)

    @property
    def compared(self) -> dict[str, Rule]:
        """Declared rules that compare coins."""
        shared = self.account.shared
        rules = self.rules.items()
        return {name: r for name, r in rules if r.source != HOLD and r.crosses(shared)}

    @property
    def traded(self) -> DateArray:
        """Dates from the first origin on."""
        return self.dates[int(np.searchsorted(self.dates, self.origins[0])) :]

    def of(self, coins: Collection[str]) -> "Setting":
        """Return what a part of these coins needs."""
        return replace(self, starting=self.starting.intersection(coins))


@dataclass(frozen=True)
class Looked:
    """What rules that compare coins choose from.

    Attributes
    ----------
    chosen : dict of str to DataFrame
        By rule; see `cryptodask.trading.rules.Rule.choose`.
    seen : DataFrame or None
        For functions: `cryptodask.trading.rules.RULE_COLUMNS`.
    looked_at : dict of str to int
        Rows that have what each of these rules looks at.
    """

    chosen: dict[str, pd.DataFrame]
    seen: pd.DataFrame | None
    looked_at: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """What a simulation of some coins comes to.

    Attributes
    ----------
    names : tuple of str, ``(n_coins,)``
    coins : DataFrame
        See `cryptodask.trading.metrics.by_coin`.
    orders, fills : ndarray of `cryptodask.trading.kernels.ORDER` and `FILL`
    total, held : ndarray of int64, ``(2, n_dates)``
        See `cryptodask.trading.exact.whole_sums`.
    """

    names: tuple[str, ...]
    coins: pd.DataFrame
    orders: Any
    fills: Any
    total: NDArray[np.int64]
    held: NDArray[np.int64]


@dataclass(frozen=True)
class Traded:
    """What a part comes to.

    Attributes
    ----------
    coins : int
    summaries : dict of str to Summary
        By rule, of accounts whose coins have their own cash.
    acting : Market or None
        Where cash is shared: coins that a rule may hold, from the first origin on.
    looked_at : dict of str to int
        Rows that have what a rule looks at, by rules that decide here.
    bars : ndarray of int64, ``(3,)``
        From the first origin on; those that have an open, and those that have a volume.
    """

    coins: int
    summaries: dict[str, Summary]
    acting: Market | None
    looked_at: dict[str, int]
    bars: NDArray[np.int64]


def look(rows: pd.DataFrame, prices: pd.DataFrame, setting: Setting) -> Looked:
    """Return what rules that compare coins choose from, of the coins of a part.

    Parameters
    ----------
    rows : DataFrame
        Of a backtest.
    prices : DataFrame
        ``coin, date, open, close, volume``.
    setting : Setting

    Raises
    ------
    InputError
        Prices are not those that the backtest saw.
    """
    evidence = _evidence(rows, prices, setting)
    compared = setting.compared
    chosen = {
        name: rule.choose(evidence.of(rule, setting.horizon), setting.round_trip)
        for name, rule in compared.items()
    }
    looked_at = {name: _known(rule, evidence, setting) for name, rule in compared.items()}
    seen = evidence.rows[list(RULE_COLUMNS)] if setting.functions else None
    return Looked(chosen, seen, looked_at)


def trade(
    rows: pd.DataFrame, prices: pd.DataFrame, setting: Setting, weights: Mapping[str, Weights]
) -> Traded:
    """Trade the coins of a part, each with its own cash; of shared cash, give their prices.

    Parameters
    ----------
    rows, prices : DataFrame
        As of `look`.
    setting : Setting
    weights : dict of str to DataFrame
        Decisions about these coins, by rules that compare coins and by functions.

    Raises
    ------
    InputError
        Prices are not those that the backtest saw.
    OptionError
        A weight is out of its range.
    """
    evidence = _evidence(rows, prices, setting)
    market = evidence.market
    later = from_date(market, setting.origins[0])
    start = len(market.dates) - len(later.dates)
    weights = {name: w[w["coin"].isin(market.coins)] for name, w in weights.items()}
    account = setting.account
    summaries, looked_at = {}, {}
    for name, rule in setting.rules.items():
        if rule.source != HOLD and name not in weights:
            looked_at[name] = _known(rule, evidence, setting)
    if not account.shared:
        for name in [*setting.rules, *(weights.keys() - setting.rules.keys())]:
            targets = _targets(name, evidence, setting, weights)
            outcome = simulate_targets(
                later, targets[start:], account, setting.costs, setting.lots, coins=setting.coins
            )
            summaries[name] = summary_of(outcome, later, setting)
    summaries |= _beside(later, setting)
    bars = [int(np.isfinite(m).sum()) if m is not None else 0
            for m in (later.close, later.open, later.volume)]  # fmt: skip
    acting = _acting(later, setting, weights) if account.shared else None
    return Traded(len(market.coins), summaries, acting, looked_at, np.array(bars))


def summary_of(outcome: Outcome, market: Market, setting: Setting) -> Summary:
    """Return what an outcome comes to.

    Parameters
    ----------
    outcome : Outcome
    market : Market
        That it was simulated on.
    setting : Setting
    """
    cash = setting.account.cash
    return Summary(
        outcome.coins, by_coin(outcome, market, setting.bars_a_year), outcome.order_rows,
        outcome.fill_rows, whole_sums(outcome.equity, cash), whole_sums(outcome.held, cash),
    )  # fmt: skip


def _evidence(rows: pd.DataFrame, prices: pd.DataFrame, setting: Setting) -> Evidence:
    """Return what rules see, of prices that are those that the backtest saw."""
    market = market_of(prices, sorted(rows["coin"].unique()), setting.dates)
    if market.volume is None and setting.costs.participation is not None:
        # Other parts may have some; whether none has is seen when all parts are done.
        market = replace(market, volume=np.full(market.close.shape, np.nan))
    check_same_prices(market, rows)
    table = rows.drop(columns=["date", "actual"])
    if not setting.functions:
        table = table[table["model"].isin({rule.source for rule in setting.rules.values()})]
    return Evidence(table, market, setting.origins, setting.bars_a_year)


def _known(rule: Rule, evidence: Evidence, setting: Setting) -> int:
    """Return the rows that have what a rule looks at."""
    rows = evidence.of(rule, setting.horizon)
    return len(rows) if rule.probability is None else int(rows["probability"].notna().sum())


def _targets(
    name: str, evidence: Evidence, setting: Setting, weights: Mapping[str, Weights]
) -> FloatArray:
    """Return the targets of a rule whose coins have their own cash."""
    market, origins, rule = evidence.market, setting.origins, setting.rules.get(name)
    if name in weights:
        return matrix_of(rule, weights[name], market, origins)
    assert rule is not None
    if rule.source == HOLD:
        return held_targets(market, origins, shared=False)
    chosen = rule.choose(evidence.of(rule, setting.horizon), setting.round_trip)
    return matrix_of(rule, rule.divide(chosen, shared=False), market, origins)


def _beside(market: Market, setting: Setting) -> dict[str, Summary]:
    """Return what holding each coin comes to, and holding equal parts."""
    account = attrs.evolve(setting.account, shared=False, short=False, borrow=0.0)
    places = [i for i, coin in enumerate(market.coins) if coin in setting.starting]
    some = pick(market, places)
    equal = np.full(some.close.shape, np.nan)
    equal[0] = 1.0
    held = held_targets(market, setting.origins, shared=False)
    wanted = {HOLDING: (market, held, setting.coins), EQUAL: (some, equal, setting.starters)}
    return {
        name: summary_of(
            simulate_targets(prices, targets, account, setting.costs, setting.lots, coins=coins),
            prices, setting,
        )
        for name, (prices, targets, coins) in wanted.items() if prices.coins
    }  # fmt: skip


def _acting(market: Market, setting: Setting, weights: Mapping[str, Weights]) -> Market:
    """Return the coins that any rule may hold."""
    wanted = {coin for some in weights.values() for coin in some.loc[some["weight"] != 0, "coin"]}
    if any(rule.source == HOLD for rule in setting.rules.values()):
        wanted |= setting.starting
    return pick(market, [i for i, coin in enumerate(market.coins) if coin in wanted])


def pick(market: Market, places: Sequence[int]) -> Market:
    """Return some coins of a market.

    Parameters
    ----------
    market : Market
    places : sequence of int
        Of the coins.
    """
    some = [None if m is None else np.ascontiguousarray(m[:, places])
            for m in (market.close, market.open, market.volume)]  # fmt: skip
    assert some[0] is not None
    return Market(tuple(market.coins[i] for i in places), market.dates, some[0], *some[1:])

"""`simulate`: what rules would have made of a backtest's forecasts, beside holding and cash."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import attrs
import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError
from cryptodask.io.paths import AnyPath, exists, is_folder, make_folder, names_in, path_of, resolved
from cryptodask.prices import CryptoLoader
from cryptodask.prices.freq import step_of
from cryptodask.prices.sources import Prices
from cryptodask.records import DateArray
from cryptodask.results import Backtest, open_backtest
from cryptodask.trading.market import WINDOW, check_same_prices, from_date, read_market
from cryptodask.trading.metrics import YEAR, by_coin, deflated_sharpe, in_all, returns_of
from cryptodask.trading.rules import HOLD, Rule, Weigh, read_rule
from cryptodask.trading.simulation import Market, Outcome, simulate_targets
from cryptodask.trading.targets import name_of, targets_of
from cryptodask.trading.terms import ACCOUNT, ANY_LOTS, NO_COSTS, Account, Costs, Lots

Given = str | Rule | Weigh
"""A rule as a user gives it."""

HOLDING, CASH = "hold each coin", "cash"
"""What rules are shown beside: all coins bought in equal parts at their first bar, and nothing."""


@dataclass(frozen=True)
class Simulation:
    """What rules would have done.

    Attributes
    ----------
    market : Market
        Prices from the first origin on.
    figures : DataFrame
        A row a rule, then `HOLDING` and `CASH`: ``rule``, and the figures of
        `cryptodask.trading.metrics.in_all`, with ``deflated`` behind the Sharpe ratio's error.
    coins : DataFrame
        A row a rule and coin; see `cryptodask.trading.metrics.by_coin`. Of `HOLDING` they are
        holding each coin.
    orders, fills : DataFrame
        ``rule``, and the columns of `cryptodask.trading.orders.ORDER_TYPES` and `FILL_TYPES`.
    equity : DataFrame
        ``rule, date, equity, invested``, in the quote currency, at each close.
    """

    market: Market
    figures: pd.DataFrame
    coins: pd.DataFrame
    orders: pd.DataFrame
    fills: pd.DataFrame
    equity: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what is written to a folder, by name."""
        names = ("figures", "coins", "orders", "fills", "equity")
        return {name: getattr(self, name) for name in names}

    def write(self, folder: str | os.PathLike[str] | AnyPath) -> list[AnyPath]:
        """Write all frames to a folder, as Parquet files; return their paths.

        Parameters
        ----------
        folder : path
            It is made if it is not there.

        Raises
        ------
        InputError
            It holds something other than a simulation.
        WriteError
            It can't be written to.
        """
        from cryptodask.io.files import draft_of

        place = path_of(folder)
        known = {f"{name}.parquet" for name in self.tables()}
        if exists(place):
            foreign = sorted(set(names_in(place)) - known) if is_folder(place) else [place.name]
            if foreign:
                raise InputError(
                    f"{place}: is there already and holds something other than a simulation "
                    f"({foreign[0]}); name another"
                )
        else:
            make_folder(place)
        paths = [place / f"{name}.parquet" for name in self.tables()]
        for path, frame in zip(paths, self.tables().values(), strict=True):
            with draft_of(path) as draft:
                frame.to_parquet(draft, index=False)
        return paths


def simulate(
    backtest: Backtest | str | os.PathLike[str],
    prices: CryptoLoader | Prices | None = None,
    rules: Given | Sequence[Given] = (HOLD,),
    *,
    account: Account = ACCOUNT,
    costs: Costs = NO_COSTS,
    lots: Lots = ANY_LOTS,
    tried: int | None = None,
) -> Simulation:
    """Simulate what rules would have made of a backtest's forecasts.

    Rules decide at the closes of the backtest's origins, on what was known there; orders are filled
    at the next opens. The time is that from the first origin to the last bar that the backtest
    forecast.

    Parameters
    ----------
    backtest : Backtest or path
        Its folder, or what `cryptodask.backtest` returned.
    prices : CryptoLoader, path or frame, optional
        Those that the backtest saw; by default those that its folder names.
    rules : str, Rule or callable, or several
        See `cryptodask.trading.rules`.
    account : Account
    costs : Costs
    lots : Lots
    tried : int, optional
        How many rules were tried, if more than these, by which Sharpe ratios are deflated.

    Returns
    -------
    Simulation

    Raises
    ------
    InputError
        Prices are not those that the backtest saw.
    OptionError
        A rule makes no sense, or two are the same.

    Examples
    --------
    >>> from cryptodask.trading import simulate
    >>> simulate("runs/ridge", rules="ridge:return=0.02").figures    # doctest: +SKIP
    """
    wanted = _rules(rules)
    if tried is not None and tried < len(wanted):
        raise OptionError(f"tried: must be at least the {len(wanted)} rules given, got {tried}")
    if not isinstance(backtest, Backtest):
        backtest = open_backtest(backtest)
    lookback = max([WINDOW, *(r.lookback for r in wanted.values() if isinstance(r, Rule))])
    history, table, origins = _read(backtest, _loader(backtest, prices), lookback)
    bars_a_year = float(YEAR / (history.dates[1] - history.dates[0]))

    def run(rule: Rule | Weigh, account: Account) -> Outcome:
        targets = targets_of(
            rule, table, history, origins, costs=2 * (costs.fee + costs.slip),
            shared=account.shared, bars_a_year=bars_a_year,
        )  # fmt: skip
        start = int(np.searchsorted(history.dates, origins[0]))
        return simulate_targets(
            from_date(history, origins[0]), targets[start:], account, costs, lots
        )

    outcomes = {name: run(rule, account) for name, rule in wanted.items()}
    holding = run(Rule(source=HOLD), attrs.evolve(account, shared=False, short=False))
    market = from_date(history, origins[0])
    return _collect(market, outcomes, holding, account.cash, bars_a_year, tried)


def _read(
    backtest: Backtest, loader: CryptoLoader, lookback: int
) -> tuple[Market, pd.DataFrame, DateArray]:
    """Return prices from before the first origin on, what rules may see, and the origins."""
    table = backtest.get_df()
    origins = np.sort(np.asarray(backtest.origins, dtype="datetime64[s]"))
    if table.empty or not len(origins):
        raise OptionError("backtest: has no forecast, so there is nothing to trade")
    step = step_of(loader.freq)
    market = read_market(
        loader,
        table["coin"].unique().tolist(),
        origins[0] - lookback * step,
        origins[-1] + backtest.horizon * step,
    )
    check_same_prices(market, table)
    return market, table.drop(columns=["date", "actual"]), origins


def _rules(rules: Given | Sequence[Given]) -> Mapping[str, Rule | Weigh]:
    """Return rules by their names."""
    given = [rules] if isinstance(rules, str | Rule) or callable(rules) else list(rules)
    wanted: dict[str, Rule | Weigh] = {}
    for rule in given:
        read = read_rule(rule) if isinstance(rule, str) else rule
        name = name_of(read)
        if name in wanted or name in (HOLDING, CASH):
            raise OptionError(f"rules: {name} is given twice")
        wanted[name] = read
    if not wanted:
        raise OptionError("rules: give one at least")
    return wanted


def _loader(backtest: Backtest, prices: CryptoLoader | Prices | None) -> CryptoLoader:
    """Return the prices to use: those given, or those that the backtest's folder names."""
    if isinstance(prices, CryptoLoader):
        return prices
    if prices is not None:
        return CryptoLoader(prices)
    if backtest.path is None:
        raise InputError("prices: a backtest in memory names none; give those that it saw")
    from cryptodask.runs.plan import read_plan

    try:
        spec = read_plan(resolved(backtest.path)).spec
    except FileNotFoundError:
        spec = None
    source = getattr(spec, "source", None)
    if source is None:
        raise InputError(f"{backtest.path}: does not name its prices; give those that it saw")
    return CryptoLoader(source)


def _collect(
    market: Market,
    outcomes: Mapping[str, Outcome],
    holding: Outcome,
    cash: float,
    bars_a_year: float,
    tried: int | None,
) -> Simulation:
    """Return the frames of all rules, with what they are shown beside."""
    returns = {name: returns_of(outcome.total) for name, outcome in outcomes.items()}
    ratios = [
        float(r.mean() / r.std(ddof=1)) if len(r) > 1 and np.ptp(r) > 0 else np.nan
        for r in returns.values()
    ]
    figures = []
    for name, outcome in {**outcomes, HOLDING: holding}.items():
        sure = deflated_sharpe(returns[name], ratios, tried) if name in returns else np.nan
        figures.append({"rule": name, **in_all(outcome, bars_a_year), "deflated": sure})
    idle = np.full((len(market.dates), 1), float(cash))
    still = Outcome(
        market.coins, market.dates, idle, np.zeros(len(idle)), np.zeros(1), idle[-1],
        holding.order_rows[:0], holding.fill_rows[:0], True,
    )  # fmt: skip
    figures.append({"rule": CASH, **in_all(still, bars_a_year), "deflated": np.nan})
    shown = {**outcomes, HOLDING: holding, CASH: still}
    order = ["rule", "return", "cagr", "volatility", "sharpe", "sharpe_error", "deflated"]
    frame = pd.DataFrame(figures)
    rest = [column for column in frame if column not in order]
    traded = {name: outcome for name, outcome in shown.items() if name != CASH}
    return Simulation(
        market,
        frame[[*order, *rest]],
        _stacked({name: by_coin(o, market, bars_a_year) for name, o in traded.items()}),
        _stacked({name: outcome.orders for name, outcome in traded.items()}),
        _stacked({name: outcome.fills for name, outcome in traded.items()}),
        _stacked({
            name: pd.DataFrame(
                {"date": market.dates, "equity": o.total, "invested": o.invested}
            ) for name, o in shown.items()
        }),
    )  # fmt: skip


def _stacked(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return frames one below the other, with the rule in front."""
    named = []
    for name, frame in frames.items():
        column = pd.array([name] * len(frame), dtype="str")
        named.append(frame.assign(rule=column)[["rule", *frame.columns]])
    return pd.concat(named, ignore_index=True)

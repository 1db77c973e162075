"""`simulate`: what rules would have made of a backtest's forecasts, beside holding and cash."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError
from cryptodask.io.paths import AnyPath, exists, is_folder, make_folder, names_in, path_of, resolved
from cryptodask.prices import CryptoLoader
from cryptodask.prices.freq import step_of
from cryptodask.prices.sources import Prices
from cryptodask.records import YEAR, DateArray
from cryptodask.results import Backtest, open_backtest
from cryptodask.results.shown import ShowsFacts, span_of
from cryptodask.runs.session import Session
from cryptodask.text import shown_names
from cryptodask.trading.joining import Joined, by_rule, figures_of
from cryptodask.trading.market import WINDOW, grid_of, read_market
from cryptodask.trading.parts import CASH, EQUAL, HOLDING, Setting
from cryptodask.trading.partwise import Partwise
from cryptodask.trading.passes import fills_at, run_rules
from cryptodask.trading.rules import HOLD, MOMENTUM, Rule, Weigh, read_rule
from cryptodask.trading.simulation import Market
from cryptodask.trading.targets import check_rule, name_of
from cryptodask.trading.terms import ACCOUNT, ANY_LOTS, NO_COSTS, Account, Costs, Lots

if TYPE_CHECKING:
    from dask.distributed import Client

Given = str | Rule | Weigh
"""A rule as a user gives it."""


@dataclass(frozen=True, repr=False)
class Simulation(ShowsFacts):
    """What rules would have done.

    Attributes
    ----------
    loader : CryptoLoader
        The prices.
    names : tuple of str
        Of all coins of the backtest, in order.
    dates : ndarray of datetime64[s], ``(n_dates,)``
        Each bar from the first origin on.
    fills_at : str
        What orders are filled at: ``next open``, ``next close``, or which of both.
    figures : DataFrame
        A row a rule, then `HOLDING`, `EQUAL` and `CASH`: ``rule``, and the figures of
        `cryptodask.trading.metrics.in_all`, with ``deflated`` behind the Sharpe ratio's error.
    coins : DataFrame
        A row a rule and coin; see `cryptodask.trading.metrics.by_coin`. Of `HOLDING` they are
        holding each coin; of `EQUAL` there are only coins that are bought.
    orders, fills : DataFrame
        ``rule``, and the columns of `cryptodask.trading.orders.ORDER_TYPES` and `FILL_TYPES`.
    equity : DataFrame
        ``rule, date, equity, invested``, in the quote currency, at each close.
    untraded : DataFrame
        ``rule, coin``: coins of the backtest that the model of a rule never forecast.
    """

    loader: CryptoLoader
    names: tuple[str, ...]
    dates: DateArray
    fills_at: str
    figures: pd.DataFrame
    coins: pd.DataFrame
    orders: pd.DataFrame
    fills: pd.DataFrame
    equity: pd.DataFrame
    untraded: pd.DataFrame

    def _facts(self) -> dict[str, object]:
        """Return what is in it."""
        return {
            "rules": shown_names(self.figures["rule"].tolist()),
            "coins": f"{len(self.names):,}",
            "dates": f"{len(self.dates):,}, {span_of(self.dates)}",
            "fills at": self.fills_at,
            "orders": f"{len(self.orders):,}",
            "fills": f"{len(self.fills):,}",
            "never forecast": f"{len(self.untraded):,}" if len(self.untraded) else None,
        }

    def market(self, coins: Sequence[str]) -> Market:
        """Read the prices of some coins at `dates`.

        Parameters
        ----------
        coins : sequence of str
        """
        return read_market(self.loader, coins, self.dates[0], self.dates[-1])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return what is written to a folder, by name."""
        names = ("figures", "coins", "orders", "fills", "equity", "untraded")
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
    prices: CryptoLoader | Session | Prices | None = None,
    rules: Given | Sequence[Given] = (HOLD,),
    *,
    account: Account = ACCOUNT,
    costs: Costs = NO_COSTS,
    lots: Lots = ANY_LOTS,
    tried: int | None = None,
    client: "Client | None" = None,
) -> Simulation:
    """Simulate what rules would have made of a backtest's forecasts.

    Rules decide at the closes of the backtest's origins, on what was known there; orders are filled
    at the next opens. The time is that from the first origin to the last bar that the backtest
    forecast. Backtest and prices are read part by part, by this process or by workers, and the
    result is the same, bit for bit. Rules that are functions see all coins at once, in this
    process; of shared cash, it holds the prices of coins that any rule holds.

    Parameters
    ----------
    backtest : Backtest or path
        Its folder, or what `cryptodask.backtest` returned.
    prices : CryptoLoader, path, frame or CryptoManager, optional
        Those that the backtest saw; by default those that its folder names. Of a manager, its
        cluster is used, too.
    rules : str, Rule or callable, or several
        See `cryptodask.trading.rules`.
    account : Account
    costs : Costs
    lots : Lots
    tried : int, optional
        How many rules were tried, if more than these, by which Sharpe ratios are deflated.
    client : dask.distributed.Client, optional
        Of a cluster whose workers read and simulate; by default this process does.

    Returns
    -------
    Simulation

    Raises
    ------
    InputError
        Prices are not those that the backtest saw.
    OptionError
        A rule makes no sense, two are the same, or costs need volumes that are not there.

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
    if account.short and all(isinstance(rule, Rule) for rule in wanted.values()):
        raise OptionError("short: only rules that are functions sell short; leave it out")
    for rule in wanted.values():
        if isinstance(rule, Rule):
            check_rule(rule, backtest.models, backtest.horizon, account.shared)
    source = _prices(backtest, prices, client)
    parts = Partwise(backtest, source)
    loader = source.loader if isinstance(source, Session) else source
    setting = _setting(backtest, parts, step_of(loader.freq), wanted, (account, costs, lots))
    accounts, bars = run_rules(parts, setting, wanted)
    untraded = _untraded(backtest, parts, setting.rules)
    return _collect(loader, setting, parts.coins, accounts, bars, list(wanted), tried, untraded)


def _untraded(backtest: Backtest, parts: Partwise, rules: Mapping[str, Rule]) -> pd.DataFrame:
    """Return the coins that the model of each rule never forecast."""
    forecast = parts.contents[parts.contents["forecasts"] > 0]
    rows = []
    for name, rule in rules.items():
        if rule.source in (MOMENTUM, HOLD):
            continue
        failed = backtest.failures.loc[backtest.failures["model"] == rule.source, "coin"]
        known = forecast.loc[forecast["model"] == rule.source, "coin"]
        coins = sorted({*parts.coins, *failed}.difference(known))
        rows += [(name, coin) for coin in coins]
    return pd.DataFrame(rows, columns=["rule", "coin"], dtype="str")


def _setting(
    backtest: Backtest,
    parts: Partwise,
    step: np.timedelta64,
    rules: Mapping[str, Rule | Weigh],
    terms: tuple[Account, Costs, Lots],
) -> Setting:
    """Return what all parts have in common."""
    known = parts.contents.dropna(subset=["first"])
    declared = {name: rule for name, rule in rules.items() if isinstance(rule, Rule)}
    if known.empty or not known["forecasts"].any():
        raise OptionError("backtest: has no forecast, so there is nothing to trade")
    forecasts = known.groupby("model")["forecasts"].sum()
    for name, rule in declared.items():
        if rule.source not in (MOMENTUM, HOLD) and not forecasts.get(rule.source, 0):
            failed = backtest.failures[backtest.failures["model"] == rule.source]["message"]
            why = f" ({failed.iloc[0]})" if len(failed) else ""
            raise OptionError(
                f"rule {name}: the backtest has no forecast of {rule.source}{why}; leave it out"
            )
    first = known["first"].min().to_datetime64().astype("datetime64[s]")
    origins = np.sort(np.asarray(backtest.origins, dtype="datetime64[s]"))
    origins = origins[origins >= first]
    lookback = max([WINDOW, *(rule.lookback for rule in declared.values())])
    dates = grid_of(origins[0] - lookback * step, origins[-1] + backtest.horizon * step, step)
    starting = frozenset(known.loc[known["first"] == known["first"].min(), "coin"])
    return Setting(
        declared, len(declared) < len(rules), *terms, dates, origins, backtest.horizon,
        float(YEAR / step), len(parts.coins), starting, len(starting),
    )  # fmt: skip


def _rules(rules: Given | Sequence[Given]) -> Mapping[str, Rule | Weigh]:
    """Return rules by their names."""
    given = [rules] if isinstance(rules, str | Rule) or callable(rules) else list(rules)
    wanted: dict[str, Rule | Weigh] = {}
    for rule in given:
        read = read_rule(rule) if isinstance(rule, str) else rule
        name = name_of(read)
        if name in wanted or name in (HOLDING, EQUAL, CASH):
            raise OptionError(f"rules: {name} is given twice")
        wanted[name] = read
    if not wanted:
        raise OptionError("rules: give one at least")
    return wanted


def _prices(
    backtest: Backtest, prices: CryptoLoader | Session | Prices | None, client: "Client | None"
) -> CryptoLoader | Session:
    """Return the prices to use, with the cluster to use: those given, or those of the folder."""
    if isinstance(prices, Session):
        if client is not None:
            raise OptionError("prices: a manager has its own cluster; give no client")
        return prices
    if prices is None:
        prices = _source_of(backtest)
    if client is not None:
        return Session(prices, client)
    return prices if isinstance(prices, CryptoLoader) else CryptoLoader(prices)


def _source_of(backtest: Backtest) -> str:
    """Return the prices that the folder of a backtest names."""
    if backtest.path is None:
        raise InputError("prices: a backtest in memory names none; give those that it saw")
    from cryptodask.runs.plan import read_plan

    try:
        spec = read_plan(resolved(backtest.path)).spec
    except FileNotFoundError:
        spec = None
    source: str | None = getattr(spec, "source", None)
    if source is None:
        raise InputError(f"{backtest.path}: does not name its prices; give those that it saw")
    return source


def _collect(
    loader: CryptoLoader,
    setting: Setting,
    names: Sequence[str],
    accounts: Mapping[str, Joined],
    bars: Any,
    rules: Sequence[str],
    tried: int | None,
    untraded: pd.DataFrame,
) -> Simulation:
    """Return the frames of all rules, with what they are shown beside."""
    cash = setting.account.cash
    figures = figures_of(accounts, rules, cash, setting.bars_a_year, tried)
    dates = setting.traded
    curves = {name: (account.total, account.held) for name, account in accounts.items()}
    curves[CASH] = np.full(len(dates), float(cash)), np.zeros(len(dates))
    return Simulation(
        loader,
        tuple(names),
        dates,
        fills_at(bars),
        figures,
        by_rule({name: account.coins for name, account in accounts.items()}),
        by_rule({name: account.orders for name, account in accounts.items()}),
        by_rule({name: account.fills for name, account in accounts.items()}),
        by_rule({
            name: pd.DataFrame({"date": dates, "equity": total, "invested": held})
            for name, (total, held) in curves.items()
        }),
        untraded,
    )  # fmt: skip

"""Results of a simulation from those of its parts: the same bits whatever the parts were."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.records import DateArray, FloatArray
from cryptodask.trading.exact import amounts_of
from cryptodask.trading.metrics import SUMS, deflated_sharpe, in_all, returns_of
from cryptodask.trading.parts import CASH, Summary
from cryptodask.trading.simulation import Market, fill_frame, order_frame


class Joined:
    """What a rule's account comes to, over all coins.

    Parameters
    ----------
    parts : sequence of Summary
        Of different coins, at least one.
    names : sequence of str
        Of all coins of the backtest, in order.
    dates : ndarray of datetime64[s], ``(n_dates,)``
    cash : float
        Of the account, in the quote currency.

    Attributes
    ----------
    total, held : ndarray of float64, ``(n_dates,)``
        Equity, and absolute values of positions, in the quote currency.
    coins : DataFrame
        See `cryptodask.trading.metrics.by_coin`, in order.
    orders, fills : DataFrame
    """

    def __init__(
        self, parts: Sequence[Summary], names: Sequence[str], dates: DateArray, cash: float
    ) -> None:
        self.total = amounts_of(np.sum([part.total for part in parts], axis=0), cash)
        self.held = amounts_of(np.sum([part.held for part in parts], axis=0), cash)
        frame = pd.concat([part.coins for part in parts], ignore_index=True)
        self.coins = frame.sort_values("coin", ignore_index=True)
        places = {coin: i for i, coin in enumerate(names)}
        self.orders = order_frame(
            names, dates, _recoded([(p.names, p.orders) for p in parts], places)
        )
        self.fills = fill_frame(names, dates, _recoded([(p.names, p.fills) for p in parts], places))


def _recoded(parts: Iterable[tuple[Sequence[str], Any]], places: Mapping[str, int]) -> Any:
    """Return rows of several parts, with coins by their places among all."""
    joined = []
    for names, rows in parts:
        rows = rows.copy()
        rows["coin"] = np.array([places[name] for name in names], dtype="i4")[rows["coin"]]
        joined.append(rows)
    return np.concatenate(joined)


def join_markets(markets: Sequence[Market]) -> Market:
    """Return the coins of several markets on the same dates, in order.

    Parameters
    ----------
    markets : sequence of Market
        Of different coins.
    """
    names = [coin for market in markets for coin in market.coins]
    order = sorted(range(len(names)), key=names.__getitem__)
    shape = len(markets[0].dates), len(names)

    def joined(name: str) -> FloatArray | None:
        given = [getattr(market, name) for market in markets]
        if all(matrix is None for matrix in given):
            return None
        matrix, at = np.full(shape, np.nan), 0
        places = np.argsort(order)
        for market, part in zip(markets, given, strict=True):
            columns = places[at : at + len(market.coins)]
            if part is not None:
                matrix[:, columns] = part
            at += len(market.coins)
        return matrix

    close = joined("close")
    assert close is not None
    return Market(tuple(names[i] for i in order), markets[0].dates, close, joined("open"),
                  joined("volume"))  # fmt: skip


def figures_of(
    accounts: Mapping[str, Joined],
    rules: Sequence[str],
    cash: float,
    bars_a_year: float,
    tried: int | None,
) -> pd.DataFrame:
    """Return a row an account, then cash; see `cryptodask.trading.api.Simulation`.

    Parameters
    ----------
    accounts : dict of str to Joined
        Of rules, and what they are shown beside.
    rules : sequence of str
        Which of them are rules, whose Sharpe ratios are deflated.
    cash : float
        At the start, in the quote currency.
    bars_a_year : float
    tried : int, optional
        How many rules were tried, if more than these.
    """
    returns = {name: returns_of(accounts[name].total) for name in rules}
    ratios = [
        float(r.mean() / r.std(ddof=1)) if len(r) > 1 and np.ptp(r) > 0 else np.nan
        for name, r in returns.items()
        if accounts[name].total.min() >= 0.0
    ]
    tried = max(tried or 0, len(rules))
    rows = []
    for name, account in accounts.items():
        is_judged = name in returns and account.total.min() >= 0.0
        sure = deflated_sharpe(returns[name], ratios, tried) if is_judged else np.nan
        figures = in_all(account.total, account.held, account.coins, bars_a_year)
        rows.append({"rule": name, **figures, "deflated": sure})
    some = next(iter(accounts.values()))
    idle = np.full(len(some.total), float(cash))
    figures = in_all(idle, np.zeros(len(idle)), some.coins[:0], bars_a_year)
    rows.append({"rule": CASH, **figures, "deflated": np.nan})
    order = ["rule", "return", "cagr", "volatility", "sharpe", "sharpe_error", "deflated"]
    frame = pd.DataFrame(rows)
    return frame[[*order, *(column for column in frame if column not in order)]]


def by_rule(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return frames one below the other, with the rule in front, without `SUMS`.

    Parameters
    ----------
    frames : dict of str to DataFrame
    """
    named = []
    for name, frame in frames.items():
        column = pd.array([name] * len(frame), dtype="str")
        kept = [column for column in frame.columns if column not in SUMS]
        named.append(frame.assign(rule=column)[["rule", *kept]])
    return pd.concat(named, ignore_index=True)


def with_all(coins: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the figures of coins with those that did nothing.

    Parameters
    ----------
    coins : DataFrame
        See `cryptodask.trading.metrics.by_coin`, of coins that share cash.
    names : sequence of str
        Of all coins.
    """
    frame = coins.set_index("coin").reindex(list(names)).rename_axis("coin").reset_index()
    unknown = {"hit_rate", "exposure"}
    nothing = dict.fromkeys(set(coins.columns) - {"coin"} - unknown, 0.0)
    return frame.fillna(nothing).astype({"coin": "str"})

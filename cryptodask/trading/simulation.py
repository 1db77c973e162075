"""What target weights would have done: orders, fills and equity, over coins in one batch.

A target is decided at a close and ordered in coins, by the equity and the price at that close. The
order is filled at the next bar of its coin, and stands until it is filled, its cash is used up, a
newer decision replaces it, or its coin ends. Sales of a date come before purchases. Nothing is
filled where a coin has no bar, and nothing depends on a later row.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.records import YEAR, DateArray, FloatArray
from cryptodask.trading.orders import FILL_TYPES, ORDER_TYPES, STATES
from cryptodask.trading.terms import ACCOUNT, ANY_LOTS, NO_COSTS, Account, Costs, Lots

BLOCK = 512
"""Coins that are simulated together: what is known of them stays in a core's cache."""


@dataclass(frozen=True)
class Market:
    """Prices of coins on a common grid of dates.

    Attributes
    ----------
    coins : tuple of str, ``(n_coins,)``
    dates : ndarray of datetime64[s], ``(n_dates,)``
        Rising, each a bar from the last.
    close : ndarray of float64, ``(n_dates, n_coins)``
        In the quote currency; NaN where a coin has no bar.
    open : ndarray of float64, ``(n_dates, n_coins)``, or None
        In the quote currency. Where it is NaN, or there are none, fills are at the close.
    volume : ndarray of float64, ``(n_dates, n_coins)``, or None
        In the quote currency.
    """

    coins: tuple[str, ...]
    dates: DateArray
    close: FloatArray
    open: FloatArray | None = None
    volume: FloatArray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.dates), len(self.coins))
        for name in ("close", "open", "volume"):
            matrix = getattr(self, name)
            if matrix is not None and matrix.shape != shape:
                raise OptionError(f"{name}: must have a row a date and a column a coin, {shape}, "
                                  f"got {matrix.shape}")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a simulation did.

    Attributes
    ----------
    coins : tuple of str, ``(n_coins,)``
    dates : ndarray of datetime64[s], ``(n_dates,)``
    equity : ndarray of float64, ``(n_dates, n_pools)``
        At each close, in the quote currency: a column a coin, or one of shared cash.
    held : ndarray of float64, ``(n_dates, n_pools)``
        Absolute values of positions, in the quote currency.
    borrowed : ndarray of float64, ``(n_coins,)``
        Fees for what was short, in the quote currency.
    cash : ndarray of float64, ``(n_pools,)``
        At the end, in the quote currency.
    order_rows, fill_rows : ndarray of `cryptodask.trading.kernels.ORDER` and `FILL`
        As they were simulated; ``orders`` and ``fills`` are these as frames.
    shared : bool
        Whether coins shared their cash.
    """

    coins: tuple[str, ...]
    dates: DateArray
    equity: FloatArray
    held: FloatArray
    borrowed: FloatArray
    cash: FloatArray
    order_rows: Any
    fill_rows: Any
    shared: bool = False

    @cached_property
    def orders(self) -> pd.DataFrame:
        """Orders by date and coin; see `cryptodask.trading.orders.ORDER_TYPES`."""
        return order_frame(self.coins, self.dates, self.order_rows)

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Fills by date, sales first; see `cryptodask.trading.orders.FILL_TYPES`."""
        return fill_frame(self.coins, self.dates, self.fill_rows)

    @property
    def total(self) -> FloatArray:
        """Equity of all pools, ``(n_dates,)``, in the quote currency."""
        return np.asarray(self.equity.sum(axis=1))


def simulate_targets(
    market: Market,
    targets: FloatArray,
    account: Account = ACCOUNT,
    costs: Costs = NO_COSTS,
    lots: Lots = ANY_LOTS,
    threads: int | None = None,
    coins: int | None = None,
) -> Outcome:
    """Simulate target weights.

    Parameters
    ----------
    market : Market
        Of ``n_dates`` and ``n_coins``.
    targets : ndarray of float64, ``(n_dates, n_coins)``
        Share of the equity (of all, if cash is shared, or else of the coin's) that is to be held
        of a coin from the next bar on; NaN where nothing is decided.
    account : Account
    costs : Costs
    lots : Lots
    threads : int, optional
        At most; by default one a core. Numbers do not depend on it.
    coins : int, optional
        How many coins the cash is for, if more than these, unless it is shared.

    Returns
    -------
    Outcome

    Raises
    ------
    OptionError
        A weight is above 1 or below 0 (-1 with ``short``), or volumes are missing that the costs
        need.

    Examples
    --------
    >>> days = np.arange("2017-01-01", "2017-01-04", dtype="datetime64[D]").astype("datetime64[s]")
    >>> market = Market(("A",), days, np.array([[10.0], [11.0], [12.0]]))
    >>> buy = np.array([[1.0], [np.nan], [np.nan]])
    >>> simulate_targets(market, buy, Account(cash=110.0)).total
    array([110., 110., 120.])
    """
    _check_targets(market, targets, account)
    if costs.participation is not None and market.volume is None:
        raise OptionError("participation: prices have no volume; leave it out")
    price, volume = (market.close if m is None else m for m in (market.open, market.volume))
    matrices = [
        np.ascontiguousarray(m, dtype=np.float64) for m in (price, market.close, volume, targets)
    ]
    n_dates, n_coins = targets.shape
    pools = 1 if account.shared else n_coins
    cash_each = account.cash / (pools if account.shared or coins is None else coins)
    equity, held = np.empty((n_dates, pools)), np.empty((n_dates, pools))
    terms, block = _terms_of(market, account, costs, lots), n_coins if account.shared else BLOCK

    def run(start: int) -> Any:
        stop = min(start + block, n_coins)
        return _block(matrices, cash_each, terms, equity, held, start, stop)

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        parts = list(pool.map(run, range(0, max(n_coins, 1), max(block, 1))))
    cash, borrowed, orders, fills = zip(*parts, strict=True)
    return Outcome(
        market.coins, market.dates, equity, held, np.concatenate(borrowed),
        np.concatenate(cash), np.concatenate(orders), np.concatenate(fills), account.shared,
    )  # fmt: skip


def _terms_of(market: Market, account: Account, costs: Costs, lots: Lots) -> Any:
    """Return what the kernels need of terms, as plain numbers."""
    from cryptodask.trading import kernels

    dates = market.dates
    share_of_year = float((dates[1] - dates[0]) / YEAR) if len(dates) > 1 else 0.0
    return kernels.Terms(
        float(costs.fee), float(costs.minimum_fee), float(costs.slip),
        float(np.inf if costs.participation is None else costs.participation), float(lots.size),
        float(lots.minimum_notional), account.end, account.ended_after, account.short,
        account.shared, account.borrow * share_of_year,
    )  # fmt: skip


def _block(
    matrices: Sequence[FloatArray],
    cash_each: float,
    terms: Any,
    equity: FloatArray,
    held: FloatArray,
    start: int,
    stop: int,
) -> tuple[Any, Any, Any, Any]:
    """Simulate the coins of some columns; return cash, fees for shorts, orders and fills."""
    from cryptodask.trading import kernels

    price, close, volume, targets = matrices
    room = [int(np.isfinite(targets[:, start:stop]).sum())] * 2
    room[1] += stop - start
    while True:
        cash = np.full(1 if terms.shared else stop - start, cash_each)
        orders, fills = np.empty(room[0], kernels.ORDER), np.empty(room[1], kernels.FILL)
        borrowed = np.zeros(stop - start)
        counts = kernels.run(
            price, close, volume, targets, cash, terms, orders, fills, equity, held, borrowed,
            start, stop,
        )  # fmt: skip
        if counts[1] <= room[1]:
            break
        room[1] = int(counts[1])  # partial fills are more than orders: once more, with room
    orders, fills = orders[: counts[0]], fills[: counts[1]]
    orders["coin"] += start
    fills["coin"] += start
    return cash, borrowed, orders, fills


def _check_targets(market: Market, targets: FloatArray, account: Account) -> None:
    """Refuse weights of another shape or out of range, by coin and date."""
    if targets.shape != market.close.shape:
        raise OptionError(
            f"targets: must have a row a date and a column a coin, {market.close.shape}, "
            f"got {targets.shape}"
        )
    least = -1.0 if account.short else 0.0
    wrong = (targets < least) | (targets > 1.0)  # NaN is neither
    if wrong.any():
        date, coin = np.argwhere(wrong)[0]
        hint = "" if account.short else "; to sell short, ask for it"
        raise OptionError(
            f"targets: {market.coins[coin]}: the weight at {market.dates[date]} must be from "
            f"{least:g} to 1, got {targets[date, coin]:g}{hint}"
        )


def order_frame(coins: Sequence[str], dates: DateArray, rows: Any) -> pd.DataFrame:
    """Return orders as a frame, by date and coin; see `cryptodask.trading.orders.ORDER_TYPES`.

    Parameters
    ----------
    coins : sequence of str, ``(n_coins,)``
    dates : ndarray of datetime64[s], ``(n_dates,)``
    rows : ndarray of `cryptodask.trading.kernels.ORDER`
    """
    rows = rows[np.lexsort((rows["coin"], rows["decided"]))]
    columns = {
        "coin": _taken(coins, rows["coin"]),
        "decided": dates[rows["decided"]],
        "side": _sides(rows["quantity"]),
        "quantity": np.abs(rows["quantity"]),
        "filled": rows["filled"],
        "state": _taken(STATES, rows["state"]),
    }
    return pd.DataFrame(columns).astype(ORDER_TYPES)


def fill_frame(coins: Sequence[str], dates: DateArray, rows: Any) -> pd.DataFrame:
    """Return fills as a frame, by date, sales first; see `cryptodask.trading.orders.FILL_TYPES`.

    Parameters
    ----------
    coins : sequence of str, ``(n_coins,)``
    dates : ndarray of datetime64[s], ``(n_dates,)``
    rows : ndarray of `cryptodask.trading.kernels.FILL`
    """
    rows = rows[np.lexsort((rows["coin"], rows["quantity"] > 0, rows["end"], rows["date"]))]
    columns = {
        "coin": _taken(coins, rows["coin"]),
        "decided": dates[rows["decided"]],
        "date": dates[rows["date"]],
        "side": _sides(rows["quantity"]),
        "quantity": np.abs(rows["quantity"]),
        **{name: rows[name] for name in ("price", "fee", "slipped", "profit")},
        "reason": _taken(("order", "end"), rows["end"]),
    }
    return pd.DataFrame(columns).astype(FILL_TYPES)


def _sides(quantity: FloatArray) -> Any:
    return _taken(("buy", "sell"), (quantity < 0).astype(np.int32))


def _taken(names: Sequence[str], codes: Any) -> Any:
    return pd.array(list(names), dtype="str").take(codes) if len(codes) else np.empty(0, object)

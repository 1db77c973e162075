"""The loop of a simulation over dates and coins, compiled by Numba.

Matrices are ``(n_dates, n_coins)``, float64. A bar is missing where its close is NaN. Each date has
four passes: sales, purchases, what is known at the close, decisions. So a decision sees nothing
after its close, and is filled at a later bar's price. Compiled code is kept on disk.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.io.compiling import Function, compile_kept, digest_of
from cryptodask.records import FloatArray
from cryptodask.trading import kernel_types
from cryptodask.trading import orders as arithmetic
from cryptodask.trading.kernel_types import FILL, ORDER, STATE, Terms
from cryptodask.trading.orders import (
    BUY,
    CASH,
    DUST,
    ENDED,
    FILLED,
    OPEN,
    REPLACED,
    ROUNDING,
    SELL,
    SMALL,
)

__all__ = ["FILL", "ORDER", "STATE", "Terms", "run"]

_ARITHMETIC = digest_of(Path(str(module.__file__)) for module in (arithmetic, kernel_types))


def _compiled(function: Function) -> Function:
    return compile_kept(function, _ARITHMETIC if function.__module__ == __name__ else "")


_fill_price = _compiled(arithmetic.fill_price)
_fee_of = _compiled(arithmetic.fee_of)
_affordable = _compiled(arithmetic.affordable)
_whole_lots = _compiled(arithmetic.whole_lots)
_within_volume = _compiled(arithmetic.within_volume)
_share_paid = _compiled(arithmetic.share_paid)


@_compiled
def _finish(row: Any, orders: Any, state: int) -> None:
    """Close a coin's pending order."""
    if row["pending"] != 0.0:
        if row["order"] < len(orders):
            orders[row["order"]]["state"] = state
        row["pending"] = 0.0


@_compiled
def _change(row: Any, quantity: float, flow: float) -> float:
    """Change a position by a signed quantity that moved cash by a flow; return the profit."""
    before = row["position"]
    profit = np.nan
    opening = 1.0
    if before * quantity < 0.0:
        closed = min(abs(quantity), abs(before))
        part = closed / abs(before)
        opening = 1.0 - closed / abs(quantity)
        profit = flow * (1.0 - opening) - row["basis"] * part
        row["basis"] *= 1.0 - part
    row["basis"] -= flow * opening
    row["position"] = before + quantity
    if abs(row["position"]) <= ROUNDING * abs(quantity):
        row["position"] = 0.0
        row["basis"] = 0.0
    return profit


@_compiled
def _pay(cash: FloatArray, pool: int, flow: float) -> None:
    """Move cash. What a fill makes it less than 0 is rounding; a fee for shorts may have before."""
    after = cash[pool] + flow
    cash[pool] = after if cash[pool] < 0.0 else max(after, 0.0)


@_compiled
def _book(
    date: int, coin: int, quantity: float, market: float, row: Any, terms: Terms,
    cash: FloatArray, orders: Any, fills: Any, counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill a signed quantity of the pending order at the market's price."""
    side = BUY if quantity > 0.0 else SELL
    price = _fill_price(market, side, terms.slip)
    notional = abs(quantity) * price
    fee = _fee_of(notional, terms.fee, terms.minimum_fee)
    flow = -quantity * price - fee
    _pay(cash, 0 if terms.shared else coin, flow)
    profit = _change(row, quantity, flow)
    if counts[1] < len(fills):
        fill = fills[counts[1]]
        fill["coin"], fill["decided"], fill["date"], fill["end"] = coin, row["decided"], date, 0
        fill["quantity"], fill["price"], fill["fee"] = quantity, price, fee
        fill["slipped"], fill["profit"] = abs(price - market) * abs(quantity), profit
    counts[1] += 1
    if row["order"] < len(orders):
        orders[row["order"]]["filled"] += abs(quantity)
    row["begun"] = 1
    left = abs(row["pending"]) - abs(quantity)
    if left <= ROUNDING * abs(quantity) or _whole_lots(left, terms.lot) == 0.0:
        _finish(row, orders, FILLED)
    else:
        row["pending"] -= quantity


@_compiled
def _fillable(market: float, volume: float, row: Any, terms: Terms, orders: Any) -> float:
    """Return how much of an order fits lots and volume, 0 or more; close one that is too small."""
    wanted = _whole_lots(abs(row["pending"]), terms.lot)
    small = wanted * market < terms.minimum_notional and row["begun"] == 0
    if wanted <= 0.0 or small:
        _finish(row, orders, SMALL)
        return 0.0
    if terms.participation < np.inf:
        most = _within_volume(volume, market, terms.participation)
        wanted = min(wanted, _whole_lots(most, terms.lot))
    return float(wanted)


@_compiled
def _sell(
    date: int, price: FloatArray, volume: FloatArray, state: Any, terms: Terms,
    cash: FloatArray, orders: Any, fills: Any, counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill the sales that are pending."""
    for coin in range(len(state)):
        row = state[coin]
        if row["pending"] >= 0.0 or not price[coin] > 0.0:
            continue
        quantity = _fillable(price[coin], volume[coin], row, terms, orders)
        notional = quantity * _fill_price(price[coin], SELL, terms.slip)
        fee = _fee_of(notional, terms.fee, terms.minimum_fee)
        if cash[0 if terms.shared else coin] + notional < fee:
            _finish(row, orders, CASH)
        elif quantity > 0.0:
            _book(date, coin, -quantity, price[coin], row, terms, cash, orders, fills, counts)


@_compiled
def _buy(
    date: int, price: FloatArray, volume: FloatArray, state: Any, terms: Terms, wanted: FloatArray,
    cash: FloatArray, orders: Any, fills: Any, counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill the purchases that are pending: of shared cash, the same share of each."""
    shared, share, any_wanted = terms.shared, 1.0, False
    for coin in range(len(state)):
        wanted[coin] = 0.0
        if state[coin]["pending"] > 0.0 and price[coin] > 0.0:
            wanted[coin] = _fillable(price[coin], volume[coin], state[coin], terms, orders)
            any_wanted |= wanted[coin] > 0.0
    if not any_wanted:
        return
    if shared:
        paid = wanted * _fill_price(1.0, BUY, terms.slip)
        for coin in range(len(state)):
            paid[coin] = paid[coin] * price[coin] if wanted[coin] > 0.0 else 0.0
        share = _share_paid(paid, cash[0], terms.fee, terms.minimum_fee)
    for coin in range(len(state)):
        if wanted[coin] <= 0.0:
            continue
        row, pool = state[coin], 0 if shared else coin
        cost = _fill_price(price[coin], BUY, terms.slip)
        most = _affordable(cash[pool], cost, terms.fee, terms.minimum_fee)
        quantity = min(wanted[coin] * share, most)
        short_of_cash = quantity < wanted[coin] * (1.0 - ROUNDING)
        if short_of_cash:
            quantity = _whole_lots(quantity, terms.lot)
            if quantity * price[coin] < terms.minimum_notional:
                quantity = 0.0
        if quantity > 0.0:
            _book(date, coin, quantity, price[coin], row, terms, cash, orders, fills, counts)
        if short_of_cash:
            _finish(row, orders, CASH)


@_compiled
def _settle(
    date: int, coin: int, row: Any, terms: Terms, cash: FloatArray, orders: Any, fills: Any,
    counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """Give what a coin that ended is worth by the policy, and cancel what is pending."""
    _finish(row, orders, ENDED)
    quantity = -row["position"]
    price = row["last"] * (1.0 - terms.haircut)
    pool = 0 if terms.shared else coin
    if quantity > 0.0:  # a short position: what cash does not pay stays owed
        quantity = min(quantity, _affordable(cash[pool], price, 0.0, 0.0) if price else quantity)
    if quantity == 0.0:
        return
    flow = -quantity * price
    _pay(cash, pool, flow)
    profit = _change(row, quantity, flow)
    if counts[1] < len(fills):
        fill = fills[counts[1]]
        fill["coin"], fill["decided"], fill["date"], fill["end"] = coin, date, date, 1
        fill["quantity"], fill["price"], fill["fee"] = quantity, price, 0.0
        fill["slipped"], fill["profit"] = 0.0, profit
    counts[1] += 1


@_compiled
def _look(
    date: int, close: FloatArray, state: Any, terms: Terms, cash: FloatArray, orders: Any,
    fills: Any, counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """Take in the closes of a date; settle coins that have had no bar for too long."""
    for coin in range(len(state)):
        row = state[coin]
        if close[coin] > 0.0:
            row["last"], row["bar"] = close[coin], date
        elif row["bar"] >= 0 and date - row["bar"] >= terms.ended_after:
            _settle(date, coin, row, terms, cash, orders, fills, counts)


@_compiled
def _borrow(state: Any, terms: Terms, cash: FloatArray, borrowed: FloatArray) -> None:
    """Take the fee of a bar for what is short, by last closes, whether or not there is cash."""
    for coin in range(len(state)):
        row = state[coin]
        if row["position"] < 0.0:
            fee = -row["position"] * row["last"] * terms.borrow
            cash[0 if terms.shared else coin] -= fee
            borrowed[coin] += fee


@_compiled
def _value(
    state: Any, cash: FloatArray, equity: FloatArray, held: FloatArray, shared: bool
) -> None:
    """Write what each pool is worth, and what of it is held in positions."""
    equity[:] = cash
    held[:] = 0.0
    for coin in range(len(state)):
        row, pool = state[coin], 0 if shared else coin
        if row["position"] != 0.0:
            worth = row["position"] * row["last"]
            equity[pool] += worth
            held[pool] += abs(worth)


@_compiled
def _decide(
    date: int, close: FloatArray, target: FloatArray, state: Any, terms: Terms, equity: FloatArray,
    orders: Any, counts: NDArray[np.int64],
) -> None:  # fmt: skip
    """Order what brings each position to its target, by closes; a newer decision replaces."""
    for coin in range(len(state)):
        if not (close[coin] > 0.0 and np.isfinite(target[coin])):
            continue
        row = state[coin]
        worth = max(equity[0 if terms.shared else coin], 0.0)  # who owes holds nothing
        quantity = target[coin] * worth / close[coin] - row["position"]
        if not terms.short:
            quantity = max(quantity, -row["position"])
        _finish(row, orders, REPLACED)
        if abs(quantity) * close[coin] <= DUST * worth:
            continue
        row["pending"], row["order"], row["decided"], row["begun"] = quantity, counts[0], date, 0
        if counts[0] < len(orders):
            order = orders[counts[0]]
            order["coin"], order["decided"], order["state"] = coin, date, OPEN
            order["quantity"], order["filled"] = quantity, 0.0
        counts[0] += 1


@_compiled
def run(
    price: FloatArray, close: FloatArray, volume: FloatArray, target: FloatArray,
    cash: FloatArray, terms: Terms, orders: Any, fills: Any, equity: FloatArray,
    held: FloatArray, borrowed: FloatArray, start: int, stop: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Simulate some coins; fill in orders, fills, equity, what of it is held, and fees for shorts.

    Parameters
    ----------
    price, close, volume, target : ndarray of float64, ``(n_dates, n_coins)``
        What fills pay before slippage, the close where it is NaN; closes; volumes in the quote
        currency; target weights as shares of the equity, NaN where nothing is decided.
    cash : ndarray of float64, ``(stop - start,)`` or, shared, ``(1,)``
        In the quote currency; what is left at the end is in it then.
    terms : Terms
    orders, fills : ndarray of `ORDER` and `FILL`
        Rows beyond their lengths are counted and not written. Their coins are numbered from
        ``start``.
    equity, held : ndarray of float64, ``(n_dates, n_pools)``
        In the quote currency; ``held`` is the absolute values of positions. Columns from
        ``start`` are filled in.
    borrowed : ndarray of float64, ``(stop - start,)``
        Fees for what was short, in the quote currency, are added to it.
    start, stop : int
        Columns of the coins.

    Returns
    -------
    ndarray of int64, ``(2,)``
        Number of orders, and of fills.
    """
    n_dates, n_coins, n_pools = len(close), stop - start, len(cash)
    state = np.zeros(n_coins, dtype=STATE)
    state["bar"][:] = -1
    wanted, market, counts = np.zeros(n_coins), np.zeros(n_coins), np.zeros(2, dtype=np.int64)
    worth, parts = np.zeros(n_pools), np.zeros(n_pools)
    for date in range(n_dates):
        closes, volumes = close[date, start:stop], volume[date, start:stop]
        for coin in range(n_coins):  # no fill without a bar
            at = price[date, start + coin]
            at = at if at > 0.0 else closes[coin]
            market[coin] = at if closes[coin] > 0.0 else np.nan
        _sell(date, market, volumes, state, terms, cash, orders, fills, counts)
        _buy(date, market, volumes, state, terms, wanted, cash, orders, fills, counts)
        _look(date, closes, state, terms, cash, orders, fills, counts)
        if terms.borrow > 0.0:
            _borrow(state, terms, cash, borrowed)
        _value(state, cash, worth, parts, terms.shared)
        equity[date, start : start + n_pools] = worth
        held[date, start : start + n_pools] = parts
        _decide(date, closes, target[date, start:stop], state, terms, worth, orders, counts)
    return counts

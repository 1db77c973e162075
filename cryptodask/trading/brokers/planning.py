"""From requests to orders: quantities that bring positions to their shares of the equity."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.errors import InputError
from cryptodask.store.records import Books, Order
from cryptodask.text import shown_names
from cryptodask.trading.orders import BUY, SELL, whole_lots
from cryptodask.trading.terms import Lots

SIDES = {"buy": BUY, "sell": SELL}


def check_bars(books: Books, bars: pd.DataFrame) -> None:
    """Refuse books with a coin that has no bar.

    Parameters
    ----------
    books : Books
    bars : DataFrame
        With a column ``coin``.

    Raises
    ------
    InputError
    """
    missing = sorted(set(books.coins) - set(bars["coin"]))
    if missing:
        raise InputError(
            f"trade: the table has no prices of {shown_names(missing)}, which the account holds or "
            "is to trade; import them again, under the same name"
        )


def days_between(first: Any, last: Any) -> int:
    """Return how many days lie between two.

    Parameters
    ----------
    first, last : str or datetime64
    """
    span = np.datetime64(last, "D") - np.datetime64(first, "D")
    return int(span / np.timedelta64(1, "D"))


def orders_for(
    books: Books,
    older: Collection[Order],
    positions: Mapping[str, float],
    equity: float,
    closes: Mapping[Any, float],
    day: str,
    lots: Lots,
) -> Iterator[Order]:
    """Yield an order for each request: what brings the position to its share of the equity.

    A request whose coin a later day asked for, too, is ``replaced``: days that were not traded in
    time don't undo what was decided after them.

    Parameters
    ----------
    books : Books
    older : collection of Order
        Those that may be filled yet, which count as filled.
    positions : mapping of str to float
        In coins.
    equity : float
        In the quote currency.
    closes : mapping of str to float
        The last one of each coin, in the quote currency.
    day : str
        At whose close it is decided.
    lots : Lots
    """
    # What waits counts as there, but only what is there can be sold.
    pending, sellable = dict(positions), dict(positions)
    for order in older:
        rest = SIDES[order.side] * (order.quantity - order.filled)
        pending[order.coin] = pending.get(order.coin, 0.0) + rest
        sellable[order.coin] = sellable.get(order.coin, 0.0) + min(rest, 0.0)
    for request, coin, side, weight in books.wanted:
        if request in books.replaced:
            yield Order(
                request=request, coin=coin, decided=day, side=side, quantity=0.0, state="replaced",
                reason="a later day asked for the coin, too",
            )  # fmt: skip
            continue
        have, most = pending.get(coin, 0.0), sellable.get(coin, 0.0)
        rest = SIDES[side] * (weight * equity / closes[coin] - have)
        # Nothing is sold short.
        rest = max(rest if side == "buy" else min(rest, most), 0.0)
        if not (side == "sell" and rest == most):
            rest = whole_lots(rest, lots.size)
        is_small = rest <= 0.0 or rest * closes[coin] < lots.minimum_notional
        order = Order(
            request=request, coin=coin, decided=day, side=side, quantity=rest,
            state="small" if is_small else "open",
        )  # fmt: skip
        if not is_small:
            pending[coin] = have + SIDES[side] * rest
            sellable[coin] = most + min(SIDES[side] * rest, 0.0)
        yield order

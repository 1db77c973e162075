"""What simulations and brokers share: orders, fills, and the arithmetic of one fill.

Quantities are in coins, prices in the quote currency a coin, cash and fees in the quote currency.
The functions take and return plain numbers, so that a loop that is compiled calls the very same
ones as a broker does.
"""

import math

import pandas as pd

from cryptodask.prices.schema import DATE_DTYPE
from cryptodask.records import FloatArray

BUY, SELL = 1, -1

ORDER_TYPES = {
    "coin": "str", "decided": DATE_DTYPE, "side": "str", "quantity": "float64", "filled": "float64",
    "state": "str",
}  # fmt: skip
"""Columns of orders: ``decided`` is the bar whose close they were decided at, ``quantity`` what was
wanted, ``filled`` what came of it; ``state`` is one of `STATES`."""

FILL_TYPES = {
    "coin": "str", "decided": DATE_DTYPE, "date": DATE_DTYPE, "side": "str", "quantity": "float64",
    "price": "float64", "fee": "float64", "slipped": "float64", "profit": "float64",
    "reason": "str",
}  # fmt: skip
"""Columns of fills: ``price`` has slippage and half the spread in it, ``slipped`` is what these two
took, ``fee`` what the broker took, both in the quote currency. ``profit``, of fills that close a
position or a part of it, is what they brought beyond what that part had cost, fees of both
included; else NaN. ``reason`` is ``order``, or ``end`` of a coin that ended."""

STATES = ("open", "filled", "replaced", "small", "cash", "ended")
"""What became of an order: not filled yet, or not all; filled; replaced by a newer decision; under
a lot or the minimum notional; what is left had no cash; its coin ended."""

OPEN, FILLED, REPLACED, SMALL, CASH, ENDED = range(len(STATES))

ROUNDING = 1e-12
"""Shares of a quantity, or of money, below it come of rounding."""

DUST = 1e-9
"""Share of the equity that an order must be more than: less is what rounding left of cash."""


def fill_price(price: float, side: int, slip: float) -> float:
    """Return what a fill pays or gets for a coin.

    Parameters
    ----------
    price : float
        Of the market, in the quote currency.
    side : int
        `BUY` or `SELL`.
    slip : float
        A share; see `cryptodask.trading.terms.Costs`.
    """
    return price * (1.0 + side * slip)


def fee_of(notional: float, fee: float, minimum_fee: float) -> float:
    """Return the fee of a fill, in the quote currency; nothing of nothing.

    Parameters
    ----------
    notional : float
        Quantity times the price of the fill, in the quote currency.
    fee : float
        Share of the notional.
    minimum_fee : float
        In the quote currency.
    """
    return max(notional * fee, minimum_fee) if notional > 0.0 else 0.0


def affordable(cash: float, price: float, fee: float, minimum_fee: float) -> float:
    """Return the largest quantity that cash pays with its fee, in coins.

    Parameters
    ----------
    cash : float
        In the quote currency.
    price : float
        Of the fill, in the quote currency.
    fee : float
        Share of the notional.
    minimum_fee : float
        In the quote currency.
    """
    # Either fee may be the larger one, and both have to be paid for.
    notional = min(cash / (1.0 + fee), cash - minimum_fee)
    return max(notional, 0.0) / price


def whole_lots(quantity: float, size: float) -> float:
    """Return a quantity rounded down to lots, in coins.

    Parameters
    ----------
    quantity : float
        In coins, 0 or more.
    size : float
        Of a lot, in coins; 0: any quantity.
    """
    if size <= 0.0:
        return quantity
    # 0.3 / 0.1 is 2.9999999999999996, and three lots.
    return math.floor(quantity / size * (1.0 + ROUNDING)) * size


def within_volume(volume: float, price: float, participation: float) -> float:
    """Return the largest quantity that a bar's volume lets fill, in coins.

    Parameters
    ----------
    volume : float
        Of the bar, in the quote currency; NaN where it is missing, and then nothing is filled.
    price : float
        Of the market, in the quote currency.
    participation : float
        Share of the volume.
    """
    return participation * volume / price if volume > 0.0 else 0.0


def share_paid(notionals: FloatArray, cash: float, fee: float, minimum_fee: float) -> float:
    """Return the share of several purchases that cash pays, the same of each, fees included.

    Parameters
    ----------
    notionals : ndarray of float64, ``(n_purchases,)``
        In the quote currency.
    cash : float
        In the quote currency.
    fee : float
        Share of the notional.
    minimum_fee : float
        Of each purchase, in the quote currency.
    """
    share = 1.0
    # What it takes is convex, rises with the share, and is made of straight pieces: Newton's
    # method comes from above and ends at the last piece.
    for _ in range(len(notionals) + 2):
        need, slope = 0.0, 0.0
        for notional in notionals:
            part = share * notional
            if notional > 0.0:
                need += part + max(part * fee, minimum_fee)
                slope += notional * (1.0 + fee if part * fee > minimum_fee else 1.0)
        if need <= cash * (1.0 + ROUNDING):
            break
        share -= (need - cash) / slope
        if share <= 0.0:
            return 0.0
    return share


def empty_orders() -> pd.DataFrame:
    """Return orders without a row; see `ORDER_TYPES`."""
    return _empty(ORDER_TYPES)


def empty_fills() -> pd.DataFrame:
    """Return fills without a row; see `FILL_TYPES`."""
    return _empty(FILL_TYPES)


def _empty(types: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})

"""What an exchange says of an order that was sent, or why it is not known to be there."""

import math
import time
from collections.abc import Sequence
from typing import Any

import attrs

from cryptodask.store.records import Order
from cryptodask.trading.orders import ROUNDING

AHEAD = 86_400.0
"""Seconds that a trade's time may be ahead of our clock."""


class RejectedError(Exception):
    """The exchange has not taken an order, and says why."""


class StoppedError(Exception):
    """An order was not sent, and will not be."""


class LostError(Exception):
    """What became of an order that was sent is not known."""


@attrs.frozen(kw_only=True)
class Seen:
    """What an exchange says of an order.

    Attributes
    ----------
    number : str
        Its number there.
    status : str
        As ccxt has it: ``open``, ``closed``, ``canceled``, ``expired``, ``rejected``.
    filled : float
        In coins.
    """

    number: str
    status: str
    filled: float


def seen_of(answer: Any, symbol: str, order: Order) -> Seen:
    """Return what is needed of ccxt's order.

    Parameters
    ----------
    answer : dict
    symbol : str
        ccxt's, of the market.
    order : Order
        The one that was asked for.

    Raises
    ------
    ValueError
        It has no number, status or quantity, is another order, or is filled by more than it is.
    """
    number, status, filled = answer["id"], answer["status"], answer["filled"]
    shown = str(answer["info"])[:200]
    if not number or status is None or filled is None:
        raise ValueError(f"an order without number, status or quantity: {shown}")
    # Of one that was canceled, an exchange may give the name of the cancellation.
    is_named = answer["clientOrderId"] == order.client or status == "canceled"
    is_same = (answer["symbol"], answer["side"]) == (symbol, order.side)
    if not is_named or not is_same or order.number not in (None, number):
        raise ValueError(f"another order than {order.client}: {shown}")
    amount = answer["amount"]
    if amount is not None and not math.isclose(amount, order.quantity, rel_tol=1e-9):
        raise ValueError(f"an order of another quantity than {order.quantity:.12g}: {shown}")
    if not 0.0 <= filled <= order.quantity * (1.0 + ROUNDING):
        raise ValueError(f"an order with {filled} filled of {order.quantity:.12g}: {shown}")
    return Seen(number=number, status=status, filled=float(filled))


def check_trades(trades: Sequence[Any], side: str) -> None:
    """Refuse ccxt's trades where one has numbers that no trade has.

    Parameters
    ----------
    trades : sequence of dict
    side : str
        Of their order.

    Raises
    ------
    ValueError
    """
    for trade in trades:
        if not _can_be(trade, side):
            raise ValueError(f"a trade that can't be: {str(trade['info'])[:200]}")


def _can_be(trade: Any, side: str) -> bool:
    """Return whether a trade's numbers are finite, of its side, and not of the future."""
    fee = trade["fee"]["cost"]
    numbers = (trade["amount"], trade["price"], 0.0 if fee is None else fee)
    return (
        all(number is not None and math.isfinite(number) for number in numbers)
        and min(numbers[:2]) > 0
        and trade["side"] == side
        and 0 < trade["timestamp"] / 1000 < time.time() + AHEAD
        and trade["id"].isdecimal()
    )


def is_refused(error: BaseException | None) -> bool:
    """Return whether an error says for certain that an order was not taken.

    Parameters
    ----------
    error : Exception or None
        ccxt's.
    """
    import ccxt

    certain = (
        ccxt.InvalidOrder, ccxt.InsufficientFunds, ccxt.BadRequest, ccxt.OperationRejected,
        ccxt.AuthenticationError,
    )  # fmt: skip
    # An order of the same client id is there.
    is_known = isinstance(error, (ccxt.OrderNotFound, ccxt.DuplicateOrderId))
    return isinstance(error, certain) and not is_known and "Duplicate order" not in str(error)

"""What an exchange says of an order that was sent, or why it is not known to be there."""

from typing import Any

import attrs


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


def seen_of(order: Any) -> Seen:
    """Return what is needed of ccxt's order.

    Parameters
    ----------
    order : dict
    """
    if not order["id"] or order["status"] is None or order["filled"] is None:
        raise ValueError(f"an order without number, status or quantity: {str(order['info'])[:80]}")
    return Seen(number=order["id"], status=order["status"], filled=float(order["filled"]))


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

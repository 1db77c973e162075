"""What is written into a store beside runs: alerts, judgements, requests for trades."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from attrs.validators import ge, in_, le

from cryptodask.io.sealed import digest

WAITING = ("open", "partial")
"""States of orders that may be filled yet, in full or in part."""

PENDING = ("planned", "sending", "unknown", *WAITING)
"""States of orders at an exchange that may be filled yet; see `cryptodask.trading.brokers.ccxt`."""


@attrs.frozen(kw_only=True)
class Alert:
    """Something to look at.

    Attributes
    ----------
    key : str
        What makes it this alert: a second one of the same key is not stored.
    kind : str
        What was looked at, as ``coverage`` or ``freshness``.
    subject : str
        A day, a run, a group or a coin.
    message : str
        A sentence.
    value, least, most : float or None
        What was found, and between what it should lie.
    """

    key: str
    kind: str
    subject: str
    message: str
    value: float | None = None
    least: float | None = None
    most: float | None = None


@attrs.frozen(kw_only=True)
class Judgement:
    """What a rule saw of a coin's forecast by one model, and what it led to.

    Attributes
    ----------
    run_key : str
        Of the run, as its manifest has it.
    rule : str
        Its name.
    coin, model : str
    action : str
        ``store``, ``request``, ``alert`` or ``skip``.
    seen : dict of str to Any
        The numbers that the rule looked at.
    """

    run_key: str
    rule: str
    coin: str
    model: str
    action: str
    seen: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Request:
    """A trade that a rule asks for.

    Attributes
    ----------
    judgement : Judgement
    cutoff : str
        Last date that the model saw.
    side : str
        ``buy`` or ``sell``.
    weight : float
        Share of the equity that the position should be.

    Raises
    ------
    ValueError
        The side is another one, or the weight is not between 0 and 1.
    """

    judgement: Judgement
    cutoff: str
    side: str = attrs.field(validator=in_(("buy", "sell")))
    weight: float = attrs.field(validator=[ge(0), le(1)])

    @property
    def key(self) -> str:
        """What makes it this request: rule, coin, model and cutoff.

        Not the run: a day without new prices forecasts from the same cutoff again, and should not
        trade twice.
        """
        about = self.judgement
        return digest([about.rule, about.coin, about.model, self.cutoff.removesuffix("T00:00:00")])


@attrs.frozen(kw_only=True)
class Order:
    """An order of an account.

    Attributes
    ----------
    request : int
        Number of the request that it is for.
    coin : str
    decided : str
        The day at whose close it was decided.
    side : str
        ``buy`` or ``sell``.
    quantity, filled : float
        What is wanted, and what was filled of it, in coins.
    state : str
        See `cryptodask.trading.brokers.paper` and `cryptodask.trading.brokers.ccxt`.
    tried : str or None
        Date of the last bar in which it was tried to fill it.
    close, price : float or None
        The close that it was decided at, and its limit at the exchange, in the quote currency.
    client, number : str or None
        The name that we give it at the exchange, and the number that the exchange does.
    sent : str or None
        When it was last sent, in UTC.
    reason : str or None
        Why it is in its state.
    """

    request: int
    coin: str
    decided: str
    side: str
    quantity: float
    filled: float = 0.0
    state: str = "open"
    tried: str | None = None
    close: float | None = None
    price: float | None = None
    client: str | None = None
    number: str | None = None
    sent: str | None = None
    reason: str | None = None


@attrs.frozen(kw_only=True)
class Fill:
    """What was filled of an order in a bar, or by a trade of an exchange.

    Attributes
    ----------
    request : int
        Number of the request that its order is for.
    date : str
        Of the bar, or the moment of the trade in UTC.
    quantity : float
        In coins; of a trade whose fee was paid in the coin, without that.
    price : float
        In the quote currency a coin, with slippage in it.
    fee, slipped : float
        What the broker took, and what slippage did, in the quote currency.
    trade : str
        The exchange's number of the trade; of paper none.
    """

    request: int
    date: str
    quantity: float
    price: float
    fee: float
    slipped: float
    trade: str = ""


@attrs.frozen(kw_only=True)
class Books:
    """What an account has before a day.

    Attributes
    ----------
    cash : float
        In the quote currency.
    positions : dict of str to float
        What it has of each coin, in coins; without coins that it has none of.
    orders : list of Order
        Those that are not filled, in the order in which they were placed.
    wanted : list of (int, str, str, float)
        Requests without an order: number, coin, side, and share of the equity.
    keys : dict of int to str
        The key of each of these requests, by its number.
    replaced : frozenset of int
        Those of these requests whose coin has one of a later cutoff.
    """

    cash: float
    positions: Mapping[str, float]
    orders: Sequence[Order]
    wanted: Sequence[tuple[int, str, str, float]]
    keys: Mapping[int, str] = attrs.field(factory=dict)
    replaced: frozenset[int] = frozenset()

    def contradicts(self, order: Order) -> bool:
        """Return whether a request without an order wants the other side of an order's coin.

        Parameters
        ----------
        order : Order
        """
        return any(
            coin == order.coin and side != order.side and request not in self.replaced
            for request, coin, side, _ in self.wanted
        )

    @property
    def coins(self) -> list[str]:
        """The coins whose prices a day needs, in order."""
        several = [order.coin for order in self.orders] + [coin for _, coin, _, _ in self.wanted]
        return sorted({*self.positions, *several})


@attrs.frozen(kw_only=True)
class Settled:
    """What a day does to an account.

    Attributes
    ----------
    orders : list of Order
        New ones, and those that changed.
    fills : list of Fill
    cash, equity : float
        At the day's end, in the quote currency.
    report : dict
        Of the day, as JSON.
    """

    orders: Sequence[Order]
    fills: Sequence[Fill]
    cash: float
    equity: float
    report: Mapping[str, Any]

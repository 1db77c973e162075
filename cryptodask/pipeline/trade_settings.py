"""Section ``[trade]`` of a pipeline's settings: which broker, and within what."""

import math
from pathlib import Path
from typing import Any, Literal

import attrs

from cryptodask.runs.fields import whole_number
from cryptodask.trading.brokers.limits import Limits
from cryptodask.trading.terms import Costs, Lots

BROKERS = ("paper", "ccxt")

AT_EXCHANGE = (
    "exchange", "live", "worse", "order_notional", "day_notional", "day_orders", "kill_switch",
    "api_url",
)  # fmt: skip
"""Keys that mean nothing on paper, where they would not be heeded."""


def _above_0(_: Any, field: "attrs.Attribute[Any]", value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{field.name}: must be above 0, got {value:g}")


def _broker(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    if value not in BROKERS:
        raise ValueError(f"{field.name}: must be one of {', '.join(BROKERS)}, got {value!r}")


def _share(_: Any, field: "attrs.Attribute[Any]", value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{field.name}: must be a share from 0 to below 1, got {value:g}")


@attrs.frozen(kw_only=True)
class Trade:
    """How requests are traded: on paper, or at an exchange's sandbox, or at the exchange.

    Attributes
    ----------
    broker : str
        ``paper`` or ``ccxt``.
    account : str
        Its name in the store; by default ``paper``, or that of the exchange with ``-sandbox`` or
        ``-live``.
    cash : float
        That it begins with, in the quote currency.
    fee, minimum_fee, slippage, spread, participation
        What trading costs; see `cryptodask.trading.terms.Costs`. At an exchange, `fee` is kept
        for an order's fee, and the exchange says the rest.
    lot, minimum_notional : float
        What an exchange takes; see `cryptodask.trading.terms.Lots`.
    patience : int
        Days in whose bars an order may be filled.
    exchange : str
        ccxt's name of the exchange.
    live : bool
        Whether the exchange is traded at, and not its sandbox: with ``--live --live`` alone.
    worse : float
        Share by which the limit of an order at the exchange is worse than the last close.
    order_notional, day_notional, day_orders, kill_switch
        Limits of what is sent; see `cryptodask.trading.brokers.limits.Limits`.
    api_url : str or None
        Address of a server that speaks the exchange's API.
    """

    broker: Literal["paper", "ccxt"] = attrs.field(default="paper", validator=_broker)
    account: str = ""
    cash: float = attrs.field(default=10_000.0, validator=_above_0)
    fee: float = 0.001
    minimum_fee: float = 0.0
    slippage: float = 0.0005
    spread: float = 0.0
    participation: float | None = None
    lot: float = 0.0
    minimum_notional: float = 0.0
    patience: int = attrs.field(default=1, validator=whole_number(1))
    exchange: str = ""
    live: bool = False
    worse: float = attrs.field(default=0.01, validator=_share)
    order_notional: float = 100.0
    day_notional: float = 500.0
    day_orders: int = attrs.field(default=20, validator=whole_number(1))
    kill_switch: str = "stop-trading"
    api_url: str | None = None

    def __attrs_post_init__(self) -> None:
        self.costs, self.lots, self.limits  # noqa: B018 - refuses what can't be
        at_exchange = self.broker != "paper"
        if at_exchange and not self.exchange:
            raise ValueError('exchange: is missing; broker = "ccxt" needs one, as "binance"')
        given = [
            field.name for field in attrs.fields(Trade)
            if field.name in AT_EXCHANGE and getattr(self, field.name) != field.default
        ]  # fmt: skip
        if not at_exchange and given:
            names = f"{', '.join(given)}: {'is' if len(given) == 1 else 'are'}"
            raise ValueError(f'{names} of broker = "ccxt" alone, and the broker is paper')

    @property
    def name(self) -> str:
        """The account's name in the store."""
        if self.account:
            return self.account
        if self.broker == "paper":
            return "paper"
        return f"{self.exchange}-{'live' if self.live else 'sandbox'}"

    @property
    def costs(self) -> Costs:
        """What trading costs."""
        names = ("fee", "minimum_fee", "slippage", "spread", "participation")
        return Costs(**{name: getattr(self, name) for name in names})

    @property
    def lots(self) -> Lots:
        """What an exchange takes."""
        return Lots(size=self.lot, minimum_notional=self.minimum_notional)

    @property
    def limits(self) -> Limits:
        """What is sent at most."""
        names = ("order_notional", "day_notional", "day_orders")
        numbers = {name: getattr(self, name) for name in names}
        return Limits(kill_switch=Path(self.kill_switch), **numbers)

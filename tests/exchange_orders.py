"""A local HTTP server that speaks Binance's spot orders, checks signatures, and fails on demand."""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.exchange_server import ExchangeServer, Fault, Handler

KEY, SECRET = "key-of-a-test", "secret-of-a-test"  # pragma: allowlist secret
STEP, LEAST, TICK, NOTIONAL = Decimal("0.001"), Decimal("0.001"), Decimal("0.01"), Decimal(5)
FEE = Decimal("0.001")
CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
MOST_AHEAD = 1000
"""Milliseconds that a request's stamp may be ahead of the exchange's clock."""


class RefusedError(Exception):
    """An answer that is an error: HTTP status, Binance's code, and its message."""


@dataclass
class Placed:
    """An order that the exchange has taken."""

    number: int
    symbol: str
    client: str
    side: str
    quantity: Decimal
    price: Decimal
    at: int
    filled: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    status: str = "NEW"

    @property
    def is_open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def json(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol, "orderId": self.number, "orderListId": -1,
            "clientOrderId": self.client, "price": f"{self.price:f}",
            "origQty": f"{self.quantity:f}", "executedQty": f"{self.filled:f}",
            "cummulativeQuoteQty": f"{self.paid:f}", "status": self.status, "timeInForce": "GTC",
            "type": "LIMIT", "side": self.side, "time": self.at, "updateTime": self.at,
        }  # fmt: skip


@dataclass
class OrderServer(ExchangeServer):
    """The server of bars, which also takes orders.

    An order is filled at once at `last` of its symbol, as far as its limit and `depth` let it, in
    `pieces` trades; `trade` fills what waits. Fees are taken from what is bought, or in `fee_in`.
    As Binance does, it takes a client id again once its order is filled.

    Faults are of ``POST order``, ``GET order``, ``GET myTrades`` and so on. Beside those of bars,
    their kinds are: code (an error: `value` is status, code and message), dropped (it is done, and
    the connection reset), late (the connection is reset, and it is done `value` seconds later),
    before, after (`value` is called before or after it is done), lag (no trades yet), odd (it is
    done, and the answer has another shape), wrong (it is done, and `value` makes another answer of
    the answer), redirect (to `value`).
    """

    last: dict[str, Decimal] = field(default_factory=dict)
    depth: dict[str, Decimal] = field(default_factory=dict)
    pieces: int = 1
    fee_in: str = ""
    balances: dict[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(10_000)})
    locked: dict[str, Decimal] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    trades_page: int = 1000
    clock: float = 0.0
    """Seconds that the exchange's clock is ahead of ours."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def handler(self) -> type[Handler]:
        return OrderHandler

    def now(self) -> int:
        return int((time.time() + self.clock) * 1000)

    def answer(self, path: str, query: dict[str, str], fault: Fault | None) -> tuple[int, Any]:
        if path == "ticker/24hr" and "symbol" in query:
            price = f"{self.last[query['symbol']]:f}"
            return 200, {"symbol": query["symbol"], "lastPrice": price}
        status, answer = super().answer(path, query, fault)
        if path == "exchangeInfo":
            for market in answer["symbols"]:
                market |= {"orderTypes": ["LIMIT", "MARKET"], "isSpotTradingAllowed": True}
                market["filters"] = [
                    {"filterType": "PRICE_FILTER", "minPrice": f"{TICK}", "maxPrice": "1000000",
                     "tickSize": f"{TICK}"},
                    {"filterType": "LOT_SIZE", "minQty": f"{LEAST}", "maxQty": "9000",
                     "stepSize": f"{STEP}"},
                    {"filterType": "NOTIONAL", "minNotional": f"{NOTIONAL}"},
                ]  # fmt: skip
        return status, answer

    def signed(self, text: str, key: str | None) -> dict[str, str]:
        """Return the parameters of a request, if it is signed by our secret and of now."""
        if key != KEY:
            raise RefusedError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        asked, _, signature = text.rpartition("&signature=")
        right = hmac.new(SECRET.encode(), asked.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature):
            raise RefusedError(400, -1022, "Signature for this request is not valid.")
        query = {name: values[0] for name, values in parse_qs(asked).items()}
        age = self.now() - int(query["timestamp"])
        if age < -MOST_AHEAD or age > int(query.get("recvWindow", 5000)):
            raise RefusedError(
                400, -1021, "Timestamp for this request is outside of the recvWindow."
            )
        return query

    def act(self, name: str, query: dict[str, str], kind: str) -> Any:
        """Return the answer to a signed request."""
        if name == "GET account":
            every = sorted({*self.balances, *self.locked})
            return {"balances": [
                {"asset": asset, "free": f"{self.balances.get(asset, 0)}",
                 "locked": f"{self.locked.get(asset, 0)}"}
                for asset in every
            ]}  # fmt: skip
        if name == "POST order":
            placed = self.take(query)
            return {"symbol": "?"} if kind == "odd" else placed.json
        if name == "GET order":
            return self.known(query, -2013, "Order does not exist.").json
        if name == "DELETE order":
            placed = self.known(query, -2011, "Unknown order sent.")
            if not placed.is_open:
                raise RefusedError(400, -2011, "Unknown order sent.")
            self.close(placed, "CANCELED")
            return placed.json
        if name == "GET openOrders":
            return [one.json for one in self.placed if one.is_open]
        if name == "GET myTrades":
            first = int(query.get("fromId", 0))
            mine = [
                trade for trade in self.trades
                if trade["orderId"] == int(query["orderId"]) and trade["id"] >= first
            ]  # fmt: skip
            return [] if kind == "lag" else mine[: min(self.trades_page, int(query["limit"]))]
        raise RefusedError(404, -1, "no such path")

    def known(self, query: dict[str, str], code: int, message: str) -> Placed:
        for placed in reversed(self.placed):
            if placed.symbol == query["symbol"] and (
                placed.client == query.get("origClientOrderId")
                or str(placed.number) == query.get("orderId")
            ):
                return placed
        raise RefusedError(400, code, message)

    def take(self, query: dict[str, str]) -> Placed:
        """Take an order, if the filters and the balance let it, and fill what can be."""
        quantity, price = Decimal(query["quantity"]), Decimal(query["price"])
        client, side, symbol = query["newClientOrderId"], query["side"], query["symbol"]
        if not CLIENT_ID.fullmatch(client):
            raise RefusedError(400, -1100, "Illegal characters found in a parameter.")
        if (query["type"], query["timeInForce"]) != ("LIMIT", "GTC"):
            raise RefusedError(400, -1102, "Mandatory parameter was not sent.")
        for name, is_bad in (
            ("LOT_SIZE", quantity % STEP or quantity < LEAST),
            ("PRICE_FILTER", price % TICK),
            ("NOTIONAL", quantity * price < NOTIONAL),
        ):
            if is_bad:
                raise RefusedError(400, -1013, f"Filter failure: {name}")
        if any(one.client == client and one.is_open for one in self.placed):
            raise RefusedError(400, -2010, "Duplicate order sent.")
        asset, need = self.paid_in(symbol, side, quantity, price)
        if self.balances.get(asset, Decimal(0)) < need:
            message = "Account has insufficient balance for requested action."
            raise RefusedError(400, -2010, message)
        self.balances[asset] -= need
        self.locked[asset] = self.locked.get(asset, Decimal(0)) + need
        number = 1000 + len(self.placed)
        placed = Placed(number, symbol, client, side, quantity, price, self.now())
        self.placed.append(placed)
        self.match(placed)
        return placed

    def paid_in(self, symbol: str, side: str, quantity: Decimal, price: Decimal) -> Any:
        base = symbol.removesuffix("USDT")
        return ("USDT", quantity * price) if side == "BUY" else (base, quantity)

    def match(self, placed: Placed) -> None:
        """Fill what the last price and the depth let fill of an order."""
        last = self.last[placed.symbol]
        reaches = placed.price >= last if placed.side == "BUY" else placed.price <= last
        rest = placed.quantity - placed.filled
        depth = self.depth.get(placed.symbol)
        quantity = rest if depth is None else min(rest, depth)
        if not reaches or quantity <= 0:
            return
        if depth is not None:
            self.depth[placed.symbol] = depth - quantity
        part = (quantity / self.pieces // STEP) * STEP
        for i in range(self.pieces):
            self.trade(placed, quantity - part * (self.pieces - 1) if i == 0 else part, last)

    def trade(self, placed: Placed, quantity: Decimal, price: Decimal) -> None:
        """Fill a quantity of an order at a price."""
        base, is_buy = placed.symbol.removesuffix("USDT"), placed.side == "BUY"
        asset, freed = self.paid_in(placed.symbol, placed.side, quantity, placed.price)
        self.locked[asset] -= freed
        gets, amount = (base, quantity) if is_buy else ("USDT", quantity * price)
        if is_buy:
            self.balances["USDT"] += freed - quantity * price
        self.balances[gets] = self.balances.get(gets, Decimal(0)) + amount
        fee_in, fee = gets, amount * FEE
        if self.fee_in:
            fee_in, fee = self.fee_in, quantity * price * FEE / self.last[f"{self.fee_in}USDT"]
        self.balances[fee_in] = self.balances.get(fee_in, Decimal(0)) - fee
        placed.filled += quantity
        placed.paid += quantity * price
        placed.status = "FILLED" if placed.filled == placed.quantity else "PARTIALLY_FILLED"
        self.trades.append(
            {"symbol": placed.symbol, "id": 28_000 + len(self.trades), "orderId": placed.number,
             "orderListId": -1, "price": f"{price:f}", "qty": f"{quantity:f}",
             "quoteQty": f"{quantity * price:f}", "commission": f"{fee:f}",
             "commissionAsset": fee_in, "time": self.now(), "isBuyer": is_buy, "isMaker": False,
             "isBestMatch": True}
        )  # fmt: skip

    def close(self, placed: Placed, status: str) -> None:
        """End an order, whose rest is free again."""
        rest = placed.quantity - placed.filled
        asset, freed = self.paid_in(placed.symbol, placed.side, rest, placed.price)
        self.locked[asset] -= freed
        self.balances[asset] += freed
        placed.status = status

    def calls(self, name: str) -> int:
        """Return how many requests of a name, as ``POST order``, came."""
        return sum(path == name for _, path, _ in self.asked)


class OrderHandler(Handler):
    """Answers bars as before, and orders."""

    exchange: OrderServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802
        path = urlsplit(self.path)
        if "signature=" in path.query:
            self._signed("GET", path.path, path.query)
        else:
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._signed("POST", urlsplit(self.path).path, body)

    def do_DELETE(self) -> None:  # noqa: N802
        path = urlsplit(self.path)
        self._signed("DELETE", path.path, path.query)

    def _signed(self, method: str, path: str, text: str) -> None:
        server, name = self.exchange, f"{method} {path.removeprefix('/api/v3/')}"
        with server.lock:
            query = {key: values[0] for key, values in parse_qs(text).items()}
            server.asked.append((time.monotonic(), name, query))
            fault = server.fault_for(name, query)
        kind, value = (fault.kind, fault.value) if fault else ("", None)
        if kind.isdigit():
            headers = {} if value is None else {"Retry-After": str(value)}
            code = {"code": -1003, "msg": "Too much request weight used."}
            body = b"<html>Bad gateway</html>" if kind >= "500" else json.dumps(code).encode()
            self.send(int(kind), body, headers)
            return
        if kind == "reset":
            self._cut()
            return
        if kind == "redirect":
            self.send(302, b"{}", {"Location": value})
            return
        if kind == "late":
            act: Callable[[], Any] = lambda: self._answer(name, text, kind)  # noqa: E731
            threading.Timer(value, act).start()
            self._cut()
            return
        if kind == "before":
            value()
        if kind == "code":
            status, answer = value[0], {"code": value[1], "msg": value[2]}
        else:
            status, answer = self._answer(name, text, kind)
        if kind == "after":
            value()
        if kind == "wrong":
            answer = value(answer)
        if kind == "dropped":
            self._cut()
            return
        self.send(status, json.dumps(answer).encode())

    def _cut(self) -> None:
        self.close_connection = True
        self.drop()

    def _answer(self, name: str, text: str, kind: str) -> tuple[int, Any]:
        with self.exchange.lock:
            try:
                query = self.exchange.signed(text, self.headers["X-MBX-APIKEY"])
                return 200, self.exchange.act(name, query, kind)
            except RefusedError as error:
                status, code, message = error.args
                return status, {"code": code, "msg": message}

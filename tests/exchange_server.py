"""A local HTTP server that speaks Binance's spot API, and fails in the ways that exchanges do."""

import json
import math
import socket
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

STEPS = {"1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000}
"""Milliseconds of a bar of each interval."""


def day_of(text: str) -> int:
    """Return a day as days since 1970."""
    return number_of(text, "1d")


def number_of(text: str, interval: str) -> int:
    """Return the bar that a moment in UTC lies in, counted from 1970 on."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 // STEPS[interval]


@dataclass(frozen=True)
class Listing:
    """One spot market: days on which it has bars, and what it traded in the last 24 hours.

    Of bars that are shorter than a day it has all of these days.
    """

    base: str
    first: str = "2024-01-01"
    last: str = "2024-04-10"
    volume: float = 1e6
    status: str = "TRADING"
    quote: str = "USDT"

    @property
    def symbol(self) -> str:
        return self.base + self.quote

    def numbers(self, interval: str) -> range:
        """Return the bars that it has, counted from 1970 on."""
        a_day = STEPS["1d"] // STEPS[interval]
        return range(day_of(self.first) * a_day, (day_of(self.last) + 1) * a_day)


def bar(symbol: str, number: int, interval: str = "1d") -> list[Any]:
    """Return a kline as Binance does: prices as text, the quote volume at place 7."""
    step = STEPS[interval]
    seed = zlib.crc32(f"{symbol} {number} {interval}".encode()) / 2**32
    day = number * step / STEPS["1d"]
    close = 50 + 20 * math.sin(day / 9 + zlib.crc32(symbol.encode()) % 7) + seed
    opened, volume = close - seed / 2, 1000 + 500 * seed
    quote_volume = volume * (close - 0.2)  # not volume times close, so that a test can tell
    prices = [opened, max(opened, close) + 1, min(opened, close) - 1, close, volume]
    texts = [f"{value:.8f}" for value in prices]
    close_time = (number + 1) * step - 1
    return [number * step, *texts, close_time, f"{quote_volume:.8f}", 42, "1.0", "2.0", "0"]


@dataclass
class Fault:
    """What happens instead of, or to, the answers after ``skip`` good ones, ``times`` times."""

    kind: str
    path: str
    times: int
    skip: int
    symbol: str | None
    value: Any


@dataclass
class ExchangeServer:
    """The server, as a context manager; ``url`` is its address.

    It gives ``page`` bars at once, and every bar begins ``shift`` milliseconds late.

    A fault's kind is a status (``429``), or one of: slow, cut (no JSON, of the length announced),
    short (fewer bytes than announced), empty, junk (JSON of another shape), stuck (the first page,
    whatever was asked for), overlap (three bars from before the page), changed (the same with
    another close of the first), more (a whole page, whatever limit was asked for), late (the last
    bar begins ``value`` milliseconds late), endless (an answer without end), drip (that by bytes),
    reset, die (the server is gone until `start`).
    """

    listings: list[Listing]
    page: int = 30
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[float, str, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    shift: int = 0
    http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, at the same port as before."""
        handler = type("Handler", (self.handler(),), {"exchange": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.port = self.http.server_port
        serve = self.http.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handler(self) -> "type[Handler]":
        """Return what answers a request."""
        return Handler

    def stop(self) -> None:
        """Stop listening, so that connections are refused."""
        http, self.http = self.http, None
        if http is not None:
            http.shutdown()
            http.server_close()

    def fail(
        self,
        kind: str,
        path: str = "klines",
        *,
        times: int = 1,
        skip: int = 0,
        symbol: str | None = None,
        value: Any = None,
    ) -> None:
        """Plan a fault; several are used up in order."""
        self.faults.append(Fault(kind, path, times, skip, symbol, value))

    def count(self, path: str = "klines", symbol: str | None = None) -> int:
        """Return how many requests came."""
        return sum(p == path and symbol in (None, q.get("symbol")) for _, p, q in self.asked)

    def fault_for(self, path: str, query: dict[str, str]) -> Fault | None:
        for fault in self.faults:
            if fault.path == path and fault.symbol in (None, query.get("symbol")):
                if fault.skip:
                    fault.skip -= 1
                elif fault.times:
                    fault.times -= 1
                    return fault
        return None

    def answer(self, path: str, query: dict[str, str], fault: Fault | None) -> tuple[int, Any]:
        if path == "exchangeInfo":
            return 200, {"symbols": [self._market(one) for one in self.listings]}
        if path == "ticker/24hr":
            return 200, [
                {"symbol": one.symbol, "lastPrice": "1", "quoteVolume": f"{one.volume:.2f}"}
                for one in self.listings
            ]
        if path == "klines":
            return self._klines(query, fault)
        return 404, {"code": -1, "msg": "no such path"}

    def _market(self, one: Listing) -> dict[str, Any]:
        return {
            "symbol": one.symbol,
            "status": one.status,
            "baseAsset": one.base,
            "quoteAsset": one.quote,
            "filters": [],
            "permissions": ["SPOT"],
        }

    def _klines(self, query: dict[str, str], fault: Fault | None) -> tuple[int, Any]:
        one = next((x for x in self.listings if x.symbol == query["symbol"]), None)
        if one is None:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        interval = query["interval"]
        if interval not in STEPS:
            return 400, {"code": -1120, "msg": "Invalid interval."}
        kind = fault.kind if fault else ""
        there = one.numbers(interval)
        first = max(there.start, -(-int(query["startTime"]) // STEPS[interval]))
        if kind == "stuck":
            first = there.start
        if kind in ("overlap", "changed"):
            first -= 3
        limit = self.page if kind == "more" else min(self.page, int(query["limit"]))
        end = min(there.stop, first + limit)
        rows = [bar(one.symbol, number, interval) for number in range(first, end)]
        if kind == "changed":
            rows[0][4] = "1.5"
        if fault and kind == "late":
            rows[-1][0] += fault.value
        for row in rows:
            row[0] += self.shift
        return 200, [] if kind == "empty" else rows


class Handler(BaseHTTPRequestHandler):
    exchange: ExchangeServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/api/v3/")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.exchange.asked.append((time.monotonic(), path, query))
        fault = self.exchange.fault_for(path, query)
        kind = fault.kind if fault else ""
        if fault and kind.isdigit():
            headers = {"Retry-After": str(fault.value)} if fault.value is not None else {}
            way_too_much = b'{"code": -1003, "msg": "Way too much."}'
            body = b"<html>Bad gateway</html>" if kind >= "500" else way_too_much
            self.send(int(kind), body, headers)
            return
        if kind in ("reset", "die"):
            if kind == "die":
                self.exchange.stop()
            self.drop()
            return
        if fault and kind == "slow":
            time.sleep(fault.value)
        if kind in ("endless", "drip"):
            self._send_for_ever(b"[" + b" " * (0 if kind == "drip" else 1 << 20))
            return
        status, answer = self.exchange.answer(path, query, fault)
        body = json.dumps({"rows": 3} if kind == "junk" else answer).encode()
        if kind == "cut":
            body = body[: len(body) // 2]
        self.send(status, body, short=kind == "short")

    def _send_for_ever(self, part: bytes) -> None:
        """Send a part again and again, small ones slowly, until nobody listens any more."""
        try:
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(part)
                time.sleep(0.05 if len(part) == 1 else 0)
        except OSError:
            pass

    def drop(self) -> None:
        """Reset the connection."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, short: bool = False
    ) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if short else body)
        except OSError:  # the client went away, as it does after a slow answer
            pass

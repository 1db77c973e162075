"""Past days played again: an exchange on this machine that has the prices of a source, day by day.

It speaks as much of Binance's API as ccxt asks of it: markets, tickers and candles. Nothing but the
address differs from polling the exchange itself.
"""

import json
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd

from cryptodask.errors import OptionError, PriceWarning
from cryptodask.io.files import write_text
from cryptodask.io.paths import make_folder
from cryptodask.pipeline.day import Day, Report
from cryptodask.pipeline.settings import read_settings
from cryptodask.pipeline.steps import run_day

DAY = 86_400_000
"""Milliseconds."""

PAGE = 1000
"""Candles of an answer at most."""

SETTINGS = """\
# The settings of a replayed pipeline; see docs/how-to/pipeline.md.
store = "cryptodask.db"
runs = "runs"

[prices]
table = "table"
exchange = "binance"
api_url = "{url}"
coins = {coins}
since = "{since}"
retries = 1

[forecast]
models = ["naive", "ridge"]
horizon = {horizon}
intervals = true
groups = {groups}

[check]
max_age = 3
most = 0.9

[[rules]]
name = "stale"
action = "skip"
min_age = 2

[[rules]]
name = "rise"
action = "request"
model = "ridge"
min_return = 0.005
min_probability = 0.55
weight = 0.02

[[rules]]
name = "fall"
action = "request"
model = "ridge"
side = "sell"
max_return = -0.005
weight = 0.0

[[rules]]
name = "wild"
action = "alert"
model = "ridge"
max_return = -0.05

[trade]
cash = 10_000
fee = 0.001
slippage = 0.0005
"""

MONITOR = """
[monitor]
reference = "usual.json"
"""
"""What is added where the days before are enough to know what is usual."""

ORIGINS = 400
"""Days before those that are played, from which the monitor learns; or fewer."""


@dataclass
class Replay:
    """An exchange that has the daily prices of a source, up to a day.

    Attributes
    ----------
    prices : DataFrame
        ``coin, date, open, high, low, close, volume``.
    today : datetime64[D]
        The last day whose candles it gives.
    """

    prices: pd.DataFrame
    today: np.datetime64
    _rows: dict[str, pd.DataFrame] = field(init=False)

    def __post_init__(self) -> None:
        names = self.prices["coin"].str.upper()
        self._rows = {str(coin): rows for coin, rows in self.prices.groupby(names)}

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """Return status and content of an answer.

        Parameters
        ----------
        path : str
            As Binance's, below ``/api/v3/``.
        query : dict of str to str
        """
        if path == "exchangeInfo":
            return 200, {"symbols": [_market(coin) for coin in self._rows]}
        if path == "klines":
            rows = self._rows.get(query["symbol"].removesuffix("USDT"))
            if rows is None:
                return 400, {"code": -1121, "msg": "Invalid symbol."}
            if query["interval"] != "1d":
                return 400, {"code": -1120, "msg": "Invalid interval."}
            limit = min(PAGE, int(query.get("limit", PAGE)))
            return 200, self._candles(rows, int(query["startTime"]), limit)
        return 404, {"code": -1, "msg": "no such path"}

    def _candles(self, rows: pd.DataFrame, since: int, limit: int) -> list[list[Any]]:
        """Return candles as Binance does: prices as text, the quote volume at place 7."""
        days = rows["date"].to_numpy().astype("datetime64[D]")
        begins = days.astype(np.int64) * DAY
        chosen = rows[(begins >= since) & (days <= self.today)].head(limit)
        opened = chosen["date"].to_numpy().astype("datetime64[ms]").astype(np.int64).tolist()
        # The close in place of prices that are missing.
        prices = [
            chosen[name].fillna(chosen["close"]).map(repr).tolist()
            for name in ("open", "high", "low", "close")
        ]
        volumes = chosen["volume"].fillna(0.0).map(repr).tolist()
        return [
            [at, *ohlc, "0", at + DAY - 1, volume, 0, "0", "0", "0"]
            for at, volume, *ohlc in zip(opened, volumes, *prices, strict=True)
        ]


def _market(coin: str) -> dict[str, Any]:
    return {
        "symbol": f"{coin}USDT",
        "status": "TRADING",
        "baseAsset": coin,
        "quoteAsset": "USDT",
        "filters": [],
        "permissions": ["SPOT"],
    }


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, *args: Any, replay: Replay) -> None:
        self._replay = replay
        super().__init__(*args)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a request."""
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        status, content = self._replay.answer(parts.path.removeprefix("/api/v3/"), query)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(replay: Replay) -> Iterator[str]:
    """Serve an exchange on loopback in this block; gives its address.

    Parameters
    ----------
    replay : Replay
    """
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, replay=replay))
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()


def replay_days(
    source: str, folder: Path, days: int, *, coins: int = 20, horizon: int = 5, groups: int = 2
) -> Iterator[tuple[str, Sequence[Report]]]:
    """Play the last days of a source again, as a pipeline that polls an exchange each day.

    Parameters
    ----------
    source : str
        Daily prices.
    folder : Path
        For settings, table, runs and store; days that are done there are not done again.
    days : int
    coins : int
        Those with the most rows.
    horizon : int
        Bars ahead.
    groups : int
        Of coins.

    Yields
    ------
    date : str
    reports : sequence of dict
        What the steps of that day returned.

    Raises
    ------
    OptionError
        The source has too few days.
    """
    from cryptodask.prices import CryptoLoader

    with warnings.catch_warnings(action="ignore", category=PriceWarning):  # of the sample
        prices = CryptoLoader(source).get_df()
    longest = prices.groupby("coin").size().nlargest(coins).index
    prices = prices[prices["coin"].isin(longest)]
    known = np.unique(prices["date"].to_numpy().astype("datetime64[D]"))
    if len(known) <= days:
        raise OptionError(f"--days {days}: {source} has prices of {len(known):,} days")
    replay = Replay(prices, known[-days])
    make_folder(folder)
    names = sorted(coin.upper() for coin in longest)
    with serving(replay) as url:
        text = SETTINGS.format(
            url=url, coins=json.dumps(names), since=known[0], horizon=horizon, groups=groups
        )
        before = prices[prices["date"] < known[-days]]
        text += MONITOR if _learned(before, folder / "usual.json") else ""
        write_text(text, folder / "pipeline.toml")
        settings = read_settings(folder / "pipeline.toml")
        for date in known[-days:]:
            replay.today = date
            yield str(date), run_day(Day(settings, str(date)))


def _learned(before: pd.DataFrame, file: Path) -> bool:
    """Learn what is usual from the days before, unless that is done or these are too few."""
    from cryptodask.pipeline.monitor.reference import (
        LEAST_DAYS,
        learn_reference,
        write_reference,
    )
    from cryptodask.runs import backtest

    # Half of a short history is left to learn from.
    origins = min(ORIGINS, before["date"].nunique() // 2)
    if origins < LEAST_DAYS:
        return False
    if not file.exists():
        usual = backtest(before, ["ridge"], 1, origins=origins, step=1, workers=1, progress=False)
        write_reference(learn_reference(usual, "ridge"), file)
    return True

"""Which coins of an exchange: those asked for by name, then those that are traded most."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.prices.clean.findings import empty_findings, file_finding
from cryptodask.prices.exchange.client import Client
from cryptodask.prices.read.names import is_name, plain_name
from cryptodask.text import printable

DOLLARS = ("USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "DAI")
"""Quotes that are taken for US dollars; a table holds dollars and nothing else."""

# fmt: off
NOT_COINS = frozenset({
    "USD", "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "PAX", "DAI", "USDD", "USDE", "USD1",
    "USDS", "USDG", "GUSD", "SUSD", "PYUSD", "RLUSD", "XUSD", "BFUSD", "AEUR", "EURI", "EURT",
    "EURS", "EUR", "GBP", "AUD", "CAD", "CHF", "JPY", "TRY", "BRL", "UAH", "RUB", "NGN", "ZAR",
    "IDR", "PLN", "RON", "ARS", "MXN", "COP", "CZK",
})
# fmt: on
"""Stablecoins and currencies, which `top` leaves out: their price in dollars does not move."""

_LEVERAGED = ("UP", "DOWN", "BULL", "BEAR", "2L", "2S", "3L", "3S", "4L", "4S", "5L", "5S")


@dataclass(frozen=True, slots=True)
class Choice:
    """A coin that was chosen or asked for.

    Attributes
    ----------
    coin : str
        The base currency, by ccxt's name.
    market : dict or None
        ccxt's market of it; None where the exchange does not trade it.
    findings : DataFrame
        Findings about its name, see `cryptodask.prices.clean.findings`.
    """

    coin: str
    market: Any
    findings: pd.DataFrame


def choose_coins(client: Client, quote: str, top: int, symbols: Sequence[str]) -> list[Choice]:
    """Return coins to fetch, each once: those named first, then those of the largest volume.

    Parameters
    ----------
    client : Client
        Of the exchange.
    quote : str
        Quote currency, in capitals.
    top : int
        Number of coins to take by volume.
    symbols : sequence of str
        Names as ``BTC``, ``BTC/USDT`` or the exchange's own.

    Raises
    ------
    OptionError
        The exchange has nothing in that quote, has no volumes, or a symbol is in another quote.
    ExchangeError
        Its markets or volumes can't be had.
    """
    api = client.api
    every = client.must("markets", api.load_markets)
    spot = {plain_name(m["base"]): m for m in every.values() if m["spot"] and m["quote"] == quote}
    if not spot:
        raise OptionError(f"quote: {api.id} has no spot market in {quote}")
    picked = {choice.coin: choice for choice in _by_name(api, spot, quote, symbols)}
    if top:
        known = {m["base"] for m in every.values()}
        for base in rank_bases(_volumes(client, spot), _active(spot), known, top):
            choice = _choice(api, base, spot[base])
            picked.setdefault(choice.coin, choice)
    return list(picked.values())


def rank_bases(
    volumes: Mapping[str, float], bases: Collection[str], known: Collection[str], top: int
) -> list[str]:
    """Return the bases with the largest volume of the last 24 hours, ties by name.

    Left out are `NOT_COINS` and leveraged tokens: a name that ends with UP, DOWN, BULL, BEAR or
    2L to 5S and begins with the name (three letters or more) of another base of the exchange, so
    that BTCUP is one and JUP is none.

    Parameters
    ----------
    volumes : mapping of str to float
        Volume in the quote currency.
    bases : collection of str
        What can be chosen.
    known : collection of str
        Every base of the exchange.
    top : int
        How many.
    """

    def leveraged(base: str) -> bool:
        stems = (base.removesuffix(end) for end in _LEVERAGED if base.endswith(end))
        return any(len(stem) >= 3 and stem in known for stem in stems)

    coins = [base for base in bases if base not in NOT_COINS and not leveraged(base)]
    return sorted(coins, key=lambda base: (-volumes.get(base, 0.0), base))[:top]


def _by_name(
    api: Any, spot: Mapping[str, Any], quote: str, symbols: Sequence[str]
) -> Iterator[Choice]:
    """Find each coin by ccxt's name, or by the exchange's own of the coin or the market."""
    own_names = {m["baseId"]: base for base, m in spot.items()}
    own_names |= {m["id"]: base for base, m in spot.items()}
    active = _active(spot)
    for symbol in symbols:
        name, _, other = symbol.partition("/")
        if other.upper() not in ("", quote):
            raise OptionError(f"symbols: {symbol!r} is not in {quote}, the quote of this run")
        spellings = (name, name.upper())
        matches = [s for s in spellings if s in spot]
        matches += [own_names[s] for s in spellings if s in own_names]
        coin = matches[0] if matches else name
        if coin in active:
            yield _choice(api, coin, spot[coin])
        else:
            why = "is listed and not traded any more" if matches else f"not listed in {quote}"
            yield Choice(coin, None, file_finding("delisted", coin, f"{api.id}:{symbol}", why))


def _choice(api: Any, coin: str, market: Any) -> Choice:
    """Return a coin to fetch; none is fetched that no table would take."""
    if is_name(coin):
        return Choice(coin, market, _find_renamed(api, market))
    shown = printable(coin, one_line=True)
    why = "its name can't be shown; ask the exchange about it, or leave the coin out"
    return Choice(shown, None, file_finding("not_fetched", shown, f"{api.id}:{shown}", why))


def _active(spot: Mapping[str, Any]) -> set[str]:
    """Return the bases that are traded; where the exchange does not say, they are."""
    return {base for base, market in spot.items() if market["active"] is not False}


def _find_renamed(api: Any, market: Any) -> pd.DataFrame:
    """Return a finding if the exchange has another name for a coin than ccxt and the table."""
    coin, listed = market["base"], market["baseId"]
    if listed == coin or api.commonCurrencies.get(listed) != coin:
        return empty_findings()
    message = f"the exchange calls it {listed}"
    return file_finding("renamed", coin, f"{api.id}:{market['symbol']}", message)


def _volumes(client: Client, spot: Mapping[str, Any]) -> dict[str, float]:
    """Return the volume of each base in the last 24 hours."""
    if not client.api.has["fetchTickers"]:
        raise OptionError(f"top: {client.api.id} has no volumes; name the coins by symbols")
    tickers = client.must("volumes", client.api.fetch_tickers)
    return {base: _volume(tickers.get(market["symbol"])) for base, market in spot.items()}


def _volume(ticker: Any) -> float:
    """Return the volume of the last 24 hours in the quote currency, 0 where it is unknown."""
    ticker = ticker or {}
    volume = ticker.get("quoteVolume")
    if volume is None:
        volume = (ticker.get("baseVolume") or 0) * (ticker.get("last") or 0)
    return float(volume)

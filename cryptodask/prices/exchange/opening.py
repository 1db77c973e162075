"""ccxt's exchanges, opened for spot markets, at their own addresses or those of another server."""

import difflib
from typing import Any
from urllib.parse import urlsplit

from cryptodask.errors import MissingExtraError, OptionError
from cryptodask.prices.freq import FREQS


def open_api(name: str, timeout: float) -> Any:
    """Return ccxt's exchange of that name, for spot markets only, at its own addresses.

    Parameters
    ----------
    name : str
        ccxt's name of the exchange.
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    MissingExtraError
        ccxt is not installed.
    OptionError
        ccxt does not know the exchange.
    """
    try:
        import ccxt
    except ImportError as error:
        raise MissingExtraError(
            f"an exchange needs ccxt ({error}); pip install 'cryptodask[fetch]'"
        ) from error
    from cryptodask.prices.exchange.answers import LimitedSession

    if name not in ccxt.exchanges:
        near = difflib.get_close_matches(name.lower(), ccxt.exchanges, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "ccxt.exchanges lists them"
        raise OptionError(f"exchange: ccxt knows none of the name {name!r}; {hint}")
    options = {"enableRateLimit": True, "timeout": max(1, round(timeout * 1000)),
               "session": LimitedSession()}  # fmt: skip
    api = getattr(ccxt, name)(options)
    # Futures and options would cost requests and are left out anyway.
    api.options["defaultType"] = "spot"
    markets = api.options.get("fetchMarkets")
    if isinstance(markets, dict) and "spot" in markets.get("types", ()):
        markets["types"] = ["spot"]
    plain = api.fetch

    def fetch(*args: Any, **kwargs: Any) -> Any:
        # ccxt hands on a body other than JSON as text, whose letters it would then take for bars.
        answer = plain(*args, **kwargs)
        if isinstance(answer, (str, bytes)):
            raise ccxt.BadResponse(f"{len(answer)} characters that are no JSON: {answer[:60]!r}")
        return answer

    api.fetch = fetch
    return api


def open_exchange(name: str, freq: str, timeout: float, api_url: str | None) -> Any:
    """Return ccxt's exchange of that name, for bars of spot markets.

    Parameters
    ----------
    name : str
        ccxt's name of the exchange.
    freq : str
        Of the bars.
    timeout : float
        Seconds to wait for an answer.
    api_url : str, optional
        Address of a server that speaks the exchange's API, in its place.

    Raises
    ------
    MissingExtraError
        ccxt is not installed.
    OptionError
        ccxt does not know the exchange, it has no such bars, or the address is not one by http.
    """
    api = open_api(name, timeout)
    given = [known for known in FREQS if known in (api.timeframes or {}) and api.has["fetchOHLCV"]]
    if freq not in given:
        others = f" (it does of {', '.join(given)})" if given else ""
        raise OptionError(f"exchange: {name} gives no bars of {freq}{others}; use another one")
    if api_url is not None:
        point_at(api, api_url)
    return api


def point_at(api: Any, api_url: str) -> None:
    """Put another server into all addresses of an exchange, and keep their paths.

    Parameters
    ----------
    api : ccxt.Exchange
    api_url : str

    Raises
    ------
    OptionError
        It is not an address by http.
    """
    place = urlsplit(api_url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise OptionError(f"api_url: must be an address by http or https, got {api_url!r}")
    api.urls["api"] = _point(api.urls["api"], api_url.rstrip("/"))


def _point(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {name: _point(url, base) for name, url in urls.items()}
    if isinstance(urls, list):
        return [_point(url, base) for url in urls]
    return base + urlsplit(urls).path if isinstance(urls, str) else urls

"""What an exchange is reached by: its keys, from the environment alone, and its address."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from cryptodask.errors import InputError, OptionError

KNOWN = ("binance",)
"""Exchanges whose orders are known, by ccxt's names."""

KEY = "CRYPTODASK_EXCHANGE_KEY"
SECRET = "CRYPTODASK_EXCHANGE_SECRET"  # pragma: allowlist secret
"""Variables of the environment that have the keys of an exchange: the only place they come from."""

LOCAL = ("127.0.0.1", "localhost", "::1")


@attrs.frozen
class Keys:
    """An exchange's keys; they are in no text that is made of this.

    Attributes
    ----------
    key, secret : str
    """

    key: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)


def keys_of(environment: Mapping[str, str] = os.environ) -> Keys:
    """Return the keys that the environment has.

    Parameters
    ----------
    environment : mapping of str to str

    Raises
    ------
    InputError
        One is missing; the message names the variable.
    """
    values = {name: environment.get(name, "").strip() for name in (KEY, SECRET)}
    if missing := [name for name, value in values.items() if not value]:
        raise InputError(
            f"trade: {' and '.join(missing)}: not set in the environment, from which alone an "
            "exchange's keys are taken; make a key that may trade and not withdraw"
        )
    return Keys(values[KEY], values[SECRET])


def check_place(api_url: str, urls: Mapping[str, Any], *, live: bool) -> None:
    """Refuse an address that could be an exchange where its sandbox is wanted, or takes keys bare.

    Parameters
    ----------
    api_url : str
    urls : mapping of str to Any
        The exchange's addresses, or those of its sandbox.
    live : bool

    Raises
    ------
    OptionError
    """
    place = urlsplit(api_url)
    if place.hostname in LOCAL:
        return
    if place.scheme != "https":
        raise OptionError(
            f"trade: api_url: must be https, or on this machine, got {api_url!r}: keys go there"
        )
    known = {urlsplit(url).hostname for url in urls.values() if isinstance(url, str)}
    if not live and place.hostname not in known:
        raise OptionError(
            f"trade: api_url: {place.hostname} is neither on this machine nor of the sandbox; "
            "without live = true and --live --live, nothing else is sent orders"
        )

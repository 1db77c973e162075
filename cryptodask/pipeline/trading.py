"""The step that trades a day's requests, once for all groups, by the broker of the settings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from cryptodask.errors import InputError, OptionError
from cryptodask.pipeline.day import ALARM, DONE, NOTHING, Day, Report
from cryptodask.store import open_store

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.pipeline.trade_settings import Trade
    from cryptodask.trading.brokers.base import Broker

LATE = 7
"""Days after which a request that no order was made for is passed over."""

TWICE = 2
"""Times that ``--live`` is said before anything is sent to an exchange itself."""


def trade(day: Day, live: int = 0) -> Report:
    """Bring older orders up to date, and make orders of the day's requests.

    Parameters
    ----------
    day : Day
    live : int
        How often it was said that the exchange itself is meant, and not its sandbox: twice, or not
        at all.

    Returns
    -------
    dict
        The account's ``cash`` and ``equity``, ``orders``, ``fills``, ``fees`` and what else its
        broker reports; ``new`` is false where the day was settled before. The state is ``nothing``
        where the settings have no section trade, the account has traded on a later day, or an
        exchange is asked for another day than yesterday; ``alarm`` with ``alarms`` where orders
        were refused or rejected, or the exchange has less than the account.

    Raises
    ------
    InputError
        The table lacks a coin that the account holds, or has bars that are not daily; the settings
        and `live` don't agree; or the environment has no keys.
    ExchangeError
        The exchange can't be reached, or what became of an order is not known; the step may be run
        again.
    StoreError
        The account was opened with other cash, or by another broker.
    """
    from cryptodask.prices import CryptoLoader
    from cryptodask.prices.freq import DAILY, long_bars
    from cryptodask.prices.schema import empty_prices

    settings = day.settings.trade
    if settings is None:
        why = "the settings have no section trade, so that requests are kept and not traded"
        return {"step": "trade", "state": NOTHING, "why": why}
    check_live(settings, live)
    about = {"step": "trade", "account": settings.name}
    if settings.broker != "paper" and day.date != (yesterday := _yesterday()):
        why = f"orders at an exchange are of now, after the close of {yesterday}"
        return {**about, "state": NOTHING, "why": why}
    loader = CryptoLoader(day.settings.prices.table)
    if loader.freq != DAILY:
        raise InputError(
            f"trade: {day.settings.prices.table} has {long_bars(loader.freq)}, and only days are "
            "traded; take the section trade out of the settings"
        )

    def bars(coins: Sequence[str]) -> "pd.DataFrame":
        known = [coin for coin in coins if coin in loader]
        return loader.get_df(known, to_date=day.date) if known else empty_prices()

    broker = broker_of(settings, day.settings.prices.quote)
    since = str(np.datetime64(day.date, "D") - np.timedelta64(LATE, "D"))
    with open_store(day.settings.store) as store:
        days = store.trading_days(settings.name)["day"].astype(str)
        if len(days) and day.date < days.max() and day.date not in set(days):
            why = f"the account has traded up to {days.max()}, and the past is not traded"
            return {**about, "state": NOTHING, "why": why}
        report, is_new = broker.trade(store, day.date, since, bars)
    return {**about, "state": ALARM if report.get("alarms") else DONE, "new": is_new, **report}


def _yesterday() -> str:
    return str(np.datetime64(f"{datetime.now(UTC):%Y-%m-%d}") - np.timedelta64(1, "D"))


def check_live(settings: "Trade", live: int) -> None:
    """Refuse what is half said of real money, either way.

    Parameters
    ----------
    settings : Trade
    live : int
        How often ``--live`` was said.

    Raises
    ------
    OptionError
    """
    if settings.live and live < TWICE:
        raise OptionError(
            f"trade: live = true trades real money at {settings.exchange}: say --live --live to "
            "`cryptodask pipeline trade`, or take it out of the settings for the sandbox"
        )
    if live and not settings.live:
        raise OptionError(
            "trade: --live: the settings don't say so: write live = true into [trade], with broker "
            '= "ccxt" and an exchange, to trade real money; without --live, nothing real is traded'
        )


def broker_of(settings: "Trade", quote: str) -> "Broker":
    """Return the broker of the settings.

    Parameters
    ----------
    settings : Trade
    quote : str
        Quote currency.

    Raises
    ------
    InputError
        The environment has no keys, or the exchange is not known here.
    """
    if settings.broker == "paper":
        from cryptodask.trading.brokers.paper import PaperBroker

        return PaperBroker(
            account=settings.name, cash=settings.cash, costs=settings.costs, lots=settings.lots,
            patience=settings.patience,
        )  # fmt: skip
    import time

    from cryptodask.trading.brokers.access import keys_of
    from cryptodask.trading.brokers.ccxt import ExchangeBroker
    from cryptodask.trading.brokers.exchange import Exchange

    exchange = Exchange(
        settings.exchange, quote, keys_of(), live=settings.live, api_url=settings.api_url,
        sleep=time.sleep,
    )  # fmt: skip
    return ExchangeBroker(
        account=settings.name, cash=settings.cash, exchange=exchange, limits=settings.limits,
        lots=settings.lots, fee=settings.fee, worse=settings.worse, patience=settings.patience,
    )  # fmt: skip

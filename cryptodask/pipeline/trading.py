"""The step that trades a day's requests, once for all groups, on paper."""

import numpy as np

from cryptodask.errors import InputError
from cryptodask.pipeline.day import DONE, NOTHING, Day, Report
from cryptodask.store import open_store

LATE = 7
"""Days after which a request that no order was made for is passed over."""


def trade(day: Day) -> Report:
    """Fill older orders by the bars that came, and make orders of the day's requests.

    Parameters
    ----------
    day : Day

    Returns
    -------
    dict
        The account's ``cash`` and ``equity``, ``orders``, ``fills``, ``fees`` and what else
        `cryptodask.trading.brokers.paper.settle` reports; ``new`` is false where the day was
        settled before. The state is ``nothing`` where the settings have no section trade, or the
        account has traded on a later day.

    Raises
    ------
    InputError
        The table lacks a coin that the account holds, or has bars that are not daily.
    StoreError
        The account was opened with other cash.
    """
    from cryptodask.prices import CryptoLoader
    from cryptodask.prices.freq import DAILY, long_bars
    from cryptodask.prices.schema import empty_prices
    from cryptodask.store.records import Books, Settled
    from cryptodask.trading.brokers.paper import settle

    settings = day.settings.trade
    if settings is None:
        why = "the settings have no section trade, so that requests are kept and not traded"
        return {"step": "trade", "state": NOTHING, "why": why}
    loader = CryptoLoader(day.settings.prices.table)
    if loader.freq != DAILY:
        raise InputError(
            f"trade: {day.settings.prices.table} has {long_bars(loader.freq)}, and only days are "
            "traded; take the section trade out of the settings"
        )

    def settled(books: Books) -> Settled:
        known = [coin for coin in books.coins if coin in loader]
        bars = loader.get_df(known, to_date=day.date) if known else empty_prices()
        return settle(books, bars, day.date, settings.costs, settings.lots, settings.patience)

    since = str(np.datetime64(day.date, "D") - np.timedelta64(LATE, "D"))
    with open_store(day.settings.store) as store:
        days = store.trading_days(settings.account)["day"].astype(str)
        if len(days) and day.date < days.max() and day.date not in set(days):
            why = f"the account has traded up to {days.max()}, and the past is not traded"
            return {"step": "trade", "state": NOTHING, "account": settings.account, "why": why}
        report, is_new = store.trade(settings.account, settings.cash, day.date, settled, since)
    return {"step": "trade", "state": DONE, "account": settings.account, "new": is_new, **report}

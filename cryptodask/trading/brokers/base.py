"""What a broker promises the step that trades, whether on paper or at an exchange."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

if TYPE_CHECKING:
    from cryptodask.store.store import Store

Bars = Callable[[Sequence[str]], pd.DataFrame]
"""Gives ``coin, date, open, close, volume`` of coins up to the day, by coin and date."""

Report = dict[str, Any]
"""What a day did to an account, as JSON."""


class Broker(Protocol):
    """Trades the requests of an account; called again, it does nothing twice.

    - What is open is brought up to date before anything is ordered.
    - A request becomes one order at most, by its key, whenever and however often a process is
      killed.
    - What the account has follows from its fills, which are in the store once each.
    - An order that was not made, or not filled, is in the store with its state.

    Attributes
    ----------
    account : str
        Its name in the store.
    """

    @property
    def account(self) -> str: ...  # noqa: D102 - above

    def trade(self, store: "Store", day: str, since: str, bars: Bars) -> tuple[Report, bool]:
        """Trade a day; return its report, and whether the day is new.

        Parameters
        ----------
        store : Store
        day : str
            The last day whose prices are known.
        since : str
            Requests of cutoffs before this day are passed over.
        bars : callable

        Raises
        ------
        StoreError
            The account is another broker's, was opened with other cash, or has traded on a later
            day.
        InputError
            The table has no prices of a coin.
        """
        ...

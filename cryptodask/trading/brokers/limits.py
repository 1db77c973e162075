"""What stops an order before it is sent: limits of a day and an order, and a file."""

import os
from pathlib import Path

import attrs

from cryptodask.errors import OptionError


@attrs.frozen(kw_only=True)
class Limits:
    """Limits of what is sent to an exchange.

    Attributes
    ----------
    order_notional, day_notional : float
        Most of an order, and of all orders sent on a day in UTC, in the quote currency.
    day_orders : int
        Most orders sent on such a day.
    kill_switch : Path
        A file; while it is there, nothing is sent.

    Raises
    ------
    OptionError
        One is not above 0, or the file has no name.
    """

    order_notional: float
    day_notional: float
    day_orders: int
    kill_switch: Path

    def __attrs_post_init__(self) -> None:
        for name in ("order_notional", "day_notional", "day_orders"):
            # Not a number is not above 0.
            if not getattr(self, name) > 0:
                raise OptionError(f"{name}: must be above 0, got {getattr(self, name)!r}")
        if not self.kill_switch.name:
            raise OptionError("kill_switch: must be the name of a file")

    def refusal(self, notional: float, count: int, total: float) -> str | None:
        """Return why an order may not be sent, which begins with the limit's name, or None.

        Parameters
        ----------
        notional : float
            Of the order, in the quote currency.
        count : int
            Other orders that were sent on this day.
        total : float
            Their notional, in the quote currency.
        """
        if (why := self.stopped()) is not None:
            return why
        if notional > self.order_notional:
            return f"order_notional: {notional:,.2f} is over {self.order_notional:,.2f}"
        if count + 1 > self.day_orders:
            return f"day_orders: {count:,} were sent today, and the limit is {self.day_orders:,}"
        if total + notional > self.day_notional:
            return (
                f"day_notional: {total:,.2f} were sent today, and {notional:,.2f} more are over "
                f"{self.day_notional:,.2f}"
            )
        return None

    def stopped(self) -> str | None:
        """Return that the kill switch's file is there, or None.

        A file that can't be looked at counts as one that is there.
        """
        try:
            os.lstat(self.kill_switch)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return f"kill_switch: {self.kill_switch} can't be looked at: {error.strerror}"
        return f"kill_switch: {self.kill_switch} is there; remove it to trade again"

"""Terms of trading: costs, lots, and an account.

The options of the command are made from their fields, so that nothing heavy is imported here.
"""

import math
from typing import Any, ClassVar

import attrs

from cryptodask.errors import OptionError
from cryptodask.runs.fields import flag, option, whole_number

HALF = 0.5

POLICIES = {"close": 0.0, "zero": 1.0}
"""Share of its last close that a coin loses when it ends."""


def _share(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise OptionError(f"{field.name}: must be a share from 0 to below 1, got {value!r}")


def _amount(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (math.isfinite(value) and value >= 0):
        raise OptionError(f"{field.name}: must be a finite number, 0 or more, got {value!r}")


def _part(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= 1:
        raise OptionError(f"{field.name}: must be a share above 0 and up to 1, got {value!r}")


@attrs.frozen(kw_only=True)
class Costs:
    """What trading costs.

    Attributes
    ----------
    fee : float
        Share of the notional of each fill.
    minimum_fee : float
        Of each fill at least, in the quote currency.
    slippage : float
        Share of the price by which a fill is worse than it.
    spread : float
        Between bid and ask, a share of the price; a fill pays half of it.
    participation : float or None
        Most of a bar's volume that is filled in it, a share; None: however much is wanted. Where a
        bar's volume is missing, nothing is filled in it.

    Raises
    ------
    OptionError
        A value is out of its range.
    """

    panel: ClassVar[str] = "Costs"

    fee: float = option(0.0, "Share of each fill's notional.", check=_share)
    minimum_fee: float = option(
        0.0, "Fee of each fill at least, in the quote currency.", check=_amount
    )
    slippage: float = option(
        0.0, "Share of the price by which a fill is worse than it.", check=_share
    )
    spread: float = option(
        0.0, "Between bid and ask, a share of the price; a fill pays half.", check=_share
    )
    participation: float | None = option(
        None, "Most of a bar's volume that is filled in it, a share. [any]", check=_part
    )

    @property
    def slip(self) -> float:
        """Share of the price by which a fill is worse, by slippage and half the spread."""
        return self.slippage + HALF * self.spread


@attrs.frozen(kw_only=True)
class Lots:
    """What an exchange takes.

    Attributes
    ----------
    size : float
        Quantities are multiples of it, in coins; 0: any quantity.
    minimum_notional : float
        Of an order, quantity times price at least, in the quote currency.

    Raises
    ------
    OptionError
        A value is negative or not finite.
    """

    panel: ClassVar[str] = "Costs"

    size: float = option(
        0.0, "Quantities are multiples of it, in coins; 0: any.", check=_amount, flag="--lot"
    )
    minimum_notional: float = option(
        0.0, "Of an order at least, in the quote currency.", check=_amount
    )


def _cash(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (math.isfinite(value) and value > 0):
        raise OptionError(f"{field.name}: must be a finite number above 0, got {value!r}")


def _haircut(given: Any) -> Any:
    try:
        return POLICIES[given] if given in POLICIES else float(given)
    except (TypeError, ValueError):
        return given


def _between(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, float) or not 0 <= value <= 1:
        raise OptionError(
            f"{field.name}: must be close, zero, or the share of the last close that is lost, "
            f"got {value!r}"
        )


@attrs.frozen(kw_only=True)
class Account:
    """Money, and what may be done with it.

    Attributes
    ----------
    cash : float
        At the start, in the quote currency; in equal parts for all coins unless it is shared.
    shared : bool
        Whether all coins share cash and equity. If not, each coin has its own.
    short : bool
        Whether a position may be negative. Declared rules never are, only functions; so the
        command has neither this option nor the next.
    borrow : float
        Fee for what is short, a share of its worth a year, taken at each close; 0 is lent for
        nothing, which no exchange does.
    end : float
        Share of its last close that a position loses when its coin ends; ``close`` is 0, ``zero``
        is 1.
    ended_after : int
        Bars without a row after which a coin is taken for ended, which nobody knows earlier.

    Raises
    ------
    OptionError
        A value is out of its range, or there is a fee for shorts and no short is allowed.
    """

    panel: ClassVar[str] = "Account"

    cash: float = option(
        10_000.0, "At the start, in the quote currency; in equal parts for all coins.", check=_cash
    )
    shared: bool = option(
        False, "Let all coins share cash, in place of equal parts.", check=flag, flag="--shared"
    )
    short: bool = option(False, "Let positions be negative.", check=flag, flag="")
    borrow: float = option(
        0.0, "Fee for what is short, a share of its worth a year.", check=_amount, flag=""
    )
    end: float = option(
        "close",
        "What a coin that ends is worth: close (its last), zero, or the share that is lost.",
        converter=_haircut,
        check=_between,
        reads=str,
    )
    ended_after: int = option(
        30, "Bars without a row after which a coin has ended.", check=whole_number(1, "bars")
    )

    def __attrs_post_init__(self) -> None:
        if self.borrow and not self.short:
            raise OptionError(
                f"borrow: {self.borrow:g} is a fee for what is short, and nothing may be; give "
                "short too, or leave it out"
            )


ACCOUNT, NO_COSTS, ANY_LOTS = Account(), Costs(), Lots()
"""What a simulation has unless it is given."""

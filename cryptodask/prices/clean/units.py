"""Closes that go on in another unit: in cents, or after a redenomination."""

import math
import shlex
from collections.abc import Iterable
from datetime import datetime

_TOLERANCE = math.log(1.2)  # how far a coin may have moved besides


def hint_unit(coin: str, date: datetime, move: float) -> str:
    """Return what to do about a large move, if a coin may have another unit since.

    Parameters
    ----------
    coin : str
    date : datetime
        Of the bar with the move.
    move : float
        Log return of the bar over the one before.

    Returns
    -------
    str
        Empty where the close is not about 10, 100, 1,000 … times the one before, or that part of
        it. Without the option of a split where that would fall within a day.
    """
    power = round(move / math.log(10))
    if not power or abs(move - power * math.log(10)) > _TOLERANCE:
        return ""
    times = f"{10 ** abs(power):,}"
    about = f"{times} times the close" if power > 0 else f"1/{times} of the close"
    what = f"about {about} before; if its unit changed (cents, a redenomination)"
    if (date.hour, date.minute) != (0, 0):
        return f"{what}, correct the file: a split is declared for whole days"
    split = shlex.quote(f"{coin}:{date:%Y-%m-%d}:{10.0**-power:.10g}")
    return f"{what}, declare it: --split {split}"


def hint_units(
    coins: Iterable[str], dates: Iterable[datetime], moves: Iterable[float]
) -> list[str]:
    """Return what `hint_unit` does for each of some large moves.

    Parameters
    ----------
    coins : iterable of str, ``(n_moves,)``
    dates : iterable of datetime, ``(n_moves,)``
    moves : iterable of float, ``(n_moves,)``
        Log returns.
    """
    return [hint_unit(*each) for each in zip(coins, dates, moves, strict=True)]

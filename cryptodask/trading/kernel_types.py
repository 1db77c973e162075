"""What the kernels of a simulation read and write: rows of orders and fills, a coin's state."""

from typing import NamedTuple

import numpy as np

ORDER = np.dtype(
    [("coin", "i4"), ("decided", "i4"), ("state", "i4"), ("quantity", "f8"), ("filled", "f8")],
    align=True,
)
FILL = np.dtype(
    [("coin", "i4"), ("decided", "i4"), ("date", "i4"), ("end", "i4"), ("quantity", "f8"),
     ("price", "f8"), ("fee", "f8"), ("slipped", "f8"), ("profit", "f8")],
    align=True,
)  # fmt: skip
STATE = np.dtype(
    [("position", "f8"), ("pending", "f8"), ("last", "f8"), ("basis", "f8"), ("order", "i8"),
     ("decided", "i4"), ("begun", "i4"), ("bar", "i4")],
    align=True,
)  # fmt: skip
"""Of a coin: its position and what is pending, signed quantities; last close; what the position
cost; number of the pending order, the date it was decided, and whether a part of it is filled; date
of the last bar, -1 before."""


class Terms(NamedTuple):
    """Costs, lots and policies as plain numbers; see `cryptodask.trading.terms`."""

    fee: float
    minimum_fee: float
    slip: float
    participation: float  # infinite: any part of the volume
    lot: float
    minimum_notional: float
    haircut: float
    ended_after: int
    short: bool
    shared: bool
    borrow: float  # a bar, of what is short

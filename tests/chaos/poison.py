"""Models that hurt the worker they run on, for coins that say so: workers import this module."""

import os
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cryptodask.models import Model
from cryptodask.records import FloatArray, Panel


@dataclass(frozen=True)
class Poison(Model):
    """The last close, but for coins of which the worker dies, hangs, or runs out of memory.

    Attributes
    ----------
    crash, hang, gorge : tuple of str
        Those coins.
    refuse : tuple of str
        Coins that have no forecast, and hurt nobody.
    seconds : float
        What each coin takes.
    """

    crash: tuple[str, ...] = ()
    hang: tuple[str, ...] = ()
    gorge: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    seconds: float = 0.0

    name: ClassVar[str] = "poison"
    cost: ClassVar[float] = 50.0

    def min_length(self, horizon: int) -> int:
        """Return 1."""
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        """Return the last close of each coin, or end badly."""
        for coin in panel.coins:
            time.sleep(self.seconds)
            if coin in self.crash:
                os.abort()
            if coin in self.hang:
                # As code that neither returns nor gives Python's lock away.
                while True:
                    pass
            if coin in self.gorge:
                eaten: list[Any] = []
                while True:
                    eaten.append(np.ones(4_000_000))
        last = panel.values[panel.indptr[1:] - 1]
        last = np.where(np.isin(panel.coins, self.refuse), np.nan, last)
        return np.repeat(last[:, None], horizon, axis=1)

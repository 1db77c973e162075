"""What is asked about the risk of coins.

The options of the command are made from these fields, so that nothing heavy is imported here.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import attrs

from cryptodask.runs.fields import (
    coin_names,
    day,
    flag,
    one_of,
    option,
    optional,
    refused,
    texts,
    whole_number,
)

SPREADS = "spreads"
FITTED = ("ewma", "garch", "gjr", "harch")
"""Where the volatility forecast may come from: what intervals are scaled by, or a fitted model."""

EQUAL = "equal"
"""Weights of all coins that end on the date on which most of them do."""

MOST_STEPS, MOST_PATHS = 1_000, 1_000_000


@dataclass(frozen=True)
class Event:
    """A move whose probability is asked.

    Attributes
    ----------
    side : {"above", "below"}
        Of the threshold on which the close is.
    text : str
        The threshold as it was given.
    value : float
        A price of ``coin``, in the quote currency; or of all coins a share of the last close by
        which it changes: 0.1 is 10% up.
    coin : str, optional
    """

    side: str
    text: str
    value: float
    coin: str | None = None

    @classmethod
    def read(cls, side: str, given: str) -> "Event":
        """Read ``10%``, of all coins, or ``COIN=PRICE``.

        Parameters
        ----------
        side : {"above", "below"}
        given : str

        Raises
        ------
        OptionError
            It is neither, or no price or change that can be.
        """
        rule = "must be a change, as 10% or -20%, or COIN=PRICE, as Bitcoin=70000"
        if not isinstance(given, str):
            raise refused(side, rule, given)
        coin, equals, price = given.rpartition("=")
        number = price if equals else given.removesuffix("%")
        try:
            value = float(number)
        except ValueError:
            raise refused(side, rule, given) from None
        if (not equals and not given.endswith("%")) or (equals and not coin.strip()):
            raise refused(side, rule, given)
        if not math.isfinite(value) or value <= (0.0 if equals else -100.0):
            least = "a price above 0" if equals else "a change above -100%"
            raise refused(side, f"must be {least}, and finite", given)
        if equals:
            return cls(side, given, value, coin.strip())
        return cls(side, given, value / 100.0)


def _percents(name: str, most: float) -> Any:
    """Return the converter to percents, each once, as they came; a text has commas."""

    def convert(given: Any) -> tuple[float, ...]:
        rule = (
            f"must be percents above 0 and below {most:g}, each once, of six digits at most, as 1,5"
        )
        if isinstance(given, str):
            given = [part for part in re.split(r"[,\s]+", given) if part]
        elif isinstance(given, int | float):
            given = [given]
        if not isinstance(given, Iterable):
            raise refused(name, rule, given)
        items = list(given)
        try:
            numbers = tuple(float(item) for item in items)
        except (TypeError, ValueError):
            raise refused(name, rule, ",".join(map(str, items))) from None
        # Columns have the levels in their names, where 99.99999 would be 100.
        good = all(0 < number < most and float(f"{number:g}") == number for number in numbers)
        if not numbers or not good or len(set(numbers)) < len(numbers):
            raise refused(name, rule, ",".join(map(str, items)))
        return numbers

    return convert


def _events(side: str) -> Any:
    """Return the converter of thresholds."""

    def convert(given: Any) -> tuple[Event, ...]:
        alone = isinstance(given, str | Event) or not isinstance(given, Iterable)
        items = [] if given is None else [given] if alone else list(given)
        read = [item if isinstance(item, Event) else Event.read(side, item) for item in items]
        keys = [(event.coin, event.value) for event in read]
        twice = [event.text for event, key in zip(read, keys, strict=True) if keys.count(key) > 1]
        if twice:
            raise refused(side, "must be given once each", twice[-1])
        return tuple(read)

    return convert


@attrs.frozen(kw_only=True)
class RiskOptions:
    """What is asked about the risk of coins.

    Attributes
    ----------
    horizon : int
        Bars ahead: days, of daily prices.
    every_step : bool
        Whether there is a row for each bar up to the horizon, and not for the last one alone.
    levels : tuple of float
        Of intervals, in percent.
    tail : tuple of float
        Of value at risk and expected shortfall, in percent.
    above, below : tuple of Event
        Moves whose probability is asked.
    volatility : {"spreads", "ewma", "garch", "gjr", "harch"}
        Where the column ``volatility`` comes from. All else comes from the spreads.
    weights : str, mapping of str to float, or None
        A CSV file of ``coin,weight``, ``equal``, or weights by coin: of a portfolio.
    paths : int
        Simulated, of the portfolio.
    seed : int
        Random seed.
    coins : tuple of str or None
        By default all of the source.
    to_date : str or None
        Last day that is read.
    partitions : int or None
        Number of partitions of the prices; nothing else depends on it.

    Raises
    ------
    OptionError
        A value is out of its range.
    """

    horizon: int = option(
        10, "Days ahead, or bars of an hourly table.", check=whole_number(1, most=MOST_STEPS)
    )
    every_step: bool = option(
        False, "A row for each bar up to the horizon.", flag="--every-step", check=flag
    )
    levels: tuple[float, ...] = option(
        "80,95", "Intervals, in percent: 50,80,90,99.", converter=_percents("levels", 100.0),
        reads=str, metavar="PERCENTS",
    )  # fmt: skip
    tail: tuple[float, ...] = option(
        "1,5", "Tails of value at risk and expected shortfall, in percent.",
        converter=_percents("tail", 50.0), reads=str, metavar="PERCENTS",
    )  # fmt: skip
    above: tuple[Event, ...] = option(
        (), "Probability of a close above: 10%, or Bitcoin=70000; may be given several times.",
        converter=_events("above"), reads=list[str], metavar="CHANGE",
    )  # fmt: skip
    below: tuple[Event, ...] = option(
        (), "Probability of a close below: -20%, or Bitcoin=50000.",
        converter=_events("below"), reads=list[str], metavar="CHANGE",
    )  # fmt: skip
    volatility: Literal["spreads", "ewma", "garch", "gjr", "harch"] = option(
        SPREADS,
        f"Where the column vol. comes from: what intervals are scaled by, or {', '.join(FITTED)}.",
        check=one_of(SPREADS, *FITTED),
    )  # fmt: skip
    weights: str | Mapping[str, float] | None = option(
        None, "A portfolio: a .csv of coin,weight, which are divided by their sum, or equal.",
        reads=str | None, metavar="FILE|equal",
    )  # fmt: skip
    paths: int = option(
        10_000, "Simulated paths of the portfolio.", check=whole_number(100, most=MOST_PATHS)
    )
    seed: int = option(0, "Random seed of the paths.", check=whole_number(0, most=2**128))
    coins: tuple[str, ...] | None = option(
        None, "Coins, separated by commas or given several times. [all]",
        converter=coin_names, check=optional(texts),
    )  # fmt: skip
    to_date: str | None = option(
        None, "Last day that is read, YYYY-MM-DD.", flag="--to", converter=day("to_date")
    )
    partitions: int | None = option(None, "Number of partitions.", check=optional(whole_number(1)))

    @property
    def steps(self) -> tuple[int, ...]:
        """Bars ahead that get a row."""
        return tuple(range(1, self.horizon + 1)) if self.every_step else (self.horizon,)

    @property
    def events(self) -> tuple[Event, ...]:
        """All moves whose probability is asked."""
        return (*self.above, *self.below)

    @property
    def bounds(self) -> dict[str, float]:
        """Column of each bound, and the level of its quantile, 0 to 1."""
        named = {}
        for level in self.levels:
            named[f"lower_{level:g}"] = (100.0 - level) / 200.0
            named[f"upper_{level:g}"] = (100.0 + level) / 200.0
        return named

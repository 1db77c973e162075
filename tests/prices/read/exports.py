"""Files as sites, exchanges and terminals export them, of one seeded series."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

DAYS = 40
FIRST = date(2024, 11, 20)


@dataclass(frozen=True)
class Bar:
    """A day of a series."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: int

    @property
    def epoch(self) -> int:
        """Seconds from 1970 to the begin of the day."""
        return int(datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC).timestamp())


def series(seed: int = 0, start: float = 40_000.0, n: int = DAYS) -> list[Bar]:
    """Days of a random walk, oldest first; the open is the close before."""
    random = np.random.default_rng(seed)
    bars, last = [], start
    for i in range(n):
        close = round(last * float(np.exp(random.normal(0, 0.02))), 4)
        high, low = max(last, close), min(last, close)
        high = round(high * (1 + random.uniform(0.001, 0.01)), 4)
        low = round(low * (1 - random.uniform(0.001, 0.01)), 4)
        volume = int(random.integers(100_000, 9_000_000))
        bars.append(Bar(FIRST + timedelta(days=i), last, high, low, close, volume))
        last = close
    return bars


def written(
    header: str,
    line: Callable[[Bar], str],
    bars: list[Bar] | None = None,
    *,
    newest_first: bool = False,
) -> str:
    """The text of a file with a header and a line for each bar."""
    bars = series() if bars is None else bars
    lines = [line(bar) for bar in (bars[::-1] if newest_first else bars)]
    return "\n".join([header, *lines, ""])


def german(value: float, digits: int = 4) -> str:
    """A number with a decimal comma and points between thousands."""
    return f"{value:,.{digits}f}".translate(str.maketrans(",.", ".,"))


def suffixed(value: float) -> str:
    """A number of thousands or millions, as ``1.23M``."""
    return f"{value / 1e6:.2f}M" if value >= 1e6 else f"{value / 1e3:.2f}K"

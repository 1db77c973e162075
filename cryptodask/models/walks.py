"""Seeded random walks, as panels to try models on."""

from collections.abc import Sequence

import numpy as np

from cryptodask.features.own import OwnColumn
from cryptodask.records import DAY, DateArray, FloatArray, Panel

START = np.datetime64("2017-09-22", "s")
"""The day before the first row of each walk."""


def random_walk(
    rows: int, seed: int = 0, *, gaps: bool = False, unbroken: int = 0
) -> tuple[FloatArray, DateArray]:
    """Return a random walk of log prices whose returns deviate by 5% a day.

    Parameters
    ----------
    rows : int
    seed : int
    gaps : bool
        Whether rows are one to ten days apart, and not a day each.
    unbroken : int
        How many of the last rows are a day apart in any case.

    Returns
    -------
    closes : ndarray of float64, ``(rows,)``
        In USD, anywhere between a millionth and a hundred thousand.
    dates : ndarray of datetime64[s], ``(rows,)``

    Examples
    --------
    >>> closes, dates = random_walk(3)
    >>> closes.round(2)
    array([7176.52, 7401.48, 7638.01])
    >>> dates.astype("datetime64[D]").tolist()[0]
    datetime.date(2017, 9, 23)
    """
    rng = np.random.default_rng([seed, rows])
    closes = 10 ** rng.uniform(-6, 5) * np.exp(rng.normal(0, 0.05, rows).cumsum())
    steps = rng.integers(1, 11, rows) if gaps else np.ones(rows, dtype=np.int64)
    steps[rows - max(unbroken - 1, 0) :] = 1
    return closes, START + steps.cumsum() * DAY


def random_panel(
    lengths: Sequence[int],
    seed: int = 0,
    *,
    gaps: bool = False,
    unbroken: int = 0,
    columns: Sequence[str] = (),
) -> Panel:
    """Return a panel of random walks, of the coins ``coin-0``, ``coin-1`` and so on.

    Parameters
    ----------
    lengths : sequence of int
        Rows of each coin, ``(n_coins,)``.
    seed, gaps, unbroken
        As of `random_walk`; each coin has a walk from its own seed.
    columns : sequence of str
        Columns beside the closes, such as ``volume``: positive amounts; a user's own, such as
        ``column:x``, are about 1, and facts the same in all rows of a coin.

    Returns
    -------
    Panel
        Daily closes, in USD.

    Examples
    --------
    >>> panel = random_panel([40, 60], columns=["volume"])
    >>> panel.coins, panel.lengths.tolist(), len(panel.extra["volume"])
    (('coin-0', 'coin-1'), [40, 60], 100)
    """
    walks = [
        random_walk(rows, seed + 1_000 * i, gaps=gaps, unbroken=unbroken)
        for i, rows in enumerate(lengths)
    ]
    amounts = {
        name: [
            _column(name, np.random.default_rng([seed, place, i]), i, rows)
            for i, rows in enumerate(lengths)
        ]
        for place, name in enumerate(columns)
    }
    return Panel.from_series(((f"coin-{i}", *walk) for i, walk in enumerate(walks)), extra=amounts)


def _column(name: str, rng: np.random.Generator, coin: int, rows: int) -> FloatArray:
    """Return a column of one coin, ``(rows,)``."""
    parsed = OwnColumn.parse(name)
    if parsed is None:
        return np.exp(rng.normal(9, 1, rows))
    if parsed.kind != "static":
        return np.exp(rng.normal(0, 1, rows))
    fact = float(np.exp(rng.normal(0, 1))) if parsed.value is None else float(coin % 2)
    return np.full(rows, fact)

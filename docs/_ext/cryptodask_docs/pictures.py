"""Pictures of the site, drawn by matplotlib from made-up prices: seeded, so always the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryptodask import create_model, synthetic_prices
from cryptodask.charts.style import LINE
from cryptodask.models import run_model
from cryptodask.records import Panel

HORIZON, DAYS, SHOWN = 10, 400, 90
"""Days ahead, of history, and of it in the picture."""

ORIGINS = (30, 20, 10)
"""Days before the end at which a model of the picture forecasts, besides the last day."""

INK, ACTUAL, FORECAST = LINE, "#8a98a8", "#d55e00"
"""Seen on light and on dark, since pictures have no background."""

STYLE = {
    "svg.hashsalt": "cryptodask",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


@contextmanager
def drawn(path: Path, size: tuple[float, float] = (7.0, 2.8)) -> Iterator[Any]:
    """Give axes to draw on in this block, and write them as SVG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with matplotlib.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        yield axes
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None}, transparent=True)
        plt.close(figure)


@cache
def prices() -> pd.DataFrame:
    """Return the prices that models are shown on: a few coins; the oldest is drawn."""
    table = synthetic_prices(6, DAYS, seed=3)
    rows = table.groupby("coin")["close"].transform("size")
    return table[rows >= DAYS // 2].reset_index(drop=True)


def panel_until(table: pd.DataFrame, day: pd.Timestamp) -> Panel:
    """Return the coins of a table as of a day."""
    seen = table[table["date"] <= day]
    groups = [
        (str(coin), rows["close"].to_numpy(), rows["date"].to_numpy("datetime64[s]"))
        for coin, rows in seen.groupby("coin")
    ]
    return Panel.from_series(groups, np.timedelta64(86_400, "s"))


def draw_model(name: str, path: Path) -> None:
    """Draw a model's forecasts of one coin as of a few days, over what came.

    Raises
    ------
    MissingExtraError
        Its package is not installed.
    """
    table = prices()
    coin = table["coin"].value_counts().index[0]
    rows = table[table["coin"] == coin].tail(SHOWN)
    model = create_model(name)
    with drawn(path) as axes:
        axes.plot(rows["date"], rows["close"], color=ACTUAL, label="close")
        for number, back in enumerate((*ORIGINS, 0)):
            day = rows["date"].iloc[-1 - back]
            result = run_model(model, panel_until(table, day), HORIZON, seed=0)
            values = result.values[list(result.coins).index(coin)]
            last = rows["close"].iloc[-1 - back]
            days = pd.date_range(day, periods=HORIZON + 1)
            axes.plot(
                days, [last, *values], color=FORECAST, marker=".", markersize=3,
                label=None if number else f"{name}, {HORIZON} days ahead",
            )  # fmt: skip
        axes.set_ylabel(f"{coin}, USD")
        axes.legend(loc="upper left", fontsize=8)

"""The gallery: pictures of results, computed from made-up prices when the site is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from dask.distributed import Client, LocalCluster
from matplotlib.colors import ListedColormap
from matplotlib.dates import AutoDateLocator

from cryptodask import synthetic_prices
from cryptodask.dashboard.coverage import SHADES
from cryptodask.prices.coverage import measure_coverage
from cryptodask.results import Backtest, Forecasts
from cryptodask.runs import backtest, forecast
from cryptodask_docs.pictures import ACTUAL, FORECAST, INK, drawn

MODELS = ("naive", "drift", "ridge", "linear")
HORIZON, ORIGINS = 10, 20

INTRODUCTION = """\
# Gallery

All pictures are computed when this site is built, from made-up prices
(`cryptodask.synthetic_prices`), by matplotlib: `docs/_ext/cryptodask_docs/gallery.py` has the code.
The pages that `--plot`, `--page` and `--html` write have the same, to point at.
"""

PARTS = {
    "forecast": (
        "A forecast with intervals",
        "One coin's closes, the forecast by `ridge`, and where the price should be in 80 and 95 of "
        "100 cases; see [Intervals](../concepts/intervals.md).",
        "cryptodask forecast my-table --model ridge --intervals --plot forecasts.html",
    ),
    "leaderboard": (
        "A leaderboard",
        "Mean absolute error over that of `naive`; see "
        "[Read a leaderboard](../how-to/leaderboard.md). Of the line through all prices the bar is "
        "cut off.",
        "cryptodask backtest my-table --model drift --model ridge --model linear",
    ),
    "coverage": (
        "Coverage of intervals",
        "Which share of the actuals was inside the 80 and 95% intervals, by steps ahead, over "
        f"{ORIGINS} origins. Coins move together, so that these wander.",
        "cryptodask backtest my-table --model ridge --page backtest.html",
    ),
    "days": (
        "The days that each coin has",
        "A line is a coin, the oldest at the bottom; empty: no prices. The report of a table shows "
        "gaps at once.",
        "cryptodask prices check my-table --html report.html",
    ),
}


def pages(folder: Path) -> dict[str, str]:
    """Return the page by its name below a folder, where pictures are drawn."""
    table = synthetic_prices(20, 1_200, seed=11)
    with one_worker() as client:
        ahead = forecast(table, ["ridge"], HORIZON, intervals=True, client=client, progress=False)
        tested = backtest(table, MODELS, HORIZON, origins=ORIGINS, client=client, progress=False)
    draw_forecast(ahead, table, folder / "gallery" / "forecast.svg")
    draw_leaderboard(tested, folder / "gallery" / "leaderboard.svg")
    draw_coverage(tested, folder / "gallery" / "coverage.svg")
    draw_days(folder / "gallery" / "days.svg")
    texts = [INTRODUCTION]
    for name, (title, text, command) in PARTS.items():
        texts.append(
            f"## {title}\n\n![{title}](gallery/{name}.svg)\n\n{text}\n\n"
            f"```console\n$ {command}\n```\n"
        )
    return {"gallery.md": "\n".join(texts)}


@contextmanager
def one_worker() -> Iterator[Client]:
    """Run a worker in this process: the numbers are those of any cluster."""
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def draw_forecast(ahead: Forecasts, table: pd.DataFrame, path: Path) -> None:
    """Draw one coin's closes, forecast and intervals."""
    rows = ahead.get_df()
    coin = rows["coin"].iloc[0]
    rows = rows[rows["coin"] == coin]
    past = table[table["coin"] == coin].tail(60)
    with drawn(path) as axes:
        axes.plot(past["date"], past["close"], color=ACTUAL, label="close")
        for level, alpha in ((95, 0.15), (80, 0.25)):
            axes.fill_between(
                rows["date"], rows[f"lower_{level}"], rows[f"upper_{level}"],
                color=FORECAST, alpha=alpha, linewidth=0, label=f"{level}%",
            )  # fmt: skip
        axes.plot(rows["date"], rows["forecast"], color=FORECAST, label="ridge")
        axes.set_ylabel(f"{coin}, USD")
        # Above the axes, where no line can be.
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=8)


def draw_leaderboard(tested: Backtest, path: Path) -> None:
    """Draw each model's error over naive's."""
    scores = tested.scores().set_index("model")["relative_mae"].sort_values(ascending=False)
    with drawn(path, (7.0, 2.2)) as axes:
        colors = [FORECAST if value < 1 else ACTUAL for value in scores]
        axes.barh(scores.index, scores.clip(upper=1.5) - 1, left=1, color=colors)
        for place, value in enumerate(scores):
            axes.annotate(
                f"{value:.3f}", (min(value, 1.5), place), (4 if value >= 1 else -4, 0),
                textcoords="offset points", va="center", ha="left" if value >= 1 else "right",
            )  # fmt: skip
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_xlim(min(scores.min() - 0.08, 0.9), 1.6)
        axes.set_xlabel("MAE / naive: below 1 is better")


def draw_coverage(tested: Backtest, path: Path) -> None:
    """Draw the share of actuals inside the intervals, by step."""
    rows = tested.get_df()
    rows = rows[rows["model"] == "ridge"].dropna(subset=["lower_95", "upper_95", "actual"])
    with drawn(path) as axes:
        for level, color in ((95, ACTUAL), (80, FORECAST)):
            inside = rows["actual"].between(rows[f"lower_{level}"], rows[f"upper_{level}"])
            shares = inside.groupby(rows["step"]).mean()
            axes.plot(shares.index, shares, color=color, marker=".", label=f"{level}%")
            axes.axhline(level / 100, color=color, linewidth=0.8, linestyle=":")
        axes.set_ylim(0.5, 1)
        axes.set_xlabel("days ahead")
        axes.set_ylabel("share inside")
        axes.legend(loc="lower right")


def draw_days(path: Path) -> None:
    """Draw which days coins have, of a table with gaps and young coins."""
    table = synthetic_prices(30, 700, seed=11, short=(60,), broken=("gap", "gap"))
    table = table[np.random.default_rng(0).random(len(table)) > 0.02]
    first = table.groupby("coin")["date"].min().sort_values()
    days = table["date"]
    coverage = measure_coverage([table], list(first.index), days.min(), days.max())
    end = coverage.start + coverage.span * coverage.shares.shape[1]
    with drawn(path, (7.0, 3.2)) as axes:
        axes.imshow(
            coverage.shares, aspect="auto", origin="lower", vmin=0, vmax=1,
            cmap=ListedColormap(SHADES),
            interpolation="nearest", extent=(
                *(float((day - np.datetime64("1970-01-01")).astype(int))
                  for day in (coverage.start, end)), 0, len(first),
            ),
        )  # fmt: skip
        axes.xaxis_date()
        axes.xaxis.set_major_locator(AutoDateLocator(maxticks=8))
        axes.set_yticks([])
        axes.set_ylabel("coins")

"""Plots of forecasts: an HTML page with a chooser, a PNG of one coin, a layout for a notebook."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.charts.still import format_prices
from cryptodask.charts.style import INK, MUTED, RULE, style
from cryptodask.dashboard import page
from cryptodask.dashboard.html_file import target_of
from cryptodask.dashboard.price_figure import BAND_ALPHA
from cryptodask.dashboard.view import ForecastView, bounds_of, build_view
from cryptodask.errors import OptionError
from cryptodask.io.files import draft_of, write_text

SUFFIXES = (".html", ".png")
PICTURED = 180
"""Days of closes in a picture, unless it is said how many."""


def save_plot(
    path: str | os.PathLike[str],
    prices: pd.DataFrame,
    forecasts: pd.DataFrame,
    *,
    coin: str | None = None,
    history_days: int | None = None,
) -> None:
    """Write a plot of closes and forecasts to one file, whole or not at all.

    ``.html`` is a page with a chooser of coins that needs neither server nor network; ``.png``
    is a picture of one coin.

    Parameters
    ----------
    path : path
        Ends in ``.html`` or ``.png``; its folder exists. A file there is replaced.
    prices, forecasts : DataFrame
        The price table and the forecast table; see :func:`~cryptodask.dashboard.view.build_view`.
    coin : str, optional
        The coin of the picture, or the one that the page shows first (by default the first in
        the alphabet). A picture of several coins needs it.
    history_days : int, optional
        Days of closes before the forecasts; by default all that a page can hold, and of a picture
        `PICTURED`.

    Raises
    ------
    OptionError
        Another suffix, a folder that does not exist, no coin given for a picture of several, no
        forecasts, or a table that lacks a column.
    UnknownCoinError
        That coin has no forecast.
    """
    target = target_of(path, SUFFIXES, "a plot")
    is_png = target.suffix.lower() == ".png"
    if is_png and history_days is None:
        history_days = PICTURED
    view = build_view(prices, forecasts, history_days=history_days)
    if is_png and coin is None and len(view.coins) > 1:
        raise OptionError(
            f"a PNG shows one coin, and the forecasts hold {len(view.coins):,}: name the coin, "
            "or write .html to choose among all"
        )
    position = 0 if coin is None else view.position(coin)
    if is_png:
        with draft_of(target) as draft:
            _write_png(draft, view, position)
    else:
        write_text(page.html(view, position), target)


def forecast_figure(
    prices: pd.DataFrame,
    forecasts: pd.DataFrame,
    coin: str | None = None,
    *,
    history_days: int | None = None,
) -> Any:
    """Return the plot with its chooser of coins, to ``bokeh.plotting.show`` in a notebook.

    Errors are those of :func:`save_plot`.

    Parameters
    ----------
    prices, forecasts : DataFrame
        The price table and the forecast table; see :func:`~cryptodask.dashboard.view.build_view`.
    coin : str, optional
        The coin that is shown first; by default the first in the alphabet.
    history_days : int, optional
        Days of closes before the forecasts; by default all that a page can hold.

    Returns
    -------
    bokeh.models.Column
    """
    view = build_view(prices, forecasts, history_days=history_days)
    return page.layout(view, 0 if coin is None else view.position(coin))


def _write_png(path: Path, view: ForecastView, position: int) -> None:
    """Draw one coin with matplotlib: Bokeh's own export would need a browser."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    history, ahead = view.history.of(position), view.ahead.of(position)
    past, future = (part["date"].astype("datetime64[ms]") for part in (history, ahead))
    picture = Figure(
        figsize=(10, 5.4), dpi=160, layout=ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.15)
    )
    axes = picture.add_subplot()
    axes.axvline(view.cutoffs[position].astype("datetime64[ms]"), color=MUTED, linestyle=":")
    lines = axes.plot(past, history["close"], color=INK, linewidth=1.4)
    labels = ["close"]
    for level, j in view.bands:
        low, high = (ahead[bound] for bound in bounds_of(level, j))
        axes.fill_between(future, low, high, color=style(j)[0], alpha=BAND_ALPHA, linewidth=0)
    for j, model in enumerate(view.models):
        y, (color, dash) = ahead[f"forecast_{j}"], style(j)
        if np.isfinite(y).any():
            lines += axes.plot(future, y, color=color, linestyle=dash, marker=".", markersize=5)
            labels.append(_short(model, 24))
    _dress(axes, _short(view.coins[position], 50), _short(view.captions[position], 110))
    legend = picture.legend(lines, labels, loc="outside lower center", ncols=5, frameon=False)
    for text in legend.get_texts():
        text.set(parse_math=False, color=INK)
    picture.savefig(path, format="png")


def _dress(axes: Any, coin: str, caption: str) -> None:
    """Set titles, legend, ticks and lines: little ink but for the data."""
    from matplotlib.dates import AutoDateLocator, DateFormatter

    axes.xaxis.set_major_locator(AutoDateLocator(maxticks=8))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%Y-%m-%d"))  # type: ignore[no-untyped-call]
    format_prices(axes)
    axes.set_ylabel("USD", color=MUTED)
    axes.tick_params(colors=MUTED, length=0)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.margins(x=0.01)
    # Names are not TeX, whatever dollars they hold. The title makes room for the caption.
    axes.set_title(coin, loc="left", pad=28, color=INK, size=17, weight="bold", parse_math=False)
    above = {"xycoords": "axes fraction", "textcoords": "offset points", "xytext": (0, 11)}
    note = axes.annotate(caption, (0, 1), color=MUTED, parse_math=False, **above)
    note.set_in_layout(False)


def _short(text: str, length: int) -> str:
    """Cut what would run off the picture; the page wraps it instead."""
    return text if len(text) <= length else f"{text[: length - 1]}…"

"""Forecasts over actuals, drawn with Bokeh: choosers of coin, model and origin, and a figure."""

from typing import Any

import pandas as pd

from cryptodask.charts.style import COLORS, INK, MUTED, add_legend, dress, plain_text
from cryptodask.dashboard.chooser import chooser_row, coin_chooser, list_buttons
from cryptodask.dashboard.overlay import BEFORE, Overlay
from cryptodask.dashboard.price_figure import (
    BAND_ALPHA,
    DARKER,
    add_band,
    add_closes,
    legend_item,
    price_figure,
    price_hover,
)
from cryptodask.dashboard.view import BAND_LEVELS, bounds_of

ALL = "all"

DRAW = """
const i = coins.indexOf(select.value), j = models.indexOf(model.value)
if (i < 0 || j < 0) return
const k = i * models.length + j
const only = origins[origin.options.indexOf(origin.value) - 1]
const pick = ({columns, offsets}, n, keep) => {
  const rows = []
  for (let row = offsets[n]; row < offsets[n + 1]; row++) if (keep(columns, row)) rows.push(row)
  return Object.fromEntries(Object.entries(columns).map(
    ([name, column]) => [name, Float64Array.from(rows, (row) => column[row])]))
}
ahead.data = pick(packs.ahead, k, ({cutoff}, row) => only === undefined || cutoff[row] == only)
closes.data = pick(packs.closes, i, ({date}, row) =>
  only === undefined || (date[row] >= only - before * span && date[row] <= only + span))
heading.text = coins[i]
caption.text = captions[k]
figure.reset.emit()
"""
"""In the browser: shows the coin, model and origin that were chosen."""


def draw(overlay: Overlay) -> list[Any]:
    """Return choosers, heading, caption and figure.

    Parameters
    ----------
    overlay : Overlay

    Returns
    -------
    list of bokeh models
    """
    from bokeh.models import ColumnDataSource

    # Naive is what everyone knows.
    j = next((j for j, model in enumerate(overlay.models) if model != "naive"), 0)
    closes = ColumnDataSource(overlay.closes.of(0), name="closes")
    ahead = ColumnDataSource(overlay.ahead.of(j), name="ahead")
    heading = plain_text("coin_heading", overlay.coins[0], "20px", INK, "650")
    caption = plain_text("coin_caption", overlay.captions[j], "14px", MUTED)
    plot = _figure(overlay, closes, ahead)
    steps = overlay.ahead.columns["step"]
    args: dict[str, Any] = {"closes": closes, "ahead": ahead, "figure": plot, "before": BEFORE}
    args |= {"heading": heading, "caption": caption, "captions": overlay.captions}
    args |= {"origins": overlay.origins, "span": (steps.max() - 1) * overlay.bar}
    args["packs"] = {"closes": overlay.closes.for_browser(), "ahead": overlay.ahead.for_browser()}
    return [_chooser(overlay, j, args), heading, caption, plot]


def _chooser(overlay: Overlay, position: int, drawn: dict[str, Any]) -> Any:
    """Return what finds and steps through coins, and lists of models and origins."""
    from bokeh.models import CustomJS, Select

    coins, models = list(overlay.coins), list(overlay.models)
    moments = pd.to_datetime(overlay.origins, unit="ms")
    days = bool((moments == moments.normalize()).all())
    dates = moments.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M").tolist()
    select, parts = coin_chooser(coins, coins[0])
    model = Select(name="model", title="Model", options=models, value=models[position], width=150)
    origin = Select(name="origin", title="Origin", options=[ALL, *dates], value=ALL, width=130)
    args = {"select": select, "model": model, "origin": origin, "coins": coins, "models": models}
    on_change = CustomJS(args=drawn | args, code=DRAW)
    for chosen in (select, model, origin):
        chosen.js_on_change("value", on_change)
    return chooser_row([*parts, model, origin, list_buttons(origin)], space=10)


def _figure(overlay: Overlay, closes: Any, ahead: Any) -> Any:
    """Draw closes, bands and forecasts, with what came beside what was forecast as a tooltip."""
    plot, color = price_figure("overlay", 420), COLORS[0]
    levels = BAND_LEVELS if overlay.has_bands else ()
    bands = [
        legend_item(
            f"{level}% interval",
            add_band(plot, ahead, level, color, alpha=BAND_ALPHA + DARKER * place),
        )
        for place, level in enumerate(levels)
    ]
    close = add_closes(plot, closes)
    line = plot.line("date", "forecast", source=ahead, color=color, line_width=2)
    dots = plot.scatter("date", "forecast", source=ahead, color=color, size=4)
    add_legend(plot, [close, legend_item("forecast", line, dots), *bands])
    prices = [("forecast", "forecast"), ("actual", "actual")]
    for level in levels:
        low, high = bounds_of(level)
        prices += [(f"{level}% from", low), (f"{level}% to", high)]
    plot.add_tools(price_hover(dots, prices, [("as of", "@cutoff{%F}"), ("step", "@step")]))
    dress(plot)
    return plot

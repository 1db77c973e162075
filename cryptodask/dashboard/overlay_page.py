"""Forecasts over actuals, drawn with Bokeh: choosers of coin, model and origin, and a figure."""

from typing import Any

import pandas as pd

from cryptodask.dashboard.overlay import BEFORE, Tracks
from cryptodask.dashboard.page import (
    BAND_ALPHA,
    COLORS,
    FIND,
    INK,
    LEGEND,
    MUTED,
    PRICE,
    STEP,
    TICKS,
    dress,
    plain_text,
)
from cryptodask.dashboard.view import LEVELS

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


def draw(tracks: Tracks) -> list[Any]:
    """Return choosers, heading, caption and figure."""
    from bokeh.models import ColumnDataSource

    # Naive is what everyone knows.
    j = next((j for j, model in enumerate(tracks.models) if model != "naive"), 0)
    closes = ColumnDataSource(tracks.closes.of(0), name="closes")
    ahead = ColumnDataSource(tracks.ahead.of(j), name="ahead")
    heading = plain_text("coin_heading", tracks.coins[0], "20px", INK, "650")
    caption = plain_text("coin_caption", tracks.captions[j], "14px", MUTED)
    plot = _figure(tracks, closes, ahead)
    steps = tracks.ahead.columns["step"]
    args: dict[str, Any] = {"closes": closes, "ahead": ahead, "figure": plot, "before": BEFORE}
    args |= {"heading": heading, "caption": caption, "captions": tracks.captions}
    args |= {"origins": tracks.origins, "span": (steps.max() - 1) * tracks.bar}
    args["packs"] = {
        "closes": {"columns": tracks.closes.columns, "offsets": tracks.closes.offsets},
        "ahead": {"columns": tracks.ahead.columns, "offsets": tracks.ahead.offsets},
    }
    return [_chooser(tracks, j, args), heading, caption, plot]


def _chooser(tracks: Tracks, position: int, drawn: dict[str, Any]) -> Any:
    """Field and list to find a coin, lists of models and origins, buttons to leaf through."""
    from bokeh.layouts import row
    from bokeh.models import CustomJS, Select, TextInput

    coins, models = list(tracks.coins), list(tracks.models)
    moments = pd.to_datetime(tracks.origins, unit="ms")
    days = bool((moments == moments.normalize()).all())
    dates = moments.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M").tolist()
    find = TextInput(name="find", title="Find", placeholder="Part of a name", width=150)
    title = f"Coin ({len(coins)})"
    select = Select(name="coin", title=title, options=coins, value=coins[0], width=200)
    model = Select(name="model", title="Model", options=models, value=models[position], width=150)
    origin = Select(name="origin", title="Origin", options=[ALL, *dates], value=ALL, width=130)
    args = {"select": select, "model": model, "origin": origin, "coins": coins, "models": models}
    on_change = CustomJS(args=drawn | args, code=DRAW)
    for one in (select, model, origin):
        one.js_on_change("value", on_change)
    find.js_on_change("value_input", CustomJS(args={"coins": coins, "select": select}, code=FIND))
    parts = [find, select, *_leaf(select), model, origin, *_leaf(origin)]
    styles = {"flex-wrap": "wrap", "margin-bottom": "10px"}
    return row(*parts, name="chooser", sizing_mode="stretch_width", styles=styles)


def _leaf(select: Any) -> list[Any]:
    """Return two buttons that go through a list."""
    from bokeh.models import Button, CustomJS

    buttons = []
    for label, step in (("‹ Prev", -1), ("Next ›", 1)):
        button = Button(label=label, width=68, height=33, align="end")
        button.js_on_click(CustomJS(args={"select": select, "step": step}, code=STEP))
        buttons.append(button)
    return buttons


def _figure(tracks: Tracks, closes: Any, ahead: Any) -> Any:
    from bokeh.models import CustomJSTickFormatter, Legend, LegendItem, NoOverlap
    from bokeh.plotting import figure

    plot = figure(
        name="tracks",
        x_axis_type="datetime",
        height=420,
        sizing_mode="stretch_width",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_drag="box_zoom",
    )
    plot.x_range.range_padding = 0.02
    plot.xaxis.major_label_policy = NoOverlap()
    color = COLORS[0]
    bands = []
    if tracks.has_bands:
        for level in LEVELS:
            low, high = f"lower_{level}", f"upper_{level}"
            bands.append(
                plot.varea("date", low, high, source=ahead, color=color, alpha=BAND_ALPHA + 0.03)
            )
    close = plot.line("date", "close", source=closes, color=INK, line_width=1.5)
    line = plot.line("date", "forecast", source=ahead, color=color, line_width=2)
    dots = plot.scatter("date", "forecast", source=ahead, color=color, size=4)
    items = [
        LegendItem(label={"value": "close"}, renderers=[close]),
        LegendItem(label={"value": "forecast"}, renderers=[line, dots]),
    ]
    items += [
        LegendItem(label={"value": f"{level}% interval"}, renderers=[band])
        for level, band in zip(LEVELS, bands, strict=False)
    ]
    legend = Legend(items=items, orientation="horizontal", location="top_left", margin=0)
    legend.stylesheets = [LEGEND]
    plot.add_layout(legend, "above")
    plot.yaxis.axis_label = "USD"
    plot.yaxis.formatter = CustomJSTickFormatter(code=TICKS)
    _add_hover(plot, tracks, dots)
    dress(plot)
    return plot


def _add_hover(plot: Any, tracks: Tracks, dots: Any) -> None:
    """Tell what was forecast, and what came."""
    from bokeh.models import CustomJSHover, HoverTool

    price = CustomJSHover(code=PRICE)
    numbers = {"forecast": "forecast", "actual": "actual"}
    for level in LEVELS if tracks.has_bands else ():
        numbers |= {f"{level}% from": f"lower_{level}", f"{level}% to": f"upper_{level}"}
    shown = [(label, f"@{column}{{custom}}") for label, column in numbers.items()]
    hover = HoverTool(renderers=[dots], visible=False)
    hover.tooltips = [("date", "@date{%F}"), ("as of", "@cutoff{%F}"), ("step", "@step"), *shown]
    hover.formatters = {"@date": "datetime", "@cutoff": "datetime"}
    hover.formatters |= {f"@{column}": price for column in numbers.values()}
    plot.add_tools(hover)

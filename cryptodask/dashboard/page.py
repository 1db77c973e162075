"""The page of forecasts: chooser of coins, heading and figure, drawn with Bokeh."""

from typing import Any

import numpy as np

from cryptodask.dashboard.chooser import chooser_row, coin_chooser, days_chooser
from cryptodask.dashboard.html_file import html_of
from cryptodask.dashboard.price_figure import (
    add_band,
    add_closes,
    legend_item,
    price_figure,
    price_hover,
)
from cryptodask.dashboard.style import BODY, INK, MUTED, RULE, add_legend, dress, plain_text, style
from cryptodask.dashboard.view import DAY_MS, ForecastView

SPANS = (30, 90)
"""Days of closes to choose from, besides all."""

DRAW = """
const i = coins.indexOf(select.value)
if (i < 0) return
const slice = ({columns, offsets}, start) => Object.fromEntries(
  Object.entries(columns).map(([name, column]) => [name, column.slice(start, offsets[i + 1])]))
const {columns: {date}, offsets} = packs.history
const before = date[offsets[i + 1] - 1] - days[span.active] * 864e5
let start = offsets[i]
while (start < offsets[i + 1] && date[start] <= before) start += 1
history.data = slice(packs.history, start)
ahead.data = slice(packs.ahead, packs.ahead.offsets[i])
heading.text = coins[i]
caption.text = captions[i]
cutoff.location = cutoffs[i]
items.forEach((item, j) => {
  item.visible = ahead.data[`forecast_${j}`].some(Number.isFinite)
})
figure.reset.emit()
"""
"""In the browser: shows the coin that was chosen."""


def html(view: ForecastView, position: int) -> str:
    """Return the page as one text that needs no network.

    Parameters
    ----------
    view : ForecastView
        What to draw.
    position : int
        Position of the coin that is shown first.
    """
    return html_of(layout(view, position), f"CryptoDask forecasts: {view.summary}")


def layout(view: ForecastView, position: int) -> Any:
    """Return the page as one Bokeh column.

    Parameters
    ----------
    view : ForecastView
        What to draw.
    position : int
        Position of the coin that is shown first.

    Returns
    -------
    bokeh.models.Column
    """
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource

    history = ColumnDataSource(view.history.of(position), name="history")
    ahead = ColumnDataSource(view.ahead.of(position), name="ahead")
    summary = plain_text("summary", view.summary, "13px", MUTED)
    heading = plain_text("heading", view.coins[position], "26px", INK, "650")
    caption = plain_text("caption", view.captions[position], "14px", MUTED)
    plot, cutoff, items = draw_figure(view, history, ahead)
    cutoff.location = view.cutoffs[position]
    for j, item in enumerate(items):
        item.visible = bool(np.isfinite(ahead.data[f"forecast_{j}"]).any())
    args = {"history": history, "ahead": ahead, "heading": heading, "caption": caption}
    args |= {"cutoff": cutoff, "items": items, "figure": plot}
    args |= {"coins": view.coins, "captions": view.captions, "cutoffs": view.cutoffs}
    args["packs"] = {"history": view.history.for_browser(), "ahead": view.ahead.for_browser()}
    chooser = _chooser(view, position, args)
    parts = [summary, chooser, heading, caption, plot]
    return column(*parts, sizing_mode="stretch_width", styles=BODY)


def _chooser(view: ForecastView, position: int, drawn: dict[str, Any]) -> Any:
    """Return what finds and steps through coins, where there are several, and the days to show."""
    from bokeh.models import CustomJS

    days = [n for n in SPANS if n < view.history_days] + [view.history_days]
    span = days_chooser([f"{n} days" for n in days], len(days) - 1)
    select, parts = coin_chooser(view.coins, view.coins[position])
    draw = CustomJS(args=drawn | {"select": select, "span": span, "days": days}, code=DRAW)
    select.js_on_change("value", draw)
    span.js_on_change("active", draw)
    return chooser_row([*parts, span] if len(view.coins) > 1 else [span], space=14)


def draw_figure(view: ForecastView, history: Any, ahead: Any) -> tuple[Any, Any, list[Any]]:
    """Return the figure, the line at the cutoff, and the models' entries in the legend.

    Parameters
    ----------
    view : ForecastView
        Names the models and their bands.
    history, ahead : bokeh.models.ColumnDataSource
        Columns of the coin that is shown; see `ForecastView`.

    Returns
    -------
    bokeh.plotting.figure
    bokeh.models.Span
    list of bokeh.models.LegendItem, ``(n_models,)``
    """
    from bokeh.models import CrosshairTool, Span

    plot = price_figure("figure", 460)
    cutoff = Span(dimension="height", line_color=MUTED, line_dash="dotted", name="cutoff")
    plot.add_layout(cutoff)
    close = add_closes(plot, history)
    items = _draw_models(plot, view, ahead)
    add_legend(plot, [close, *items])
    # Invisible bars, a day wide: nobody could point at a line of one point. So the tooltip has the
    # close before the cutoff, and all models after it.
    days = plot.vbar("date", DAY_MS, "middle", "middle", source=ahead, alpha=0)
    columns = [(model, f"forecast_{j}") for j, model in enumerate(view.models)]
    for renderer, prices in ((close.renderers[0], [("close", "close")]), (days, columns)):
        plot.add_tools(price_hover(renderer, prices, mode="vline"))
    plot.add_tools(CrosshairTool(dimensions="height", line_color=RULE, visible=False))
    dress(plot)
    return plot, cutoff, items


def _draw_models(plot: Any, view: ForecastView, ahead: Any) -> list[Any]:
    """Draw bands and lines; return the models' entries in the legend."""
    items = []
    # Bands first, so that none lies over a line.
    bands: list[list[Any]] = [[] for _ in view.models]
    for level, j in view.bands:
        bands[j].append(add_band(plot, ahead, level, style(j)[0], j))
    for j, model in enumerate(view.models):
        color, dash = style(j)
        pen = {"x": "date", "y": f"forecast_{j}", "source": ahead, "color": color}
        line = plot.line(line_width=2, line_dash=dash, **pen)
        for other in (*bands[j], plot.scatter(size=3, **pen)):
            line.js_link("visible", other, "visible")
        items.append(legend_item(model, line))
    return items

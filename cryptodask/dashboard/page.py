"""The page of forecasts: chooser of coins, heading and figure, drawn with Bokeh."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cryptodask.charts.style import INK, MUTED, RULE, add_legend, dress, plain_text, style
from cryptodask.dashboard.chooser import chooser_row, coin_chooser, days_chooser
from cryptodask.dashboard.history import ALL_DAYS, CANDLE, VOLUME
from cryptodask.dashboard.html_file import html_of
from cryptodask.dashboard.price_figure import add_closes, legend_item, price_figure, price_hover
from cryptodask.dashboard.price_options import (
    add_bands,
    add_candles,
    age_note,
    offer_bands,
    scale_switch,
    volume_figure,
)
from cryptodask.dashboard.style import BODY
from cryptodask.dashboard.tables import Columns
from cryptodask.dashboard.view import DAY_MS, ForecastView

SPANS = {30: "30 days", 90: "90 days", 365: "1 year"}
"""Days of closes to choose from, besides all."""

FIRST_SPAN = 1
"""Place of those that are shown at first: of more, nobody would see the forecasts."""

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

    days = [n for n in SPANS if n < view.history_days] + [view.history_days]
    active = min(len(days) - 1, FIRST_SPAN)
    history, ahead = _recent(view.history.of(position), days[active]), view.ahead.of(position)
    drawn = PriceFigure(view, history, ahead, sorted({level for level, _ in view.bands})[::-1])
    drawn.mark(view, position)
    summary = plain_text("summary", view.summary, "13px", MUTED)
    heading = plain_text("heading", view.coins[position], "26px", INK, "650")
    caption = plain_text("caption", view.captions[position], "14px", MUTED)
    args = {"history": drawn.history, "ahead": drawn.ahead, "heading": heading, "caption": caption}
    args |= {"cutoff": drawn.cutoff, "items": drawn.items, "figure": drawn.plot}
    args |= {"coins": view.coins, "captions": view.captions, "cutoffs": view.cutoffs}
    args["packs"] = {"history": view.history.for_browser(), "ahead": view.ahead.for_browser()}
    labels = [SPANS.get(n, "all" if n == ALL_DAYS else f"{n} days") for n in days]
    chooser = _chooser(view, position, args | {"days": days}, days_chooser(labels, active))
    parts = [summary, chooser, heading, caption, drawn.age, drawn.options, *drawn.figures]
    return column(*parts, sizing_mode="stretch_width", styles=BODY)


def _recent(history: Columns, days: int) -> Columns:
    """Return the last days of a coin, as the browser takes them."""
    date = history["date"]
    kept = date > date[-1] - days * DAY_MS if len(date) else slice(None)
    return {name: column[kept] for name, column in history.items()}


def _chooser(view: ForecastView, position: int, drawn: dict[str, Any], span: Any) -> Any:
    """Return what finds and steps through coins, where there are several, and the days to show."""
    from bokeh.models import CustomJS

    select, parts = coin_chooser(view.coins, view.coins[position])
    draw = CustomJS(args=drawn | {"select": select, "span": span}, code=DRAW)
    select.js_on_change("value", draw)
    span.js_on_change("active", draw)
    return chooser_row([*parts, span] if len(view.coins) > 1 else [span], space=14)


class PriceFigure:
    """Closes with forecasts, volume below them, and what can be chosen of both.

    Parameters
    ----------
    view : ForecastView
        Names the models.
    history, ahead : dict of str to ndarray
        Columns of the coin that is shown first; see `ForecastView`.
    levels : sequence of str
        Coverage in percent of the intervals for which there are columns, the widest first.

    Attributes
    ----------
    plot : bokeh.plotting.figure
        Of prices.
    figures : list of bokeh.plotting.figure
        That, and one of volume if there is any.
    history, ahead : bokeh.models.ColumnDataSource
    cutoff : bokeh.models.Span
    items : list of bokeh.models.LegendItem, ``(n_models,)``
    options : bokeh.models.Row
        Switches.
    age : bokeh.models.Div
        Says that a forecast is old, if it is.
    """

    def __init__(
        self, view: ForecastView, history: Columns, ahead: Columns, levels: Sequence[str]
    ) -> None:
        from bokeh.models import ColumnDataSource, CrosshairTool, Span

        self.history = ColumnDataSource(history, name="history")
        self.ahead = ColumnDataSource(ahead, name="ahead")
        self.plot = plot = price_figure("figure", 460)
        self.figures = [plot]
        self.cutoff = Span(dimension="height", line_color=MUTED, line_dash="dotted", name="cutoff")
        plot.add_layout(self.cutoff)
        # Bands first, so that none lies over a line.
        self.levels = levels if view.models else ()
        self.bands, self.band_items = add_bands(plot, self.ahead, len(view.models), self.levels)
        close = add_closes(plot, self.history)
        switches = [self.bands, scale_switch(plot)]
        if set(CANDLE) <= set(history):
            switches.append(add_candles(plot, self.history, close.renderers[0], view.bar))
        self.items = _draw_models(plot, view, self.ahead)
        add_legend(plot, [close, *self.items, *self.band_items])
        self._add_tooltips(view, close.renderers[0])
        plot.add_tools(CrosshairTool(dimensions="height", line_color=RULE, visible=False))
        dress(plot)
        if VOLUME in history:
            self.figures.append(volume_figure(plot, self.history, view.bar))
        self.options = chooser_row(switches)
        self.options.name = "options"
        self.age = age_note(plot, self.cutoff)

    def mark(self, view: ForecastView, position: int) -> None:
        """Set the cutoff, and which models and intervals of a coin there are.

        Parameters
        ----------
        view : ForecastView
        position : int
            Of the coin.
        """
        self.cutoff.location = view.cutoffs[position]
        for j, item in enumerate(self.items):
            item.visible = bool(np.isfinite(self.ahead.data[f"forecast_{j}"]).any())
        items = zip(self.levels, self.band_items, strict=True)
        offer_bands(self.bands, items, view.models, view.bands)

    def _add_tooltips(self, view: ForecastView, closes: Any) -> None:
        """Add the close before the cutoff, and all models after it."""
        # Invisible bars, a row wide: nobody could point at a line of one point.
        bars = self.plot.vbar("date", view.bar, "middle", "middle", source=self.ahead, alpha=0)
        prices = [(name, name) for name in (*CANDLE, "close") if name in self.history.data]
        columns = [(model, f"forecast_{j}") for j, model in enumerate(view.models)]
        for renderer, shown in ((closes, prices), (bars, columns)):
            self.plot.add_tools(price_hover(renderer, shown, mode="vline"))


def _draw_models(plot: Any, view: ForecastView, ahead: Any) -> list[Any]:
    """Draw lines; return the models' entries in the legend."""
    items = []
    for j, model in enumerate(view.models):
        color, dash = style(j)
        pen = {"x": "date", "y": f"forecast_{j}", "source": ahead, "color": color}
        line = plot.line(line_width=2, line_dash=dash, **pen)
        line.js_link("visible", plot.scatter(size=3, **pen), "visible")
        items.append(legend_item(model, line))
    return items

"""The page of forecasts, drawn with Bokeh: chooser of coins, heading and figure.

Names of coins and models come from files that nobody vetted. They reach the page only as data:
the text of a ``Div`` that renders text, an option of a list, a label of the legend or of a
tooltip's row. All of these Bokeh sets as text; none is HTML, a template or TeX.
"""

from typing import Any

import numpy as np

from cryptodask.dashboard.view import ForecastView

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart by the colour-blind: Okabe and Ito (2008), without black and yellow."""

DASHES = ("solid", "dashed", "dotted")
"""Beyond six models the colours come again, in another dash."""

INK, MUTED, RULE = "#1f2933", "#616e7c", "#e4e7eb"
BAND_ALPHA = 0.12
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SPANS = (30, 90)
"""Days of closes to choose from, besides all."""

DAY_MS = 86_400_000

PAGE = """\
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  html, body { height: auto; }
  body { margin: 0; padding: 24px 16px; background: #f5f7fa; }
  main { max-width: 1120px; margin: 0 auto; padding: 24px 28px; background: #fff;
         border: 1px solid #e4e7eb; border-radius: 10px; box-shadow: 0 1px 4px #1f29330f; }
  @media (max-width: 640px) { body { padding: 0; } main { padding: 16px; border: 0; } }
</style>
{% endblock %}
{% block inner_body %}
<main>{{ super() }}</main>
{% endblock %}
"""

LEGEND = """
.bk-grid { display: flex; flex-wrap: wrap; gap: 2px 18px;
           max-width: min(960px, calc(100vw - 160px)); }
.bk-label { max-width: 12em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
"""

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

FIND = """
const query = cb_obj.value_input.trim().toLowerCase()
const found = coins.filter((coin) => coin.toLowerCase().includes(query))
const rank = (coin) => coin.toLowerCase().startsWith(query) ? 0 : 1
if (query != "") found.sort((a, b) => rank(a) - rank(b))
select.options = found
select.title = found.length == coins.length ? `Coin (${coins.length})`
  : `Coin (${found.length} of ${coins.length})`
if (found.length > 0 && (query != "" || !found.includes(select.value))) select.value = found[0]
"""

STEP = """
const {options, value} = select
const n = options.length
if (n > 0) select.value = options[(options.indexOf(value) + step + n) % n]
"""

# As many decimals as tell one tick from the next: 4,900 and 0.0000012 alike.
TICKS = """
if (Math.max(...ticks.map(Math.abs)) < 1e-8) return tick.toExponential(2)
const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(tick)
const digits = step > 0 ? Math.min(20, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))) : 0
return tick.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits})
"""

PRICE = """
if (!Number.isFinite(value)) return "–"
if (Math.abs(value) < 1e-8) return value.toExponential(4)
return value.toLocaleString("en-US", Math.abs(value) >= 1
  ? {minimumFractionDigits: 2, maximumFractionDigits: Math.abs(value) >= 100 ? 2 : 4}
  : {maximumSignificantDigits: 5})
"""


def style(model: int) -> tuple[str, str]:
    """Colour and dash of the model at this position."""
    return COLORS[model % len(COLORS)], DASHES[model // len(COLORS) % len(DASHES)]


def html(view: ForecastView, position: int) -> str:
    """Return the page as one text, with Bokeh's scripts in it: it needs no network.

    Parameters
    ----------
    view : ForecastView
        What to draw.
    position : int
        Position of the coin that is shown first.
    """
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    title = f"CryptoDask forecasts: {view.summary}"
    return str(file_html(layout(view, position), INLINE, title=title, template=PAGE))


def layout(view: ForecastView, position: int) -> Any:
    """Return chooser, heading and figure as one Bokeh column; parameters as in :func:`html`."""
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
    args["packs"] = {
        "history": {"columns": view.history.columns, "offsets": view.history.offsets},
        "ahead": {"columns": view.ahead.columns, "offsets": view.ahead.offsets},
    }
    chooser = _chooser(view, position, args)
    font = {"--bokeh-base-font": FONT, "--bokeh-font-size": "13px"}
    parts = [summary, chooser, heading, caption, plot]
    return column(*parts, sizing_mode="stretch_width", styles=font)


def plain_text(name: str, text: str, size: str, color: str, weight: str = "400") -> Any:
    """Return a line of text that is never read as HTML or as TeX."""
    from bokeh.models import Div

    styles = {"font": f"{weight} {size}/1.3 {FONT}", "color": color, "overflow-wrap": "anywhere"}
    return Div(
        name=name,
        css_classes=[name],
        text=text,
        render_as_text=True,
        disable_math=True,
        styles=styles,
        margin=(2, 5, 2, 5),
        sizing_mode="stretch_width",
    )


def _chooser(view: ForecastView, position: int, drawn: dict[str, Any]) -> Any:
    """Field and list to find a coin, buttons to leaf through them, days to show."""
    from bokeh.layouts import row
    from bokeh.models import Button, CustomJS, RadioButtonGroup, Select, TextInput

    coins, coin = list(view.coins), view.coins[position]
    find = TextInput(name="find", title="Find", placeholder="Part of a name", width=150)
    title = f"Coin ({len(coins)})"
    select = Select(name="coin", title=title, options=coins, value=coin, width=210)
    days = [n for n in SPANS if n < view.history_days] + [view.history_days]
    labels = [f"{n} days" for n in days]
    span = RadioButtonGroup(
        name="span", labels=labels, active=len(days) - 1, align="end", height=33
    )
    draw = CustomJS(args=drawn | {"select": select, "span": span, "days": days}, code=DRAW)
    select.js_on_change("value", draw)
    span.js_on_change("active", draw)
    find.js_on_change("value_input", CustomJS(args={"coins": coins, "select": select}, code=FIND))
    buttons = []
    for label, step in (("‹ Prev", -1), ("Next ›", 1)):
        button = Button(label=label, width=68, height=33, align="end")
        button.js_on_click(CustomJS(args={"select": select, "step": step}, code=STEP))
        buttons.append(button)
    parts = [find, select, *buttons, span] if len(coins) > 1 else [span]
    styles = {"flex-wrap": "wrap", "margin-bottom": "14px"}
    return row(*parts, name="chooser", sizing_mode="stretch_width", styles=styles)


def draw_figure(view: ForecastView, history: Any, ahead: Any) -> tuple[Any, Any, list[Any]]:
    """Return the figure, the line at the cutoff, and the models' entries in the legend."""
    from bokeh.models import CustomJSTickFormatter, Legend, LegendItem, Span
    from bokeh.plotting import figure

    plot = figure(
        name="figure",
        x_axis_type="datetime",
        height=460,
        sizing_mode="stretch_width",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_drag="box_zoom",
    )
    plot.x_range.range_padding = 0.02
    cutoff = Span(dimension="height", line_color=MUTED, line_dash="dotted", name="cutoff")
    plot.add_layout(cutoff)
    close = plot.line("date", "close", source=history, color=INK, line_width=1.5)
    first = LegendItem(label={"value": "close"}, renderers=[close])
    items = _draw_models(plot, view, ahead)
    legend = Legend(items=[first, *items], orientation="horizontal", location="top_left")
    legend.stylesheets = [LEGEND]
    plot.add_layout(legend, "above")
    plot.yaxis.axis_label = "USD"
    plot.yaxis.formatter = CustomJSTickFormatter(code=TICKS)
    _add_hover(plot, view, close, ahead)
    dress(plot)
    return plot, cutoff, items


def _draw_models(plot: Any, view: ForecastView, ahead: Any) -> list[Any]:
    """Draw bands and lines; return the models' entries in the legend."""
    from bokeh.models import LegendItem

    items = []
    # Bands first, so that none lies over a line.
    fills: list[list[Any]] = [[] for _ in view.models]
    for n, j in view.bands:
        low, high, color = f"lower_{n}_{j}", f"upper_{n}_{j}", style(j)[0]
        band = plot.varea("date", low, high, source=ahead, color=color, alpha=BAND_ALPHA)
        fills[j].append(band)
    for j, model in enumerate(view.models):
        color, dash = style(j)
        pen = {"x": "date", "y": f"forecast_{j}", "source": ahead, "color": color}
        line = plot.line(line_width=2, line_dash=dash, **pen)
        for other in (*fills[j], plot.scatter(size=3, **pen)):
            line.js_link("visible", other, "visible")
        # Not a plain string: Bokeh would take one for a column's name, if there is such a column.
        items.append(LegendItem(label={"value": model}, renderers=[line]))
    return items


def _add_hover(plot: Any, view: ForecastView, close: Any, ahead: Any) -> None:
    """One tooltip a day: of the close before the cutoff, of all models after it."""
    from bokeh.models import CrosshairTool, CustomJSHover, HoverTool

    # Unseen bars, a day wide: a line of one point could not be hovered over.
    days = plot.vbar("date", DAY_MS, "middle", "middle", source=ahead, alpha=0)
    price = CustomJSHover(code=PRICE)
    columns = [(model, f"forecast_{j}") for j, model in enumerate(view.models)]
    for renderer, rows in ((close, [("close", "close")]), (days, columns)):
        hover = HoverTool(renderers=[renderer], mode="vline", visible=False)
        prices = [(name, f"@{key}{{custom}}") for name, key in rows]
        hover.tooltips = [("date", "@date{%F}"), *prices]
        hover.formatters = {"@date": "datetime"} | {f"@{key}": price for _, key in rows}
        plot.add_tools(hover)
    plot.add_tools(CrosshairTool(dimensions="height", line_color=RULE, visible=False))


def dress(plot: Any) -> None:
    """Set fonts and lines: little ink but for the data."""
    plot.toolbar.logo = None
    plot.outline_line_color = None
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = RULE
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_color = plot.axis.axis_label_text_color = MUTED
    plot.axis.axis_label_text_font = FONT
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.major_label_text_font = FONT
    plot.axis.major_label_text_font_size = "13px"
    for legend in plot.legend:
        legend.label_text_font, legend.label_text_font_size = FONT, "13px"
        legend.label_text_color = INK
        legend.border_line_color = None
        legend.click_policy = "hide"

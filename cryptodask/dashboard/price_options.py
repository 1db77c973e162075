"""What a viewer can choose of a figure of prices; it works in the browser alone."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from cryptodask.charts.style import COLORS, LINE, TOOLS, dress, log_ticker, plain_text, style
from cryptodask.charts.theme import LIGHT
from cryptodask.dashboard.history import VOLUME
from cryptodask.dashboard.price_figure import BAND_ALPHA, DARKER, add_band, legend_item
from cryptodask.dashboard.view import bounds_of

NO_BANDS = ("-1", "– none –")
"""Value and label, which no model has; the others are positions of models, and their names."""

RISING, FALLING = COLORS[2], COLORS[1]

SCALE = """
const is_log = cb_obj.active.length > 0
figure.y_range.scale_hint = is_log ? "log" : "auto"
figure.y_scale = is_log ? log : linear
figure.left[0].ticker = is_log ? log_ticker : ticker
figure.reset.emit()
"""

CANDLES = """
const is_on = cb_obj.active.length > 0
for (const candle of candles) candle.visible = is_on
closes.glyph.setv({line_alpha: is_on ? 0.3 : 1}, {sync: false})  // a server would refuse it
"""

BANDS = """
const j = Number(cb_obj.value)
for (const [level, {glyph}] of bands)
  if (j >= 0) glyph.setv({
    y1: {field: `lower_${level}_${j}`}, y2: {field: `upper_${level}_${j}`}, fill_color: colors[j]},
    {sync: false})  // a server would refuse a color as the browser has it
for (const [, band] of bands) band.visible = j >= 0
for (const item of items) { item.visible = j >= 0; item.change.emit() }
"""

AGE = """
const days = Math.floor((Date.now() - cutoff.location) / 864e5)
const day = new Date(cutoff.location).toISOString().slice(0, 10)
note.visible = days > 2
note.text = `Old: as of ${day}, ${days.toLocaleString("en-US")} days ago.`
"""

AMOUNTS = """
return tick.toLocaleString("en-US", {notation: "compact"})
"""

END = """
const {open, close} = this.data
return close.map((price, i) => SIGN * (price - open[i]) >= 0 ? price : NaN)
"""
"""The close of candles that rise, or of those that fall."""


def scale_switch(plot: Any) -> Any:
    """Return the switch between a linear and a logarithmic axis of prices.

    Parameters
    ----------
    plot : bokeh.plotting.figure

    Returns
    -------
    bokeh.models.CheckboxGroup
    """
    from bokeh.models import CustomJS, LinearScale, LogScale

    switch = _switch("log_scale", "Log scale")
    args = {"figure": plot, "linear": LinearScale(), "log": LogScale()}
    args |= {"ticker": plot.yaxis[0].ticker, "log_ticker": log_ticker()}
    switch.js_on_change("active", CustomJS(args=args, code=SCALE))
    return switch


def add_candles(plot: Any, source: Any, closes: Any, bar: float) -> Any:
    """Draw candles, hidden at first, and return the switch that shows them.

    Parameters
    ----------
    plot : bokeh.plotting.figure
    source : bokeh.models.ColumnDataSource
        ``date, open, high, low, close``.
    closes : bokeh.models.GlyphRenderer
        The line of closes, which is paler below candles.
    bar : float
        Milliseconds from one row to the next.

    Returns
    -------
    bokeh.models.CheckboxGroup
    """
    from bokeh.core.properties import expr
    from bokeh.models import CustomJS, CustomJSExpr

    wick = plot.segment("date", "low", "date", "high", source=source, color=LINE, visible=False)
    candles = [wick]
    for sign, color in (("1", RISING), ("-1", FALLING)):
        end = expr(CustomJSExpr(code=END.replace("SIGN", sign)))
        candles.append(
            plot.vbar("date", 0.7 * bar, end, "open", source=source, color=color, visible=False)
        )
    switch = _switch("candles", "Candles")
    args = {"candles": candles, "closes": closes}
    switch.js_on_change("active", CustomJS(args=args, code=CANDLES))
    return switch


def volume_figure(plot: Any, source: Any, bar: float) -> Any:
    """Return bars of the volume below a figure of prices, over the same dates.

    Parameters
    ----------
    plot : bokeh.plotting.figure
        Of the prices.
    source : bokeh.models.ColumnDataSource
        ``date, volume``.
    bar : float
        Milliseconds from one row to the next.

    Returns
    -------
    bokeh.plotting.figure
    """
    from bokeh.models import CustomJSTickFormatter, HoverTool
    from bokeh.plotting import figure

    below = figure(
        name="volume",
        x_axis_type="datetime",
        x_range=plot.x_range,
        height=140,
        sizing_mode="stretch_width",
        tools=TOOLS,
        active_drag="box_zoom",
    )
    bars = below.vbar("date", 0.7 * bar, VOLUME, source=source, color=LINE, alpha=0.6)
    below.y_range.start = 0
    below.yaxis.axis_label = "volume, USD"
    below.yaxis.formatter = CustomJSTickFormatter(code=AMOUNTS)
    below.yaxis.ticker.desired_num_ticks = 3
    tips = [("date", "@date{%F}"), ("volume, USD", f"@{VOLUME}{{0,0}}")]
    below.add_tools(HoverTool(renderers=[bars], tooltips=tips, formatters={"@date": "datetime"}))
    below.toolbar_location = None
    dress(below)
    # The same width as the figure above, whatever the labels of the axes.
    plot.min_border_left = below.min_border_left = 72
    return below


def add_bands(
    plot: Any, source: Any, n_models: int, levels: Sequence[str]
) -> tuple[Any, list[Any]]:
    """Draw the intervals of one model, and return what chooses it and their legend.

    Parameters
    ----------
    plot : bokeh.plotting.figure
    source : bokeh.models.ColumnDataSource
        Bounds of all models, see `cryptodask.dashboard.view.bounds_of`.
    n_models : int
    levels : sequence of str
        Coverages in percent, the widest first.

    Returns
    -------
    bokeh.models.Select
        Its options are up to `offer_bands`.
    list of bokeh.models.LegendItem
    """
    from bokeh.models import CustomJS, Select

    bands = [
        (level, add_band(plot, source, level, style(0)[0], 0, BAND_ALPHA + DARKER * place))
        for place, level in enumerate(levels)
    ]
    items = [legend_item(f"{level}% interval", band) for level, band in bands]
    chosen = Select(name="bands", title="Intervals of", options=[NO_BANDS], width=150)
    colors = [style(j)[0] for j in range(n_models)]
    args = {"bands": bands, "items": items, "colors": colors}
    chosen.js_on_change("value", CustomJS(args=args, code=BANDS))
    return chosen, items


def offer_bands(
    chosen: Any,
    items: Iterable[tuple[str, Any]],
    models: Sequence[str],
    some: Collection[tuple[str, int]],
) -> None:
    """Set the models whose intervals can be chosen, and choose one if the last has none.

    Parameters
    ----------
    chosen : bokeh.models.Select
    items : iterable of (str, bokeh.models.LegendItem)
        Coverage in percent, and its entry of the legend; both of `add_bands`.
    models : sequence of str
    some : collection of (str, int)
        Coverage in percent and position of the model of each interval there is.
    """
    known = sorted({j for _, j in some})
    options = [*((str(j), models[j]) for j in known), NO_BANDS]
    if list(chosen.options) != options:
        chosen.options = options
    if chosen.value not in dict(options) or (known and not chosen.visible):
        # Naive is what everyone knows.
        first = next((j for j in known if models[j] != "naive"), min(known, default=-1))
        chosen.value = str(first)
    chosen.visible = bool(known)
    j = int(chosen.value)
    for level, item in items:
        item.visible = (level, j) in some
        for band in item.renderers:
            band.visible = item.visible
            if j >= 0:
                band.glyph.y1, band.glyph.y2 = bounds_of(level, j)
                band.glyph.fill_color = style(j)[0]


def age_note(plot: Any, cutoff: Any) -> Any:
    """Return a line that says how old a forecast is, once that is more than two days.

    Parameters
    ----------
    plot : bokeh.plotting.figure
    cutoff : bokeh.models.Span

    Returns
    -------
    bokeh.models.Div
        Filled by the browser, since a file may be looked at long after it was written.
    """
    from bokeh.models import CustomJS

    note = plain_text("age", "", "14px", LIGHT["warning"])
    note.visible = False
    write = CustomJS(args={"cutoff": cutoff, "note": note}, code=AGE)
    cutoff.js_on_change("location", write)
    plot.js_on_change("inner_width", write)  # once the page is laid out
    return note


def _switch(name: str, label: str) -> Any:
    """Return a box to tick; a ``Checkbox`` of Bokeh's has a label that no screen reader finds."""
    from bokeh.models import CheckboxGroup

    return CheckboxGroup(name=name, labels=[label], align="end", margin=(5, 5, 12, 5))

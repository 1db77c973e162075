"""Plots of forecasts: an HTML page to choose coins in, a PNG of one coin, a notebook's layout.

Names of coins and models come from files that nobody vetted. They reach the page only as data:
as text of a ``Div`` that renders text, an ``<option>``, a legend's label or a tooltip's label,
all of which Bokeh sets as text, and never as part of HTML, a tooltip's template or a title.
"""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.dashboard.view import ForecastView, build_view
from cryptodask.errors import OptionError

SUFFIXES = (".html", ".png")

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart by the colour-blind: Okabe and Ito (2008), without black and yellow."""

DASHES = ("solid", "dashed", "dotted")
"""Beyond six models the colours come again, in another dash."""

INK, MUTED, RULE = "#1f2933", "#616e7c", "#e4e7eb"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
BAND_ALPHA = 0.12
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

DRAW = """
const i = coins.indexOf(cb_obj.value)
if (i < 0) return
const slice = ({names, columns, offsets}) => Object.fromEntries(names.map(
  (name, k) => [name, Array.from(columns[k].subarray(offsets[i], offsets[i + 1]))]))
history.data = slice(packs.history)
ahead.data = slice(packs.ahead)
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
const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(tick)
const digits = step > 0 ? Math.min(20, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))) : 0
return tick.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits})
"""

PRICE = """
if (!Number.isFinite(value)) return "–"
return value.toLocaleString("en-US", Math.abs(value) >= 1
  ? {minimumFractionDigits: 2, maximumFractionDigits: Math.abs(value) >= 100 ? 2 : 4}
  : {maximumSignificantDigits: 5})
"""


def save_plot(
    path: str | os.PathLike[str],
    prices: pd.DataFrame,
    forecasts: pd.DataFrame,
    *,
    coin: str | None = None,
    history_days: int = 180,
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
        the alphabet). A picture needs it unless there is but one coin.
    history_days : int
        Days of closes before the forecasts.

    Raises
    ------
    OptionError
        Another suffix, no such folder, no coin given for a picture of several, no forecasts, or
        a table that lacks a column.
    UnknownCoinError
        There is no forecast of that coin.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(
            f"can't plot to {str(target)!r}: its suffix is {target.suffix!r}, "
            f"and must be one of {', '.join(SUFFIXES)}"
        )
    if not target.parent.is_dir():
        raise OptionError(f"can't plot to {str(target)!r}: there is no folder {target.parent}")
    view = build_view(prices, forecasts, history_days=history_days)
    if suffix == ".png" and coin is None and len(view.coins) > 1:
        raise OptionError(
            f"a PNG shows one coin, and the forecasts hold {len(view.coins):,}: name the coin, "
            "or write .html to choose among all"
        )
    position = 0 if coin is None else view.position(coin)
    write = _write_html if suffix == ".html" else _write_png
    _replace(target, lambda part: write(part, view, position))


def forecast_figure(
    prices: pd.DataFrame,
    forecasts: pd.DataFrame,
    coin: str | None = None,
    *,
    history_days: int = 180,
) -> Any:
    """Return the plot with its chooser of coins, to ``bokeh.plotting.show`` in a notebook.

    Parameters and errors are those of :func:`save_plot`.

    Returns
    -------
    bokeh.models.Column
    """
    view = build_view(prices, forecasts, history_days=history_days)
    return _layout(view, 0 if coin is None else view.position(coin))


def _replace(target: Path, write: Callable[[Path], None]) -> None:
    """Write beside the target, then rename: a reader never meets half a file."""
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        write(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write_html(path: Path, view: ForecastView, position: int) -> None:
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    title = f"CryptoDask: forecasts of {view.summary}"
    layout = _layout(view, position)
    html = file_html(layout, INLINE, title=title, template=PAGE)
    path.write_text(html, encoding="utf-8")


def _layout(view: ForecastView, position: int) -> Any:
    """Heading, chooser and figure, with the coin at this position drawn."""
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, CustomJS

    history = ColumnDataSource(view.history.of(position), name="history")
    ahead = ColumnDataSource(view.ahead.of(position), name="ahead")
    heading = _text("heading", view.coins[position], "26px", INK, "650")
    caption = _text("caption", view.captions[position], "14px", MUTED)
    summary = _text("summary", view.summary, "13px", MUTED)
    figure, cutoff, items = _figure(view, history, ahead)
    cutoff.location = view.cutoffs[position]
    for j, item in enumerate(items):
        item.visible = bool(np.isfinite(ahead.data[f"forecast_{j}"]).any())
    packs = {
        name: {"columns": pack.columns, "offsets": pack.offsets}
        for name, pack in (("history", view.history), ("ahead", view.ahead))
    }
    args = {"history": history, "ahead": ahead, "heading": heading, "caption": caption}
    args |= {"cutoff": cutoff, "items": items, "figure": figure, "packs": packs}
    args |= {"coins": view.coins, "captions": view.captions, "cutoffs": view.cutoffs}
    parts = [heading, caption, figure]
    if len(view.coins) > 1:
        parts.insert(0, _chooser(view, position, CustomJS(args=args, code=DRAW)))
    return column(summary, *parts, sizing_mode="stretch_width")


def _text(name: str, text: str, size: str, color: str, weight: str = "400") -> Any:
    """A line of text that is never read as HTML or as TeX."""
    from bokeh.models import Div

    styles = {"font": f"{weight} {size}/1.3 {FONT}", "color": color, "overflow-wrap": "anywhere"}
    return Div(
        name=name,
        text=text,
        render_as_text=True,
        disable_math=True,
        styles=styles,
        margin=(2, 5, 2, 5),
        sizing_mode="stretch_width",
    )


def _chooser(view: ForecastView, position: int, draw: Any) -> Any:
    """A list of coins, a field that narrows it, and buttons to leaf through it."""
    from bokeh.layouts import row
    from bokeh.models import Button, CustomJS, Select, TextInput

    coins = list(view.coins)
    find = TextInput(name="find", title="Find", placeholder="Part of a name", width=200)
    title = f"Coin ({len(coins)})"
    select = Select(name="coin", title=title, options=coins, value=coins[position], width=260)
    select.js_on_change("value", draw)
    find.js_on_change("value_input", CustomJS(args={"coins": coins, "select": select}, code=FIND))
    buttons = []
    for label, step in (("‹ Previous", -1), ("Next ›", 1)):
        button = Button(name=label, label=label, width=92, align="end")
        button.js_on_click(CustomJS(args={"select": select, "step": step}, code=STEP))
        buttons.append(button)
    return row(find, select, *buttons, sizing_mode="stretch_width", styles={"flex-wrap": "wrap"})


def _figure(view: ForecastView, history: Any, ahead: Any) -> tuple[Any, Any, list[Any]]:
    """Return the figure, the line at the cutoff, and the models' entries in the legend."""
    from bokeh.models import CustomJSTickFormatter, Legend, LegendItem, Span
    from bokeh.plotting import figure

    plot = figure(
        name="figure",
        x_axis_type="datetime",
        height=460,
        sizing_mode="stretch_width",
        tools="xpan,xwheel_zoom,xbox_zoom,reset,save",
        active_drag="xbox_zoom",
        window_axis="x",
    )
    cutoff = Span(dimension="height", line_color=MUTED, line_dash="dotted", name="cutoff")
    plot.add_layout(cutoff)
    close = plot.line("date", "close", source=history, color=INK, line_width=1.5)
    items = [LegendItem(label={"value": "close"}, renderers=[close])]
    for j, model in enumerate(view.models):
        color, dash = _style(j)
        renderers = [
            plot.varea(
                "date",
                f"lower_{n}_{j}",
                f"upper_{n}_{j}",
                source=ahead,
                fill_color=color,
                fill_alpha=BAND_ALPHA,
            )
            for n, owner in view.bands
            if owner == j
        ]
        y, pen = f"forecast_{j}", {"source": ahead, "color": color}
        renderers.append(plot.line("date", y, line_width=2, line_dash=dash, **pen))
        renderers.append(plot.scatter("date", y, size=4, **pen))
        items.append(LegendItem(label={"value": model}, renderers=renderers, name=f"model_{j}"))
    plot.add_layout(Legend(items=items, name="legend", orientation="horizontal"), "above")
    plot.yaxis.formatter = CustomJSTickFormatter(code=TICKS)
    _add_hover(plot, view, close, ahead)
    _dress(plot)
    return plot, cutoff, items[1:]


def _add_hover(plot: Any, view: ForecastView, close: Any, ahead: Any) -> None:
    """One tooltip a day: of the close before the cutoff, of all models after it."""
    from bokeh.models import CrosshairTool, CustomJSHover, HoverTool

    # Unseen bars, a day wide: a line of one point could not be hovered over.
    days = plot.vbar(
        "date", top="middle", bottom="middle", width=DAY_MS, source=ahead, alpha=0, name="days"
    )
    price = CustomJSHover(code=PRICE)
    columns = [(model, f"forecast_{j}") for j, model in enumerate(view.models)]
    for renderer, rows in ((close, [("close", "close")]), (days, columns)):
        plot.add_tools(
            HoverTool(
                renderers=[renderer],
                mode="vline",
                tooltips=[("date", "@date{%F}")]
                + [(name, f"@{key}{{custom}}") for name, key in rows],
                formatters={"@date": "datetime"} | {f"@{key}": price for _, key in rows},
                visible=False,
            )
        )
    plot.add_tools(CrosshairTool(dimensions="height", line_color=RULE, visible=False))


def _dress(plot: Any) -> None:
    """Set fonts and lines: little ink but for the data."""
    plot.toolbar.logo = None
    plot.outline_line_color = None
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = RULE
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_color = MUTED
    plot.axis.major_label_text_font = plot.legend.label_text_font = FONT
    plot.axis.major_label_text_font_size = plot.legend.label_text_font_size = "13px"
    plot.legend.label_text_color = INK
    plot.legend.border_line_color = None
    plot.legend.click_policy = "hide"
    plot.legend.spacing = 16


def _style(j: int) -> tuple[str, str]:
    """Colour and dash of the model at this position."""
    return COLORS[j % len(COLORS)], DASHES[j // len(COLORS) % len(DASHES)]


def _write_png(path: Path, view: ForecastView, position: int) -> None:
    """Draw one coin with matplotlib: Bokeh's own export would need a browser."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    history, ahead = view.history.of(position), view.ahead.of(position)
    past, future = (part["date"].astype("datetime64[ms]") for part in (history, ahead))
    picture = Figure(figsize=(10, 5), dpi=160, layout="constrained")
    axes = picture.add_subplot()
    axes.plot(past, history["close"], color=INK, linewidth=1.3, label="close")
    for level, j in view.bands:
        low, high = ahead[f"lower_{level}_{j}"], ahead[f"upper_{level}_{j}"]
        axes.fill_between(future, low, high, color=_style(j)[0], alpha=BAND_ALPHA, linewidth=0)
    for j, model in enumerate(view.models):
        color, dash = _style(j)
        axes.plot(future, ahead[f"forecast_{j}"], color=color, linestyle=dash, label=model)
    ...
    FigureCanvasAgg(picture).print_png(path)

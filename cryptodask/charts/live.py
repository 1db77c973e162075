"""Charts drawn by Bokeh."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptodask.charts.marks import Band, Cells, Line, Pane
from cryptodask.charts.style import (
    FONT,
    INK,
    MUTED,
    PRICE,
    TICKS,
    TOOLS,
    add_legend,
    dress,
    log_ticker,
    plain_text,
    style,
)

BAND_ALPHA = 0.12

ROW_NAME = """
return names[Math.floor(special_vars.y)] ?? ""
"""


def layout_of(title: str, caption: str, panes: Sequence[Pane], height: int) -> Any:
    """Return a chart as one Bokeh column.

    Parameters
    ----------
    title, caption : str
    panes : sequence of Pane
    height : int
        Of each pane, in pixels.

    Returns
    -------
    bokeh.models.Column
    """
    from bokeh.layouts import column

    head = [plain_text("title", title, "18px", INK, "650")]
    head += [plain_text("caption", caption, "13px", MUTED)] if caption else []
    styles = {"--bokeh-base-font": FONT, "--bokeh-font-size": "13px"}
    drawn = [_figure(pane, height) for pane in panes]
    return column(*head, *drawn, sizing_mode="stretch_width", styles=styles)


def _figure(pane: Pane, height: int) -> Any:
    from bokeh.models import CustomJSTickFormatter, NumeralTickFormatter, Span
    from bokeh.plotting import figure

    plot = figure(
        x_axis_type="datetime" if pane.dates else "linear",
        y_axis_type="log" if pane.log else "linear",
        height=height,
        sizing_mode="stretch_width",
        tools=TOOLS,
        active_drag="box_zoom",
        title=pane.title or None,
    )
    if pane.log:
        plot.yaxis.ticker = log_ticker()
    plot.xaxis.axis_label, plot.yaxis.axis_label = pane.x_label or None, pane.y_label or None
    percent = NumeralTickFormatter(format="0%")
    plot.yaxis.formatter = percent if pane.percent else CustomJSTickFormatter(code=TICKS)
    if pane.percent and not pane.dates:
        plot.xaxis.formatter = percent
    items: dict[str, list[Any]] = {}
    for mark in pane.marks:
        match mark:
            case Band():
                _add_band(plot, pane, mark)
            case Line():
                drawn = _add_line(plot, pane, mark)
                items.setdefault(mark.label, []).append(drawn)
            case Cells():
                _add_cells(plot, mark)
    for place, dimension in ((pane.level, "width"), (_place(pane.moment), "height")):
        if place is not None:
            plot.add_layout(
                Span(location=place, dimension=dimension, line_color=MUTED, line_dash="dotted")
            )
    _add_legend(plot, items)
    dress(plot)
    if pane.title:
        plot.title.text_color, plot.title.text_font = INK, FONT
    return plot


def _add_legend(plot: Any, items: dict[str, list[Any]]) -> None:
    from bokeh.models import LegendItem

    named = [(label, lines) for label, lines in items.items() if label]
    # Not a plain string: Bokeh would take one for a column's name, if there is such a column.
    entries = [LegendItem(label={"value": label}, renderers=lines) for label, lines in named]
    if entries:
        add_legend(plot, entries)


def _add_line(plot: Any, pane: Pane, line: Line) -> Any:
    from bokeh.models import ColumnDataSource, CustomJSHover, HoverTool

    color, dash = line.look
    data = {"x": _numbers(line.x), "y": pane.drawn(line.y)}
    source = ColumnDataSource(data)
    drawn = plot.line("x", "y", source=source, color=color, line_dash=dash, line_width=1.6)
    if line.dots:
        plot.scatter("x", "y", source=source, color=color, size=5)
    shown = "@y{0.0%}" if pane.percent else "@y{custom}"
    hover = HoverTool(renderers=[drawn], visible=False)
    at = ("date", "@x{%F}") if pane.dates else (pane.x_label or "x", "@x")
    hover.tooltips = [at, (line.label or pane.y_label or "y", shown)]
    hover.formatters = {"@y": CustomJSHover(code=PRICE)}
    hover.formatters |= {"@x": "datetime"} if pane.dates else {}
    plot.add_tools(hover)
    return drawn


def _add_band(plot: Any, pane: Pane, band: Band) -> None:
    color = style(band.place)[0]
    low, high = pane.drawn(band.low), pane.drawn(band.high)
    plot.varea(_numbers(band.x), low, high, color=color, alpha=BAND_ALPHA)


def _add_cells(plot: Any, cells: Cells) -> None:
    from bokeh.models import CustomJSHover, HoverTool, LinearColorMapper, Range1d
    from bokeh.palettes import Blues256

    n_rows = len(cells.shares)
    first, last = (_place(day) or 0.0 for day in (cells.first, cells.last))
    drawn = plot.image(
        image=[np.asarray(cells.shares, dtype=np.float32)],
        x=first,
        y=0,
        dw=last - first,
        dh=n_rows,
        color_mapper=LinearColorMapper(["#ffffff", *Blues256[199::-1]], low=0, high=1),
    )
    hover = HoverTool(renderers=[drawn])
    hover.tooltips = [("", "$y{custom}"), ("from about", "$x{%F}"), ("share", "@image{0%}")]
    name = CustomJSHover(code=ROW_NAME, args={"names": list(cells.names)})
    hover.formatters = {"$y": name, "$x": "datetime"}
    plot.add_tools(hover)
    plot.x_range, plot.y_range = Range1d(first, last), Range1d(0, n_rows)
    plot.yaxis.major_label_text_font_size = "0pt"
    plot.grid.visible = False


def _numbers(x: NDArray[Any]) -> NDArray[Any]:
    """Return dates in milliseconds since 1970, as a browser counts them, and numbers as they are.

    Parameters
    ----------
    x : ndarray, ``(n,)``
    """
    if x.dtype.kind != "M":
        return x
    counts = x.astype("datetime64[ms]").astype(np.int64).astype(np.float64)
    return np.where(np.isnat(x), np.nan, counts)


def _place(moment: np.datetime64 | None) -> float | None:
    return None if moment is None else float(moment.astype("datetime64[ms]").astype(np.int64))

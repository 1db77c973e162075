"""A figure of prices over time: axes, closes, bands and tooltips, drawn with Bokeh."""

from collections.abc import Sequence
from typing import Any

from cryptodask.charts.style import LINE, PRICE, TICKS, TOOLS
from cryptodask.dashboard.view import bounds_of

BAND_ALPHA, DARKER = 0.22, 0.12
"""Opacity of the widest interval, and by how much that of each narrower one is larger."""


def price_figure(name: str, height: int) -> Any:
    """Return an empty figure of prices in USD over dates.

    Parameters
    ----------
    name : str
        Of the Bokeh model.
    height : int
        In pixels.

    Returns
    -------
    bokeh.plotting.figure
    """
    from bokeh.models import CustomJSTickFormatter, DataRange1d
    from bokeh.plotting import figure

    plot = figure(
        name=name,
        x_axis_type="datetime",
        # Else candles that nobody asked for, and bands of other models, flatten what is shown.
        y_range=DataRange1d(only_visible=True),
        height=height,
        sizing_mode="stretch_width",
        tools=TOOLS,
        active_drag="box_zoom",
    )
    plot.x_range.range_padding = 0.02
    plot.yaxis.axis_label = "USD"
    plot.yaxis.formatter = CustomJSTickFormatter(code=TICKS)
    return plot


def add_closes(plot: Any, source: Any) -> Any:
    """Draw the line of closes, and return its entry in the legend.

    Parameters
    ----------
    plot : bokeh.plotting.figure
    source : bokeh.models.ColumnDataSource
        Has the columns ``date`` and ``close``.

    Returns
    -------
    bokeh.models.LegendItem
    """
    close = plot.line("date", "close", source=source, color=LINE, line_width=2)
    return legend_item("close", close)


def add_band(
    plot: Any,
    source: Any,
    level: str,
    color: str,
    model: int | None = None,
    alpha: float = BAND_ALPHA,
) -> Any:
    """Draw the band of an interval, and return what draws it.

    Parameters
    ----------
    plot : bokeh.plotting.figure
    source : bokeh.models.ColumnDataSource
        Has the columns ``date`` and those of `cryptodask.dashboard.view.bounds_of`.
    level : str
        Coverage in percent.
    color : str
    model : int, optional
        Position of the model in the names of the columns.
    alpha : float
        Opacity, 0 to 1.

    Returns
    -------
    bokeh.models.GlyphRenderer
    """
    low, high = bounds_of(level, model)
    return plot.varea("date", low, high, source=source, color=color, alpha=alpha)


def legend_item(label: str, *renderers: Any) -> Any:
    """Return an entry of the legend.

    Parameters
    ----------
    label : str
    *renderers : bokeh.models.GlyphRenderer

    Returns
    -------
    bokeh.models.LegendItem
    """
    from bokeh.models import LegendItem

    # Not a plain string: Bokeh would take one for a column's name, if there is such a column.
    return LegendItem(label={"value": label}, renderers=list(renderers))


def price_hover(
    renderer: Any,
    prices: Sequence[tuple[str, str]],
    rows: Sequence[tuple[str, str]] = (),
    mode: str = "mouse",
) -> Any:
    """Return a tooltip with the date, further rows, and prices.

    Parameters
    ----------
    renderer : bokeh.models.GlyphRenderer
        Whose points have the tooltip.
    prices : sequence of (str, str)
        Label and column of each price.
    rows : sequence of (str, str)
        Label and format of each further row.
    mode : {"mouse", "vline"}
        Whether the pointer must be at a point, or above or below it.

    Returns
    -------
    bokeh.models.HoverTool
    """
    from bokeh.models import CustomJSHover, HoverTool

    price = CustomJSHover(code=PRICE)
    days = [("date", "@date{%F}"), *rows]
    hover = HoverTool(renderers=[renderer], mode=mode, visible=False)
    hover.tooltips = [*days, *((label, f"@{column}{{custom}}") for label, column in prices)]
    hover.formatters = {text.removesuffix("{%F}"): "datetime" for _, text in days if "%F" in text}
    hover.formatters |= {f"@{column}": price for _, column in prices}
    return hover

"""Colours, fonts and formats that charts and pages share.

Names of coins and models come from files that nobody vetted. They reach a page only as data: the
text of a ``Div`` that renders text, a label of the legend, a row of a tooltip. Bokeh sets all of
these as text; none is HTML, a template or TeX.
"""

from collections.abc import Sequence
from typing import Any

from cryptodask.charts.theme import ELEMENT, LIGHT, css_color

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Distinct for the colour-blind: Okabe and Ito (2008), without black and yellow."""

DASHES = ("solid", "dashed", "dotted")
"""Beyond six models the colours repeat, with another dash."""

INK, MUTED, RULE = LIGHT["ink"], LIGHT["muted"], LIGHT["rule"]

LINE = "#6b7785"
"""Of closes and other lines that belong to no model; legible on light and on dark."""

CSS_COLORS = {color: css_color(name) for name, color in reversed(LIGHT.items())}
"""Colours of text to what a page's CSS has for them, so that they change in the dark."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TOOLS = "pan,wheel_zoom,box_zoom,reset,save"
FEW_TOOLS = "box_zoom,reset,save"
"""For figures so low that more would be hidden behind dots."""

LEGEND = """
.bk-grid {{ display: flex; flex-wrap: wrap; gap: 2px 18px;
           max-width: min({width}px, calc(100vw - 160px)); }}
.bk-item .bk-label {{ color: {ink} !important; }}
.bk-label {{ max-width: {label}; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
"""

# As many decimals as set one tick apart from the next: 4,900 and 0.0000012 alike.
TICKS = """
if (Math.max(...ticks.map(Math.abs)) < 1e-8) return tick.toExponential(2)
const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(tick)
const digits = step > 0 ? Math.min(20, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))) : 0
return tick.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits})
"""

LOG_TICKS = """
const {start, end} = cb_data
const low = Math.min(start, end), high = Math.max(start, end)
if (!(low > 0)) return []
const steps = Math.log10(high / low) > 4 ? [1] : [1, 2, 5]
const ticks = []
for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
  ticks.push(...steps.map((step) => step * 10 ** power).filter((x) => x >= low && x <= high))
if (ticks.length > 3) return ticks
const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough))
const step = power * [1, 2, 5, 10].find((n) => n * power >= rough)
return Array.from({length: Math.floor(high / step) - Math.ceil(low / step) + 1},
  (_, i) => (Math.ceil(low / step) + i) * step)
"""
"""At 1, 2 and 5 times powers of ten: Bokeh's own crowd at the top of less than two decades."""

PRICE = """
if (!Number.isFinite(value)) return "–"
if (Math.abs(value) < 1e-8) return value.toExponential(4)
return value.toLocaleString("en-US", Math.abs(value) >= 1
  ? {minimumFractionDigits: 2, maximumFractionDigits: Math.abs(value) >= 100 ? 2 : 4}
  : {maximumSignificantDigits: 5})
"""


def style(model: int) -> tuple[str, str]:
    """Return colour and dash of a model.

    Parameters
    ----------
    model : int
        Its position among the models of the page, from 0.
    """
    return COLORS[model % len(COLORS)], DASHES[model // len(COLORS) % len(DASHES)]


def plain_text(name: str, text: str, size: str, color: str, weight: str = "400") -> Any:
    """Return a line of text that is never read as HTML or as TeX.

    Parameters
    ----------
    name : str
        Of the Bokeh model, and its CSS class.
    text : str
    size : str
        Of the font, in CSS pixels, as ``14px``.
    color, weight : str
        As CSS has them.

    Returns
    -------
    bokeh.models.Div
    """
    from bokeh.models import Div

    styles = {"font": f"{weight} {size}/1.3 {FONT}", "color": CSS_COLORS.get(color, color)}
    styles |= {"overflow-wrap": "anywhere"}
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


def dress(plot: Any) -> None:
    """Set the fonts and lines of a figure: little ink except for the data.

    Parameters
    ----------
    plot : bokeh.plotting.figure
    """
    from bokeh.models import NoOverlap

    plot.toolbar.logo = None
    plot.xaxis.major_label_policy = NoOverlap()
    plot.outline_line_color = None
    plot.xgrid.visible = False
    plot.ygrid.grid_line_color = RULE
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_color = plot.axis.axis_label_text_color = MUTED
    plot.axis.axis_label_text_font = FONT
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.major_label_text_font = FONT
    plot.axis.major_label_text_font_size = "13px"


def log_ticker() -> Any:
    """Return what chooses the ticks of a logarithmic axis.

    Returns
    -------
    bokeh.models.CustomJSTicker
    """
    from bokeh.models import CustomJSTicker

    return CustomJSTicker(major_code=LOG_TICKS)


def add_legend(plot: Any, items: Sequence[Any], width: int = 960, label: str = "12em") -> None:
    """Put a legend above a figure; a click on an entry hides or shows it.

    Parameters
    ----------
    plot : bokeh.plotting.figure
    items : sequence of bokeh.models.LegendItem
    width : int
        Pixels at most, after which entries take another line.
    label : str
        Width of an entry's text at most, as CSS has it.
    """
    from bokeh.models import Legend

    legend = Legend(items=list(items), orientation="horizontal", location="top_left", margin=0)
    legend.stylesheets = [ELEMENT, LEGEND.format(width=width, label=label, ink=css_color("ink"))]
    legend.background_fill_alpha = 0
    legend.label_text_font, legend.label_text_font_size = FONT, "13px"
    legend.label_text_color = INK
    legend.border_line_color = None
    legend.click_policy = "hide"
    plot.add_layout(legend, "above")

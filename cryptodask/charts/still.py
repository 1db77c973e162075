"""Charts drawn by matplotlib, as PNG: Bokeh's own export needs a browser and its driver."""

from collections.abc import Sequence
from io import BytesIO
from textwrap import fill
from typing import Any

import numpy as np

from cryptodask.charts.live import BAND_ALPHA
from cryptodask.charts.marks import Band, Cells, Line, Pane
from cryptodask.charts.style import INK, MUTED, RULE, style

WIDTH, HEIGHT = 9.0, 3.2
"""Of a pane, in inches."""

DPI = 90
TINY = 1e-8
"""Prices below it are written with an exponent."""

LONGEST = 110
"""Letters of a line of the caption at most."""


def png_of(title: str, caption: str, panes: Sequence[Pane]) -> bytes:
    """Return a chart as a PNG.

    Parameters
    ----------
    title, caption : str
    panes : sequence of Pane
    """
    from matplotlib.figure import Figure

    picture = Figure(figsize=(WIDTH, HEIGHT * len(panes) + 0.4), dpi=DPI, layout="constrained")
    for axes, pane in zip(np.atleast_1d(picture.subplots(len(panes))), panes, strict=True):
        _draw(axes, pane)
    first = picture.axes[0]
    # Names are not TeX, whatever dollars they hold.
    how = {"color": INK, "size": 13, "weight": "bold", "parse_math": False}
    subtitle = f"{panes[0].title}\n" if panes[0].title else ""
    first.set_title("")
    picture.suptitle(_short(title, 70), x=0.01, ha="left", **how)
    first.set_title(
        f"{fill(caption, LONGEST)}\n{subtitle}".rstrip(),
        loc="left", size=9, color=MUTED, parse_math=False,
    )  # fmt: skip
    content = BytesIO()
    picture.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _draw(axes: Any, pane: Pane) -> None:
    if pane.log:
        axes.set_yscale("log")
    shown: set[str] = set()
    for mark in pane.marks:
        match mark:
            case Band():
                low, high = pane.drawn(mark.low), pane.drawn(mark.high)
                color = style(mark.place)[0]
                axes.fill_between(mark.x, low, high, color=color, alpha=BAND_ALPHA, linewidth=0)
            case Line():
                _add_line(axes, pane, mark, shown)
            case Cells():
                _add_cells(axes, mark)
    for level, draw in ((pane.level, axes.axhline), (pane.moment, axes.axvline)):
        if level is not None:
            draw(level, color=MUTED, linestyle=":", linewidth=1)
    _dress(axes, pane)
    if shown:
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
        for text in legend.get_texts():
            text.set(parse_math=False, color=INK)


def _add_line(axes: Any, pane: Pane, line: Line, shown: set[str]) -> None:
    color, dash = line.look
    drawn = {"color": color, "linestyle": dash, "linewidth": 1.3}
    drawn |= {"marker": ".", "markersize": 5} if line.dots else {}
    # matplotlib leaves labels out that begin with an underscore.
    label = "_" if not line.label or line.label in shown else f"\u200b{_short(line.label, 24)}"
    axes.plot(line.x, pane.drawn(line.y), label=label, **drawn)
    shown |= {line.label} - {""}


def _add_cells(axes: Any, cells: Cells) -> None:
    from matplotlib.dates import date2num

    first, last = (float(date2num(day)) for day in (cells.first, cells.last))  # type: ignore[no-untyped-call]
    extent = (first, last, 0, len(cells.shares))
    how = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "cmap": "Blues"}
    axes.imshow(cells.shares, extent=extent, vmin=0, vmax=1, **how)
    axes.set_yticks([])


def _dress(axes: Any, pane: Pane) -> None:
    from matplotlib.dates import AutoDateLocator, DateFormatter
    from matplotlib.ticker import PercentFormatter

    if pane.dates:
        axes.xaxis.set_major_locator(AutoDateLocator(minticks=2, maxticks=7))  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(DateFormatter("%Y-%m-%d"))  # type: ignore[no-untyped-call]
    if pane.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        if not pane.dates:
            axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    elif not pane.log:
        format_prices(axes)
    axes.set_xlabel(pane.x_label, color=MUTED)
    axes.set_ylabel(pane.y_label, color=MUTED)
    axes.tick_params(colors=MUTED, length=0)
    if not any(isinstance(mark, Cells) for mark in pane.marks):
        axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.set_title(pane.title, loc="left", size=9, color=MUTED, parse_math=False)


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def format_prices(axes: Any) -> None:
    """Have the ticks of a price axis show as many decimals as its range needs.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With all that is drawn on them.
    """
    low, high = axes.get_ylim()
    if high < TINY:
        axes.yaxis.set_major_formatter("{x:.2e}")
    elif high - low > 50:
        axes.yaxis.set_major_formatter("{x:,.0f}")
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)

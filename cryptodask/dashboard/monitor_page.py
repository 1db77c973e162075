"""The monitor's numbers, day by day, with limits and alarms, drawn with Bokeh.

Names of models come from files that nobody vetted; see `cryptodask.dashboard.style`.
"""

from typing import Any

import numpy as np
import pandas as pd

from cryptodask.charts.style import COLORS, FEW_TOOLS, INK, MUTED, add_legend, dress, plain_text
from cryptodask.dashboard.price_figure import legend_item
from cryptodask.pipeline.monitor.daily import DRIFTS, FEATURES
from cryptodask.pipeline.monitor.judging import (
    AGE,
    COINS,
    DRIFT,
    FAILURES,
    FRESHNESS,
    STABILITY,
    meaning_of,
)
from cryptodask.text import counted

ALARM = "#c0262d"

MOST_MODELS = 20
"""Models on a page at most, the first by name."""

NOTHING = (
    "No numbers yet: `cryptodask monitor learn` makes limits from a backtest, section [monitor] of "
    "a pipeline's settings names them, and `cryptodask pipeline monitor` measures a day."
)

GROUPS: tuple[tuple[str, ...], ...] = (
    ("error", "move"),
    *((name,) for drift in DRIFTS for name in (drift, drift + DRIFT)),
    *((name + STABILITY,) for name in FEATURES),
    (COINS,),
    (FRESHNESS,),
    (FAILURES,),
    (AGE,),
)
"""Measures that share a figure, in the order of the page."""


def monitor_parts(numbers: pd.DataFrame) -> list[Any]:
    """Return the figures of some models' numbers, each after what it shows.

    Parameters
    ----------
    numbers : DataFrame
        ``day, model, measure, value, least, most``.

    Returns
    -------
    list of bokeh models
    """
    from bokeh.models import DataRange1d

    if numbers.empty:
        return [plain_text("nothing", NOTHING, "14px", MUTED)]
    parts = []
    days = DataRange1d(range_padding=0.02)
    names = sorted(numbers["model"].unique())
    for model in names[:MOST_MODELS]:
        rows = numbers[numbers["model"] == model]
        alarmed = rows[is_alarm(rows)]
        parts.append(plain_text("model", str(model), "15px", INK, "650"))
        parts.append(plain_text("summary", _summary(rows, alarmed), "14px", MUTED))
        for group in GROUPS:
            drawn = [rows[rows["measure"] == name] for name in group]
            drawn = [part for part in drawn if part["value"].notna().any()]
            if drawn:
                parts += _figure(drawn, days)
    if len(names) > MOST_MODELS:
        rest = counted(len(names) - MOST_MODELS, "further model")
        parts.append(plain_text("rest", f"{rest}: name one with --model", "14px", MUTED))
    return parts


def is_alarm(numbers: pd.DataFrame) -> "pd.Series[bool]":
    """Return whether each number is beyond a limit.

    Parameters
    ----------
    numbers : DataFrame
        ``value, least, most``.
    """
    return (numbers["value"] < numbers["least"]) | (numbers["value"] > numbers["most"])


def _summary(rows: pd.DataFrame, alarmed: pd.DataFrame) -> str:
    first, last = (f"{day:%Y-%m-%d}" for day in (rows["day"].min(), rows["day"].max()))
    text = f"{counted(rows['day'].nunique(), 'day')}, {first} to {last}. "
    if alarmed.empty:
        return text + "No alarm."
    latest = alarmed[alarmed["day"] == alarmed["day"].max()]
    measures = ", ".join(sorted(latest["measure"]))
    days = counted(alarmed["day"].nunique(), "day")
    return text + f"Alarms on {days}, last on {latest['day'].iloc[0]:%Y-%m-%d}: {measures}."


def _figure(drawn: list[pd.DataFrame], days: Any) -> list[Any]:
    """Draw measures over days, with limits and alarms; return what says what they are, and that."""
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure

    measures = [str(part["measure"].iloc[0]) for part in drawn]
    plot = figure(
        name=measures[0],
        x_axis_type="datetime",
        x_range=days,
        height=190,
        sizing_mode="stretch_width",
        tools=FEW_TOOLS,
        active_drag="box_zoom",
    )
    items = []
    for i, part in enumerate(drawn):
        columns = {name: part[name].to_numpy() for name in ("value", "least", "most")}
        alarm = np.where(is_alarm(part), part["value"], np.nan)
        source = ColumnDataSource({"day": part["day"].to_numpy(), **columns, "alarm": alarm})
        line = plot.line("day", "value", source=source, color=COLORS[i], line_width=1.5)
        dots = plot.scatter("day", "value", source=source, color=COLORS[i], size=4)
        items.append(legend_item(measures[i], line, dots))
        for name in ("least", "most"):
            if part[name].notna().any():
                plot.line("day", name, source=source, color=MUTED, line_dash="dashed")
        if np.isfinite(alarm).any():
            marks = plot.scatter("day", "alarm", source=source, color=ALARM, size=9)
            items.append(legend_item("alarm", marks))
        rows = [
            ("day", "@day{%F}"),
            (measures[i], "@value"),
            ("least", "@least"),
            ("most", "@most"),
        ]
        tips = {"tooltips": rows, "formatters": {"@day": "datetime"}, "visible": False}
        plot.add_tools(HoverTool(renderers=[line], **tips))
    add_legend(plot, items)
    dress(plot)
    what = "; ".join(f"{name}: {meaning_of(name)}" for name in measures)
    text = plain_text("what", what, "13px", MUTED)
    text.margin = (12, 5, 2, 5)
    return [text, plot]

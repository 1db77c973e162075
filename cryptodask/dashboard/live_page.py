"""The page of runs: a table of them, and the progress of one, drawn with Bokeh.

Names of coins and models, and paths, are anybody's: they are set as text (see `page`).
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cryptodask.dashboard.hub import Hub
from cryptodask.dashboard.leaderboard import Columns as Titles
from cryptodask.dashboard.leaderboard import data_table
from cryptodask.dashboard.live import Run
from cryptodask.dashboard.live_view import (
    Columns,
    failures_table,
    models_table,
    summary_of,
    throughput,
)
from cryptodask.dashboard.page import COLORS, FONT, INK, MUTED, dress, plain_text

RUNS: Titles = [
    ("began", "began", 150, None),
    ("kind", "kind", 76, None),
    ("state", "state", 76, None),
    ("models", "models", 190, None),
    ("share", "ended", 120, "0.0%"),
    ("coins", "to do", 70, "0,0"),
    ("done", "done", 70, "0,0"),
    ("failed", "failed", 60, "0,0"),
    ("left", "to go", 70, "0,0"),
    ("rate", "a second", 80, "0,0.0"),
    ("time_left", "time left", 80, None),
    ("took", "took", 80, None),
]
MODELS: Titles = [
    ("model", "model", 260, None),
    ("share", "ended", 120, "0.0%"),
    ("coins", "coins", 80, "0,0"),
    ("done", "done", 80, "0,0"),
    ("failed", "failed", 70, "0,0"),
    ("left", "to go", 80, "0,0"),
    ("time_left", "time left", 90, None),
    ("rows", "rows read", 100, "0,0"),
    ("seconds", "seconds of work", 120, "0,0.00"),
]
FAILURES: Titles = [
    ("coin", "coin", 180, None),
    ("model", "model", 140, None),
    ("exception", "exception", 160, None),
    ("message", "message", 560, None),
]

BAR = (
    '<div style="background:#e4e7eb;height:12px;margin-top:4px;border-radius:3px">'
    '<div style="background:#0072B2;height:12px;border-radius:3px;'
    'width:<%= (100 * Number(value)).toFixed(1) %>%"></div></div>'
)
"""Of a number, and of nothing that anybody named."""

CARD = {
    "--bokeh-base-font": FONT,
    "--bokeh-font-size": "13px",
    "max-width": "1240px",
    "margin": "16px auto",
    "padding": "16px 24px",
    "background": "#fff",
    "border": "1px solid #e4e7eb",
    "border-radius": "6px",
    "box-sizing": "border-box",
}


class RunsPage:
    """One viewer's page of runs."""

    def __init__(self, doc: Any, hub: Hub) -> None:
        self.hub, self.run_id = hub, ""
        self.parts, self.runs = live_table("runs", RUNS, hub.table, bar="share")
        self.runs.source.selected.on_change("indices", self._select)
        self.heading = plain_text("summary", "", "14px", MUTED)
        models, self.models = live_table("models", MODELS, models_table(None), bar="share")
        failures, self.failures = live_table("failures", FAILURES, failures_table({}))
        self.plot, self.curve = _curve()
        self.failed_title = title("Failures")
        children = [
            plain_text("heading", "Runs", "24px", INK, "650"),
            self.parts,
            title("Progress by model"),
            self.heading,
            models,
            title("Coins × models a second"),
            self.plot,
            self.failed_title,
            failures,
        ]
        card(doc, "runs", children)
        self.update()
        hub.join(doc, self.update)

    def update(self) -> None:
        """Bring the page to what is known now."""
        put(self.runs, self.hub.table)
        # A chosen run may be on another row now, where a click is to choose what it shows.
        ids = self.hub.table["id"]
        place = [ids.index(self.run_id)] if self.run_id in ids else []
        if list(self.runs.source.selected.indices) != place:
            self.runs.source.selected.indices = place
        self._show()

    def _select(self, name: str, old: Sequence[int], new: Sequence[int]) -> None:
        del name, old
        ids = self.hub.table["id"]
        if new and new[0] < len(ids):
            self.run_id = ids[new[0]]
            self._show()

    def _chosen(self) -> Run | None:
        """Return the run that the viewer chose, or the latest."""
        runs = self.hub.runs
        return next((run for run in runs if run.id == self.run_id), runs[0] if runs else None)

    def _show(self) -> None:
        run = self._chosen()
        text = summary_of(run)
        if self.heading.text != text:
            self.heading.text = text
        put(self.models, models_table(run))
        failures = failures_table(run.failures if run else {})
        put(self.failures, failures)
        self.failures.visible = self.failed_title.visible = bool(failures["coin"])
        points = throughput(run)
        if len(points["seconds"]) != len(self.curve.data["seconds"]) or any(
            (points[name] != self.curve.data[name]).any() for name in points
        ):
            self.curve.data = points


def live_table(name: str, titles: Titles, columns: Columns, bar: str = "") -> tuple[Any, Any]:
    """Return a table, in a box and by itself, whose columns change; ``bar`` is one from 0 to 1."""
    from bokeh.models import CustomJS, HTMLTemplateFormatter

    frame = pd.DataFrame({field: columns[field] for field, *_ in titles})
    box, table = data_table(name, frame, titles)
    table.source.data = columns
    # Bokeh 3.9 draws a table anew where its rows change in number, and not where only cells do.
    redraw = CustomJS(args={"view": table.view}, code="view.change.emit()")
    table.source.js_on_change("data", redraw)
    for column in table.columns:
        if column.field == bar:
            column.formatter = HTMLTemplateFormatter(template=BAR)
    return box, table


def put(table: Any, columns: Columns) -> None:
    """Give a table its columns, unless it has them already."""
    shown = table.source.data
    if any(list(shown[name]) != values for name, values in columns.items()):
        table.source.data = columns
        table.height = min(560, 34 + 25 * max(1, len(next(iter(columns.values())))))


def title(text: str) -> Any:
    """Return a heading inside a page."""
    made = plain_text("title", text, "17px", INK, "650")
    made.margin = (20, 5, 4, 5)
    return made


def card(doc: Any, name: str, children: Sequence[Any]) -> None:
    """Put parts on a document, below each other."""
    from bokeh.layouts import column

    doc.add_root(column(*children, name=name, sizing_mode="stretch_width", styles=CARD))


def _curve() -> tuple[Any, Any]:
    """Return the figure of throughput over time, and its source."""
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

    source = ColumnDataSource(throughput(None), name="throughput")
    plot = figure(
        name="rate",
        height=220,
        sizing_mode="stretch_width",
        tools="pan,wheel_zoom,box_zoom,reset,save",
    )
    plot.y_range.start = 0
    plot.line("seconds", "rate", source=source, color=COLORS[0], line_width=2)
    plot.varea("seconds", 0, "rate", source=source, color=COLORS[0], alpha=0.12)
    plot.xaxis.axis_label = "seconds since it began"
    dress(plot)
    return plot, source

"""The page of runs: a table of them, and the progress of one, drawn with Bokeh.

Names of coins and models, and paths, are anybody's: they are set as text (see `page`).
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cryptodask.dashboard.leaderboard import Columns as Titles
from cryptodask.dashboard.leaderboard import data_table
from cryptodask.dashboard.live_view import Columns, details, runs_table
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


FOLLOW = """
const known = {runs: null}
let chosen = null, until = 0, is_drawing = false
const same = (a, b) => Object.keys(b).every((name) =>
  a[name]?.length == b[name].length && b[name].every((value, i) => value === a[name][i]))

const put = ({source}, columns) => {
  if (!same(source.data, columns)) source.data = columns
}
const put_rows = (table, columns) => {
  const rows = Object.values(columns)[0].length
  table.height = Math.min(560, 34 + 25 * Math.max(1, rows))
  put(table, columns)
}

const show = () => {
  const id = known.runs.id.includes(chosen) ? chosen : known.runs.id[0]
  const part = (name) => known[`${id}/${name}`] ?? nothing[name]
  summary.text = part("summary").text[0]
  put_rows(models, part("models"))
  put_rows(failures, part("failures"))
  failures.visible = titles.failures.visible = part("failures").coin.length > 0
  put({source: throughput}, part("throughput"))
}

const draw = () => {
  if (known.runs == null || performance.now() < until) return
  is_drawing = true
  const {id} = known.runs, selected = runs.source.selected
  const is_moved = String(runs.source.data.id) != String(id)
  put_rows(runs, known.runs)
  // The chosen run may be on another row now, where a click is to choose what it shows.
  selected.indices = id.includes(chosen) ? [id.indexOf(chosen)] : []
  if (is_moved) Bokeh.index.find_one(runs)?.grid.resetActiveCell()
  is_drawing = false
  show()
}

runs.source.selected.properties.indices.change.connect(() => {
  const [row] = runs.source.selected.indices
  if (is_drawing || row == null) return
  chosen = runs.source.data.id[row]
  show()
})

// A row that is drawn anew between press and release is another element, which gets no click.
addEventListener("pointerdown", () => { until = performance.now() + 3000 }, true)
for (const end of ["pointerup", "pointercancel"])
  addEventListener(end, () => setTimeout(() => { until = 0; draw() }), true)

const follow = () => {
  const url = new URL("crypto-runs/feed", document.baseURI)
  url.protocol = url.protocol.replace("http", "ws")
  const socket = new WebSocket(url)
  socket.onmessage = ({data}) => {
    Object.assign(known, JSON.parse(data))
    for (const name of Object.keys(known))
      if (name != "runs" && !known.runs.id.includes(name.split("/")[0])) delete known[name]
    note.visible = false
    draw()
  }
  socket.onclose = () => {
    note.text = `The scheduler does not answer; it is asked again every few seconds.`
    note.visible = true
    setTimeout(follow, 3000)
  }
}
follow()
"""
"""In the browser: takes what `feed` sends, and shows the run that was chosen, or the latest."""


def runs_page(doc: Any) -> None:
    """Draw the page of runs, which is the same for all viewers: a browser fills it from a feed."""
    from bokeh.models import CustomJS

    parts, runs = live_table("runs", RUNS, runs_table([]), bar="share")
    runs.scroll_to_selection = False  # at every change, else, away from what somebody looks at
    nothing = details(None)
    models_box, models = live_table("models", MODELS, nothing["models"], bar="share")
    failures_box, failures = live_table("failures", FAILURES, nothing["failures"])
    plot, throughput = _curve(nothing["throughput"])
    summary = plain_text("summary", "", "14px", MUTED)
    note = plain_text("note", "", "14px", COLORS[1])
    note.visible = failures.visible = False
    failed_title = title("Failures")
    failed_title.visible = False
    children = [
        plain_text("heading", "Runs", "24px", INK, "650"),
        note,
        parts,
        title("Progress by model"),
        summary,
        models_box,
        title("Coins × models a second"),
        plot,
        failed_title,
        failures_box,
    ]
    card(doc, "runs", children)
    args = {"runs": runs, "models": models, "failures": failures, "throughput": throughput}
    args |= {"summary": summary, "note": note, "nothing": nothing}
    args |= {"titles": {"failures": failed_title}}
    doc.js_on_event("document_ready", CustomJS(args=args, code=FOLLOW))


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


def _curve(columns: Columns) -> tuple[Any, Any]:
    """Return the figure of throughput over time, and its source."""
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

    source = ColumnDataSource(columns, name="throughput")
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

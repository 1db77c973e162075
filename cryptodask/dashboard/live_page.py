"""The page of runs: a table of them, and the progress of one, drawn with Bokeh.

Anybody may choose names of coins and models, and paths: they are set as text (see `style`).
"""

from collections.abc import Sequence
from typing import Any

from cryptodask.charts.style import COLORS, INK, MUTED, TOOLS, dress, plain_text
from cryptodask.dashboard.live_view import details, runs_table
from cryptodask.dashboard.style import BODY, section_title
from cryptodask.dashboard.tables import HEAD, HIGHEST, ROW, Columns, TitledColumns, live_table

RUN_TITLES: TitledColumns = [
    ("began", "started", 172, None),
    ("kind", "kind", 76, None),
    ("state", "state", 76, None),
    ("models", "models", 168, None),
    ("share", "progress", 120, "0.0%"),
    ("coins", "total", 70, "0,0"),
    ("done", "done", 70, "0,0"),
    ("failed", "failed", 60, "0,0"),
    ("left", "left", 70, "0,0"),
    ("rate", "per second", 84, "0,0.0"),
    ("time_left", "time left", 80, None),
    ("took", "duration", 80, None),
]
MODEL_TITLES: TitledColumns = [
    ("model", "model", 260, None),
    ("share", "progress", 120, "0.0%"),
    ("coins", "coins", 80, "0,0"),
    ("done", "done", 80, "0,0"),
    ("failed", "failed", 70, "0,0"),
    ("left", "left", 80, "0,0"),
    ("time_left", "time left", 90, None),
    ("rows", "rows read", 100, "0,0"),
    ("seconds", "worker seconds", 120, "0,0.00"),
]
FAILURE_TITLES: TitledColumns = [
    ("coin", "coin", 180, None),
    ("model", "model", 140, None),
    ("exception", "exception", 160, None),
    ("message", "message", 560, None),
]

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
  table.height = Math.min(heights.most, heights.head + heights.row * Math.max(1, rows))
  put(table, columns)
}

const show = () => {
  const id = known.runs.id.includes(chosen) ? chosen : known.runs.id[0]
  const part = (name) => known[`${id}/${name}`] ?? nothing[name]
  summary.text = part("summary").text[0]
  for (const some of of_runs) some.visible = id != null
  const has_rates = part("throughput").seconds.length > 1
  for (const some of of_rates)
    some.styles = {...some.styles, visibility: has_rates ? "visible" : "hidden"}
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
  const url = new URL("crypto-runs/stream", document.baseURI)
  url.protocol = url.protocol.replace("http", "ws")
  const socket = new WebSocket(url)
  socket.onmessage = ({data}) => {
    Object.assign(known, JSON.parse(data))
    for (const name of Object.keys(known))
      if (name != "runs" && !known.runs.id.includes(name.split("/")[0])) delete known[name]
    say_lost(false)
    draw()
  }
  socket.onclose = () => {
    say_lost(true)
    setTimeout(follow, 3000)
  }
}
follow()
"""
"""In the browser: takes what `stream` sends, and shows the run that was chosen, or the latest."""


def runs_page(doc: Any) -> None:
    """Draw the page of runs, which is the same for all viewers: a stream fills it in the browser.

    Parameters
    ----------
    doc : bokeh.document.Document
    """
    from bokeh.models import CustomJS

    parts, runs = live_table("runs", RUN_TITLES, runs_table([]), bar="share")
    runs.scroll_to_selection = False  # at every change, else, away from what somebody looks at
    nothing = details(None)
    models_box, models = live_table("models", MODEL_TITLES, nothing["models"], bar="share")
    failures_box, failures = live_table("failures", FAILURE_TITLES, nothing["failures"])
    plot, throughput = _curve(nothing["throughput"])
    summary = plain_text("summary", "", "14px", MUTED)
    failures.visible = False
    failed_title = section_title("Failures")
    failed_title.visible = False
    progress_title = section_title("Progress by model")
    of_runs = [runs, progress_title, models]
    of_rates = [section_title("Coins × models per second"), plot]
    # What is empty says nothing.
    for part in of_runs:
        part.visible = False
    for part in of_rates:  # a figure that is not laid out has no ranges
        part.styles = part.styles | {"visibility": "hidden"}
    children = [
        plain_text("heading", "Runs", "24px", INK, "650"),
        parts,
        progress_title,
        summary,
        models_box,
        *of_rates,
        failed_title,
        failures_box,
    ]
    card(doc, "runs", children)
    args = {"runs": runs, "models": models, "failures": failures, "throughput": throughput}
    args |= {"summary": summary, "nothing": nothing}
    args |= {"titles": {"failures": failed_title}, "of_runs": of_runs, "of_rates": of_rates}
    args |= {"heights": {"row": ROW, "head": HEAD, "most": HIGHEST}}
    doc.js_on_event("document_ready", CustomJS(args=args, code=FOLLOW))


def card(doc: Any, name: str, children: Sequence[Any]) -> None:
    """Put parts on a document, below each other.

    Parameters
    ----------
    doc : bokeh.document.Document
    name : str
        Of the Bokeh model that holds them.
    children : sequence of bokeh models
    """
    from bokeh.layouts import column

    doc.add_root(column(*children, name=name, sizing_mode="stretch_width", styles=BODY))


def _curve(columns: Columns) -> tuple[Any, Any]:
    """Return the figure of throughput over time, and its source."""
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

    source = ColumnDataSource(columns, name="throughput")
    plot = figure(
        name="rate",
        height=220,
        sizing_mode="stretch_width",
        tools=TOOLS,
    )
    plot.y_range.start = 0
    plot.line("seconds", "rate", source=source, color=COLORS[0], line_width=2)
    plot.varea("seconds", 0, "rate", source=source, color=COLORS[0], alpha=0.12)
    plot.xaxis.axis_label = "seconds since the start"
    dress(plot)
    return plot, source

"""The report of a price table as one HTML page: which coin has which days, and all findings.

Names of coins and findings come from files that nobody vetted; they reach the page as data of
tables and tooltips, which Bokeh sets as text (see `cryptodask.dashboard.style`).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.charts.style import COLORS, INK, MUTED, TOOLS, dress, plain_text
from cryptodask.dashboard.html_file import html_of
from cryptodask.dashboard.style import BODY, WRAP, section_title
from cryptodask.dashboard.tables import TitledColumns, data_table
from cryptodask.dashboard.view import DAY_MS
from cryptodask.io.files import write_text
from cryptodask.prices.coverage import Coverage

MOST_FINDINGS = 200_000
"""Findings that are listed at most, those that cost rows first: a page of some 30 MB."""

COUNTS: TitledColumns = [
    ("kind", "kind", 150, None),
    ("count", "count", 80, "0,0"),
    ("coins", "coins", 70, "0,0"),
    ("meaning", "meaning", 400, None),
    ("done", "what was done", 180, None),
]

FINDINGS: TitledColumns = [
    ("kind", "kind", 130, None),
    ("coin", "coin", 120, None),
    ("file", "file", 160, None),
    ("line", "line", 60, None),
    ("date", "date", 90, None),
    ("value", "value", 110, None),
    ("message", "message", 260, None),
    ("action", "what was done", 110, None),
]

SHADES = [f"{COLORS[0]}{level:02x}" for level in (0, *range(55, 256))]
"""From no prices to all of them, over a background of any colour."""

FILTER = """
const words = search.value_input.toLowerCase().split(/\\s+/).filter(Boolean)
const {data} = source, columns = Object.values(data), kinds = data.kind
const rows = []
for (let row = 0; row < kinds.length; row++) {
  if (kind.value != "" && kinds[row] != kind.value) continue
  const text = words.length ? columns.map((column) => column[row]).join("\\n").toLowerCase() : ""
  if (words.every((word) => text.includes(word))) rows.push(row)
}
filter.indices = rows
view.filter = filter
count.text = `${rows.length.toLocaleString("en-US")} of ${total} shown`
"""
"""In the browser: keeps the findings of a kind that have all words of a text in any column."""

COIN_AT = """
return coins[Math.floor(special_vars.y)] ?? ""
"""


def save_report(
    path: str | os.PathLike[str],
    coverage: Coverage,
    counts: pd.DataFrame,
    findings: pd.DataFrame,
    summary: str,
) -> None:
    """Write the report to one HTML file that needs no network, whole or not at all.

    Parameters
    ----------
    path : path
        A file there is replaced.
    coverage : Coverage
        What to draw.
    counts : DataFrame
        ``kind, count, coins, meaning, done``; see
        `cryptodask.prices.clean.findings.summarize_findings`.
    findings : DataFrame
        Findings, in the order to list them; the first `MOST_FINDINGS` are.
    summary : str
        A line on the table as a whole.
    """
    from bokeh.layouts import column

    listed = findings.head(MOST_FINDINGS)
    listed = listed.assign(
        date=listed["date"].dt.strftime("%Y-%m-%d").fillna(""),
        line=listed["line"].astype("str").replace("0", ""),  # of a whole file
    )
    parts = [
        plain_text("heading", "Price table", "26px", INK, "650"),
        plain_text("summary", summary, "14px", MUTED),
        plain_text("caption", _caption(coverage), "13px", MUTED),
        _picture(coverage),
        section_title("Findings by kind", "counts"),
        data_table("counts_table", counts, COUNTS)[0],
        section_title("Findings", "listed"),
        *_findings(listed, int(counts["count"].sum())),
    ]
    layout = column(*parts, sizing_mode="stretch_width", styles=BODY)
    write_text(html_of(layout, "CryptoDask price table"), Path(path))


def _findings(listed: pd.DataFrame, total: int) -> list[Any]:
    """Return the table of findings, and above it what filters and searches them."""
    from bokeh.layouts import row
    from bokeh.models import CustomJS, IndexFilter, Select, TextInput

    box, table = data_table("listed_table", listed, FINDINGS)
    kinds = [("", "all"), *((kind, kind) for kind in sorted(set(listed["kind"])))]
    kind = Select(name="kind", title="Kind", options=kinds, value="", width=200)
    search = TextInput(name="search", title="Search", placeholder="Words in any column", width=260)
    count = plain_text("shown", f"{len(listed):,} of {total:,} shown", "13px", MUTED)
    args = {"search": search, "kind": kind, "source": table.source, "count": count}
    args |= {"view": table.view, "filter": IndexFilter([]), "total": f"{total:,}"}
    code = CustomJS(args=args, code=FILTER)
    kind.js_on_change("value", code)
    search.js_on_change("value_input", code)
    notes = []
    if len(listed) < total:
        rest = (
            "The page has no room for more; `cryptodask prices check --findings FILE` writes all."
        )
        notes = [plain_text("rest", rest, "13px", MUTED)]
    return [row(kind, search, sizing_mode="stretch_width", styles=WRAP), count, *notes, box]


def _caption(coverage: Coverage) -> str:
    days = "a day" if coverage.span == 1 else f"{coverage.span} days"
    return (
        f"Each line is a coin, with the oldest at the bottom; each column is {days}. "
        "Full colour: prices of every day; empty: none."
    )


def _picture(coverage: Coverage) -> Any:
    """Draw coins over time as an image, with the coin and its share as a tooltip."""
    from bokeh.models import CustomJSHover, HoverTool, LinearColorMapper
    from bokeh.plotting import figure

    n_coins, n_spans = coverage.shares.shape
    begin = int(coverage.start.astype("datetime64[ms]").astype(np.int64))
    width = n_spans * coverage.span * DAY_MS
    plot = figure(
        height=int(np.clip(4 * n_coins, 240, 720)),
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        x_range=(begin, begin + width),
        y_range=(0, n_coins),
        toolbar_location="right",
        tools=TOOLS,
    )
    drawn = plot.image(
        image=[coverage.shares],
        x=begin,
        y=0,
        dw=width,
        dh=n_coins,
        color_mapper=LinearColorMapper(SHADES, low=0, high=1),
    )
    name = CustomJSHover(code=COIN_AT, args={"coins": list(coverage.coins)})
    plot.add_tools(
        HoverTool(
            renderers=[drawn],
            tooltips=[
                ("coin", "$y{custom}"),
                ("from about", "$x{%F}"),
                ("days with prices", "@image{0%}"),
            ],
            formatters={"$y": name, "$x": "datetime"},
        )
    )
    dress(plot)
    plot.yaxis.visible = False
    plot.grid.visible = False
    return plot

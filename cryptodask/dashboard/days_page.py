"""The page of days: forecasts against what came, requests, alerts, and the monitor's numbers.

Names of coins, models and rules reach the page as data only, which Bokeh sets as text; see
`cryptodask.dashboard.style`.
"""

import os
import time
from typing import Any

import pandas as pd

from cryptodask.charts.style import FEW_TOOLS, INK, MUTED, add_legend, dress, plain_text, style
from cryptodask.dashboard import overlay_page
from cryptodask.dashboard.cache import RecentValues
from cryptodask.dashboard.days_view import DaysView, read_days
from cryptodask.dashboard.forecasts_page import in_thread
from cryptodask.dashboard.html_file import html_of, target_of
from cryptodask.dashboard.live_page import card
from cryptodask.dashboard.monitor_page import monitor_parts
from cryptodask.dashboard.price_figure import legend_item
from cryptodask.dashboard.style import BODY, section_title
from cryptodask.dashboard.tables import TitledColumns, data_table
from cryptodask.errors import CryptoDaskError
from cryptodask.io.files import write_text

AHEAD: TitledColumns = [
    ("day", "day", 112, None),
    ("model", "model", 130, None),
    ("coins", "forecast", 76, "0,0"),
    ("came", "came", 66, "0,0"),
    ("error", "error", 76, "0.00%"),
    ("move", "naive error", 88, "0.00%"),
    ("in_80", "in 80%", 72, "0.0%"),
    ("in_95", "in 95%", 72, "0.0%"),
]
BROUGHT: TitledColumns = [
    ("day", "day", 112, None),
    ("runs", "runs", 70, "0,0"),
    ("forecasts", "forecasts", 90, "0,0"),
    ("failures", "failures", 80, "0,0"),
    ("requests", "requests", 80, "0,0"),
    ("alerts", "alerts", 70, "0,0"),
]
REQUESTS: TitledColumns = [
    ("day", "day", 112, None),
    ("coin", "coin", 150, None),
    ("model", "model", 110, None),
    ("rule", "rule", 110, None),
    ("side", "side", 56, None),
    ("weight", "weight", 70, "0.0%"),
    ("expected", "expected", 80, "+0.00%"),
    ("came", "came", 80, "+0.00%"),
]
TRADES: TitledColumns = [
    ("day", "day", 112, None),
    ("account", "account", 90, None),
    ("coin", "coin", 150, None),
    ("side", "side", 56, None),
    ("quantity", "quantity", 100, "0,0.[0000]"),
    ("price", "price", 100, "0,0.[000000]"),
    ("fee", "fee", 70, "0,0.00"),
    ("slipped", "slippage", 80, "0,0.00"),
]
ALERTS: TitledColumns = [
    ("day", "day", 112, None),
    ("kind", "kind", 150, None),
    ("message", "message", 520, None),
]

NO_STORE = (
    "This scheduler knows no store: `--store PLACE` behind `--preload cryptodask.dashboard`, or "
    "CRYPTODASK_STORE, names that of a pipeline."
)

FRESH = 30.0
"""Seconds for which viewers share what was read."""

_views = RecentValues(1)

AHEAD_LEGEND = (
    "Forecasts one bar ahead, by the day that they are for. Forecast: coins; came: those that have "
    "a close. Error: mean absolute error of the log price, over coins; naive error: that of the "
    "last close. In 80%, in 95%: share of closes within the interval."
)
REQUESTS_LEGEND = (
    "Expected: the return that was forecast, at the step that the rule looks at; came: the return "
    "up to that day, – where it has not come yet."
)


ACCOUNTS_LEGEND = (
    "What each account is worth at the closes of a day, in the quote currency, after fees and "
    "slippage. Orders are filled at the open of the next bar."
)


def save_days(path: "str | os.PathLike[str]", view: DaysView) -> None:
    """Write the page to one HTML file that needs no network, whole or not at all.

    Parameters
    ----------
    path : path
        A file there is replaced.
    view : DaysView

    Raises
    ------
    OptionError
        The file has another suffix, or its folder does not exist.
    """
    target = target_of(path, (".html",), "the page of days")
    write_text(html_of(layout(view), "CryptoDask days"), target)


def layout(view: DaysView, *notes: Any) -> Any:
    """Return the page.

    Parameters
    ----------
    view : DaysView
    *notes : bokeh models
        Below the summary.

    Returns
    -------
    bokeh.models.Column
    """
    from bokeh.layouts import column

    return column(*_parts(view, *notes), sizing_mode="stretch_width", styles=BODY)


def _parts(view: DaysView, *notes: Any) -> list[Any]:
    return [
        plain_text("heading", "Days", "26px", INK, "650"),
        plain_text("summary", view.summary, "14px", MUTED),
        *notes,
        section_title("Forecasts and what came"),
        *([plain_text("left_out", view.left_out, "13px", MUTED)] if view.left_out else []),
        *overlay_page.draw(view.overlay),
        section_title("Day by day"),
        plain_text("legend", AHEAD_LEGEND, "13px", MUTED),
        _table("ahead", view.ahead, AHEAD),
        section_title("What each day brought"),
        _table("brought", view.brought, BROUGHT),
        section_title("Requests"),
        *_listed("requests", view.requests, REQUESTS, "No rule asked for a trade."),
        section_title("Trades on paper"),
        *_accounts(view.accounts),
        *_listed("trades", view.trades, TRADES, "Nothing was traded."),
        section_title("Alerts"),
        *_listed("alerts", view.alerts, ALERTS, "No alert."),
        section_title("Monitor"),
        *monitor_parts(view.numbers),
    ]


class DaysPage:
    """One viewer's page of days, on a scheduler's dashboard.

    Parameters
    ----------
    doc : bokeh.document.Document
    store : str
        Place of the store; or empty.
    """

    def __init__(self, doc: Any, store: str) -> None:
        self.doc, self.store = doc, store
        text = "Reading the store …" if store else NO_STORE
        card(doc, "days", [plain_text("note", text, "14px", MUTED)])
        if store:
            doc.add_next_tick_callback(self._show)

    async def _show(self) -> None:
        (root,) = self.doc.roots
        try:
            view = await in_thread(recent_days, self.store)
            root.children = _parts(view, read_note())
        except CryptoDaskError as error:
            root.children = [plain_text("note", str(error), "14px", MUTED)]


def read_note() -> Any:
    """Return a line that says when a page of days was read, as it does not change by itself.

    Returns
    -------
    bokeh.models.Div
    """
    text = f"Read at {time.strftime('%Y-%m-%d %H:%M:%S')}; reload the page for what came since."
    return plain_text("read", text, "13px", MUTED)


def recent_days(store: str) -> DaysView:
    """Return what the latest days brought, read once for all viewers of a while.

    Parameters
    ----------
    store : str
        Its place.
    """
    return _views.get((store, int(time.monotonic() / FRESH)), lambda: read_days(store))


def _listed(name: str, rows: pd.DataFrame, columns: TitledColumns, nothing: str) -> list[Any]:
    """Return a table with its legend, or a line that there is nothing."""
    if rows.empty:
        return [plain_text("nothing", nothing, "14px", MUTED)]
    legend = [plain_text("legend", REQUESTS_LEGEND, "13px", MUTED)] if name == "requests" else []
    return [*legend, _table(name, rows, columns)]


def _accounts(rows: pd.DataFrame) -> list[Any]:
    """Return what accounts were worth, day by day; nothing where there is none."""
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter
    from bokeh.plotting import figure

    if rows.empty:
        return []
    plot = figure(
        name="equity", x_axis_type="datetime", height=220, sizing_mode="stretch_width",
        tools=FEW_TOOLS, active_drag="box_zoom",
    )  # fmt: skip
    items, lines = [], []
    for place, (account, days) in enumerate(rows.groupby("account")):
        color, dash = style(place)
        columns = {name: days[name].to_numpy() for name in ("day", "cash", "equity")}
        source = ColumnDataSource(columns | {"account": [str(account)] * len(days)})
        line = plot.line("day", "equity", source=source, color=color, line_dash=dash, line_width=2)
        dots = plot.scatter("day", "equity", source=source, color=color, size=4)
        items.append(legend_item(str(account), line, dots))
        lines.append(line)
    shown = [(name, f"@{name}{{0,0.00}}") for name in ("equity", "cash")]
    tips = [("account", "@account"), ("day", "@day{%F}"), *shown]
    hover = HoverTool(renderers=lines, tooltips=tips, visible=False)
    hover.formatters = {"@day": "datetime"}
    plot.add_tools(hover)
    plot.yaxis.axis_label = "worth, quote currency"
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    add_legend(plot, items)
    dress(plot)
    return [plain_text("legend", ACCOUNTS_LEGEND, "13px", MUTED), plot]


def _table(name: str, rows: pd.DataFrame, columns: TitledColumns) -> Any:
    box, _ = data_table(name, rows, columns)
    return box

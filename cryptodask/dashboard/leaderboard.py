"""The leaderboard of a backtest as one HTML page, drawn with Bokeh.

Names of coins and models reach the page as data only, which Bokeh sets as text; see
`cryptodask.dashboard.page`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask.results import Backtest
from cryptodask.dashboard import curves, overlay_page
from cryptodask.dashboard.leaderboard_view import (
    BY_COVERAGE,
    BY_ERROR,
    DRAWN,
    VERDICTS,
    LeaderboardView,
    build_leaderboard,
)
from cryptodask.dashboard.page import FONT, INK, MUTED, PAGE, plain_text
from cryptodask.dashboard.plot import replace_file
from cryptodask.errors import OptionError
from cryptodask.prices import CryptoLoader

Columns = Sequence[tuple[str, str, int, str | None]]
"""Column, title, width in pixels and format of a number, or None of a text."""

BOARD: Columns = [
    ("rank", "rank", 40, "0"),
    ("model", "model", 104, None),
    ("coins", "coins", 46, "0,0"),
    ("relative_mae", "rel. MAE", 68, "0.000"),
    ("mase", "MASE", 56, "0.00"),
    ("rmsse", "RMSSE", 58, "0.00"),
    ("smape", "sMAPE", 58, "0.0"),
    ("direction", "direction", 72, "0.0%"),
    ("coverage_80", "cov. 80", 58, "0.0%"),
    ("coverage_95", "cov. 95", 58, "0.0%"),
    ("relative_width_80", "width 80", 70, "0.000"),
    ("relative_width_95", "width 95", 70, "0.000"),
    ("wql", "WQL", 54, "0.000"),
    ("msis_80", "MSIS 80", 66, "0.0"),
    ("msis_95", "MSIS 95", 66, "0.0"),
    *(
        (verdict, {"no difference": "same"}.get(verdict, verdict), 48, "0,0")
        for verdict in VERDICTS
    ),
    ("verdict", "overall", 116, None),
]

WORST: Columns = [
    ("place", "", 40, "0"),
    ("coin", "coin", 200, None),
    ("n", "forecasts", 70, "0,0"),
    ("relative_mae", "rel. MAE", 80, "0.000"),
    ("mase", "MASE", 80, "0.00"),
    ("direction", "direction", 80, "0.0%"),
    ("coverage_80", "cov. 80", 80, "0.0%"),
    ("coverage_95", "cov. 95", 80, "0.0%"),
    ("verdict", "against naive", 110, None),
]

LEGEND = (
    "By relative MAE: mean absolute error over naive's, below 1 is better; the geometric mean over "
    "coins. Other scores are means over coins; sMAPE is in percent, 0 to 200. Direction: share of "
    "moves with the right sign. Cov.: share of actuals inside the 80% and 95% interval; width: of "
    "the interval, as a share of the forecast."
)
TESTED = "Better, same, worse: on so many coins, by Diebold-Mariano tests against naive."

CHOOSE = """
const found = lists[orders.indexOf(order.value)][models.indexOf(model.value)]
source.selected.indices = []
source.data = found
"""

SHOW = """
const [row] = cb_obj.indices
const name = source.data.coin?.[row]
if (name !== undefined && coin.options.includes(name)) {
  shown.value = model.value
  coin.value = name
}
"""


def save_leaderboard(
    path: str | os.PathLike[str],
    backtest: Backtest,
    *,
    verdicts: pd.DataFrame | None = None,
    pooled: pd.DataFrame | None = None,
    coins: int | Sequence[str] = DRAWN,
    prices: CryptoLoader | None = None,
) -> None:
    """Write the leaderboard of a backtest to one HTML file that needs no network.

    Ranks and scores, error by step and by origin, calibration of intervals, the worst coins, and
    forecasts over actuals, of some coins. The backtest is read by coins, so that it need not fit
    into memory; its scores by coin and model must. The file is written whole or not at all.

    Parameters
    ----------
    path : path
        Ends in ``.html``; its folder exists. A file there is replaced.
    backtest : Backtest
    verdicts : DataFrame, optional
        ``coin, model, verdict``; by default those of `cryptodask.evaluate.compare.judge_coins`.
    pooled : DataFrame, optional
        ``model, verdict``, over all coins; by default those of
        `cryptodask.evaluate.compare.compare_models`.
    coins : int or sequence of str
        Which coins are drawn over actuals: so many of the worst of each model in turn, or those
        that are named. Many models and origins make them fewer (`tracks.MOST_POINTS`).
    prices : CryptoLoader, optional
        Where closes are read of days that no origin's forecast reaches.

    Raises
    ------
    OptionError
        Another suffix, no such folder, no forecast at all, a column that is missing, or more
        coins named than a page can hold.
    UnknownCoinError
        The backtest has no forecast of a coin that is named.
    """
    target = Path(path)
    if target.suffix.lower() != ".html":
        raise OptionError(
            f"can't write a leaderboard to {str(target)!r}: its suffix is {target.suffix!r}, and "
            "must be .html"
        )
    if not target.parent.is_dir():
        raise OptionError(
            f"can't write a leaderboard to {str(target)!r}: there is no folder {target.parent}"
        )
    view = build_leaderboard(backtest, verdicts=verdicts, pooled=pooled, coins=coins, prices=prices)
    text = html(view)

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    replace_file(target, write)


def html(view: LeaderboardView) -> str:
    """Return the page as one text, with Bokeh's scripts in it."""
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    title = f"CryptoDask leaderboard: {view.summary}"
    return str(file_html(layout(view), INLINE, title=title, template=PAGE))


def layout(view: LeaderboardView) -> Any:
    """Return the whole page as one Bokeh column."""
    from bokeh.layouts import column

    chooser, *drawn = overlay_page.draw(view.tracks)
    parts = [
        plain_text("heading", "Leaderboard", "26px", INK, "650"),
        plain_text("summary", view.summary, "14px", MUTED),
        *(plain_text("note", note, "14px", INK) for note in view.notes),
        data_table("board", view.table, BOARD)[0],
        plain_text("legend", f"{LEGEND} {TESTED}", "12px", MUTED),
        _title("Error"),
        *curves.errors(view),
        _title("Calibration of intervals"),
        *curves.calibration(view),
        _title("The worst coins"),
        *_worst(view, chooser),
        _title("Forecasts over actuals"),
        chooser,
        *drawn,
    ]
    font = {"--bokeh-base-font": FONT, "--bokeh-font-size": "13px"}
    return column(*parts, sizing_mode="stretch_width", styles=font)


def data_table(name: str, frame: pd.DataFrame, columns: Columns) -> tuple[Any, Any]:
    """Return a table that sorts by a click, with texts set as texts; in a box, and by itself."""
    from bokeh.layouts import column
    from bokeh.models import (
        ColumnDataSource,
        DataTable,
        NumberFormatter,
        StringFormatter,
        TableColumn,
    )

    shown = [
        TableColumn(
            field=field,
            title=title,
            width=width,
            formatter=StringFormatter()
            if number is None
            else NumberFormatter(format=number, nan_format="–", text_align="right"),
        )
        for field, title, width, number in columns
    ]
    # Titles above their numbers.
    numbers = [i for i, (*_, number) in enumerate(columns, 1) if number]
    heads = [f".slick-header-column:nth-child({i}) .slick-column-name" for i in numbers]
    table = DataTable(
        name=name,
        source=ColumnDataSource(_columns(frame, columns)),
        columns=shown,
        index_position=None,
        reorderable=False,
        stylesheets=[f"{', '.join(heads)} {{ float: right; }}"],
        height=min(560, 32 + 25 * max(1, len(frame))),
        sizing_mode="stretch_width",
        min_width=int(0.85 * sum(width for _, _, width, _ in columns)),
    )
    # A narrow window scrolls the table, rather than squeezing it.
    return column(table, sizing_mode="stretch_width", styles={"overflow-x": "auto"}), table


def _columns(frame: pd.DataFrame, columns: Columns) -> dict[str, Any]:
    return {
        field: frame[field].astype("str").tolist() if number is None else frame[field].to_numpy()
        for field, _, _, number in columns
    }


def _worst(view: LeaderboardView, chooser: Any) -> list[Any]:
    """Return the choosers and the table of the worst coins; a click on one draws it below."""
    from bokeh.layouts import row
    from bokeh.models import CustomJS, Select

    orders = [by for by in (BY_ERROR, BY_COVERAGE) if (view.worst["by"] == by).any()]
    models = [model for model in view.models if (view.worst["model"] == model).any()]
    if not orders:
        return [plain_text("note", "There is no model but naive.", "14px", MUTED)]
    groups = [
        [view.worst[(view.worst["by"] == by) & (view.worst["model"] == model)] for model in models]
        for by in orders
    ]
    first = next(i for i, group in enumerate(groups[0]) if len(group))
    model = Select(name="worst_model", title="Model", options=models, value=models[first])
    order = Select(name="worst_by", title="Worst by", options=orders, value=orders[0])
    longest = max((group for own in groups for group in own), key=len)
    box, table = data_table("worst", longest, WORST)
    table.source.data = _columns(groups[0][first], WORST)
    lists = [[_columns(group, WORST) for group in own] for own in groups]
    args = {"source": table.source, "model": model, "order": order}
    args |= {"models": models, "orders": orders, "lists": lists}
    choose = CustomJS(args=args, code=CHOOSE)
    model.js_on_change("value", choose)
    order.js_on_change("value", choose)
    coin, shown = (chooser.select_one({"name": name}) for name in ("coin", "model"))
    args = {"source": table.source, "model": model, "coin": coin, "shown": shown}
    table.source.selected.js_on_change("indices", CustomJS(args=args, code=SHOW))
    hint = "A click on a coin shows its forecasts below, if it is one of those that are drawn."
    return [
        row(model, order, sizing_mode="stretch_width", styles={"flex-wrap": "wrap"}),
        box,
        plain_text("hint", hint, "12px", MUTED),
    ]


def _title(text: str) -> Any:
    title = plain_text("title", text, "18px", INK, "650")
    title.margin = (28, 5, 4, 5)
    return title

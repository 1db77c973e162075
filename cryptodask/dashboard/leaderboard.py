"""The leaderboard of a backtest as one HTML page, drawn with Bokeh.

Names of coins and models reach the page as data only, which Bokeh sets as text; see
`cryptodask.dashboard.style`.
"""

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd

from cryptodask.charts.style import INK, MUTED, plain_text
from cryptodask.dashboard import curves, overlay_page
from cryptodask.dashboard.html_file import html_of, target_of
from cryptodask.dashboard.leaderboard_view import (
    BY_COVERAGE,
    BY_ERROR,
    DRAWN,
    VERDICTS,
    LeaderboardView,
    build_leaderboard,
)
from cryptodask.dashboard.result_files import Backtest
from cryptodask.dashboard.style import BODY, WRAP, section_title
from cryptodask.dashboard.tables import TitledColumns, columns_of, data_table
from cryptodask.evaluate.coverage import FEWEST
from cryptodask.io.files import write_text
from cryptodask.prices import CryptoLoader

BOARD: TitledColumns = [
    ("rank", "rank", 40, "0"),
    ("model", "model", 104, None),
    ("coins", "coins", 46, "0,0"),
    ("relative_mae", "rel. MAE", 78, "0.000"),
    ("mase", "MASE", 56, "0.00"),
    ("rmsse", "RMSSE", 58, "0.00"),
    ("smape", "sMAPE", 58, "0.0"),
    ("direction", "direction", 72, "0.0%"),
    ("coverage_80", "cov. 80", 58, "0.0%"),
    ("coverage_95", "cov. 95", 58, "0.0%"),
    ("relative_width_80", "width 80", 70, "0.000"),
    ("relative_width_95", "width 95", 70, "0.000"),
    ("scaled_crps", "CRPS", 56, "0.00"),
    ("msis_95", "MSIS 95", 66, "0.0"),
    *(
        (verdict, {"no difference": "same"}.get(verdict, verdict), 48, "0,0")
        for verdict in VERDICTS
    ),
    ("verdict", "overall", 116, None),
]

COVERAGE: TitledColumns = [
    ("model", "model", 140, None),
    ("level", "interval, %", 84, "0"),
    ("coins", "coins", 60, "0,0"),
    ("n", "forecasts a coin", 110, "0.0"),
    ("coverage", "coverage", 80, "0.0%"),
    ("kupiec", "wrong share", 96, "0.0%"),
    ("christoffersen", "in clusters", 90, "0.0%"),
]

WORST: TitledColumns = [
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
TESTED = "Better, same, worse: number of coins, by Diebold-Mariano tests against naive."

COVERED = (
    "Forecasts of the last step that don't overlap, {fewest} or more of a coin. Wrong share: coins "
    "whose misses are too many or too few (Kupiec's test, at 5%); in clusters: whose misses follow "
    "one another (Christoffersen's). About 5% of coins are expected where intervals are right, and "
    "more where all coins miss on the same days."
)
TOO_FEW = (
    "Tests of coverage need {fewest} forecasts of a coin that don't overlap; this backtest has "
    "fewer. More origins make them."
)

CHOOSE = """
const worst = lists[orders.indexOf(order.value)][models.indexOf(model.value)]
source.selected.indices = []
source.data = worst
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
    into memory; its scores by coin and model must. The file is written completely or not at all.

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
        Which coins are drawn over actuals: how many, taken alternately from the worst of each
        model, or which. Many models and origins make them fewer (`overlay.MOST_POINTS`).
    prices : CryptoLoader, optional
        Closes of the days that no forecast reaches.

    Raises
    ------
    OptionError
        Another suffix, a folder that does not exist, no forecast, a column that is missing, or
        more coins named than a page can hold.
    UnknownCoinError
        The backtest has no forecast of a coin that is named.
    """
    target = target_of(path, [".html"], "a leaderboard")
    view = build_leaderboard(backtest, verdicts=verdicts, pooled=pooled, coins=coins, prices=prices)
    write_text(html_of(layout(view), f"CryptoDask leaderboard: {view.summary}"), target)


def layout(view: LeaderboardView) -> Any:
    """Return the page as one Bokeh column.

    Parameters
    ----------
    view : LeaderboardView

    Returns
    -------
    bokeh.models.Column
    """
    from bokeh.layouts import column

    chooser, *drawn = overlay_page.draw(view.overlay)
    parts = [
        plain_text("heading", "Leaderboard", "26px", INK, "650"),
        plain_text("summary", view.summary, "14px", MUTED),
        *(plain_text("note", note, "14px", INK) for note in view.notes),
        data_table("board", view.table, BOARD)[0],
        plain_text("legend", f"{LEGEND} {TESTED}", "12px", MUTED),
        section_title("Error"),
        *curves.errors(view),
        section_title("Calibration of intervals"),
        *curves.calibration(view),
        *_coverage(view),
        section_title("The worst coins"),
        *_worst(view, chooser),
        section_title("Forecasts over actuals"),
        chooser,
        *drawn,
    ]
    return column(*parts, sizing_mode="stretch_width", styles=BODY)


def _coverage(view: LeaderboardView) -> list[Any]:
    """Return the table of the tests of coverage, or why there is none."""
    if view.reliability.empty:
        return []
    if view.coverage.empty:
        return [plain_text("no_tests", TOO_FEW.format(fewest=FEWEST), "12px", MUTED)]
    rank = {model: i for i, model in enumerate(view.models)}
    rows = view.coverage.sort_values(
        ["model", "level"],
        key=lambda column: column.map(rank) if column.name == "model" else column,
    )
    legend = plain_text("coverage_legend", COVERED.format(fewest=FEWEST), "12px", MUTED)
    return [data_table("coverage_tests", rows, COVERAGE)[0], legend]


def _worst(view: LeaderboardView, chooser: Any) -> list[Any]:
    """Return the choosers and the table of the worst coins; a click on one draws it below."""
    from bokeh.layouts import row
    from bokeh.models import CustomJS, Select

    orders = [by for by in (BY_ERROR, BY_COVERAGE) if (view.worst["by"] == by).any()]
    models = [model for model in view.models if (view.worst["model"] == model).any()]
    if not orders:
        return [plain_text("note", "Naive is the only model.", "14px", MUTED)]
    groups = [
        [view.worst[(view.worst["by"] == by) & (view.worst["model"] == model)] for model in models]
        for by in orders
    ]
    first = next(i for i, group in enumerate(groups[0]) if len(group))
    model = Select(name="worst_model", title="Model", options=models, value=models[first])
    order = Select(name="worst_by", title="Worst by", options=orders, value=orders[0])
    longest = max((group for by_model in groups for group in by_model), key=len)
    box, table = data_table("worst", longest, WORST)
    table.source.data = columns_of(groups[0][first], WORST)
    lists = [[columns_of(group, WORST) for group in by_model] for by_model in groups]
    args = {"source": table.source, "model": model, "order": order}
    args |= {"models": models, "orders": orders, "lists": lists}
    choose = CustomJS(args=args, code=CHOOSE)
    model.js_on_change("value", choose)
    order.js_on_change("value", choose)
    coin, shown = (chooser.select_one({"name": name}) for name in ("coin", "model"))
    args = {"source": table.source, "model": model, "coin": coin, "shown": shown}
    table.source.selected.js_on_change("indices", CustomJS(args=args, code=SHOW))
    hint = "Click a coin to see its forecasts below, if it is one of the coins drawn there."
    return [
        row(model, order, sizing_mode="stretch_width", styles=WRAP),
        box,
        plain_text("hint", hint, "12px", MUTED),
    ]

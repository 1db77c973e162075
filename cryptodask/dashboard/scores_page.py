"""The page of scores: a table of the models of the latest backtests, drawn with Bokeh."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cryptodask.charts.style import INK, MUTED, plain_text
from cryptodask.cluster.events import ENDED
from cryptodask.dashboard.broadcaster import Broadcaster
from cryptodask.dashboard.cache import RecentValues
from cryptodask.dashboard.forecasts_page import in_thread
from cryptodask.dashboard.leaderboard import BOARD, LEGEND
from cryptodask.dashboard.leaderboard_view import SCORES
from cryptodask.dashboard.live import Run
from cryptodask.dashboard.live_page import card
from cryptodask.dashboard.live_view import label_of, summary_of
from cryptodask.dashboard.result_files import UNREADABLE, scores_in
from cryptodask.dashboard.run_message import BACKTEST
from cryptodask.dashboard.tables import Columns, live_table, put
from cryptodask.io.paths import is_folder, path_of

FIELDS = ("rank", "model", "coins", *SCORES)
TITLES = [column for column in BOARD if column[0] in FIELDS]

NOTHING = "No backtest has ended since this scheduler started."

MOST_READ = 100_000_000
"""Bytes of a backtest's files that a scheduler scores; more would keep it from its work."""

_scores = RecentValues(8)


class ScoresPage:
    """One viewer's page of scores.

    Parameters
    ----------
    doc : bokeh.document.Document
    broadcaster : Broadcaster
    """

    def __init__(self, doc: Any, broadcaster: Broadcaster) -> None:
        from bokeh.models import Select

        self.doc, self.broadcaster = doc, broadcaster
        self.run = Select(name="run", title="Backtest", options=[], width=520)
        self.run.on_change("value", self._choose)
        self.heading = plain_text("summary", "", "14px", MUTED)
        self.board, self.table = live_table("scores", TITLES, board([]))
        self.legend = plain_text("legend", LEGEND, "12px", MUTED)
        children = [
            plain_text("heading", "Scores of backtests", "24px", INK, "650"),
            self.run,
            self.heading,
            self.board,
            self.legend,
        ]
        card(doc, "scores", children)
        self.update()
        broadcaster.join(doc, self.update)

    def update(self) -> None:
        """List the backtests that ended; show the latest, unless another is shown."""
        runs = backtests(self.broadcaster.runs)
        options = [(run.id, label_of(run)) for run in runs]
        if list(self.run.options) != options:
            is_latest = not self.run.options or self.run.value == self.run.options[0][0]
            self.run.options = options
            if options and (is_latest or self.run.value not in dict(options)):
                self.run.value = options[0][0]
        self.run.visible = bool(options)
        if not options:
            waiting = [run for run in self.broadcaster.runs if run.kind == BACKTEST]
            runs_now = [f"Waiting for: {summary_of(run)}" for run in waiting]
            self.heading.text = " ".join([NOTHING, *runs_now])
        self.board.visible = self.legend.visible = bool(options)

    def _choose(self, name: str, old: str, new: str) -> None:
        del name, old, new
        self.doc.add_next_tick_callback(self._show)

    async def _show(self) -> None:
        run = next((run for run in self.broadcaster.runs if run.id == self.run.value), None)
        if run is not None:
            scores, note = await in_thread(scores_of, run)
            put(self.table, board(scores))
            self.heading.text = " · ".join(filter(None, [summary_of(run), note]))


def backtests(runs: Sequence[Run]) -> list[Run]:
    """Return the backtests that ended.

    Parameters
    ----------
    runs : sequence of Run
    """
    return [run for run in runs if run.kind == BACKTEST and run.state == ENDED]


def scores_of(run: Run) -> tuple[list[dict[str, Any]], str]:
    """Return a row a model, and a note where there is none.

    Scores come from the run's messages or from its folder, which takes a while to read.

    Parameters
    ----------
    run : Run
    """
    if run.scores or not run.out:
        return run.scores, ""
    hint = f"`cryptodask dashboard {run.out}` shows them"
    try:
        out = path_of(run.out)
        if not is_folder(out):
            return [], f"the folder is not visible to this server; on its machine, {hint}"
        return _scores.get(run.id, lambda: scores_in(out, MOST_READ)), ""
    except UNREADABLE as error:
        return [], f"{error}; {hint}"


def board(rows: Sequence[dict[str, Any]]) -> Columns:
    """Return the columns of the table, by rank.

    Parameters
    ----------
    rows : sequence of dict
        Scores, a row a model.

    Returns
    -------
    dict of str to list
        `FIELDS`.
    """
    frame = pd.DataFrame(list(rows)).reindex(columns=list(FIELDS))
    numbers = [name for name in FIELDS if name != "model"]
    frame[numbers] = frame[numbers].astype("float64")
    frame["rank"] = frame["relative_mae"].rank(method="min")
    frame = frame.sort_values("rank", ignore_index=True)
    return {
        name: frame[name].astype("str").tolist() if name == "model" else frame[name].tolist()
        for name in FIELDS
    }

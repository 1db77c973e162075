"""The page of scores: what models were worth in the latest backtests, a table drawn with Bokeh."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cryptodask.cluster.events import ENDED
from cryptodask.dashboard.broadcaster import Broadcaster
from cryptodask.dashboard.cache import Kept
from cryptodask.dashboard.forecasts_page import in_thread
from cryptodask.dashboard.leaderboard import BOARD, LEGEND
from cryptodask.dashboard.leaderboard_view import SCORES
from cryptodask.dashboard.live import BACKTEST, Run
from cryptodask.dashboard.live_page import card, live_table, put
from cryptodask.dashboard.live_view import Columns, label_of, summary_of
from cryptodask.dashboard.page import INK, MUTED, plain_text
from cryptodask.errors import CryptoDaskError
from cryptodask.io.paths import AnyPath, is_folder, path_of
from cryptodask.results.backtest import open_backtest

FIELDS = ("rank", "model", "coins", *SCORES)
TITLES = [column for column in BOARD if column[0] in FIELDS]

MOST_READ = 100_000_000
"""Bytes of a backtest's files that a scheduler scores; a larger one would keep it from its work."""

_read = Kept(8)


class ScoresPage:
    """One viewer's page of scores."""

    def __init__(self, doc: Any, hub: Broadcaster) -> None:
        from bokeh.models import Select

        self.doc, self.hub, self.shown = doc, hub, ""
        self.run = Select(name="run", title="Backtest", options=[], width=520)
        self.run.on_change("value", self._choose)
        self.heading = plain_text("summary", "", "14px", MUTED)
        box, self.table = live_table("scores", TITLES, board([]))
        children = [
            plain_text("heading", "Scores of backtests", "24px", INK, "650"),
            self.run,
            self.heading,
            box,
            plain_text("legend", LEGEND, "12px", MUTED),
        ]
        card(doc, "scores", children)
        self.update()
        hub.join(doc, self.update)

    def update(self) -> None:
        """List the backtests that ended; show the latest, unless another is shown."""
        runs = backtests(self.hub.runs)
        options = [(run.id, label_of(run)) for run in runs]
        if list(self.run.options) != options:
            is_latest = not self.run.options or self.run.value == self.run.options[0][0]
            self.run.options = options
            if options and (is_latest or self.run.value not in dict(options)):
                self.run.value = options[0][0]
        self.run.visible = bool(options)
        if not options:
            self.heading.text = "No backtest has ended since this scheduler started."

    def _choose(self, name: str, old: str, new: str) -> None:
        del name, old, new
        self.doc.add_next_tick_callback(self._show)

    async def _show(self) -> None:
        run = next((run for run in self.hub.runs if run.id == self.run.value), None)
        if run is not None:
            scores, word = await in_thread(scores_of, run)
            put(self.table, board(scores))
            self.heading.text = " · ".join(filter(None, [summary_of(run), word]))


def backtests(runs: Sequence[Run]) -> list[Run]:
    """Return the backtests that ended."""
    return [run for run in runs if run.kind == BACKTEST and run.state == ENDED]


def scores_of(run: Run) -> tuple[list[dict[str, Any]], str]:
    """Return a row a model, as it was told or as the run's folder has it, and what is to be said.

    It reads files, and takes a while.
    """
    if run.scores or not run.out:
        return run.scores, ""
    hint = f"`cryptodask dashboard {run.out}` shows it"
    try:
        out = path_of(run.out)
        if not is_folder(out):
            return [], f"this server does not see the folder; where it lies, {hint}"
        return _read.get(run.id, lambda: _scored(out)), ""
    except (CryptoDaskError, OSError, ValueError) as error:
        return [], f"{error}; {hint}"


def board(rows: Sequence[dict[str, Any]]) -> Columns:
    """Return the columns of the table, by rank."""
    frame = pd.DataFrame(list(rows)).reindex(columns=list(FIELDS))
    numbers = [name for name in FIELDS if name != "model"]
    frame[numbers] = frame[numbers].astype("float64")
    frame["rank"] = frame["relative_mae"].rank(method="min")
    frame = frame.sort_values("rank", ignore_index=True)
    return {
        name: frame[name].astype("str").tolist() if name == "model" else frame[name].tolist()
        for name in FIELDS
    }


def _scored(folder: AnyPath) -> list[dict[str, Any]]:
    done = open_backtest(folder)
    size = sum((folder / name).stat().st_size for name in done.files)
    if size > MOST_READ:
        raise CryptoDaskError(f"{folder}: {size / 1e6:,.0f} MB are too much to score here")
    return [{str(k): v for k, v in row.items()} for row in done.scores().to_dict("records")]

"""The page of forecasts for a server: choosers of run and coin, closes with forecasts, failures.

A coin is read when it is chosen, in a thread, so that a page of very many coins opens at once and
the server goes on meanwhile. What is read is shared by all viewers (`shelf`).
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from cryptodask.dashboard import shelf
from cryptodask.dashboard.live_page import FAILURES, card, live_table, put, title
from cryptodask.dashboard.live_view import failures_table
from cryptodask.dashboard.page import INK, MUTED, draw_figure, plain_text
from cryptodask.dashboard.shelf import ALL_DAYS, Entry
from cryptodask.dashboard.view import ForecastView
from cryptodask.errors import CryptoDaskError

MOST_LISTED = 500
"""Coins that a list shows at a time; a part of a name finds the others."""

DAYS = (60, 180, 365, ALL_DAYS)
RESET = "figure.reset.emit()"


class ForecastsPage:
    """One viewer's page of forecasts.

    Parameters
    ----------
    doc : Document
    entries : callable
        What can be looked at, the latest first.
    join : callable, optional
        Told to call `update` when something changes.
    """

    def __init__(
        self,
        doc: Any,
        entries: Callable[[], Sequence[Entry]],
        join: Callable[[Any, Callable[[], None]], None] | None = None,
    ) -> None:
        self.doc, self.entries = doc, entries
        self.entry: Entry | None = None
        self.is_followed, self.is_set_here = True, False
        self.coins: list[str] = []
        self.shape: Any = None
        self._asked = 0
        self._widgets()
        self.update()
        if join is not None:
            join(doc, self.update)

    def _widgets(self) -> None:
        from bokeh.layouts import column, row
        from bokeh.models import Button, RadioButtonGroup, Select, TextInput

        self.run = Select(name="run", title="Run", options=[], width=420)
        self.find = TextInput(name="find", title="Find", placeholder="Part of a name", width=150)
        self.coin = Select(name="coin", title="Coin", options=[], width=210)
        labels = [f"{n} days" for n in DAYS[:-1]] + ["all"]
        self.span = RadioButtonGroup(name="span", labels=labels, active=1, align="end", height=33)
        leaf = []
        for label, step in (("‹ Prev", -1), ("Next ›", 1)):
            button = Button(label=label, width=68, height=33, align="end")
            button.on_click(lambda step=step: self._step(step))
            leaf.append(button)
        self.run.on_change("value", self._choose_run)
        self.find.on_change("value_input", self._find)
        self.coin.on_change("value", self._choose_coin)
        self.span.on_change("active", self._choose_coin)
        self.heading = plain_text("coin_heading", "", "24px", INK, "650")
        self.caption = plain_text("coin_caption", "", "14px", MUTED)
        self.area = column(name="area", sizing_mode="stretch_width")
        box, self.failures = live_table("failures", FAILURES, failures_table({}))
        self.failed_title = title("Failures")
        styles = {"flex-wrap": "wrap"}
        parts = [self.run, self.find, self.coin, *leaf, self.span]
        chooser = row(*parts, name="chooser", sizing_mode="stretch_width", styles=styles)
        children = [chooser, self.heading, self.caption, self.area, self.failed_title, box]
        card(self.doc, "forecasts", children)

    def update(self) -> None:
        """Bring the page to what is known now: read again only what changed."""
        entries = list(self.entries())
        options = [(entry.id, entry.label) for entry in entries]
        if list(self.run.options) != options:
            self.run.options = options
        self.run.visible = len(entries) > 1
        known = {entry.id: entry for entry in entries}
        chosen = None if self.is_followed or self.entry is None else known.get(self.entry.id)
        # A run that began just now has nothing to show yet.
        entry = chosen or next((e for e in entries if e.is_readable), next(iter(entries), None))
        if entry is None:
            self.caption.text = "No forecast has told of itself since this scheduler started."
        elif self.entry is None or (entry.id, entry.version) != (
            self.entry.id,
            self.entry.version,
        ):
            self._open(entry)

    def _open(self, entry: Entry) -> None:
        self.entry = entry
        self._set(self.run, entry.id)
        self.doc.add_next_tick_callback(self._read_coins)

    async def _read_coins(self) -> None:
        """Read the names of the coins, and what failed; then the coin that is shown."""
        entry = self.entry
        assert entry is not None
        self.coins = await in_thread(shelf.coins_of, entry)
        failures = await in_thread(shelf.failures_of, entry)
        put(self.failures, failures)
        self.failures.visible = self.failed_title.visible = bool(failures["coin"])
        self._list()
        self._load()

    def _list(self) -> None:
        """List the coins whose name has the text in it, those that begin with it first."""
        text = self.find.value_input.strip().casefold()
        found = [coin for coin in self.coins if text in coin.casefold()]
        if text:
            found.sort(key=lambda coin: not coin.casefold().startswith(text))
        listed = found[:MOST_LISTED]
        of_all = "" if len(listed) == len(self.coins) else f" of {len(self.coins):,}"
        self.coin.title = f"Coin ({len(listed):,}{of_all})"
        self.coin.options = listed
        wanted = listed[:1] if text or self.coin.value not in listed else []
        if wanted and wanted[0] != self.coin.value:
            self._set(self.coin, wanted[0])
            self._load()

    def _set(self, widget: Any, value: str) -> None:
        self.is_set_here = True
        try:
            widget.value = value
        finally:
            self.is_set_here = False

    def _choose_run(self, name: str, old: str, new: str) -> None:
        del name, old
        if not self.is_set_here:
            self.is_followed = False
            self._open(next(entry for entry in self.entries() if entry.id == new))

    def _find(self, name: str, old: str, new: str) -> None:
        del name, old, new
        self._list()

    def _choose_coin(self, name: str, old: Any, new: Any) -> None:
        del name, old, new
        if not self.is_set_here:
            self._load()

    def _step(self, step: int) -> None:
        options = list(self.coin.options)
        if options:
            place = options.index(self.coin.value) if self.coin.value in options else -1
            self.coin.value = options[(place + step) % len(options)]

    def _load(self) -> None:
        self._asked += 1
        self.doc.add_next_tick_callback(self._read_coin)

    async def _read_coin(self) -> None:
        """Read the coin that is chosen, and draw it, unless another was chosen meanwhile."""
        asked, entry, coin = self._asked, self.entry, self.coin.value
        if entry is None or coin not in self.coins:
            return
        try:
            view, word = await in_thread(shelf.view_of, entry, coin, DAYS[self.span.active])
        except (CryptoDaskError, OSError) as error:
            self.area.children, self.shape = [], None
            self.heading.text, self.caption.text = coin, str(error)
            return
        if asked == self._asked:
            self._draw(view, word)

    def _draw(self, view: ForecastView, word: str) -> None:
        from bokeh.models import ColumnDataSource, CustomJS

        shape = view.models, view.bands
        if shape != self.shape:
            self.history = ColumnDataSource(view.history.of(0), name="history")
            self.ahead = ColumnDataSource(view.ahead.of(0), name="ahead")
            plot, self.cutoff, self.items = draw_figure(view, self.history, self.ahead)
            # A coin's prices are no place on another's axes.
            reset = CustomJS(args={"figure": plot}, code=RESET)
            self.heading.js_property_callbacks = {"change:text": [reset]}
            self.span.js_property_callbacks = {"change:active": [reset]}
            self.area.children, self.shape = [plot], shape
        else:
            self.history.data, self.ahead.data = view.history.of(0), view.ahead.of(0)
        self.cutoff.location = view.cutoffs[0]
        for j, item in enumerate(self.items):
            item.visible = bool(np.isfinite(view.ahead.columns[f"forecast_{j}"]).any())
        self.caption.text = " · ".join(filter(None, [view.captions[0], word]))
        self.heading.text = view.coins[0]


@cache
def _pool() -> ThreadPoolExecutor:
    """Return one thread for all viewers: two would take more of the server's time at once."""
    return ThreadPoolExecutor(1, thread_name_prefix="cryptodask-pages")


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function that reads files returns, while the server goes on."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), function, *args)

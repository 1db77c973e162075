"""The page of forecasts for a server: choosers of run and coin, closes with forecasts, failures.

A coin is read when it is chosen, in a thread, so that a page of very many coins opens at once and
the server goes on meanwhile. What is read is shared by all viewers (`shelf`).
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from cryptodask.dashboard import cache as shelf
from cryptodask.dashboard.cache import ALL_DAYS, Entry
from cryptodask.dashboard.live_page import FAILURES, card, live_table, put, title
from cryptodask.dashboard.live_view import Columns, failures_table
from cryptodask.dashboard.page import INK, MUTED, draw_figure, plain_text
from cryptodask.dashboard.view import LEVELS, ForecastView
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
        Told to call `follow` when something changes.
    """

    def __init__(
        self,
        doc: Any,
        entries: Callable[[], Sequence[Entry]],
        join: Callable[[Any, Callable[[], Any]], None] | None = None,
    ) -> None:
        self.doc, self.entries = doc, entries
        self.entry: Entry | None = None
        self.is_followed, self.is_set_here = True, False
        self.coins: list[str] = []
        self.failed: set[str] = set()
        self.is_coin_chosen = False
        self.models: tuple[str, ...] | None = None
        self.view: ForecastView | None = None
        self._asked = 0
        self._widgets()
        if self._is_new():
            self.doc.add_next_tick_callback(self._read_coins)
        if join is not None:
            join(doc, self.follow)

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
        self.span.on_change("active", self._choose_span)
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

    async def follow(self) -> None:
        """Bring the page to what is known now: read again only what changed."""
        if self._is_new():
            await self._read_coins()

    def _is_new(self) -> bool:
        """List what can be looked at now; tell whether what is to be shown has changed."""
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
            return False
        before, self.entry = self.entry, entry
        self._set(self.run, entry.id)
        return before is None or (entry.id, entry.version) != (before.id, before.version)

    async def _read_coins(self) -> None:
        """Read the names of the coins, and what failed; then the coin that is shown."""
        entry = self.entry
        assert entry is not None
        coins = await in_thread(shelf.coins_of, entry)
        failures = await in_thread(shelf.failures_of, entry)
        put(self.failures, failures)
        self.failures.visible = self.failed_title.visible = bool(failures["coin"])
        failed = set(failures["coin"])
        if coins != self.coins or failed != self.failed:
            self.coins, self.failed = coins, failed
            self._find_again()
        self._asked += 1
        await self._read_coin()

    def _list(self) -> list[str]:
        """List the coins whose name has the text in it, those that begin with it first."""
        text = self.find.value_input.strip().casefold()
        found = [coin for coin in self.coins if text in coin.casefold()]
        if text:
            found.sort(key=lambda coin: not coin.casefold().startswith(text))
        listed = found[:MOST_LISTED]
        of_all = "" if len(listed) == len(self.coins) else f" of {len(self.coins):,}"
        self.coin.title = f"Coin ({len(listed):,}{of_all})"
        self.coin.options = listed
        return listed

    def _find_again(self) -> None:
        """List the coins, and stay with the one that is shown where that makes sense."""
        listed, shown = self._list(), self.coin.value
        # Of a run that goes on, failures may be told first; who chose one wants to see it.
        if shown not in listed or (shown in self.failed and not self.is_coin_chosen):
            self._show([coin for coin in listed if coin not in self.failed] or listed)

    def _show(self, coins: Sequence[str]) -> None:
        """Show the first of some coins, if there is one."""
        if coins and coins[0] != self.coin.value:
            self._set(self.coin, coins[0])
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
            self.entry = next(entry for entry in self.entries() if entry.id == new)
            self.doc.add_next_tick_callback(self._read_coins)

    def _find(self, name: str, old: str, new: str) -> None:
        del name, old
        listed = self._list()
        if new.strip() or self.coin.value not in listed:
            self.is_coin_chosen = True
            self._show(listed)

    def _choose_coin(self, name: str, old: Any, new: Any) -> None:
        del name, old, new
        if not self.is_set_here:
            self.is_coin_chosen = True
            self._load()

    def _choose_span(self, name: str, old: Any, new: Any) -> None:
        del name, old, new
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
            self.area.children, self.models, self.view = [], None, None
            self.heading.text, self.caption.text = coin, str(error)
            return
        if asked == self._asked:
            self._draw(view, word)

    def _draw(self, view: ForecastView, word: str) -> None:
        from bokeh.models import ColumnDataSource, CustomJS

        caption = " · ".join(filter(None, [view.captions[0], word]))
        if view is self.view and caption == self.caption.text:
            return
        self.view = view
        history, ahead = view.history.of(0), _with_all_bands(view)
        if view.models != self.models:
            self.history = ColumnDataSource(history, name="history")
            self.ahead = ColumnDataSource(ahead, name="ahead")
            # A figure takes the server as long as a hundred changes of its data.
            whole = replace(view, bands=_all_bands(view))
            plot, self.cutoff, self.items = draw_figure(whole, self.history, self.ahead)
            # A coin's prices are no place on another's axes.
            reset = CustomJS(args={"figure": plot}, code=RESET)
            self.heading.js_property_callbacks = {"change:text": [reset]}
            self.span.js_property_callbacks = {"change:active": [reset]}
            self.area.children, self.models = [plot], view.models
        else:
            if not _same(self.history.data, history):
                self.history.data = history
            if not _same(self.ahead.data, ahead):
                self.ahead.data = ahead
        self.cutoff.location = view.cutoffs[0]
        for j, item in enumerate(self.items):
            item.visible = bool(np.isfinite(ahead[f"forecast_{j}"]).any())
        self.caption.text = caption
        self.heading.text = view.coins[0]


def _all_bands(view: ForecastView) -> tuple[tuple[str, int], ...]:
    """Return all intervals that there may be, so that those that come later find their place."""
    return tuple((level, j) for level in LEVELS for j in range(len(view.models)))


def _with_all_bands(view: ForecastView) -> Columns:
    """Return the coin's columns ahead, and NaN of intervals that there are none of."""
    columns = dict(view.ahead.of(0))
    for level, j in _all_bands(view):
        for side in ("lower", "upper"):
            columns.setdefault(f"{side}_{level}_{j}", np.full(len(columns["date"]), np.nan))
    return columns


def _same(shown: Columns, columns: Columns) -> bool:
    """Tell whether columns of numbers are those that are shown."""
    return shown.keys() == columns.keys() and all(
        np.array_equal(shown[name], values, equal_nan=True) for name, values in columns.items()
    )


@cache
def _pool() -> ThreadPoolExecutor:
    """Return one thread for all viewers: two would take more of the server's time at once."""
    return ThreadPoolExecutor(1, thread_name_prefix="cryptodask-pages")


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function that reads files returns, while the server goes on."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), function, *args)

"""The page of forecasts for a server: choosers of run and coin, closes with forecasts, failures.

A coin is read when it is chosen, in a thread, so that a page of thousands of coins opens at once
and the server stays free meanwhile. All viewers share what was read (`cryptodask.dashboard.cache`).
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache as cached
from typing import Any

import numpy as np

from cryptodask.charts.style import INK, MUTED, plain_text
from cryptodask.dashboard import cache
from cryptodask.dashboard.cache import Entry
from cryptodask.dashboard.chooser import (
    chooser_row,
    coin_list,
    days_chooser,
    find_box,
    step_buttons,
)
from cryptodask.dashboard.history import ALL_DAYS
from cryptodask.dashboard.live_page import FAILURE_TITLES, card
from cryptodask.dashboard.live_view import failures_table
from cryptodask.dashboard.page import FIRST_SPAN, SPANS, PriceFigure
from cryptodask.dashboard.style import section_title
from cryptodask.dashboard.tables import Columns, live_table, put
from cryptodask.dashboard.view import BAND_LEVELS, ForecastView, bounds_of
from cryptodask.errors import CryptoDaskError

MOST_LISTED = 500
"""Coins that a list shows at a time; a part of a name finds others."""

DAYS = (*SPANS, ALL_DAYS)
"""Days of closes to choose from."""

RESET = "figure.reset.emit()"


class ForecastsPage:
    """One viewer's page of forecasts.

    Parameters
    ----------
    doc : bokeh.document.Document
    entries : callable
        Returns what can be shown, the latest first.
    join : callable, optional
        Is given the document and `follow`, which it calls when something changes.
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
        self.figure: PriceFigure | None = None
        self.columns: tuple[Any, ...] = ()
        self.view: ForecastView | None = None
        self._reads = 0
        self._widgets()
        if self._is_new():
            self.doc.add_next_tick_callback(self._read_coins)
        if join is not None:
            join(doc, self.follow)

    def _widgets(self) -> None:
        from bokeh.layouts import column
        from bokeh.models import Select, Spacer

        self.run = Select(name="run", title="Run", options=[], width=420)
        self.find, self.coin = find_box(), coin_list("Coin")
        self.span = days_chooser([*SPANS.values(), "all"], active=FIRST_SPAN)
        buttons = step_buttons(lambda button, step: button.on_click(lambda: self._step(step)))
        self.run.on_change("value", self._choose_run)
        self.find.on_change("value_input", self._find)
        self.coin.on_change("value", self._choose_coin)
        self.span.on_change("active", self._choose_span)
        self.heading = plain_text("coin_heading", "", "24px", INK, "650")
        self.caption = plain_text("coin_caption", "", "14px", MUTED)
        self.progress = plain_text("progress", "", "14px", MUTED)
        # Of a column without children, Bokeh's server warns.
        self.nothing = [Spacer(height=1)]
        self.area = column(*self.nothing, name="area", sizing_mode="stretch_width")
        box, self.failures = live_table("failures", FAILURE_TITLES, failures_table({}))
        self.failed_title = section_title("Failures")
        self.failures.visible = self.failed_title.visible = False
        self.chooser = chooser_row([self.run, self.find, self.coin, buttons, self.span])
        self.chooser.visible = False  # until there is something to choose
        children = [self.chooser, self.progress, self.heading, self.caption, self.area]
        card(self.doc, "forecasts", [*children, self.failed_title, box])

    async def follow(self) -> None:
        """Update the page: only what changed is read again."""
        if self._is_new():
            await self._read_coins()

    def _is_new(self) -> bool:
        """List what can be shown now; return whether the entry to show has changed."""
        entries = list(self.entries())
        options = [(entry.id, entry.label) for entry in entries]
        if list(self.run.options) != options:
            self.run.options = options
        self.run.visible = len(entries) > 1
        self.chooser.visible = self.run.visible or bool(self.coins)
        known = {entry.id: entry for entry in entries}
        chosen = None if self.is_followed or self.entry is None else known.get(self.entry.id)
        # A run that has just started has nothing to show yet.
        entry = chosen or next((e for e in entries if e.is_readable), next(iter(entries), None))
        if entry is None:
            self.progress.text = "No forecast since this scheduler started."
            return False
        self.progress.text, self.progress.visible = entry.progress, bool(entry.progress)
        before, self.entry = self.entry, entry
        self._set(self.run, entry.id)
        return before is None or (entry.id, entry.version) != (before.id, before.version)

    async def _read_coins(self) -> None:
        """Read the names of the coins, and the failures; then the coin that is shown."""
        entry = self.entry
        assert entry is not None
        coins = await in_thread(cache.coins_of, entry)
        failures = await in_thread(cache.failures_of, entry)
        put(self.failures, failures)
        self.failures.visible = self.failed_title.visible = bool(failures["coin"])
        failed = set(failures["coin"])
        if coins != self.coins or failed != self.failed:
            self.coins, self.failed = coins, failed
            self.chooser.visible = self.run.visible or bool(coins)
            self._find_again()
        self._reads += 1
        await self._read_coin()

    def _list(self) -> list[str]:
        """Return the coins whose name has the text in it, those that begin with it first."""
        text = self.find.value_input.strip().casefold()
        matches = [coin for coin in self.coins if text in coin.casefold()]
        if text:
            matches.sort(key=lambda coin: not coin.casefold().startswith(text))
        listed = matches[:MOST_LISTED]
        of_all = "" if len(listed) == len(self.coins) else f" of {len(self.coins):,}"
        self.coin.title = f"Coin ({len(listed):,}{of_all})"
        self.coin.options = listed
        return listed

    def _find_again(self) -> None:
        """List the coins, and keep the one that is shown where that makes sense."""
        listed, shown = self._list(), self.coin.value
        # During a run, failures may come first; whoever chose one wants to see it.
        if shown not in listed or (shown in self.failed and not self.is_coin_chosen):
            self._show([coin for coin in listed if coin not in self.failed] or listed)

    def _show(self, coins: Sequence[str]) -> None:
        """Show the first of some coins, if there is any."""
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
        self._reads += 1
        self.doc.add_next_tick_callback(self._read_coin)

    async def _read_coin(self) -> None:
        """Read the coin that is chosen, and draw it, unless another was chosen meanwhile."""
        read, entry, coin = self._reads, self.entry, self.coin.value
        if entry is None or coin not in self.coins:
            return
        try:
            view, note = await in_thread(cache.view_of, entry, coin, DAYS[self.span.active])
        except (CryptoDaskError, OSError) as error:
            self.area.children, self.figure, self.view = self.nothing, None, None
            self.heading.text, self.caption.text = coin, str(error)
            return
        if read == self._reads:
            self._draw(view, note)

    def _draw(self, view: ForecastView, note: str) -> None:
        caption = " · ".join(filter(None, [view.captions[0], note]))
        if view is self.view and caption == self.caption.text:
            return
        self.view = view
        history, ahead = view.history.of(0), _with_all_bands(view)
        columns = view.models, *history
        if self.figure is None or columns != self.columns:
            # A figure takes the server as long as a hundred changes of its data.
            self.figure, self.columns = self._new_figure(view, history, ahead), columns
        else:
            for source, data in ((self.figure.history, history), (self.figure.ahead, ahead)):
                if not _same(source.data, data):
                    source.data = data
        self.figure.mark(view, 0)
        self.caption.text = caption
        self.heading.text = view.coins[0]

    def _new_figure(self, view: ForecastView, history: Columns, ahead: Columns) -> PriceFigure:
        from bokeh.models import CustomJS

        figure = PriceFigure(view, history, ahead, BAND_LEVELS)
        # The axes of one coin don't fit another.
        reset = CustomJS(args={"figure": figure.plot}, code=RESET)
        self.heading.js_property_callbacks = {"change:text": [reset]}
        self.span.js_property_callbacks = {"change:active": [reset]}
        self.area.children = [figure.age, figure.options, *figure.figures]
        return figure


def _all_bands(view: ForecastView) -> tuple[tuple[str, int], ...]:
    """Return all possible bands, so that those that come later have a place in the figure."""
    return tuple((level, j) for level in BAND_LEVELS for j in range(len(view.models)))


def _with_all_bands(view: ForecastView) -> Columns:
    """Return the coin's columns ahead, with NaN for intervals that are missing."""
    columns = dict(view.ahead.of(0))
    for level, j in _all_bands(view):
        for bound in bounds_of(level, j):
            columns.setdefault(bound, np.full(len(columns["date"]), np.nan))
    return columns


def _same(shown: Columns, columns: Columns) -> bool:
    """Return whether columns of numbers are those that are shown."""
    return shown.keys() == columns.keys() and all(
        np.array_equal(shown[name], values, equal_nan=True) for name, values in columns.items()
    )


@cached
def _pool() -> ThreadPoolExecutor:
    """Return a thread for all viewers: two would take more of the server's time at once."""
    return ThreadPoolExecutor(1, thread_name_prefix="cryptodask-pages")


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a function that reads files, called in a thread.

    Parameters
    ----------
    function : callable
    *args : object
    """
    return await asyncio.get_running_loop().run_in_executor(_pool(), function, *args)

"""One snapshot for all viewers, made when something changed and somebody looks."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from cryptodask.dashboard.feed import Feed, Viewer
from cryptodask.dashboard.live import FORECAST, Live, Run
from cryptodask.dashboard.shelf import Entry

logger = logging.getLogger(__name__)

SHORTEST, LONGEST = 1.0, 10.0
"""Seconds from one telling of all viewers to the next, at least and at most."""

SHARE = 0.01
"""Of a core that telling viewers takes at most, until there are so many that it takes `LONGEST`."""

Update = Callable[[], Any]
"""Awaited, where it returns what can be."""


class Hub:
    """Tells viewers that runs changed; with no viewer it does nothing at all.

    Those of the page of runs are told by `Feed`; those of other pages have a document of Bokeh's.
    """

    def __init__(self, live: Live) -> None:
        self.live, self.feed = live, Feed(live)
        self._viewers: dict[Any, Update] = {}
        self._told = -1
        self._task: asyncio.Task[None] | None = None
        self._made = -1
        self._entries: list[Entry] = []

    def join(self, doc: Any, update: Update) -> None:
        """Call ``update`` under the document's lock when something changed, until it is left."""
        context = doc.session_context
        self._viewers[context] = update
        self._wake()

    def follow(self, viewer: Viewer) -> None:
        """Tell a viewer of the page of runs all, and what changes until it leaves the feed."""
        self.feed.join(viewer)
        self._wake()

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._told = self.live.version
            self._task = asyncio.get_running_loop().create_task(self._watch())

    @property
    def runs(self) -> list[Run]:
        """The runs, the latest first."""
        return list(self.live.latest())

    @property
    def entries(self) -> list[Entry]:
        """What can be looked at of each forecast, the latest first."""
        if self._made != self.live.version:
            self._made = self.live.version
            self._entries = [Entry.of(run) for run in self.runs if run.kind == FORECAST]
        return self._entries

    async def _watch(self) -> None:
        """Look once a second, or more rarely, for as long as there are viewers."""
        pause = SHORTEST
        while self._viewers or self.feed.viewers:
            await asyncio.sleep(pause)
            # Asked for, since Bokeh collects garbage for each document that wants to be told.
            for context in [context for context in self._viewers if context.destroyed]:
                del self._viewers[context]
            is_new = self._told != self.live.version
            before = time.process_time()
            self.feed.tell()
            if is_new:
                self._told = self.live.version
                # What else the loop does meanwhile counts too: a busy scheduler tells more rarely.
                await self._tell()
                spent = time.process_time() - before
                pause = min(max(SHORTEST, spent / SHARE), LONGEST)

    async def _tell(self) -> None:
        for context, update in list(self._viewers.items()):
            try:
                await context.with_locked_document(lambda _, update=update: update())
            except Exception:  # one viewer's trouble is nobody else's
                logger.exception("a page could not be brought up to date")

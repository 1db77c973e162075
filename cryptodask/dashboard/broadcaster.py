"""One snapshot for all viewers, made when something changed and somebody looks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cryptodask.dashboard.cache import Entry
from cryptodask.dashboard.live import FORECAST, Live, Run
from cryptodask.dashboard.stream import Stream, Viewer

logger = logging.getLogger(__name__)

SHORTEST, LONGEST = 1.0, 30.0
"""Seconds from one telling of all viewers to the next, at least and at most."""

SHARE = 0.01
"""Of a core that telling viewers takes at most, until there are so many that it takes `LONGEST`."""

Update = Callable[[], Any]
"""Awaited, where it returns what can be."""


class Broadcaster:
    """Tells viewers that runs changed; with no viewer it does nothing at all.

    Those of the page of runs are told by `Stream`; those of other pages have a document of Bokeh's,
    of which each takes so much longer that they are told at a pace of their own.
    """

    def __init__(self, live: Live) -> None:
        self.live, self.feed = live, Stream(live)
        self._documents: dict[Any, Update] = {}
        self._told = -1
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._made = -1
        self._entries: list[Entry] = []

    def join(self, doc: Any, update: Update) -> None:
        """Call ``update`` under the document's lock when something changed, until it is left."""
        if not self._documents:
            self._told = self.live.version
        self._documents[doc.session_context] = update
        self._wake("documents", self._tell_documents, self._has_documents)

    def follow(self, viewer: Viewer) -> None:
        """Tell a viewer of the page of runs all, and what changes until it leaves the feed."""
        self.feed.join(viewer)
        self._wake("feed", self._tell_feed, lambda: bool(self.feed.viewers))

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

    def _wake(
        self, name: str, tell: Callable[[], Awaitable[None]], is_watched: Callable[[], bool]
    ) -> None:
        if name not in self._tasks or self._tasks[name].done():
            watch = _watch(tell, is_watched)
            self._tasks[name] = asyncio.get_running_loop().create_task(watch)

    def _has_documents(self) -> bool:
        # Asked for, since Bokeh collects garbage for each document that wants to be told.
        for context in [context for context in self._documents if context.destroyed]:
            del self._documents[context]
        return bool(self._documents)

    async def _tell_feed(self) -> None:
        self.feed.tell()

    async def _tell_documents(self) -> None:
        if self._told == self.live.version:
            return
        self._told = self.live.version
        for context, update in list(self._documents.items()):
            if context.destroyed:
                continue
            try:
                await context.with_locked_document(lambda _, update=update: update())
            except Exception:  # one viewer's trouble is nobody else's
                logger.exception("a page could not be brought up to date")


async def _watch(tell: Callable[[], Awaitable[None]], is_watched: Callable[[], bool]) -> None:
    """Tell once a second, or more rarely where that takes long, while there are viewers."""
    pause = SHORTEST
    while is_watched():
        await asyncio.sleep(pause)
        before = time.process_time()
        await tell()
        # What else the loop does meanwhile counts too: a busy scheduler tells more rarely.
        spent = time.process_time() - before
        pause = min(max(SHORTEST, spent / SHARE), LONGEST)

"""Updates of all viewers, sent when something changed and only while there are viewers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from cryptodask.dashboard.cache import Entry
from cryptodask.dashboard.live import Live, Run
from cryptodask.dashboard.run_message import FORECAST
from cryptodask.dashboard.stream import Stream, Viewer

logger = logging.getLogger(__name__)

SHORTEST, LONGEST = 1.0, 30.0
"""Seconds from one update of all viewers to the next, at least and at most."""

SHARE = 0.01
"""Share of a core that updates take at most, unless `LONGEST` is reached."""

Update = Callable[[], Any]
"""Is called under a document's lock; its result is awaited if it can be."""


class Broadcaster:
    """Updates viewers when runs changed; without a viewer it does nothing.

    Viewers of the page of runs get the texts of `Stream`. Those of other pages have a document of
    Bokeh's each, which takes much longer, so these are updated at a separate pace.

    Parameters
    ----------
    live : Live
    store : str
        Place of the store whose days a page shows; or empty.
    """

    def __init__(self, live: Live, store: str = "") -> None:
        self.live, self.stream, self.store = live, Stream(live), store
        self._documents: dict[Any, Update] = {}
        self._sent_version = -1
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._entries_version = -1
        self._entries: list[Entry] = []

    def join(self, doc: Any, update: Update) -> None:
        """Call ``update`` under a document's lock when something changed, until its viewer leaves.

        Parameters
        ----------
        doc : bokeh.document.Document
        update : callable
            Without parameters; what it returns is awaited if it can be.
        """
        if not self._documents:
            self._sent_version = self.live.version
        self._documents[doc.session_context] = update
        self._wake("documents", self._update_documents, self._has_documents)

    def follow(self, viewer: Viewer) -> None:
        """Send a viewer of the page of runs everything, and changes until it leaves the stream.

        Parameters
        ----------
        viewer : Viewer
        """
        self.stream.join(viewer)
        self._wake("stream", self._update_stream, lambda: bool(self.stream.viewers))

    @property
    def runs(self) -> list[Run]:
        """The runs, the latest first."""
        return list(self.live.latest())

    @property
    def entries(self) -> list[Entry]:
        """What can be shown of each forecast, the latest first."""
        if self._entries_version != self.live.version:
            self._entries_version = self.live.version
            self._entries = [Entry.of(run) for run in self.runs if run.kind == FORECAST]
        return self._entries

    def _wake(
        self, name: str, update: Callable[[], Awaitable[None]], is_watched: Callable[[], bool]
    ) -> None:
        if name not in self._tasks or self._tasks[name].done():
            watch = _watch(update, is_watched)
            self._tasks[name] = asyncio.get_running_loop().create_task(watch)

    def _has_documents(self) -> bool:
        # Looked up, since Bokeh collects garbage for each document that has a callback for it.
        for context in [context for context in self._documents if context.destroyed]:
            del self._documents[context]
        return bool(self._documents)

    async def _update_stream(self) -> None:
        self.stream.send_changes()

    async def _update_documents(self) -> None:
        if self._sent_version == self.live.version:
            return
        self._sent_version = self.live.version
        for context, update in list(self._documents.items()):
            if context.destroyed:
                continue
            try:
                await context.with_locked_document(lambda _, update=update: update())
            except Exception:  # one viewer's trouble is nobody else's
                logger.exception("a page could not be brought up to date")


async def _watch(update: Callable[[], Awaitable[None]], is_watched: Callable[[], bool]) -> None:
    """Update once a second, or more rarely if that takes long, while there are viewers."""
    pause = SHORTEST
    while is_watched():
        await asyncio.sleep(pause)
        before = time.process_time()
        await update()
        # What else the loop does meanwhile counts too: a busy scheduler updates more rarely.
        spent = time.process_time() - before
        pause = min(max(SHORTEST, spent / SHARE), LONGEST)

"""What the page of runs is told: one text for all viewers, of what changed since the last one.

The page itself is the same for everyone, too (`live_page`), so that a viewer costs the scheduler
one write to a socket for each change, and which run somebody looks at is the browser's affair.
"""

import asyncio
import json
from typing import Any, Protocol
from urllib.parse import urlsplit

import dask
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from cryptodask.dashboard.live import Live
from cryptodask.dashboard.live_view import Columns, details, runs_table

PING = 30
"""Seconds between pings, by which a viewer that is gone is noticed."""


class Viewer(Protocol):
    """Whoever is told."""

    def tell(self, text: str) -> bool:
        """Send a text, unless the one before is still on its way; tell whether it is sent."""


class Stream:
    """What viewers were told, by name: ``runs``, and ``RUN/PART`` of each run."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.viewers: set[Viewer] = set()
        self._behind: set[Viewer] = set()
        self._told: dict[str, Columns] = {}
        self._seen: dict[str, int] = {}
        self._version = -1
        self._whole = ""

    def join(self, viewer: Viewer) -> None:
        """Tell a viewer all, and from now on what changes."""
        if not self.viewers:
            self._changes()  # of which there was nobody to tell
        self.viewers.add(viewer)
        self._catch_up(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Tell a viewer no more."""
        self.viewers.discard(viewer)
        self._behind.discard(viewer)

    def tell(self) -> None:
        """Tell all viewers what changed since this was called last."""
        changes = self._changes()
        text = json.dumps(changes) if changes else ""
        for viewer in list(self.viewers):
            # Texts say how things are, so that of a slow viewer's all but the last can go.
            if viewer in self._behind:
                self._catch_up(viewer)
            elif text and not viewer.tell(text):
                self._behind.add(viewer)

    def _catch_up(self, viewer: Viewer) -> None:
        self._whole = self._whole or json.dumps(self._told)
        if viewer.tell(self._whole):
            self._behind.discard(viewer)
        else:
            self._behind.add(viewer)

    def _changes(self) -> dict[str, Columns]:
        """Return the parts that are not as they were told, and take them for told."""
        if self._version == self.live.version:
            return {}
        self._version, self._whole = self.live.version, ""
        runs = list(self.live.latest())
        parts = {"runs": runs_table(runs)}
        for run in runs:
            if self._seen.get(run.id) != run.version:
                parts |= {f"{run.id}/{name}": part for name, part in details(run).items()}
        changes = {name: part for name, part in parts.items() if self._told.get(name) != part}
        self._seen = {run.id: run.version for run in runs}
        self._told = {
            name: part
            for name, part in (self._told | changes).items()
            if name == "runs" or name.partition("/")[0] in self._seen
        }
        return changes


class PageHandler(RequestHandler):
    """The page, made once."""

    def initialize(self, page: str) -> None:
        """Take what Tornado gives to each request's handler."""
        self.page = page

    def get(self) -> None:
        """Answer with the page."""
        self.write(self.page)


class FeedHandler(WebSocketHandler):
    """One viewer's socket, who listens and says nothing."""

    def initialize(self, hub: Any) -> None:
        """Take what Tornado gives to each request's handler."""
        self.hub = hub
        self._sent: asyncio.Future[None] | None = None

    def check_origin(self, origin: str) -> bool:
        """Let in pages of this server, and of hosts that Dask's configuration names."""
        named = dask.config.get(
            "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin"
        )
        return super().check_origin(origin) or urlsplit(origin).netloc in named

    def open(self, *_: str, **__: str) -> None:
        """Begin to tell it."""
        self.hub.follow(self)

    def on_message(self, message: str | bytes) -> None:
        """Leave what a viewer says."""

    def on_close(self) -> None:
        """Tell it no more."""
        self.hub.feed.leave(self)

    def tell(self, text: str) -> bool:
        """Send a text, unless the one before is still on its way; tell whether it is sent."""
        if self.ws_connection is None or not (self._sent is None or self._sent.done()):
            return False
        self._sent = self.write_message(text)
        self._sent.add_done_callback(_let_go)
        return True


def application(hub: Any, prefix: str, path: str, page: str) -> Application:
    """Return what serves the page and its feed, below each other."""
    return Application(
        [
            (f"{prefix}/{path}", PageHandler, {"page": page}),
            (f"{prefix}/{path}/feed", FeedHandler, {"hub": hub}),
        ],
        websocket_ping_interval=PING,
        websocket_max_message_size=1024,
    )


def _let_go(sent: "asyncio.Future[None]") -> None:
    """Take note of how a write ended: of a viewer that left meanwhile, `on_close` tells."""
    if not sent.cancelled():
        sent.exception()

"""What the page of runs shows: one text for all viewers, of what changed since the last one.

The page itself is the same for everyone, too (`live_page`), so that a viewer costs the scheduler
one write to a socket for each change. Which run a viewer looks at, only the browser knows.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Protocol

from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from cryptodask.dashboard.live import Live
from cryptodask.dashboard.live_view import details, runs_table
from cryptodask.dashboard.tables import Columns

PING = 30
"""Seconds between pings, which find viewers that are gone."""


class Viewer(Protocol):
    """Whoever gets the texts."""

    def send(self, text: str) -> bool:
        """Send a text unless the previous one is still on its way; return whether it is sent.

        Parameters
        ----------
        text : str
        """


class Stream:
    """Sends viewers what changed, by name: ``runs``, and ``RUN/PART`` of each run.

    Parameters
    ----------
    live : Live
    """

    def __init__(self, live: Live) -> None:
        self.live = live
        self.viewers: set[Viewer] = set()
        self._behind: set[Viewer] = set()
        self._parts: dict[str, Columns] = {}
        self._versions: dict[str, int] = {}
        self._version = -1
        self._text = ""

    def join(self, viewer: Viewer) -> None:
        """Send a viewer everything, and from now on what changes.

        Parameters
        ----------
        viewer : Viewer
        """
        if not self.viewers:
            self._changes()  # since the last viewer left
        self.viewers.add(viewer)
        self._catch_up(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Send a viewer nothing more.

        Parameters
        ----------
        viewer : Viewer
        """
        self.viewers.discard(viewer)
        self._behind.discard(viewer)

    def send_changes(self) -> None:
        """Send all viewers what changed since the last call."""
        changes = self._changes()
        text = json.dumps(changes) if changes else ""
        for viewer in list(self.viewers):
            # A text says how things are, so a slow viewer needs the last one only.
            if viewer in self._behind:
                self._catch_up(viewer)
            elif text and not viewer.send(text):
                self._behind.add(viewer)

    def _catch_up(self, viewer: Viewer) -> None:
        self._text = self._text or json.dumps(self._parts)
        if viewer.send(self._text):
            self._behind.discard(viewer)
        else:
            self._behind.add(viewer)

    def _changes(self) -> dict[str, Columns]:
        """Return the parts that are not as they were sent, and take them for sent."""
        if self._version == self.live.version:
            return {}
        self._version, self._text = self.live.version, ""
        runs = list(self.live.latest())
        parts = {"runs": runs_table(runs)}
        for run in runs:
            if self._versions.get(run.id) != run.version:
                parts |= {f"{run.id}/{name}": part for name, part in details(run).items()}
        changes = {name: part for name, part in parts.items() if self._parts.get(name) != part}
        self._versions = {run.id: run.version for run in runs}
        self._parts = {
            name: part
            for name, part in (self._parts | changes).items()
            if name == "runs" or name.partition("/")[0] in self._versions
        }
        return changes


class PageHandler(RequestHandler):
    """Serves the page, which is built once."""

    def initialize(self, page: str) -> None:
        """Take what Tornado gives to each request's handler.

        Parameters
        ----------
        page : str
            As HTML.
        """
        self.page = page

    def get(self) -> None:
        """Answer with the page."""
        self.write(self.page)


class StreamHandler(WebSocketHandler):
    """One viewer's socket: what a viewer sends is ignored."""

    def initialize(self, broadcaster: Any) -> None:
        """Take what Tornado gives to each request's handler.

        Parameters
        ----------
        broadcaster : Broadcaster
        """
        self.broadcaster = broadcaster
        self._sent: asyncio.Future[None] | None = None

    def check_origin(self, origin: str) -> bool:
        """Let every page open it that `cryptodask.cluster.security.origins` lets ask.

        Parameters
        ----------
        origin : str
            Of the page, as its browser says.
        """
        del origin
        return True

    def open(self, *_: str, **__: str) -> None:
        """Send everything, and from now on what changes."""
        self.broadcaster.follow(self)

    def on_message(self, message: str | bytes) -> None:
        """Ignore what a viewer sends.

        Parameters
        ----------
        message : str or bytes
        """

    def on_close(self) -> None:
        """Send nothing more."""
        self.broadcaster.stream.leave(self)

    def send(self, text: str) -> bool:
        """Send a text unless the previous one is still on its way; return whether it is sent.

        Parameters
        ----------
        text : str
        """
        if self.ws_connection is None or not (self._sent is None or self._sent.done()):
            return False
        self._sent = self.write_message(text)
        self._sent.add_done_callback(_let_go)
        return True


def application(broadcaster: Any, prefix: str, paths: Sequence[str], page: str) -> Application:
    """Return the application that serves a page, and its stream below the last of its paths.

    Parameters
    ----------
    broadcaster : Broadcaster
    prefix : str
        Of the page's URLs.
    paths : sequence of str
    page : str
        As HTML.

    Returns
    -------
    tornado.web.Application
    """
    return Application(
        [
            *((f"{prefix}/{path}", PageHandler, {"page": page}) for path in paths),
            (f"{prefix}/{paths[-1]}/stream", StreamHandler, {"broadcaster": broadcaster}),
        ],
        websocket_ping_interval=PING,
        websocket_max_message_size=1024,
    )


def _let_go(sent: "asyncio.Future[None]") -> None:
    """Look at how a write ended, so that no warning is logged; `on_close` handles who left."""
    if not sent.cancelled():
        sent.exception()

"""The pages on a scheduler's dashboard, beside Dask's and in the same navigation bar."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import dask
from distributed import Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin

from cryptodask.cluster.events import LISTENS, TOPIC
from cryptodask.cluster.security.origins import leave_to_guard
from cryptodask.dashboard.broadcaster import Broadcaster
from cryptodask.dashboard.days_page import DaysPage
from cryptodask.dashboard.forecasts_page import ForecastsPage
from cryptodask.dashboard.html_file import Links, dress_document, html_of_document
from cryptodask.dashboard.live import Live
from cryptodask.dashboard.live_page import runs_page
from cryptodask.dashboard.metrics import RunMetrics
from cryptodask.dashboard.scores_page import ScoresPage
from cryptodask.dashboard.stream import PING, application

logger = logging.getLogger(__name__)

COLLECT = 5.0
"""Seconds within which documents of viewers that left are collected together."""

TIMERS = [
    f"distributed.scheduler.dashboard.bokeh-application.{name}_milliseconds"
    for name in ("keep_alive", "check_unused_sessions")
]
"""Dask pings each session twice a second, which takes more time than everything these pages do."""

RUNS_PATH = "crypto-runs"
"""Path of the page that is the same for all viewers."""

TAB_PATH, TAB = "cryptodask", "CryptoDask"
"""Path and name of the one link in the bar of Dask's pages; it leads to the page of runs."""

PAGES: dict[str, tuple[str, Callable[[Any, Broadcaster], Any]]] = {
    RUNS_PATH: ("Runs", lambda doc, _: runs_page(doc)),
    "crypto-forecasts": (
        "Forecasts",
        lambda doc, broadcaster: ForecastsPage(doc, lambda: broadcaster.entries, broadcaster.join),
    ),
    "crypto-scores": ("Scores", ScoresPage),
    "crypto-days": ("Days", lambda doc, broadcaster: DaysPage(doc, broadcaster.store)),
}
"""Path to title and page. Dask will hardly give these names to its pages."""


class LivePlugin(SchedulerPlugin):  # type: ignore[misc]
    """Passes messages of runs on to `Live`.

    Parameters
    ----------
    scheduler : Scheduler
    live : Live
    """

    name = "cryptodask-live"

    def __init__(self, scheduler: Scheduler, live: Live) -> None:
        self.scheduler, self.live = scheduler, live
        self.metrics, self.has_pages = RunMetrics(live), False

    def log_event(self, topic: str, msg: Any) -> None:
        """Take a message of a run.

        Parameters
        ----------
        topic : str
        msg : object
            Comes from any client.
        """
        if topic == TOPIC and not self.live.take(msg, time.time()):
            logger.debug("not a message of a run: %.200r", msg)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Mark the runs of a client that left as stopped.

        Parameters
        ----------
        scheduler : Scheduler
        client : str
            Its identifier.
        """
        del scheduler
        self.live.client_gone(client)

    def restart(self, scheduler: Scheduler) -> None:
        """Say that a page listens, which a restart of the scheduler forgets.

        Parameters
        ----------
        scheduler : Scheduler
        """
        scheduler.set_metadata([LISTENS], self.has_pages)

    async def close(self) -> None:
        """Stop counting."""
        import prometheus_client

        prometheus_client.REGISTRY.unregister(self.metrics)


def install(scheduler: Scheduler, store: str = "") -> None:
    """Add pages and metrics to a scheduler, and listen to runs.

    Parameters
    ----------
    scheduler : Scheduler
    store : str
        Place of the store whose days a page shows; or empty.

    Raises
    ------
    ValueError
        They are there already.
    """
    # Imported now: for the first viewer, the scheduler would stand still for seconds.
    import bokeh.layouts
    import bokeh.models
    import bokeh.plotting  # noqa: F401
    import prometheus_client

    live = Live()
    plugin = LivePlugin(scheduler, live)
    scheduler.add_plugin(plugin)
    prometheus_client.REGISTRY.register(plugin.metrics)
    plugin.has_pages = _add_pages(scheduler, Broadcaster(live, store))
    plugin.restart(scheduler)
    _collect_together()


def _collect_together() -> None:
    """Have garbage collected once for all viewers that leave at about the same time.

    Bokeh collects for each of them while the scheduler waits: most of a minute for a hundred
    viewers that left together. Objects that exist now stay, and are not searched.
    """
    from bokeh.document import document

    gc.collect()
    gc.freeze()
    document.gc = _Collector()


class _Collector:
    """Takes the place of the module ``gc``: collects once, a while after the first call."""

    def __init__(self) -> None:
        self._is_due = False

    def collect(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(COLLECT, self._collect)

    def _collect(self) -> None:
        self._is_due = False
        gc.collect()


def _add_pages(scheduler: Scheduler, broadcaster: Broadcaster) -> bool:
    """Add the pages; return whether there is a dashboard to add them to."""
    from bokeh.document import Document
    from bokeh.server.tornado import BokehTornado
    from distributed.dashboard.core import BokehApplication
    from distributed.dashboard.scheduler import template_variables
    from tornado.ioloop import IOLoop

    others = scheduler.http_application.applications
    prefix = next((app.prefix for app in others if isinstance(app, BokehTornado)), None)
    if prefix is None:
        logger.warning("this scheduler has no dashboard: it gets metrics, but no pages")
        return False
    # The list that Dask's pages show in their bar.
    variables = template_variables(scheduler)
    if TAB_PATH not in variables["pages"]:
        variables["pages"].append(TAB_PATH)
    _name_tab()
    pages = {f"/{path}": _page(path, broadcaster) for path in PAGES if path != RUNS_PATH}
    with dask.config.set(dict.fromkeys(TIMERS, 1000 * PING)):
        app = BokehApplication(pages, scheduler, prefix=prefix, template_variables=variables)
    leave_to_guard(app)
    doc = Document()
    _page(RUNS_PATH, broadcaster)(None, variables, doc)
    html = html_of_document(doc, app.resources())
    prefix = app.prefix.rstrip("/")
    for served in (application(broadcaster, prefix, (TAB_PATH, RUNS_PATH), html), app):
        scheduler.http_application.add_application(served)
    app.initialize(IOLoop.current())
    app.start()
    return True


def _name_tab() -> None:
    """Have Dask's bar show the tab's name as it is written, not as a title."""
    from distributed.dashboard.components.scheduler import env
    from jinja2.filters import do_title

    env.filters["title"] = lambda path: TAB if path == TAB_PATH else do_title(path)


def _bars(here: str, dask_pages: Sequence[str]) -> list[tuple[str, Links]]:
    """Return the links of a page: Dask's pages, and ours below them."""
    tabs = [(path, TAB if path == TAB_PATH else path.title()) for path in dask_pages]
    return [
        ("Dask", [(path, name, "true" if path == TAB_PATH else "") for path, name in tabs]),
        (TAB, [(path, name, "page" if path == here else "") for path, (name, _) in PAGES.items()]),
    ]


def _page(path: str, broadcaster: Broadcaster) -> Callable[[Any, dict[str, Any], Any], None]:
    """Return a function that draws a document: of one viewer, or one for all."""
    title, page = PAGES[path]

    def draw(scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
        del scheduler
        dress_document(doc, f"CryptoDask: {title}", _bars(path, extra["pages"]))
        page(doc, broadcaster)

    return draw

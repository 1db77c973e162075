"""The pages without a cluster: a Bokeh server of prices, forecasts or a backtest."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptodask.cluster.security.guard import is_loopback
from cryptodask.dashboard.cache import Entry
from cryptodask.dashboard.forecasts_page import ForecastsPage
from cryptodask.dashboard.live_view import failures_table
from cryptodask.dashboard.page import PAGE
from cryptodask.errors import InputError, OptionError
from cryptodask.io.paths import AnyPath, exists, is_folder, path_of, resolved
from cryptodask.prices import CryptoLoader
from cryptodask.results.backtest import open_backtest
from cryptodask.results.manifest import MANIFEST, read_manifest
from cryptodask.runs.plan import read_plan

LOOPBACK = ("127.0.0.1", "localhost")
Document = Callable[[Any], Any]


def serve(
    path: str | os.PathLike[str],
    *,
    prices: str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 5006,
    origins: Sequence[str] = (),
    insecure: bool = False,
) -> tuple[Any, int]:
    """Return a server of what is at a path, which listens already, and its port.

    Parameters
    ----------
    path : path
        A table or folder of prices, a folder or file of forecasts, or the folder of a backtest;
        of the latter two, or its URL.
    prices : path, optional
        Where the closes before forecasts are.
    host : str
        On which to listen; what is not this machine alone has to be insisted on.
    port : int
        0 for any that is free.
    origins : sequence of str
        ``HOST[:PORT]`` under which browsers know the server, where a proxy stands before it.
    insecure : bool
        Whether it may listen on other hosts than this one.

    Returns
    -------
    bokeh.server.server.BaseServer
        Its ``io_loop`` serves once it is started.
    int

    Raises
    ------
    OptionError
        The host is not loopback, and ``insecure`` was not said; or the port is taken.
    InputError
        There is nothing to show at that path.
    """
    check_host(host, insecure)
    page = page_of(path_of(path), None if prices is None else Path(prices))
    from bokeh.server.server import BaseServer
    from bokeh.server.tornado import BokehTornado
    from bokeh.server.util import bind_sockets
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop

    try:
        # First, since the origins that are let in name the port.
        sockets, port = bind_sockets(host, port)
    except OSError as error:
        raise OptionError(
            f"--host {host} --port {port}: can't listen there ({error}); name another port"
        ) from error
    names = LOOPBACK if is_loopback(host) else (host,)
    allowed = [*(f"{name}:{port}" for name in names), *origins]
    application = BokehTornado({"/": page}, extra_websocket_origins=allowed)
    http = HTTPServer(application)
    http.add_sockets(sockets)
    server = BaseServer(IOLoop.current(), application, http)
    server.start()
    return server, port


def check_host(host: str, insecure: bool) -> None:
    """Refuse to listen to other machines, unless that is insisted on.

    Raises
    ------
    OptionError
        The host is not loopback.
    """
    if not is_loopback(host) and not insecure:
        raise OptionError(
            f"--host {host}: whoever reaches this address could read everything here, since the "
            "pages ask nobody who they are; leave it at 127.0.0.1, with a proxy that authenticates "
            "before it, or say --insecure inside a network that you trust"
        )


def page_of(path: AnyPath, prices: Path | None = None) -> Document:
    """Return what draws what is at a path, which is looked at now so that errors come at once.

    Raises
    ------
    InputError
        There is nothing to show.
    """
    if not exists(path):
        raise InputError(f"{path}: there is nothing at this path; name prices, forecasts or a "
                         "backtest")  # fmt: skip
    plan = read_plan(path)
    if plan is not None and plan["kind"] == "backtest":
        return _backtest_page(path, prices)
    source = "" if prices is None else str(prices.resolve())
    if prices is not None:
        CryptoLoader(prices)
    where, whole = str(resolved(path)), exists(path / MANIFEST)
    if whole or (path.suffix in (".parquet", ".csv") and not is_folder(path)):
        models = tuple(read_manifest(path).get("models", ())) if whole else ()
        entry = _entry(path, models, source, where)
    elif isinstance(path, Path):
        CryptoLoader(path)
        entry = _entry(path, (), where, "")
    else:
        raise InputError(
            f"{path}: is no forecast or backtest that has ended; prices are shown from a folder of "
            "this machine only"
        )
    return _document(f"CryptoDask: {path.name}", lambda doc: ForecastsPage(doc, lambda: [entry]))


def _entry(path: AnyPath, models: tuple[str, ...], source: str, out: str) -> Entry:
    return Entry(str(resolved(path)), path.name, 0, models, source, out, (), failures_table({}))


def _backtest_page(path: AnyPath, prices: Path | None) -> Document:
    """Return the leaderboard, which is made once, for all viewers."""
    from cryptodask.dashboard.leaderboard import layout
    from cryptodask.dashboard.leaderboard_view import build_leaderboard

    loader = None if prices is None else CryptoLoader(prices)
    view = build_leaderboard(open_backtest(path), prices=loader)
    return _document(f"CryptoDask: {path.name}", lambda doc: doc.add_root(layout(view)), PAGE)


def _document(title: str, draw: Document, template: str = "") -> Document:
    def make(doc: Any) -> None:
        doc.title = title
        if template:
            doc.template = template
        draw(doc)

    return make

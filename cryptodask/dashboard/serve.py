"""Pages without a cluster: a Bokeh server of prices, forecasts, a backtest or a store."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptodask.cluster.security.guard import is_loopback
from cryptodask.cluster.security.origins import OriginGuard, leave_to_guard, parse_origins
from cryptodask.dashboard.cache import Entry
from cryptodask.dashboard.forecasts_page import ForecastsPage
from cryptodask.dashboard.html_file import dress_document
from cryptodask.dashboard.live_view import failures_table
from cryptodask.dashboard.result_files import (
    is_backtest,
    is_forecast,
    models_in,
    open_backtest,
    source_in,
)
from cryptodask.errors import CryptoDaskError, InputError, OptionError
from cryptodask.io.paths import AnyPath, exists, path_of, resolved
from cryptodask.prices import CryptoLoader
from cryptodask.store import is_store

DrawDocument = Callable[[Any], Any]
"""Draws the page on a Bokeh document, once for each viewer."""


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
        A table or folder of prices, or path or URL of a folder or file of forecasts, or of the
        folder of a backtest; or a store.
    prices : path, optional
        Prices that are drawn before forecasts; by default those that a run's folder names.
    host : str
        Interface to bind; one that other machines reach needs ``insecure``.
    port : int
        Port to bind, 0 for any free one.
    origins : sequence of str
        ``HOST[:PORT]`` in a browser's address bar, if a proxy is in front.
    insecure : bool
        Whether other machines may reach it.

    Returns
    -------
    bokeh.server.server.BaseServer
        Serves once its ``io_loop`` is started.
    int

    Raises
    ------
    OptionError
        The host is not loopback without ``insecure``, the port is taken, or an origin is not
        ``HOST[:PORT]``.
    InputError
        The path is neither prices, forecasts, a backtest nor a store with forecasts.
    """
    check_host(host, insecure)
    allowed = parse_origins(origins, "--origin")
    if is_store(path):
        page = _days_page(path)
    else:
        page = page_of(path_of(path), None if prices is None else Path(prices))
    from bokeh.server.server import BaseServer
    from bokeh.server.tornado import BokehTornado
    from bokeh.server.util import bind_sockets
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop

    try:
        sockets, port = bind_sockets(host, port)
    except OSError as error:
        raise OptionError(
            f"--host {host} --port {port}: can't listen there ({error}); choose another port"
        ) from error
    application = BokehTornado({"/": page})
    leave_to_guard(application)
    http = HTTPServer(OriginGuard(application, allowed, "--origin", names=[host]))
    http.add_sockets(sockets)
    server = BaseServer(IOLoop.current(), application, http)
    server.start()
    return server, port


def check_host(host: str, insecure: bool) -> None:
    """Raise an error if other machines could reach the server, unless that is wanted.

    Parameters
    ----------
    host : str
        Interface to bind.
    insecure : bool
        Whether other machines may reach it.

    Raises
    ------
    OptionError
        The host is not loopback.
    """
    if not is_loopback(host) and not insecure:
        raise OptionError(
            f"--host {host}: anyone who reaches this address could read everything here, since the "
            "pages have no login; keep 127.0.0.1 and put a proxy that authenticates in front, or "
            "add --insecure inside a network that you trust"
        )


def page_of(path: AnyPath, prices: Path | None = None) -> DrawDocument:
    """Return a function that draws what is at a path; errors of the path are raised now.

    Parameters
    ----------
    path : path
        See `serve`.
    prices : path, optional
        Prices that are drawn before forecasts; by default those that a run's folder names.

    Raises
    ------
    InputError
        The path is neither prices, forecasts nor a backtest.
    """
    if not exists(path):
        raise InputError(f"{path}: does not exist; name prices, forecasts, a backtest or a store")
    if is_backtest(path):
        return _backtest_page(path, prices)
    source = source_in(path) if prices is None else str(prices.resolve())
    if prices is not None:
        CryptoLoader(prices)
    where = str(resolved(path))
    if is_forecast(path):
        entry = _entry(path, models_in(path), source, where)
    elif isinstance(path, Path):
        CryptoLoader(path)
        entry = _entry(path, (), where, "")
    else:
        raise InputError(
            f"{path}: is neither a forecast nor a backtest that has ended; prices are shown only "
            "from a folder of this machine"
        )
    return _document(f"CryptoDask: {path.name}", lambda doc: ForecastsPage(doc, lambda: [entry]))


def _entry(path: AnyPath, models: tuple[str, ...], source: str, out: str) -> Entry:
    return Entry(str(resolved(path)), path.name, 0, models, source, out, (), failures_table({}))


def _backtest_page(path: AnyPath, prices: Path | None) -> DrawDocument:
    """Return a function that draws the leaderboard, which is computed once for all viewers."""
    from cryptodask.dashboard.leaderboard import layout
    from cryptodask.dashboard.leaderboard_view import build_leaderboard

    source, note = source_in(path), ""
    loader = None if prices is None else CryptoLoader(prices)
    if loader is None and source:
        try:
            loader = CryptoLoader(source)
        except (CryptoDaskError, OSError) as error:
            note = f"Closes are drawn as far as forecasts reach; {error}"
    view = build_leaderboard(open_backtest(path), prices=loader)
    if note:
        view = replace(view, notes=(*view.notes, note))
    return _document(f"CryptoDask: {path.name}", lambda doc: doc.add_root(layout(view)))


def _days_page(place: str | os.PathLike[str]) -> DrawDocument:
    """Return a function that draws the days of a store, read anew for each viewer."""
    from cryptodask.dashboard.days_page import layout, read_note, recent_days

    store = os.fspath(place)
    recent_days(store)
    return _document(
        "CryptoDask: days", lambda doc: doc.add_root(layout(recent_days(store), read_note()))
    )


def _document(title: str, draw: DrawDocument) -> DrawDocument:
    def make(doc: Any) -> None:
        dress_document(doc, title)
        draw(doc)

    return make

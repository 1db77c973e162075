"""Pages of a dashboard talk to it, and pages that other sites open in the same browser do not.

A browser sends requests of any page to any server, also to one on loopback. Dask leaves its
websockets open to all pages (``allow_websocket_origin: ["*"]``). Here every request is judged
before any handler sees it, by what browsers say and pages can't change:

===================  ==============================================================================
``Host``             must be an address, ``localhost``, this machine's name, a name in the TLS
                     certificate, or one that the setting names. A page's owner can have DNS lead
                     any name of his to this machine, so that the origin equals the host.
``Origin``           of sockets, of what scripts send and of forms: must be the host, or one that
                     the setting names.
``Sec-Fetch-Site``   of images and scripts, which have no ``Origin``: must not be another site.
                     Links and frames pass: who shows a page so can't read it.
===================  ==============================================================================

The port of a host is any, as tunnels change it. Programs that send no ``Origin`` pass, if they
name such a host: this does not replace a login.
"""

import ipaddress
import logging
import multiprocessing
import os
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dask
from cryptography import x509
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from cryptodask.errors import OptionError

if TYPE_CHECKING:
    from distributed.core import Server

logger = logging.getLogger(__name__)

SETTING = "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin"
"""Dask's setting: a list of ``HOST[:PORT]``, as in the browser's address bar."""

INHERITED = "DASK_INTERNAL_INHERIT_CONFIG"
"""Dask's variable by which a process gets the configuration of the one that starts it."""


def guard_pages(server: "Server", origins: Sequence[str] | None = None) -> None:
    """Put an `OriginGuard` before the HTTP server of a scheduler or worker, if it has one.

    Parameters
    ----------
    server : distributed.core.Server
        One that listens already.
    origins : sequence of str, optional
        Hosts of further pages; by default `configured_origins`.

    Raises
    ------
    OptionError
        The server's certificate can't be read, or a configured origin is not ``HOST[:PORT]``.
    """
    http: Any = getattr(server, "http_server", None)
    if http is None:
        return
    origins = configured_origins() if origins is None else origins
    application: Any = server.http_application
    certificate = dask.config.get("distributed.scheduler.dashboard.tls.cert")
    names = _names_in(Path(certificate)) if certificate and http.ssl_options else []
    http.request_callback = OriginGuard(application, origins, SETTING, names)
    for part in application.applications:
        if hasattr(part, "sign_sessions"):  # of Bokeh, which need not be imported here
            leave_to_guard(part)


def leave_to_guard(application: Any) -> None:
    """Have an application of Bokeh sign its sessions, and let all pass that the guard does.

    Dask makes its own without a way to say so, hence by private attributes.

    Parameters
    ----------
    application : bokeh.server.tornado.BokehTornado
    """
    application._secret_key, application._sign_sessions = _secret_key(), True
    application._websocket_origins = {"*"}


def _names_in(path: Path) -> list[str]:
    """Return the names of hosts that a certificate is for."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: is not a certificate as PEM ({error})") from error
    return names.value.get_values_for_type(x509.DNSName)


@cache
def _secret_key() -> bytes:
    return secrets.token_bytes(32)


def configured_origins() -> list[str]:
    """Return the hosts that Dask's setting names, as `parse_origins` does.

    ``*`` is Dask's default, and counts only where somebody says it: a file, the environment, or
    `dask.config.set` in this process.

    Raises
    ------
    OptionError
        One is not ``HOST[:PORT]``.
    """
    named = dask.config.get(SETTING)
    if named == ["*"] and not _was_set(named):
        # Dask hands the configuration of a client, with its defaults, to those it starts.
        env = {k: v for k, v in os.environ.items() if k != INHERITED}
        named = dask.config.get(SETTING, default=[], config=dask.config.collect(env=env))
    return parse_origins([named] if isinstance(named, str) else named or (), SETTING)


def _was_set(named: object) -> bool:
    """Whether this process itself has set the setting to a value that equals Dask's default.

    Dask does not say where a value is from, but the default is one object.
    """
    if INHERITED in os.environ or multiprocessing.parent_process() is not None:
        return False  # all values were copied from another process
    return all(named is not dask.config.get(SETTING, None, d) for d in dask.config.defaults)


def parse_origins(hosts: Iterable[str], setting: str) -> list[str]:
    """Return hosts with their ports, and behind them those of Bokeh's ``BOKEH_ALLOW_WS_ORIGIN``.

    Parameters
    ----------
    hosts : iterable of str
        ``HOST[:PORT]`` in a browser's address bar; Bokeh's wildcards count.
    setting : str
        Where they are from.

    Raises
    ------
    OptionError
        One is not ``HOST[:PORT]``.
    """
    from bokeh.server.util import create_hosts_allowlist
    from bokeh.settings import settings

    parsed = []
    for host in hosts:
        try:
            parsed += create_hosts_allowlist([host.lower()], None)
        except (ValueError, AttributeError) as error:
            raise OptionError(
                f"{setting} {host!r}: must be HOST or HOST:PORT, as a browser's address bar has it "
                "after https://"
            ) from error
    return [*parsed, *map(str.lower, settings.allowed_ws_origin())]


class OriginGuard(Router):
    """Gives an application the requests that its own pages may send, and refuses others.

    Parameters
    ----------
    application : Application
    origins : sequence of str
        Hosts of further pages, of `parse_origins`; ``*`` lets all pass.
    setting : str
        How more of them are named, for messages.
    names : iterable of str
        Names of the server beside those of this machine.
    """

    def __init__(
        self,
        application: Application,
        origins: Sequence[str],
        setting: str,
        names: Iterable[str] = (),
    ) -> None:
        self.application, self.origins, self.setting = application, origins, setting
        hosts = {origin.rpartition(":")[0] or origin for origin in origins}
        self.hosts = {"localhost", socket.gethostname().lower(), *map(str.lower, names), *hosts}

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return what handles a request.

        Parameters
        ----------
        request : HTTPServerRequest
        **kwargs
            For the application.
        """
        refusal = self.why_refused(request.host, request.headers)
        if not refusal:
            return self.application.find_handler(request, **kwargs)
        logger.warning("refused: %s", refusal)
        return self.application.get_handler_delegate(request, _Refused, {"why": refusal})

    def why_refused(self, host: str, headers: Mapping[str, str]) -> str:
        """Return why a request is refused and what to do, or nothing if it is not.

        Parameters
        ----------
        host : str
            That the browser named.
        headers : mapping of str to str
        """
        if "*" in self.origins:
            return ""
        advice = f"; if it is yours, name it, as the address bar has it, in {self.setting}"
        if not self._is_ours(host):
            return f"host {host[:200]!r} is not known to be this dashboard's{advice}"
        origin = headers.get("Origin")
        if origin is None:
            site, mode = headers.get("Sec-Fetch-Site"), headers.get("Sec-Fetch-Mode")
            if site in ("cross-site", "same-site") and mode != "navigate":
                return f"{site} request of a page of another origin"
        elif not self._is_allowed(origin, host):
            return f"origin {origin[:200]!r} is not this dashboard's{advice}"
        return ""

    def _is_ours(self, host: str) -> bool:
        from bokeh.server.util import match_host

        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return any(match_host(name, pattern) for pattern in self.hosts)
        return True  # nobody but who has the address can serve a page from it

    def _is_allowed(self, origin: str, host: str) -> bool:
        from bokeh.server.util import check_allowlist

        place = origin.partition("://")[2].lower()
        return place == host.lower() or check_allowlist(place, self.origins)


class _Refused(RequestHandler):
    """Answers with 403 and why."""

    def initialize(self, why: str) -> None:
        self.why = why

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"403: {self.why}\n")

"""Nothing listens beyond loopback without TLS and client certificates, unless that is said."""

import ipaddress
import os
import ssl
import sys
from typing import TYPE_CHECKING, Any

import dask

if TYPE_CHECKING:
    from distributed.core import Server

ENCRYPTED = ("tls", "wss")
"""Protocols of Dask that ask for a certificate of the cluster's authority."""

INSIDE = ("inproc",)
"""Those that never leave the process."""


def check_exposure(server: "Server", insecure: bool = False) -> None:
    """End this process if the scheduler, worker or nanny can be reached by just anyone.

    Whoever can talk to a scheduler or worker can run code there, and Dask listens on all
    interfaces by default. Its HTTP server asks for no certificate even where it has TLS; here it
    is made to, for all connections from now on.

    Parameters
    ----------
    server : distributed.core.Server
        One that listens already; Dask asks preloads no earlier.
    insecure : bool
        Whether it may be reached. TLS, where there is some, still demands certificates.
    """
    exposed = [*exposed_comms(server), *exposed_http(server)]
    if exposed and not insecure:
        kind = type(server).__name__.lower()
        print(  # noqa: T201
            f"error: {kind}: listens where anyone can reach it, without TLS and certificates: "
            f"{', '.join(exposed)}. Listen on this machine only, with --host 127.0.0.1 "
            "--dashboard-address 127.0.0.1:0; or make certificates with `cryptodask security init` "
            "and start it with DASK_CONFIG=FOLDER; or, in a network where everyone may run code "
            "on this machine, say `--preload cryptodask.dashboard --insecure`",
            file=sys.stderr,
            flush=True,
        )
        # Dask would log an exception and continue; an orderly end takes seconds with ports open.
        os._exit(1)


def exposed_comms(server: "Server") -> list[str]:
    """Return the addresses beyond loopback at which a server listens to comms without TLS.

    Parameters
    ----------
    server : distributed.core.Server
    """
    addresses = []
    for listener in server.listeners:
        protocol, _, place = listener.listen_address.partition("://")
        if protocol in (*ENCRYPTED, *INSIDE):
            continue
        tcp = getattr(listener, "tcp_server", None)  # not of those that websockets have
        hosts = [host for host, _ in _bound(tcp)] if tcp else [place.rpartition(":")[0]]
        if not all(map(is_loopback, hosts)):
            addresses.append(listener.listen_address)
    return addresses


def exposed_http(server: "Server") -> list[str]:
    """Demand certificates of the HTTP server's clients; return its addresses if that can't be.

    Parameters
    ----------
    server : distributed.core.Server
    """
    http: Any = getattr(server, "http_server", None)
    if http is None:
        return []
    # One context serves all connections, so that those to come are asked. Where no authority is
    # set, it would believe all that this machine knows.
    if http.ssl_options and dask.config.get("distributed.scheduler.dashboard.tls.ca-file"):
        http.ssl_options.verify_mode = ssl.CERT_REQUIRED
        return []
    scheme = "https" if http.ssl_options else "http"
    return [f"{scheme}://{host}:{port}" for host, port in _bound(http) if not is_loopback(host)]


def _bound(server: Any) -> list[tuple[str, int]]:
    """Return where a server of Tornado listens. Dask's own function leaves out some of IPv6."""
    return [sock.getsockname()[:2] for sock in server._sockets.values()]


def is_loopback(host: str) -> bool:
    """Whether an address, or ``localhost``, is reached from this machine only.

    Parameters
    ----------
    host : str
    """
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"

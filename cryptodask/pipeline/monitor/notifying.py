"""Pass on what the monitor saw: gauges for Prometheus, and alarms to a webhook."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cryptodask.errors import CryptoDaskError, InputError, WriteError

if TYPE_CHECKING:
    from cryptodask.pipeline.monitor.watching import Watched

TIMEOUT = 10.0
"""Seconds that a webhook has for an answer."""


def pass_on(watched: "Watched", prometheus: str = "", webhook: str = "") -> list[CryptoDaskError]:
    """Write gauges and post alarms, one whether or not the other could be; return what failed.

    Parameters
    ----------
    watched : Watched
    prometheus : str
        File of gauges; or empty.
    webhook : str
        URL; or empty.
    """
    acts: list[tuple[str, Callable[[Watched, str], None]]]
    acts = [(prometheus, write_gauges), (webhook, send_alarms)]
    problems = []
    for place, act in acts:
        try:
            if place:
                act(watched, place)
        except CryptoDaskError as error:
            problems.append(error)
    return problems


def write_gauges(watched: "Watched", path: "str | os.PathLike[str]") -> None:
    """Write the numbers as gauges for the textfile collector of Prometheus' node exporter.

    Parameters
    ----------
    watched : Watched
    path : path
        A file whose name ends with .prom; it is replaced in one step.

    Raises
    ------
    WriteError
        It can't be written.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    labels = ["model", "measure"]
    gauges = {
        name: Gauge(f"cryptodask_monitor_{name}", what, labels, registry=registry)
        for name, what in (
            ("value", "A measure of the last day"),
            ("least", "Its lower limit"),
            ("most", "Its upper limit"),
            ("alarm", "Whether it is beyond a limit"),
        )
    }
    for reading in watched.readings:
        values = {name: getattr(reading, name) for name in ("value", "least", "most")}
        for name, value in {**values, "alarm": float(reading.is_alarm)}.items():
            if value is not None:
                gauges[name].labels(watched.model, reading.measure).set(value)
    seconds = Gauge(
        "cryptodask_monitor_day_seconds", "The day, since 1970", ["model"], registry=registry
    )
    seconds.labels(watched.model).set(pd.Timestamp(watched.day).timestamp())
    try:
        write_to_textfile(str(Path(path)), registry)
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror or error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Take a redirect for an error: what is sent is for that address alone."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no request."""


def send_alarms(watched: "Watched", url: str, timeout: float = TIMEOUT) -> None:
    """Post the alarms of a day as JSON; nothing is sent where there are none.

    Parameters
    ----------
    watched : Watched
    url : str
        Of http or https. Messages name its host alone, as the rest may be a secret.
    timeout : float
        In seconds.

    Raises
    ------
    InputError
        It is another URL.
    WriteError
        It can't be reached in time, or answers with an error.
    """
    check_webhook(url)
    if not watched.alarms:
        return
    host = urllib.parse.urlsplit(url).hostname
    headers = {"Content-Type": "application/json"}
    content = json.dumps(watched.summary()).encode()
    request = urllib.request.Request(url, content, headers, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout):
            pass
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = str(getattr(error, "reason", error))
        raise WriteError(
            f"webhook at {host}: {reason}; the numbers are stored, and the same command sends again"
        ) from error


def check_webhook(url: str) -> None:
    """See that a webhook is a URL of http or https.

    Parameters
    ----------
    url : str

    Raises
    ------
    InputError
        It is not.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("webhook: must be a URL of http:// or https://")

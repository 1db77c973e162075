#!/usr/bin/env python3
"""Exit with 0 if the Dask scheduler or worker of this container answers, else with 1.

It requests ``/health`` on loopback, at the port of ``HEALTH_PORT`` (8787). Where ``DASK_CONFIG``
names a folder of `cryptodask security`, it connects by TLS with that folder's certificate,
without which it gets no answer.
"""

import os
import ssl
import sys
import urllib.request
from pathlib import Path

TIMEOUT = 4
"""Seconds to wait for the answer."""


def main() -> int:
    """Ask once; return the exit code, and print what went wrong."""
    port = os.environ.get("HEALTH_PORT", "8787")
    folder = Path(os.environ.get("DASK_CONFIG", "/nonexistent"))
    context = None
    if (folder / "tls.crt").exists():
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    url = f"{'https' if context else 'http'}://127.0.0.1:{port}/health"
    # No proxy for loopback, whatever the environment says.
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=TIMEOUT) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

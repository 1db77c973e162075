"""Pages of results: views turn results into columns, pages draw them, `app` and `serve` serve them.

As a preload of Dask (``dask scheduler --preload cryptodask.dashboard``) it adds pages of runs,
forecasts, scores and days beside Dask's, and refuses to start a scheduler, worker or nanny that
anyone can reach (`cryptodask.cluster.security.guard`). Pages of other sites in the same browser get
nothing (`cryptodask.cluster.security.origins`).
"""

import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from distributed.core import Server

logger = logging.getLogger(__name__)


@click.command()
@click.option("--insecure", is_flag=True, help="Listen beyond loopback even without TLS.")
@click.option(
    "--store", default="", envvar="CRYPTODASK_STORE", help="Store of a pipeline, for its page."
)
def dask_setup(server: "Server", insecure: bool, store: str = "") -> None:
    """Set up a scheduler, worker or nanny; Dask calls this once it listens.

    Parameters
    ----------
    server : Scheduler, Worker or Nanny
    insecure : bool
        Whether it may listen beyond loopback without TLS.
    store : str
        Place of the store whose days a page shows; or empty.
    """
    from distributed import Scheduler

    from cryptodask.cluster.security.guard import check_exposure
    from cryptodask.cluster.security.origins import guard_pages

    check_exposure(server, insecure)
    try:
        guard_pages(server)
    except Exception as error:  # noqa: BLE001
        # Dask would log it, and let pages of all sites in.
        print(f"error: {type(server).__name__.lower()}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(1)
    if not isinstance(server, Scheduler):
        return
    # A task whose worker died twice is retried alone (`cryptodask.cluster.retry`), so that it takes
    # no other worker with it, and tasks that shared its worker are not blamed.
    server.allowed_failures = 1
    from cryptodask.dashboard.app import install

    try:
        install(server, store)
    except BaseException:
        # Dask starts without a preload that failed, and says so in a line of its log.
        logger.critical("there will be NO pages of CryptoDask: the preload failed", exc_info=True)
        traceback.print_exc(file=sys.stderr)
        raise

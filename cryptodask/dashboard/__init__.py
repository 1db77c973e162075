"""Showing results: `view` turns them into columns, `plot` draws those, `app` serves them.

As a preload of Dask (``dask scheduler --preload cryptodask.dashboard``) it adds pages of runs,
forecasts and scores beside Dask's own, and sees that neither scheduler nor worker nor nanny can be
reached by just anyone; see `cryptodask.cluster.security.guard`.
"""

import logging
import sys
import traceback
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from distributed.core import Server

logger = logging.getLogger(__name__)


@click.command()
@click.option("--insecure", is_flag=True, help="Listen beyond loopback without TLS, too.")
def dask_setup(server: "Server", insecure: bool) -> None:
    """Dask calls this in a scheduler, worker or nanny that has started to listen."""
    from distributed import Scheduler

    from cryptodask.cluster.security.guard import check_exposure

    check_exposure(server, insecure)
    if not isinstance(server, Scheduler):
        return
    # A task whose worker died twice is set aside and run alone (`cryptodask.cluster.retry`), so
    # that what it shared the worker with is not blamed for it, nor other workers lost to it.
    server.allowed_failures = 1
    from cryptodask.dashboard.app import install

    try:
        install(server)
    except BaseException:
        # Dask goes on without a preload that failed, and says so in a line of its log.
        logger.critical("there will be NO pages of CryptoDask: the preload failed", exc_info=True)
        traceback.print_exc(file=sys.stderr)
        raise

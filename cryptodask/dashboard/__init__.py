"""Pictures of forecasts, and pages on a scheduler's dashboard.

What to draw (``view``) and the drawing of it (``plot``); and, given to Dask as
``dask scheduler --preload cryptodask.dashboard``, pages of runs, forecasts and scores beside
Dask's own (``app``).
"""

import logging
import sys
import traceback
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from distributed import Scheduler

logger = logging.getLogger(__name__)


@click.command()
def dask_setup(scheduler: "Scheduler") -> None:
    """Add CryptoDask's pages to this scheduler's dashboard."""
    from cryptodask.dashboard.app import install

    try:
        install(scheduler)
    except BaseException:
        # Dask goes on without a preload that failed, and says so in a line of its log.
        logger.critical("there will be NO pages of CryptoDask: the preload failed", exc_info=True)
        traceback.print_exc(file=sys.stderr)
        raise

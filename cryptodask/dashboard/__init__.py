"""Showing results: `view` turns them into columns, `plot` draws those.

As a preload of Dask (``dask scheduler --preload cryptodask.dashboard``), it also sees that neither
scheduler nor worker nor nanny can be reached by just anyone; see `cryptodask.cluster.guard`.
"""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from distributed.core import Server


@click.command()
@click.option("--insecure", is_flag=True, help="Listen beyond loopback without TLS, too.")
def dask_setup(server: "Server", insecure: bool) -> None:
    """Dask calls this in a scheduler, worker or nanny that has started to listen."""
    from cryptodask.cluster.guard import check_exposure

    check_exposure(server, insecure)

"""`ClusterOptions`: where a command runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import attrs
import typer

from cryptodask.cli.show import counted, err
from cryptodask.errors import OptionError
from cryptodask.runs.fields import option

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

TLS = "The client's folder of `security init`, for a tls:// scheduler."

Tls = Annotated[Path | None, typer.Option("--tls", help=TLS)]


def read_tls(folder: Path | None) -> "Security | None":
    """Read the certificate of this client, where a folder is given.

    Raises
    ------
    OptionError
        The folder has none, or one that can't be used.
    """
    if folder is None:
        return None
    import dask

    from cryptodask.cluster.security.tls import client_security

    security = client_security(folder)
    # By this alone does Dask decide that links to the dashboard are https.
    dask.config.set({"distributed.scheduler.dashboard.tls.cert": security.tls_client_cert})
    return security


def read_workers(text: str | None) -> int | tuple[int, int] | None:
    """Read a number of workers, or the fewest and the most.

    Raises
    ------
    OptionError
        It is neither.
    """
    if text is None:
        return None
    least, colon, most = text.partition(":")
    try:
        return (int(least), int(most)) if colon else int(text)
    except ValueError:
        raise OptionError(
            f"--workers {text}: write a number, or the fewest and the most, as 0:8"
        ) from None


def read_resources(texts: list[str] | None) -> dict[str, float]:
    """Read what workers must have, by the names of Dask's resources.

    Raises
    ------
    OptionError
        It is not written as NAME=AMOUNT, or the amount is not above 0.
    """
    amounts = {}
    for text in texts or []:
        name, _, amount = text.partition("=")
        try:
            number = float(amount)
        except ValueError:
            number = 0.0
        if not name.strip() or not number > 0:
            raise OptionError(f"--resources {text}: write it as NAME=AMOUNT, such as GPU=1")
        amounts[name.strip()] = number
    return amounts


@attrs.frozen(kw_only=True)
class ClusterOptions:
    """Where a command runs.

    Attributes
    ----------
    scheduler : str or None
        Address of a running cluster; by default a local one is started.
    tls : Path or None
        Folder of the client's certificate.
    workers : int, (int, int) or None
        Processes of the local cluster, or the fewest and the most; by default one a core.
    resources : mapping of str to float
        What workers must have been started with.
    """

    panel: ClassVar[str] = "Cluster"

    scheduler: str | None = option(None, "Address of a running cluster: tcp://host:8786.")
    tls: Path | None = option(None, TLS)
    workers: int | tuple[int, int] | None = option(
        None,
        "Processes of the local cluster; 0:8 for at most 8, as the work needs them. [one a core]",
        converter=read_workers,
        reads=str | None,
    )
    resources: Mapping[str, float] = option(
        None,
        "Use only workers that were started with this: GPU=1; may be given several times.",
        converter=read_resources,
        reads=list[str] | None,
    )

    @property
    def is_given(self) -> bool:
        """Whether a cluster was asked for."""
        return bool(self.scheduler or self.tls or self.workers is not None or self.resources)

    @contextmanager
    def connect(self) -> "Iterator[Client]":
        """Connect to the cluster in this block, and print the link to its dashboard.

        What is submitted runs on workers with the resources only.

        Raises
        ------
        ClusterError
            No scheduler answers, or no worker has the resources.
        OptionError
            The options contradict each other.
        """
        if self.scheduler:
            err.print(f"connecting to {self.scheduler}", highlight=False, markup=False)
        else:
            count = "as many workers as there are cores"
            if isinstance(self.workers, int):
                count = counted(self.workers, "worker")
            elif self.workers is not None:
                count = "{} to {} workers".format(*self.workers)
            err.print(f"starting {count} on this machine", highlight=False)
        from cryptodask.cluster import connect, requiring

        with connect(self.scheduler, self.workers, read_tls(self.tls)) as client:
            if client.dashboard_link:
                err.print(f"dashboard: {client.dashboard_link}", highlight=False)
            with requiring(client, self.resources):
                yield client

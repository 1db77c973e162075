"""``cryptodask security``: certificates for the parts of a cluster."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cryptodask.cli.show import out

security_app = typer.Typer(
    help="Make certificates, so that no one else gets into a cluster.", no_args_is_help=True
)

Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="A name or address of the machine; may be given several times."),
]
Days = Annotated[int, typer.Option(help="How long the certificates last.")]
At = Annotated[
    Path | None,
    typer.Option(help="Where a machine will see the folder of its part. [where it is made]"),
]


@security_app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to.")],
    host: Hosts = None,
    days: Days = 365,
    at: At = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace an authority; what it issued works no more.")
    ] = False,
) -> None:
    """Make a certificate authority, and a folder each for scheduler, workers and client."""
    from cryptodask.cluster.security import certificates

    scheduler, worker, client = certificates.init(folder, host or [], days, at, overwrite)
    print_steps(
        (f"{folder / 'ca.key'} stays here: whoever has it can make certificates.", None),
        (f"To the scheduler's machine, copy {scheduler}; there:", scheduler),
        (f"To each worker's machine, copy {worker}; there:", worker),
        (f"To who forecasts, give {client}; there:", client),
        at=at,
    )


@security_app.command()
def issue(
    folder: Annotated[Path, typer.Argument(help="The folder of `init`, with the authority.")],
    name: Annotated[str, typer.Argument(help="Of the new folder: a machine or a user, say.")],
    host: Hosts = None,
    days: Days = 365,
    at: At = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace the certificate of a part, as before it ends.")
    ] = False,
) -> None:
    """Make the folder of a further machine or user, with the authority that is there."""
    from cryptodask.cluster.security import certificates

    made = certificates.issue(folder, name, host or [], days, at, overwrite)
    print_steps((f"Copy {made} to where it is for; there:", made), at=at)


def print_steps(*steps: tuple[str, Path | None], at: Path | None) -> None:
    """Print what to do, and for the folder of a part how Dask is told of it."""
    for text, folder in steps:
        out.print(Text(text), soft_wrap=True)
        if folder is not None:
            out.print(Text(f"    export DASK_CONFIG={at or folder.resolve()}"), soft_wrap=True)

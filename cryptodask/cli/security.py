"""``cryptodask security``: certificates for the parts of a cluster."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cryptodask.cli.options.help import Commands
from cryptodask.cli.show import out

security_app = Commands(help="Make certificates that keep others out of a cluster.")

Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="Name or address of the machine; may be given several times."),
]
Days = Annotated[int, typer.Option(help="Days until the certificates expire.")]
At = Annotated[
    Path | None,
    typer.Option(
        help="Path of the folder on the machine it is for.", show_default="where it is made"
    ),
]


@security_app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Output folder.")],
    host: Hosts = None,
    days: Days = 365,
    at: At = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace a CA; its certificates stop working.")
    ] = False,
) -> None:
    """Make a certificate authority (CA), and a folder each for scheduler, workers and client.

    For example:

        cryptodask security init certificates --host scheduler.local
    """
    from cryptodask.cluster.security import certificates

    scheduler, worker, client = certificates.init(folder, host or [], days, at, overwrite)
    print_steps(
        (f"{folder / 'ca.key'} stays here: anyone who has it can make certificates.", None),
        (f"To the scheduler's machine, copy {scheduler}; there:", scheduler),
        (f"To each worker's machine, copy {worker}; there:", worker),
        (f"To each user, give {client}; there:", client),
        at=at,
    )


@security_app.command()
def issue(
    folder: Annotated[Path, typer.Argument(help="The folder of `init`, with the CA.")],
    name: Annotated[str, typer.Argument(help="Name of the new folder, such as a machine or user.")],
    host: Hosts = None,
    days: Days = 365,
    at: At = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace a certificate, for example before it expires.")
    ] = False,
) -> None:
    """Make the folder of one more machine or user, with the CA of `init`.

    Certificates can't be revoked; to void them early, make a new CA.

    For example:

        cryptodask security issue certificates worker-2 --host worker-2.local
    """
    from cryptodask.cluster.security import certificates

    part = certificates.issue(folder, name, host or [], days, at, overwrite)
    print_steps((f"Copy {part} to its machine; there:", part), at=at)


def print_steps(*steps: tuple[str, Path | None], at: Path | None) -> None:
    """Print what to do next, and the setting by which Dask reads the folder of a part.

    Parameters
    ----------
    *steps : (str, Path or None)
        What to do, and the folder of a part.
    at : Path or None
        Path of that folder on its machine.
    """
    for text, folder in steps:
        out.print(Text(text), soft_wrap=True)
        if folder is not None:
            out.print(Text(f"    export DASK_CONFIG={at or folder.resolve()}"), soft_wrap=True)

"""Arguments that the commands of ``cryptodask registry`` share."""

from typing import Annotated

import typer

Place = Annotated[
    str,
    typer.Option(
        "--registry",
        envvar="CRYPTODASK_REGISTRY",
        metavar="PATH",
        help="Folder of the registry, or its URL: s3://bucket/models.",
    ),
]
Which = Annotated[
    str,
    typer.Argument(metavar="VERSION", help="NAME (its champion), NAME@ALIAS or NAME:NUMBER."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="For the log.")]

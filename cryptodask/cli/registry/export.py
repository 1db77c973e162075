"""``cryptodask registry export``: give a version to a server that others use."""

from typing import Annotated

import attrs
import typer
from rich.text import Text

from cryptodask.cli.registry.shown import print_json
from cryptodask.cli.registry.words import Json, Place, Which
from cryptodask.cli.show import out


def export(
    reference: Which,
    registry: Place,
    mlflow: Annotated[
        str, typer.Option(metavar="URI", help="Address of an mlflow server: http://host:5000.")
    ],
    experiment: Annotated[str, typer.Option(help="The experiment that gets the run.")] = (
        "cryptodask"
    ),
    as_json: Json = False,
) -> None:
    """Export a version to an mlflow server: parameters, scores, files, and a registered model.

    An export again brings scores and aliases up to date, and makes no second run.

    For example:

        cryptodask registry export ridge:1 --registry reg --mlflow http://ml:5000
    """
    from cryptodask.registry import export_mlflow

    done = export_mlflow(registry, reference, mlflow, experiment=experiment)
    if as_json:
        print_json(attrs.asdict(done))
        return
    name = done.version.partition(":")[0]
    where = f"version {done.model_version} of {name}" if done.model_version else "not registered"
    verb = "exported" if done.is_new else "was exported before, brought up to date"
    out.print(Text(f"{done.version}: {verb}: {where}, {done.url}"), soft_wrap=True)
    if not done.model_version:
        out.print(Text(f"{mlflow}: has no registry of models"), soft_wrap=True)

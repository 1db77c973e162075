"""``cryptodask train``: a version of a model, for a registry."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cryptodask.cli.execute import Profile, View, execute
from cryptodask.cli.options import ClusterOptions, OutputOptions, with_options
from cryptodask.cli.show import err, out, shown_size
from cryptodask.cli.tables import FittingTable
from cryptodask.runs.version_spec import TrainSpec
from cryptodask.text import counted

if TYPE_CHECKING:
    from cryptodask.results.version import Version
    from cryptodask.runs import Session

RegistryOption = Annotated[
    str,
    typer.Option(
        envvar="CRYPTODASK_REGISTRY", metavar="PATH", help="Folder or URL of the registry."
    ),
]


@with_options
def train(
    spec: TrainSpec,
    cluster: ClusterOptions,
    registry: RegistryOption,
    name: Annotated[
        str | None, typer.Option(help="Name under which it is kept. [the model's]")
    ] = None,
    profile: Profile = False,
) -> None:
    """Train a model, and keep what it learned as a new version.

    For example:

        cryptodask train data --model ridge --registry registry

        cryptodask train data --model ridge --registry registry --name daily
    """

    def run(spec: TrainSpec, session: "Session") -> "Version":
        from cryptodask.registry.training import train_spec

        try:
            return train_spec(spec, session, registry, name=name)
        except KeyboardInterrupt:
            text = "stopped; what was learned is kept: the same command continues it"
            err.print(Text(text), soft_wrap=True)
            raise typer.Exit(130) from None

    execute(spec, VIEW, cluster, OutputOptions(), profile=profile, run=run)


def print_version(version: "Version") -> None:
    """Print what a version is, and how to go on."""
    facts = version.facts
    table = FittingTable("version", "model", "coins", "failed", "prices", "intervals", "size")
    number = f"{version.path.parent.parent.name}:{version.path.name}"
    table.add_texts(
        number,
        str(facts.model["name"]),
        f"{facts.coins:,}",
        f"{len(version.failures):,}",
        f"{facts.first} to {facts.last}",
        "yes" if version.manifest.intervals else "no",
        shown_size(version.size),
    )
    out.print(table)
    registry = version.path.parent.parent.parent
    text = f"{counted(facts.coins, 'coin')} trained; next: `cryptodask registry promote {number} "
    out.print(Text(f"{text}--registry {registry}`"), soft_wrap=True)


VIEW = View(show=print_version)

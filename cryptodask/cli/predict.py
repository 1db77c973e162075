"""``cryptodask predict``: forecasts from versions of trained models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cryptodask.cli.execute import Profile, execute, write_tables
from cryptodask.cli.forecast import VIEW
from cryptodask.cli.options import ClusterOptions, OutputOptions, with_options
from cryptodask.cli.options.specs import Source
from cryptodask.cli.show import print_failures
from cryptodask.cli.train import RegistryOption
from cryptodask.errors import OptionError
from cryptodask.runs.fields import coin_names

if TYPE_CHECKING:
    from cryptodask.io.paths import AnyPath
    from cryptodask.runs import Session
    from cryptodask.runs.spec import PredictSpec


@with_options
def predict(
    source: Source,
    model: Annotated[
        list[str],
        typer.Option(
            metavar="NAME[@ALIAS|:N]",
            help="A version: lstm@staging, lstm:7, or lstm for the champion; may be repeated.",
        ),
    ],
    registry: RegistryOption,
    cluster: ClusterOptions,
    output: OutputOptions,
    horizon: Annotated[
        int | None, typer.Option(help="Days ahead, or bars. [that of the training]")
    ] = None,
    coins: Annotated[
        list[str] | None,
        typer.Option(help="Coins, separated by commas or given several times. [all]"),
    ] = None,
    to_date: Annotated[
        str | None, typer.Option("--to", help="Last day that models see, YYYY-MM-DD.")
    ] = None,
    intervals: Annotated[
        bool | None,
        typer.Option(
            "--intervals/--no-intervals",
            help="Make 80 and 95% intervals. [where the version was trained for it]",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds a worker may take for coins it reads together."),
    ] = None,
    partitions: Annotated[int | None, typer.Option(help="Number of partitions.")] = None,
    shadow: Annotated[
        str | None,
        typer.Option(
            metavar="ALIAS",
            help="Forecast from the versions of this alias, too, to a file or folder beside --out.",
        ),
    ] = None,
    profile: Profile = False,
) -> None:
    """Forecast from trained versions; nothing is trained."""
    fields: dict[str, Any] = {
        "source": source, "coins": coin_names(coins), "to_date": to_date, "timeout": timeout,
        "partitions": partitions, "horizon": horizon, "intervals": intervals,
    }  # fmt: skip
    spec = _spec(model, registry, fields)
    staged = None if shadow is None else _spec(_under(model, shadow), registry, fields)

    def predict_shadow(_: Any, session: "Session") -> "list[AnyPath]":
        return [] if staged is None else write_shadow(staged, session, output)

    if staged is not None and output.out is None:
        raise OptionError(f"--shadow {shadow}: its forecasts are kept beside --out; give one")
    execute(spec, VIEW, cluster, output, profile=profile, write_more=predict_shadow)


def _spec(models: Sequence[str], registry: str, fields: dict[str, Any]) -> "PredictSpec":
    from cryptodask.registry.training import find_versions, predict_spec

    return predict_spec(find_versions(models, registry), **fields)


def _under(models: Sequence[str], alias: str) -> list[str]:
    """Return references to the versions of the same names under an alias."""
    from cryptodask.registry.layout import Reference

    return [f"{Reference.parse(model).name}@{alias}" for model in models]


def write_shadow(spec: "PredictSpec", session: "Session", output: OutputOptions) -> "list[AnyPath]":
    """Forecast from versions that are not served, and write that beside the forecasts that are.

    Parameters
    ----------
    spec : PredictSpec
    session : Session
        That of the prediction.
    output : OutputOptions
        Of the forecasts that are served.

    Returns
    -------
    list of Path or UPath
        The files or the folder.
    """
    from cryptodask.runs import run_spec

    assert output.out is not None
    place = output.out.with_name(f"{output.out.stem}.shadow{output.out.suffix}")
    if output.folder is None:
        result = run_spec(spec, session)
        files = write_tables(result, place)
    else:
        place = output.out.with_name(f"{output.out.name}-shadow")
        result = run_spec(spec, session, out=place, overwrite=output.overwrite)
        files = [place]
    print_failures(result)
    return files

"""``cryptodask predict``: forecasts from versions of trained models."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from cryptodask.cli.execute import Profile, execute, write_tables
from cryptodask.cli.forecast import VIEW, print_forecasts
from cryptodask.cli.options import ClusterOptions, OutputOptions, with_options
from cryptodask.cli.options.specs import Source
from cryptodask.cli.show import print_failures
from cryptodask.cli.train import RegistryOption
from cryptodask.errors import OptionError
from cryptodask.runs.fields import coin_names, option
from cryptodask.text import counted

if TYPE_CHECKING:
    from cryptodask.io.paths import AnyPath
    from cryptodask.runs import Session
    from cryptodask.runs.version_spec import PredictSpec


@attrs.frozen(kw_only=True)
class PredictOptions:
    """What is forecast, from which versions.

    Attributes
    ----------
    model : list of str
        References to versions.
    horizon : int or None
    coins : tuple of str or None
    to_date : str or None
    intervals : bool or None
    timeout : float or None
    partitions : int or None
        See `cryptodask.runs.spec.RunSpec`.
    shadow : str or None
        An alias, whose versions forecast, too.
    """

    model: list[str] = option(
        help="A version: lstm@staging, lstm:7, or lstm for the champion; may be repeated. Of a "
        "model of your own code MODULE:NAME, or mine@staging=MODULE:NAME.",
        reads=list[str],
        metavar="NAME[@ALIAS|:N]",
    )
    horizon: int | None = option(None, "Days ahead, or bars. [that of the training]")
    coins: tuple[str, ...] | None = option(
        None, "Coins, separated by commas or given several times. [all]", converter=coin_names
    )
    to_date: str | None = option(None, "Last day that models see, YYYY-MM-DD.", flag="--to")
    intervals: bool | None = option(
        None,
        "Make 80 and 95% intervals. [where the version was trained for it]",
        flag="--intervals/--no-intervals",
    )
    timeout: float | None = option(
        None, "Seconds a worker may take for coins it reads together; its process is ended then."
    )
    partitions: int | None = option(None, "Number of partitions.")
    shadow: str | None = option(
        None,
        "Forecast from the versions of this alias, too, to a file or folder beside --out.",
        metavar="ALIAS",
    )

    def spec(self, models: Sequence[str], registry: str, source: str) -> "PredictSpec":
        """Return the spec of a prediction from some versions."""
        from cryptodask.registry.training import find_versions, predict_spec

        fields = attrs.asdict(self, filter=lambda field, _: field.name not in ("model", "shadow"))
        return predict_spec(find_versions(models, registry), source=source, **fields)


@with_options
def predict(
    source: Source,
    registry: RegistryOption,
    options: PredictOptions,
    cluster: ClusterOptions,
    output: OutputOptions,
    profile: Profile = False,
) -> None:
    """Forecast from trained versions; nothing is trained.

    For example:

        cryptodask predict data --model ridge:1 --registry registry

        cryptodask predict data --model ridge --registry registry --out forecasts.csv
    """
    alias = options.shadow
    if alias is not None and output.out is None:
        raise OptionError(f"--shadow {alias}: its forecasts are kept beside --out; give one")
    spec = options.spec(options.model, registry, source)
    staged = None
    if alias is not None:
        staged = options.spec(_under(options.model, alias), registry, source)

    def predict_shadow(_: Any, session: "Session") -> "list[AnyPath]":
        return [] if staged is None else write_shadow(staged, session, output)

    worth = [known_of(model, registry, source) for model in options.model]
    view = replace(VIEW, show=partial(print_forecasts, worth=worth))
    execute(spec, view, cluster, output, profile=profile, write_more=predict_shadow)


def known_of(model: str, registry: str, source: str) -> str:
    """Return a line on how a version did against naive when it was scored, or how to score it.

    Parameters
    ----------
    model : str
        Reference to a version.
    registry, source : str
        As they were typed, for the command.
    """
    from cryptodask.models.catalog import is_own
    from cryptodask.registry import Registry
    from cryptodask.registry.training import name_own_model

    kept = Registry(registry)
    entry = kept.entry(name_own_model(model))
    score = kept.score(entry)
    error = None if score is None else score.scores["relative_mae"]
    if score is None or error is None:
        place = (entry.facts or {}).get("model", {}).get("model") or ""
        named = f"{entry}={place}" if is_own(place) else str(entry)
        words = ["registry", "score", source, "--model", named, "--registry", registry]
        return f"how {entry} does against naive: `cryptodask {shlex.join(words)}` says it"
    origins = counted(len(score.origins), "origin")
    return f"{entry}: MAE / naive {error:.4g} when scored, at {origins}; below 1 is better"


def _under(models: Sequence[str], alias: str) -> list[str]:
    """Return references to the versions of the same names under an alias."""
    from cryptodask.registry.layout import Reference
    from cryptodask.registry.training import name_own_model

    return [f"{Reference.parse(name_own_model(model)).name}@{alias}" for model in models]


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

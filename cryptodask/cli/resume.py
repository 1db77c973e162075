"""``cryptodask resume``: continue a run that was stopped, from what is in its folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from cryptodask.cli import backtest, forecast, train, tune
from cryptodask.cli.execute import Profile, View, execute
from cryptodask.cli.options import ClusterOptions, OutputOptions, with_options
from cryptodask.cli.show import SOME_FAILED, err, out, print_failures, print_lost
from cryptodask.errors import InputError, OptionError
from cryptodask.runs.spec import BacktestSpec, ForecastSpec, RunSpec, SearchSpec
from cryptodask.runs.specs import SPECS
from cryptodask.runs.version_spec import PredictSpec, TrainSpec

if TYPE_CHECKING:
    from cryptodask.io.paths import AnyPath
    from cryptodask.runs.plan import Plan

VIEWS: Mapping[str, View] = {
    ForecastSpec.kind: forecast.VIEW,
    BacktestSpec.kind: backtest.VIEW,
    SearchSpec.kind: tune.VIEW,
    TrainSpec.kind: train.VIEW,
    PredictSpec.kind: forecast.VIEW,
}
"""By kind of run."""


@with_options
def resume(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="The --out of a forecast, backtest or search: a folder or URL."
        ),
    ],
    cluster: ClusterOptions,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="A model of your own code that the run has; may be given several times.",
        ),
    ] = None,
    unlock: Annotated[
        bool,
        typer.Option(
            "--unlock",
            help="For a URL: take the run over from a process that was killed on another machine.",
        ),
    ] = False,
    profile: Profile = False,
) -> None:
    """Continue a forecast, backtest or search that was stopped.

    For example:

        cryptodask resume results
    """
    from cryptodask.io.paths import exists, is_folder, path_of

    path = path_of(folder)
    if exists(path) and not is_folder(path):
        raise InputError(f"{path}: is a file; name the folder that was the --out of a run")
    plan = plan_of(path)
    if is_whole(path, plan):
        out.print(Text(f"{path}: {plan.kind}, whole already; nothing is left to do"))
        raise typer.Exit(report_whole(path, plan))
    if unlock:
        remove_lock(path)
    if plan.spec is None:
        raise InputError(
            f"{path}: was begun from Python with what a command can't repeat (prices of a frame, a "
            "model that no name describes, or how files are read); make the same call again, "
            "with the same rows, to continue it"
        )
    name_own_models(folder, plan.spec, model or [])
    execute(plan.spec, VIEWS[plan.kind], cluster, OutputOptions(), folder=path, profile=profile)


def plan_of(path: "AnyPath") -> "Plan":
    """Return the plan of a run's folder.

    Raises
    ------
    InputError
        It holds none.
    """
    from cryptodask.runs import read_plan

    try:
        return read_plan(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: holds no plan of a run; name the --out of a forecast, backtest or search"
        ) from None


def name_own_models(folder: str, spec: RunSpec, given: list[str]) -> None:
    """Import the models of the user's code that a run has; the user names each of them again.

    Parameters
    ----------
    folder : str
        As it was typed, for messages.
    spec : RunSpec
    given : list of str
        As ``mine:MyModel``.

    Raises
    ------
    OptionError
        A plan's model was not named, or one was that the run does not have.
    """
    from cryptodask.runs.model_spec import name_models, own_places

    places = own_places(spec)
    strangers = [place for place in given if place not in places]
    if strangers:
        has = f"its own models: {', '.join(places)}" if places else "it has none of your own code"
        raise OptionError(f"--model {strangers[0]}: the run has no such model; {has}")
    missing = [place for place in places if place not in given]
    if missing:
        flags = " ".join(f"--model {place}" for place in places)
        raise OptionError(
            f"{folder}: was begun with {', '.join(missing)}, of your own code, which is imported "
            f"only where you name it: cryptodask resume {folder} {flags}"
        )
    name_models(places)


def is_whole(path: "AnyPath", plan: "Plan") -> bool:
    """Return whether a run has ended, and all its files are as they were written."""
    from cryptodask.runs.folder import RunFolder
    from cryptodask.runs.start import KINDS

    return RunFolder(path, KINDS[SPECS[plan.kind]].tables).whole(plan) is not None


def report_whole(path: "AnyPath", plan: "Plan") -> int:
    """Print what failed and what was lost in a run that has ended; return its exit code."""
    from cryptodask.results import open_backtest, open_forecasts
    from cryptodask.results.version import open_version

    openers: dict[str, Callable[[AnyPath], Any]] = {
        ForecastSpec.kind: open_forecasts,
        PredictSpec.kind: open_forecasts,
        TrainSpec.kind: open_version,
    }
    result = openers.get(plan.kind, open_backtest)(path)
    print_lost(result.lost, err)
    print_failures(result)
    return 0 if result.is_complete else SOME_FAILED


def remove_lock(path: "AnyPath") -> None:
    """Remove the lock of a run in a store.

    Raises
    ------
    InputError
        The folder is on this machine, where a lock ends with the process that holds it.
    """
    from cryptodask.io.lock import nothing_to_unlock
    from cryptodask.io.paths import remove
    from cryptodask.runs.folder import LOCK

    if isinstance(path, Path):
        raise InputError(nothing_to_unlock(path))
    remove([path / LOCK])

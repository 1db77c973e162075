"""Arguments and options that several commands have, and what is made of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cryptodask.errors import OptionError
from cryptodask.io.paths import AnyPath

if TYPE_CHECKING:
    from distributed.security import Security

    from cryptodask.models import Model

Source = Annotated[Path, typer.Argument(help="A folder of price files, or an imported table.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--model", help="A model of `cryptodask models`; may be given several times."),
]
Horizon = Annotated[int, typer.Option(help="Days ahead, or bars of an hourly table.")]
Coins = Annotated[
    list[str] | None, typer.Option(help="Names, with commas or given several times. [all]")
]
From = Annotated[str | None, typer.Option("--from", help="First day that models see, YYYY-MM-DD.")]
To = Annotated[str | None, typer.Option(help="Last day that models see.")]
GapsOf = Annotated[str, typer.Option(help="Of coins with gaps: leave, fill or split them.")]
GapLimit = Annotated[int | None, typer.Option(help="Fill gaps of so many missing bars at most.")]
Settings = Annotated[
    list[str] | None, typer.Option("--option", help="A model's option, as lstm.epochs=3.")
]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a running cluster, as tcp://host:8786.")
]
Tls = Annotated[
    Path | None,
    typer.Option("--tls", help="The client's folder of `security init`, for a tls:// scheduler."),
]
Workers = Annotated[
    str | None,
    typer.Option(
        help="Processes of the local cluster, or 0:8: as many of those as the work needs. "
        "[one a core]"
    ),
]
Resources = Annotated[
    list[str] | None,
    typer.Option(help="Run on workers that were started with this, as GPU=1; several times."),
]
Partitions = Annotated[int | None, typer.Option(help="Pack the coins into so many partitions.")]
Origins = Annotated[
    str, typer.Option(help="How many past dates to forecast from; or dates, with commas.")
]
Step = Annotated[int | None, typer.Option(help="Bars from one origin to the next. [the horizon]")]
Window = Annotated[str, typer.Option(help="Latest rows that a model sees, or expanding: all.")]
Refit = Annotated[int, typer.Option(help="Train models that are trained at every so many origins.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the results of another run in that folder.")
]
Timeout = Annotated[
    float | None,
    typer.Option(help="Seconds a worker may take for coins it reads together; it is ended then."),
]
Seed = Annotated[int, typer.Option(help="Of all random numbers.")]


def make_models(names: list[str], settings: list[str]) -> "list[Model]":
    """Create the models that were named, with the options that were set.

    Raises
    ------
    OptionError
        A setting is of no model that is run, or is none.
    """
    from cryptodask.models import create_model

    options = read_settings(names, settings)
    return [create_model(name, **options[name]) for name in names]


def read_settings(
    names: list[str], settings: list[str], flag: str = "--option", form: str = "VALUE"
) -> dict[str, dict[str, str]]:
    """Return what is set, by model and option.

    Raises
    ------
    OptionError
        A setting is of no model that is run, or is none.
    """
    options: dict[str, dict[str, str]] = {name: {} for name in names}
    for setting in settings:
        target, equals, value = setting.partition("=")
        name, dot, key = target.rpartition(".")
        if not (equals and dot) or name not in options:
            raise OptionError(
                f"{flag} {setting!r}: write it as MODEL.OPTION={form}, of a --model that is run "
                f"({', '.join(options)})"
            )
        options[name][key] = value
    return options


def read_origins(text: str) -> int | list[str]:
    """Read a number, or dates with commas."""
    if text.strip().isdigit():
        return int(text)
    return [part.strip() for part in text.split(",") if part.strip()]


def read_window(text: str) -> int | Literal["expanding"]:
    """Read a number of rows, or ``expanding``."""
    if text == "expanding":
        return "expanding"
    try:
        return int(text)
    except ValueError:
        raise OptionError(
            f"--window {text}: write a number of rows, or expanding for all of them"
        ) from None


def read_tls(folder: Path | None) -> "Security | None":
    """Read the certificate of this client, where a folder was given.

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


def split_names(given: list[str] | None, known: list[str]) -> list[str] | None:
    """Split names at commas, save those of coins that have a comma in them."""
    if given is None:
        return None
    whole = set(known)
    names: list[str] = []
    for text in given:
        names += [text] if text in whole else [part.strip() for part in text.split(",")]
    return names


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
    """Read what workers must have.

    Raises
    ------
    OptionError
        It is not written as NAME=AMOUNT, or is no amount above 0.
    """
    found = {}
    for text in texts or []:
        name, _, amount = text.partition("=")
        try:
            found[name.strip()] = float(amount)
        except ValueError:
            found[name.strip()] = 0.0
        if not name.strip() or not found[name.strip()] > 0:
            raise OptionError(f"--resources {text}: write it as NAME=AMOUNT, such as GPU=1")
    return found


def check_file(option: str, path: AnyPath | None, endings: tuple[str, ...]) -> None:
    """Refuse before the work a file that could not be written after it.

    Raises
    ------
    OptionError
        Of another ending, or in no folder.
    """
    if path is None:
        return
    if path.suffix not in endings:
        known = " or ".join(ending or "be a folder, without an ending" for ending in endings)
        raise OptionError(f"{option} {path}: must end in {known}")
    if isinstance(path, Path) and not path.parent.is_dir():
        raise OptionError(f"{option} {path}: there is no folder {path.parent}; make it first")

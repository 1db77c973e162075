"""The command ``cryptodask``: parse, call, print.

Exit codes: 0 all went well; 1 something could not be done; 2 bad use; 3 done, but some coins
failed or some rows were lost, which are named; 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

import sys
import warnings
from functools import cache
from importlib import import_module
from typing import Annotated, Any, TextIO

import typer
from rich.text import Text

from cryptodask.cli.options.help import Commands
from cryptodask.cli.show import err, out
from cryptodask.errors import CryptoDaskError, InputError, PriceWarning

COMMANDS = (
    "forecast", "backtest", "tune", "train", "predict", "simulate", "risk", "resume", "models",
    "cluster", "dashboard",
)  # fmt: skip
"""Each is a function of the module of its name."""

GROUPS = ("prices", "registry", "store", "pipeline", "monitor", "security")
"""Each is an app of the module of its name, as ``prices_app``."""


@cache
def make_app(name: str | None = None) -> Commands:
    """Return the command; making all of its commands takes longer than printing the help of one.

    Parameters
    ----------
    name : str, optional
        The only command or group that it has. [all]
    """
    command = Commands(
        help="Price forecasts of very many coins, as batched fits over a Dask cluster.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command.callback()(_root)
    for each in COMMANDS if name is None else {name}.intersection(COMMANDS):
        command.command()(getattr(import_module(f"cryptodask.cli.{each}"), each))
    for each in GROUPS if name is None else {name}.intersection(GROUPS):
        group = getattr(import_module(f"cryptodask.cli.{each}"), f"{each}_app")
        command.add_typer(group, name=each)
    return command


def __getattr__(name: str) -> Any:
    """Return ``app``, the whole command, made on first use (PEP 562)."""
    if name != "app":
        raise AttributeError(f"module 'cryptodask.cli.app' has no attribute {name!r}")
    return make_app()


def run_app() -> None:
    """Run the command; an error that CryptoDask raises on purpose is one message, no traceback."""
    warnings.showwarning = _print_warning
    first = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        make_app(first if first in (*COMMANDS, *GROUPS) else None)()
    except CryptoDaskError as error:
        err.print(Text(f"error: {error}", style="red"), soft_wrap=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as Python does, but nothing that is for the terminal; see `printable`.

    Of those about prices, the message alone.
    """
    del file
    if issubclass(category, PriceWarning):
        text = str(message)
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    err.print(Text(text.rstrip("\n")), soft_wrap=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        from cryptodask import __version__

        out.print(f"cryptodask {__version__}", highlight=False)
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    del version

"""The command ``cryptodask``: parse, call, print.

Exit codes: 0 all went well; 1 something could not be done; 2 bad use; 3 done, but some coins
failed or some rows were lost, which are named; 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

import sys
import warnings
from typing import Annotated, TextIO

import typer
from rich.text import Text

from cryptodask.cli.backtest import backtest
from cryptodask.cli.cluster import cluster
from cryptodask.cli.dashboard import dashboard
from cryptodask.cli.forecast import forecast
from cryptodask.cli.models import models
from cryptodask.cli.monitor import monitor_app
from cryptodask.cli.options.help import Commands
from cryptodask.cli.pipeline import pipeline_app
from cryptodask.cli.predict import predict
from cryptodask.cli.prices import prices_app
from cryptodask.cli.registry import registry_app
from cryptodask.cli.resume import resume
from cryptodask.cli.risk import risk
from cryptodask.cli.security import security_app
from cryptodask.cli.show import err, out
from cryptodask.cli.simulate import simulate
from cryptodask.cli.store import store_app
from cryptodask.cli.train import train
from cryptodask.cli.tune import tune
from cryptodask.errors import CryptoDaskError, InputError, PriceWarning

app = Commands(
    help="Price forecasts of very many coins, as batched fits over a Dask cluster.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(forecast)
app.command()(backtest)
app.command()(tune)
app.command()(train)
app.command()(predict)
app.command()(simulate)
app.command()(risk)
app.command()(resume)
app.command()(models)
app.command()(cluster)
app.command()(dashboard)
app.add_typer(prices_app, name="prices")
app.add_typer(registry_app, name="registry")
app.add_typer(store_app, name="store")
app.add_typer(pipeline_app, name="pipeline")
app.add_typer(monitor_app, name="monitor")
app.add_typer(security_app, name="security")


def run_app() -> None:
    """Run the command; an error that CryptoDask raises on purpose is one message, no traceback."""
    warnings.showwarning = _print_warning
    try:
        app()
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


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    del version

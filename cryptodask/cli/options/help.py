"""`Commands`: a typer app whose commands group their options under headings."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

__all__ = ["PANELS", "Commands"]

PANELS = {
    heading: frozenset(names.split())
    for heading, names in {
        "Models": "model",
        "Forecast": "horizon origins step splits",
        "Prices": "coins prices date",
        "Reading": "dayfirst column layout freq stamps tolerance policy split rename fact "
        "corrections",
        "Exchange": "since exchange quote top until api_url retries symbols",
        "Registry": "registry name shadow to reason gate no_gate force before remove keep "
        "older_than dry_run unlock mlflow experiment",
        "Risk": "every_step levels tail above below volatility weights paths",
        "Rules": "rule tried",
        "Pipeline": "settings group groups live foreground days reference failures age seed",
        "Store": "store as_of",
        "Cluster": "scheduler tls workers timeout",
        "Certificates": "host at",
        "Server": "port origin insecure",
        "Output": "file table folder out plot plot_coin scores page report profile html findings "
        "paths_out format_ as_json overwrite partitions webhook prometheus",
    }.items()
}
"""Names of options by the heading under which help shows them, where they have no other."""

HEADINGS = {name: heading for heading, names in PANELS.items() for name in names}


class GroupedCommand(TyperCommand):
    """A command whose options are each under a heading in its help."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for parameter in self.params:
            if isinstance(parameter, typer.core.TyperOption) and not parameter.rich_help_panel:
                parameter.rich_help_panel = HEADINGS.get(parameter.name or "")


class Commands(typer.Typer):
    """Commands of one name, as ``cryptodask prices``; without one, the help is printed.

    Parameters
    ----------
    help : str
        What they are for.
    """

    def __init__(self, help: str, **settings: Any) -> None:
        super().__init__(help=help, no_args_is_help=True, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[..., Any]:
        """Return a decorator that makes a function a command."""
        return super().command(name, cls=GroupedCommand, **settings)

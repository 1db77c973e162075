"""``cryptodask models``: the catalog."""

from typing import Any

from rich.table import Table

from cryptodask.cli.show import out


def models() -> None:
    """List the models and their options."""
    from cryptodask.models import (
        describe_model,
        list_families,
        list_models,
        model_gaps,
        model_options,
    )

    table = Table("model", "what it is", "gaps", "options, with defaults")
    for name in list_models():
        options = (
            f"{option}={_shown(default)}" for option, (_, default) in model_options(name).items()
        )
        table.add_row(name, describe_model(name), model_gaps(name), "\n".join(options))
    for pattern, what in list_families().items():
        table.add_row(pattern, what, "split", "those of the class")
    out.print(table)


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

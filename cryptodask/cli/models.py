"""``cryptodask models``: the catalog, and what one model is."""

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from cryptodask.cli.show import out
from cryptodask.cli.tables import FittingTable, prose


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Explain this model: ours, PREFIX:NAME, or MODULE:NAME of yours."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models and their options, or explain one: what it is, formula, source, options.

    For example:

        cryptodask models

        cryptodask models ridge

        cryptodask models stats:AutoETS --json
    """
    from cryptodask.models import list_models
    from cryptodask.models.catalog import FAMILIES, name_model
    from cryptodask.models.explained import explain_family, explain_model

    if name is not None:
        name_model(name)
        is_family = name in FAMILIES
        content: Any = explain_family(name) if is_family else explain_model(name)
        _print_json(content) if as_json else _print_model(content)
    elif as_json:
        each = [explain_model(model) for model in list_models()]
        _print_json({"models": each, "families": [explain_family(prefix) for prefix in FAMILIES]})
    else:
        _print_all()


def _print_all() -> None:
    from cryptodask.models import (
        describe_model,
        list_families,
        list_models,
        model_gaps,
        model_options,
    )

    table = FittingTable("model", prose("what it is"), "gaps")
    for name in list_models():
        table.add_texts(name, describe_model(name), model_gaps(name))
    for pattern, what in list_families().items():
        table.add_texts(pattern.replace(", ", ",\n"), what, "split")
    table.add_texts("MODULE:NAME", "A model of your own code; see docs/how-to/own-model.md.", "")
    out.print(table)
    out.print("options, with defaults:", highlight=False)
    for name in list_models():
        options = [
            f"{option}={_shown(default)}" for option, (_, default) in model_options(name).items()
        ]
        if options:
            out.print(Text(f"  {name}: {' '.join(options)}"), soft_wrap=True)
    out.print("`cryptodask models NAME`: formula, source and options of one", highlight=False)


def _print_model(content: dict[str, Any]) -> None:
    """Print what a model is; lines are wrapped, and nothing is cut."""
    out.print(Text(content["name"], style="bold"))
    out.print(Text(content["summary"]))
    if content["description"]:
        out.print(Text(f"\n{_plain(content['description'])}"))
    gaps = {"leave": "its rows as they are", "split": "the rows after a coin's last gap"}
    out.print(Text(f"\ngaps: {content['gaps']} ({gaps.get(content['gaps'], 'by its options')})"))
    if content["extra"]:
        out.print(Text(f"needs: pip install 'cryptodask[{content['extra']}]'"), soft_wrap=True)
    if content.get("options"):
        name = content["options_as"]
        how = f"{name}.NAME=VALUE" if name else f"a.NAME=VALUE, with --model a={content['name']}"
        out.print(Text(f"\noptions as {how}"), soft_wrap=True)
    for option in content.get("options", ()):
        default = "required" if option["required"] else f"default {_shown(option['default'])}"
        out.print(Text(f"\n{option['name']} : {option['type']}, {default}"))
        if option["meaning"]:
            out.print(Text(_plain(option["meaning"])))


def _plain(text: str) -> str:
    """Return a text without the marks that a page would show as code."""
    return text.replace("``", "")


def _print_json(content: Any) -> None:
    # Plainly, since a console of rich would wrap what programs read.
    typer.echo(json.dumps(content, indent=2, default=str))


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

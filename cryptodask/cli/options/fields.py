"""Options of the command from fields of attrs classes.

A field that `cryptodask.runs.fields.option` declares has all that an option needs: its name, type,
default and help. In its metadata ``flag`` is the option's name where it is not the field's, empty
for a field that is not an option; ``reads`` is the type of what is typed, where it is not the
field's; ``metavar`` is typer's.
"""

from inspect import Parameter
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import attrs
import typer
from rich.markup import escape

PLAIN = (bool, int, float, str, Path)
"""Types that typer reads by itself."""


PANELS = {
    **dict.fromkeys(("models", "option", "search", "random", "window", "refit", "seed"), "Models"),
    **dict.fromkeys(("coins", "from_date", "to_date", "gaps", "gap_limit", "partitions"), "Prices"),
    **dict.fromkeys(("intervals", "calibrate", "warmup"), "Intervals"),
    "timeout": "Cluster",
}
"""Headings of options in the help, by field, where their class has none for all of them."""


def parameters_of(kind: type) -> list[Parameter]:
    """Return the options that the fields of an attrs class declare.

    Parameters
    ----------
    kind : type
        An attrs class. Its own fields come before those of its bases; ``panel``, if it has one, is
        the heading of its options in the help.

    Returns
    -------
    list of inspect.Parameter
        By keyword, named as the fields, with typer's annotations and the fields' defaults.
    """
    panel = getattr(kind, "panel", None)
    fields = sorted(attrs.fields(kind), key=lambda field: field.inherited)
    return [
        _parameter(field, PANELS.get(field.name, panel))
        for field in fields
        if field.metadata.get("flag") != ""
    ]


def _parameter(field: "attrs.Attribute[Any]", panel: str | None) -> Parameter:
    """Return the option of a field."""
    facts = field.metadata
    kind = facts.get("reads") or typed(field.type)
    details = typer.Option(
        *([facts["flag"]] if facts.get("flag") else []),
        help=escape(facts["help"]),
        metavar=facts.get("metavar"),
        rich_help_panel=panel,
    )
    return Parameter(
        field.name,
        Parameter.KEYWORD_ONLY,
        default=_shown_default(field.default, kind),
        annotation=Annotated[kind, details],
    )


def typed(kind: Any) -> Any:
    """Return the type of what is typed for a field of a type.

    A plain type stays; several values are a list of texts; of anything else the field's converter
    reads a text.
    """
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    is_optional = NoneType in members
    rest = [member for member in members if member is not NoneType]
    base: Any = str
    if len(rest) == 1 and rest[0] in PLAIN:
        base = rest[0]
    elif len(rest) == 1 and get_origin(rest[0]) is tuple:
        base = list[str]
    return base | None if is_optional else base


def _shown_default(default: Any, kind: Any) -> Any:
    """Return the default of a field as it would be typed."""
    if default is attrs.NOTHING:
        return Parameter.empty
    if default is None or isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return None
    if kind is str:
        return str(default)
    return [default] if kind == list[str] and isinstance(default, str) else default

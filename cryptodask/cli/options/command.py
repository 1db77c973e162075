"""`with_options`: a command gets values of attrs classes, whose fields are its options."""

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from typing import Any

import attrs
import typer

from cryptodask.cli.options.fields import parameters_of
from cryptodask.cli.options.specs import read_spec, spec_parameters
from cryptodask.runs.spec import RunSpec

CONTEXT = Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that the classes of its parameters declare.

    A parameter that is annotated with an attrs class becomes an option for each of its fields
    (`parameters_of`, and of specs `spec_parameters`). All other parameters stay.

    Parameters
    ----------
    command : callable
        It gets instances of these classes.

    Returns
    -------
    callable
        What typer can make a command from.

    Examples
    --------
    >>> @with_options                                        # doctest: +SKIP
    ... def forecast(spec: ForecastSpec, cluster: ClusterOptions) -> None: ...
    """
    kinds: dict[str, type] = {}
    options: dict[str, list[Parameter]] = {}
    rest = []
    for parameter in inspect.signature(command).parameters.values():
        kind = parameter.annotation
        if not attrs.has(kind):
            rest.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
            continue
        kinds[parameter.name] = kind
        is_spec = issubclass(kind, RunSpec)
        options[parameter.name] = spec_parameters(kind) if is_spec else parameters_of(kind)

    @wraps(command)
    def typed(*, context: typer.Context, **values: Any) -> None:
        given = {name for name in values if _is_given(context, name)}
        for name, kind in kinds.items():
            fields = {option.name: values.pop(option.name) for option in options[name]}
            is_spec = issubclass(kind, RunSpec)
            values[name] = read_spec(kind, fields, given) if is_spec else kind(**fields)
        command(**values)

    parameters = [CONTEXT, *(option for group in options.values() for option in group), *rest]
    signature = inspect.Signature(parameters)
    # Typer reads both, and follows `__wrapped__` to neither.
    typed.__signature__ = signature  # type: ignore[attr-defined]
    typed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return typed


def _is_given(context: typer.Context, name: str) -> bool:
    """Return whether a user typed an option, rather than leave it at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"

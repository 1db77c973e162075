"""Specs of runs from what users type: models with options, values to search, and coins."""

import dataclasses
import math
import re
from collections.abc import Mapping
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from cryptodask.cli.options.fields import parameters_of
from cryptodask.errors import OptionError, SourceError
from cryptodask.runs.spec import MODELS, RunSpec, SearchSpec

if TYPE_CHECKING:
    from cryptodask.models import Model
    from cryptodask.prices import CryptoLoader
    from cryptodask.prices.names import CoinNames

Source = Annotated[
    str,
    typer.Argument(
        help="A folder of price files, one such file, 'data/*.csv', a URL of these, or a table."
    ),
]
Models = Annotated[list[str] | None, typer.Option("--model", help=MODELS, rich_help_panel="Models")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="MODEL.OPTION=VALUE",
        help="A model's option: lstm.epochs=3.",
        rich_help_panel="Models",
    ),
]
Search = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL.OPTION=VALUES",
        rich_help_panel="Models",
        help="Values of a model's option: ridge.alpha=1,10,100; with | between them where a value "
        "has a comma: 'lstm.units=50,100|32,32'.",
    ),
]


def _keyword(name: str, annotation: Any, default: Any = None) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


SOURCE = _keyword("source", Source, Parameter.empty)
OPTION = _keyword("option", Settings)


def spec_parameters(kind: type) -> list[Parameter]:
    """Return the argument and the options of the command from which a spec is made.

    Those are the source, an option for each field, and texts that `read_settings` reads: options
    of models, and values to search.
    """
    fields = parameters_of(kind)
    if issubclass(kind, SearchSpec):
        return [SOURCE, _keyword("models", Models), _keyword("search", Search), OPTION, *fields]
    first = [field for field in fields if field.name == "models"]
    return [SOURCE, *first, OPTION, *(field for field in fields if field not in first)]


def read_spec(kind: type[RunSpec], values: dict[str, Any], given: set[str]) -> RunSpec:
    """Make a spec from the values of `spec_parameters`.

    Coins may still have commas between them: only who has opened the source knows which of these
    are part of a name, see `open_prices`.

    Parameters
    ----------
    kind : type
    values : dict
    given : set of str
        Names of those that a user typed.

    Raises
    ------
    OptionError
        A value makes no sense, or has no effect.
    """
    _check_effect(kind, values, given)
    fields = dict(values)
    settings = fields.pop("option") or []
    if issubclass(kind, SearchSpec):
        labels = label_models(_each_once(fields.pop("models") or []))
        grids = read_search(labels, fields["search"] or [])
        fields["search"] = {labels[label]: grid for label, grid in grids.items()}
        given_options = read_settings(labels, settings)
        fields["options"] = {labels[label]: values for label, values in given_options.items()}
    else:
        fields["models"] = make_models(fields["models"], settings)
    return kind(**fields)


def _check_effect(kind: type[RunSpec], values: dict[str, Any], given: set[str]) -> None:
    """Refuse options that do nothing without another."""
    for field in attrs.fields(kind):
        needs = field.metadata.get("needs")
        if needs and field.name in given and not values[needs]:
            raise OptionError(
                f"--{field.name} {values[field.name]}: says how {needs} are made; add --{needs}"
            )


def open_prices(spec: RunSpec) -> "tuple[CryptoLoader, RunSpec]":
    """Open the prices of a spec.

    Returns
    -------
    CryptoLoader
    RunSpec
        With each coin by itself, and a source that does not depend on the current folder.

    Raises
    ------
    SourceError
        There are no prices.
    """
    from cryptodask.prices.places import check_there

    assert spec.source is not None
    check_there(spec.source)  # before what reads prices is imported
    from cryptodask.prices import CryptoLoader

    try:
        loader = CryptoLoader(spec.source, spec.partitions)
    except SourceError as error:
        if not re.search(r"--(column|layout|stamps|freq|dayfirst|monthfirst)\b", str(error)):
            raise
        raise SourceError(
            f"{error}; that option is of `cryptodask prices import {spec.source} --out TABLE`, "
            "and runs take the table"
        ) from error
    coins = spec.coins
    if coins is not None:
        coins = split_names(coins, loader.names)
    return loader, attrs.evolve(spec, source=loader.location, coins=coins)


def split_names(texts: tuple[str, ...], known: "CoinNames") -> tuple[str, ...]:
    """Split names at commas, except known ones that have a comma in them."""
    names: list[str] = []
    for text in texts:
        is_known = known.find(text) is not None
        names += [text] if is_known else [part.strip() for part in text.split(",")]
    return tuple(names)


def make_models(names: list[str], settings: list[str]) -> "list[Model]":
    """Create models by name, with the options that are set.

    Parameters
    ----------
    names : list of str
    settings : list of str
        As ``lstm.epochs=3``.

    Raises
    ------
    OptionError
        A setting is of another model, of an unknown option, or has no value, or is NaN.
    """
    from cryptodask.models.catalog import build_model
    from cryptodask.models.renamed import split_alias

    labels = label_models(names)
    options = read_settings(labels, settings)
    # By `build_model`, so that no option is taken for an argument of `create_model`, as its alias.
    makers = {label: split_alias(name) for label, name in labels.items()}
    models = [build_model(name, options[label], alias) for label, (alias, name) in makers.items()]
    for model in models:
        _refuse_nan(model)
    return models


def _refuse_nan(model: "Model") -> None:
    """Refuse an option that is NaN: what does not equal itself, no plan can name."""
    from cryptodask.models.renamed import Renamed

    inner: Any = model.model if isinstance(model, Renamed) else model
    values = {field.name: getattr(inner, field.name) for field in dataclasses.fields(inner)}
    for name, value in {**values, **dict(values.get("params", ()))}.items():
        if isinstance(value, float) and math.isnan(value):
            raise OptionError(
                f"{model.name} {name}: is nan, which is equal to nothing, so that a run could not "
                f"be resumed; give a number, --option {model.name}.{name}=NUMBER, or let its "
                "default be None"
            )


def label_models(names: list[str]) -> dict[str, str]:
    """Return models by what their options begin with, as ``lags`` of ``ridge5.lags=5``.

    That is the alias, or the name that results show. Models of users' code are imported.

    Parameters
    ----------
    names : list of str
        As ``--model`` gives them: a name, or ``ALIAS=NAME``.

    Raises
    ------
    OptionError
        One name is given twice, or it names no model.
    """
    from cryptodask.models.catalog import create_model, is_own, name_model
    from cryptodask.models.renamed import split_alias
    from cryptodask.runs.model_spec import given_twice

    labels = []
    for text in names:
        alias, name = split_alias(text)
        name_model(name)
        labels.append(alias or (create_model(name).name if is_own(name) else name))
    twice = {
        label: split_alias(text)[1]
        for label, text in zip(labels, names, strict=True)
        if labels.count(label) > 1
    }
    if twice:
        raise given_twice("--model", twice)
    return dict(zip(labels, names, strict=True))


def read_settings(
    names: Mapping[str, str], settings: list[str], flag: str = "--option", form: str = "VALUE"
) -> dict[str, dict[str, str]]:
    """Return texts as ``MODEL.OPTION=VALUE``, by model and option.

    Parameters
    ----------
    names : mapping of str to str
        The models; see `label_models`.
    settings : list of str
    flag, form : str
        The option that gives them, and its value, for the message of an error.

    Raises
    ------
    OptionError
        A setting is of another model, or of another form, or given twice with other values.
    """
    options: dict[str, dict[str, str]] = {name: {} for name in names}
    for setting in settings:
        target, equals, value = setting.partition("=")
        name, dot, key = target.rpartition(".")
        if not (equals and dot) or name not in options:
            raise OptionError(
                f"{flag} {setting!r}: write it as MODEL.OPTION={form}, of a --model that is run "
                f"({', '.join(_with_typed(label, text) for label, text in names.items())})"
            )
        before = options[name].setdefault(key, value)
        if before != value:
            raise OptionError(f"{flag} {setting!r}: {target} is {before!r} already; give it once")
    return options


def _with_typed(label: str, text: str) -> str:
    """Return what a model's options begin with, beside what was typed where that is another."""
    return label if text == label or text.startswith(f"{label}=") else f"{label} for {text}"


def read_search(names: Mapping[str, str], texts: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return the values to try, by model and option.

    Values are divided at ``|`` where there is one, and else at commas.

    Parameters
    ----------
    names : mapping of str to str
        The models; see `label_models`.
    texts : list of str
        As ``ridge.alpha=1,10``.

    Raises
    ------
    OptionError
        A text is of another model, is given twice, or has an empty value.
    """
    grids: dict[str, dict[str, list[str]]] = {name: {} for name in names}
    for text in texts:
        settings = read_settings(names, [text], "--search", "VALUES")
        [(name, option, joined)] = [
            (name, option, values)
            for name, options in settings.items()
            for option, values in options.items()
        ]
        if option in grids[name]:
            raise OptionError(
                f"--search {text!r}: {name}.{option} is given twice; give all values at once"
            )
        values = [value.strip() for value in joined.split("|" if "|" in joined else ",")]
        if not all(values):
            raise OptionError(
                f"--search {text!r}: a value is empty; write VALUE,VALUE or, for values with "
                "commas in them, VALUE|VALUE"
            )
        grids[name][option] = values
    return grids


def _each_once(names: list[str]) -> list[str]:
    """Return the models of a search; refuse none, and one that is named twice."""
    if not names:
        raise OptionError("--model: name the model to search the options of")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"--model {twice[0]}: is given twice; its --search may have many options")
    return names

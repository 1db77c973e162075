"""What a spec says of models: names in the catalog, options, and values to try."""

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from cryptodask.errors import CryptoDaskError, InputError, OptionError, UnknownModelError
from cryptodask.io.structure import structured
from cryptodask.runs.fields import optional, text

if TYPE_CHECKING:
    from cryptodask.models import Model

Values = Mapping[str, Mapping[str, Any]]
"""By model and option: values."""


@attrs.frozen
class ModelSpec:
    """A model by its name, and the options that are set.

    Attributes
    ----------
    name : str
        That results show.
    options : mapping of str to Any, or None
        None of a model made in Python that no name and options describe.
    model : str or None
        The name by which the catalog makes it, where that is another: of an alias, whose random
        numbers are those of this name; or ``MODULE:NAME`` of a user's code, which a spec never
        imports.
    """

    name: str = attrs.field(validator=text)
    options: Mapping[str, Any] | None = attrs.field(factory=dict)
    model: str | None = attrs.field(default=None, validator=optional(text))

    @classmethod
    def of(cls, model: Any) -> "ModelSpec":
        """Return the spec of a model, of what `create_model` makes one of, or of what JSON held.

        Raises
        ------
        UnknownModelError
            The catalog has no model of that name.
        """
        if isinstance(model, ModelSpec):
            return model
        if isinstance(model, Mapping):
            spec = structured(cls, {"model": None, **model}, "models")
            _check_name("models", spec.model or spec.name)
            return spec
        from cryptodask.models.catalog import create_model

        return _described(create_model(model))

    def create(self) -> "Model":
        """Make the model.

        Raises
        ------
        InputError
            The catalog has none like it, or it is a user's whom nobody named in this process.
        """
        if self.options is None:
            raise InputError(
                f"{self.name}: was made in Python, and is not a model of the catalog with options "
                "that text can give; run it from Python again"
            )
        from cryptodask.models.catalog import build_model

        options = {k: _as_tuples(v) for k, v in self.options.items()}
        return build_model(self.model or self.name, options, self.name if self.model else None)


def name_models(names: Any) -> None:
    """Import the users' models among names that a user typed or passed; see `name_model`.

    Parameters
    ----------
    names : iterable of str
        As ``mine:MyModel`` or ``ALIAS=mine:MyModel``.
    """
    from cryptodask.models.catalog import name_model
    from cryptodask.models.renamed import split_alias

    for name in names:
        if isinstance(name, str):
            name_model(split_alias(name)[1])


def own_places(spec: Any) -> list[str]:
    """Return the models of users' code that a spec names, each as ``MODULE:NAME``.

    Parameters
    ----------
    spec : RunSpec
    """
    from cryptodask.models.catalog import is_own
    from cryptodask.models.renamed import split_alias

    names = [model.model or model.name for model in getattr(spec, "models", ())]
    names += [split_alias(name)[1] for name in getattr(spec, "search", ())]
    return sorted({name for name in names if is_own(name)})


def given_models(given: Any) -> "list[Model]":
    """Return the models among what a user passed; names of models are left out.

    Parameters
    ----------
    given : Any
        One model, or several; see `cryptodask.models.catalog.create_model`.
    """
    from cryptodask.models.catalog import create_model

    return [
        create_model(model) for model in _several(given) if not isinstance(model, str | ModelSpec)
    ]


def _several(given: Any) -> list[Any]:
    """Return one thing or several as a list; forests are one, though they can be gone through."""
    is_one = isinstance(given, str | Mapping | type) or hasattr(given, "fit")
    return list(given) if isinstance(given, Iterable) and not is_one else [given]


def _described(model: "Model") -> ModelSpec:
    """Return the spec of a model."""
    from cryptodask.models.catalog import name_in_catalog
    from cryptodask.models.renamed import Renamed

    if isinstance(model, Renamed):
        inner = _described(model.model)
        return ModelSpec(model.name, inner.options, inner.model or inner.name)
    maker = name_in_catalog(model)
    spec = ModelSpec(model.name, _options_of(model, maker), None if maker == model.name else maker)
    return spec if spec.options is not None else ModelSpec(model.name, None)


def _options_of(model: "Model", maker: str) -> dict[str, Any] | None:
    """Return the options from which the catalog makes an equal model, if it does."""
    from cryptodask.models import model_options

    try:
        known = model_options(maker)
        fields = {field.name for field in dataclasses.fields(model)}  # type: ignore[arg-type]
        options = {name: getattr(model, name) for name in known if name in fields}
        options |= dict(getattr(model, "params", ()))  # of what is not our dataclass
        as_json: dict[str, Any] = json.loads(json.dumps(options))
        again = ModelSpec(model.name, as_json, maker).create()
    except (CryptoDaskError, TypeError, ValueError, AttributeError):
        return None
    return as_json if again == model else None


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _check_name(field: str, name: str) -> None:
    """Check that the catalog has a model; the field begins the message.

    Raises
    ------
    UnknownModelError
        It has none.
    """
    from cryptodask.models import model_options
    from cryptodask.models.catalog import is_own, was_named

    if is_own(name) and not was_named(name):
        return  # to look, it would have to be imported
    try:
        model_options(name)
    except UnknownModelError as error:
        raise UnknownModelError(f"{field}: {error}") from error


def model_specs(given: Any) -> tuple[ModelSpec, ...]:
    """Return the specs of one or several models, or names of models."""
    return tuple(ModelSpec.of(model) for model in _several(given))


def check_models(_: Any, field: "attrs.Attribute[Any]", value: tuple[ModelSpec, ...]) -> None:
    """Check that there is a model, and each but once; see `OptionError`."""
    if not value:
        raise OptionError(f"{field.name}: none given; name at least one")
    known = [model.name for model in value]
    twice = {
        model.name: model.model or model.name for model in value if known.count(model.name) > 1
    }
    if twice:
        raise given_twice(field.name, twice)


def given_twice(where: str, names: Mapping[str, str]) -> OptionError:
    """Return the error of models that are given twice.

    Parameters
    ----------
    where : str
        What the message begins with.
    names : mapping of str to str
        From the name that results show to that in the catalog.
    """
    name, maker = min(names.items())
    alias = f"{re.split(r'[.:]', name)[-1]}2"
    return OptionError(
        f"{where}: {', '.join(sorted(names))} given twice; give each model once, or one of them an "
        f"alias: --model {alias}={maker}, in Python create_model(…, alias='{alias}')"
    )


def with_naive(models: tuple[ModelSpec, ...]) -> tuple[ModelSpec, ...]:
    """Return models with ``naive`` first."""
    first = [model for model in models if model.name == "naive"] or [ModelSpec.of("naive")]
    return (*first, *(model for model in models if model.name != "naive"))


def check_search(search: Values, options: Values) -> None:
    """Check that there is something to search, of models and options that are known.

    Raises
    ------
    UnknownModelError, OptionError
        A model or option is not known; nothing to search; an option that is set and searched.
    """
    from cryptodask.models.renamed import split_alias

    if not search:
        raise OptionError("search: no model is named; name one, and the values of its options")
    for model in search:
        _check_name("search", split_alias(model)[1])
    others = sorted(set(options) - set(search))
    if others:
        raise OptionError(f"options: {others[0]} is not searched; name it in search, too")
    for model, grid in search.items():
        _check_grid(model, grid, options.get(model, {}))


def _check_grid(model: str, grid: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that a model has the options that are searched, and that there are values to try.

    Raises
    ------
    UnknownModelError, OptionError
        It is not so.
    """
    from cryptodask.models import model_options
    from cryptodask.models.catalog import is_own, was_named
    from cryptodask.models.renamed import split_alias

    maker = split_alias(model)[1]
    unseen = is_own(maker) and not was_named(
        maker
    )  # its candidates are refused where they are made
    known = grid if unseen else model_options(maker)
    if not grid:
        raise OptionError(f"search: no option of {model} is searched; name one, and its values")
    for option_name, values in grid.items():
        if option_name not in known:
            listed = ", ".join(known) or "none"
            raise OptionError(f"{model}: has no option {option_name!r}; its options: {listed}")
        if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
            raise OptionError(
                f"search: {model} {option_name}: must be a list of values, got {values!r}"
            )
        if option_name in given:
            raise OptionError(
                f"search: {model} {option_name} is both set and searched; do one of them"
            )

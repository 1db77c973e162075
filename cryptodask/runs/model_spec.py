"""What a spec says of models: names in the catalog, options, and values to try."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from cryptodask.errors import CryptoDaskError, InputError, OptionError, UnknownModelError
from cryptodask.io.structure import structured
from cryptodask.runs.fields import refused, text

if TYPE_CHECKING:
    from cryptodask.models import Model

Values = Mapping[str, Mapping[str, Any]]
"""By model and option: values."""


@attrs.frozen
class ModelSpec:
    """A model by its name in the catalog, and the options that are set.

    Attributes
    ----------
    name : str
    options : mapping of str to Any, or None
        None of a model made in Python that no name and options describe.
    """

    name: str = attrs.field(validator=text)
    options: Mapping[str, Any] | None = attrs.field(factory=dict)

    @classmethod
    def of(cls, model: "str | Model | ModelSpec | Mapping[str, Any]") -> "ModelSpec":
        """Return the spec of a model, of a name, or of what JSON held.

        Raises
        ------
        UnknownModelError
            The catalog has no model of that name.
        """
        if isinstance(model, ModelSpec):
            return model
        if isinstance(model, Mapping):
            spec = structured(cls, model, "models")
            _check_name("models", spec.name)
            return spec
        if isinstance(model, str):
            from cryptodask.models import create_model

            model = create_model(model)
        from cryptodask.models.base import Model

        if not isinstance(model, Model):
            raise OptionError(
                f"models: {model!r} is not a model; name one of the catalog, or derive a class "
                "from cryptodask.models.Model"
            )
        return cls(model.name, _options_of(model))

    def create(self) -> "Model":
        """Make the model.

        Raises
        ------
        InputError
            The catalog has none like it.
        """
        if self.options is None:
            raise InputError(
                f"{self.name}: was made in Python, and is not a model of the catalog with options "
                "that text can give; run it from Python again"
            )
        from cryptodask.models.catalog import build_model

        return build_model(self.name, {k: _as_tuples(v) for k, v in self.options.items()})


def _options_of(model: "Model") -> dict[str, Any] | None:
    """Return the options from which the catalog makes an equal model, if it does."""
    from cryptodask.models import model_options

    try:
        known = model_options(model.name)
        options = {name: getattr(model, name) for name in known if hasattr(model, name)}
        options |= dict(getattr(model, "params", ()))  # of other libraries' models
        as_json: dict[str, Any] = json.loads(json.dumps(options))
        again = ModelSpec(model.name, as_json).create()
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

    try:
        model_options(name)
    except UnknownModelError as error:
        raise UnknownModelError(f"{field}: {error}") from error


def model_specs(given: Any) -> tuple[ModelSpec, ...]:
    """Return the specs of one or several models, or names of models."""
    from cryptodask.models.base import Model

    several = [given] if isinstance(given, str | Model | ModelSpec) else given
    if not isinstance(several, Iterable):
        raise refused("models", "must be models, or names of models", given)
    return tuple(ModelSpec.of(model) for model in several)


def check_models(_: Any, field: "attrs.Attribute[Any]", value: tuple[ModelSpec, ...]) -> None:
    """Check that there is a model, and each but once; see `OptionError`."""
    if not value:
        raise OptionError(f"{field.name}: none given; name at least one")
    known = [model.name for model in value]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise OptionError(f"{field.name}: {', '.join(twice)} given twice; give each model once")


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
    if not search:
        raise OptionError("search: no model is named; name one, and the values of its options")
    for model in search:
        _check_name("search", model)
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

    known = model_options(model)
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

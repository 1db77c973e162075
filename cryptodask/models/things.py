"""What of a user's code is a model: a class or instance, a function, or a regressor."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, get_type_hints

from cryptodask.errors import CryptoDaskError, OptionError
from cryptodask.models.base import Model
from cryptodask.models.options import class_docs, convert

WRITE = (
    "write a class that derives from cryptodask.models.Model, a function f(prices, horizon), or a "
    "regressor of scikit-learn's interface"
)
NAME = re.compile(r"\w[\w.+-]*")
"""What a name of a user's model, or an alias, may be."""


@dataclass(frozen=True)
class Thing:
    """Something of a user's code that can be a model.

    Attributes
    ----------
    name : str
        How the user named it, for messages.
    thing : Any
        A class of models or of regressors, one of these, or a function.
    """

    name: str
    thing: Any

    def options(self) -> dict[str, tuple[Any, Any]]:
        """Return type and default of each option; a default of ... is none."""
        options: dict[str, tuple[Any, Any]] = self._wrapper()[0]
        return options

    def create(self, values: Mapping[str, Any]) -> Model:
        """Create the model.

        Parameters
        ----------
        values : mapping of str to Any
            Its options, as text or not; each of them is one that it has.

        Raises
        ------
        OptionError
            It is not a model, and the message says what to write; or a value can't be.
        """
        make = self._wrapper()[1]
        try:
            model: Model = make(values)
        except CryptoDaskError:
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise OptionError(f"{self.name}: {type(error).__name__}: {error}") from error
        return model

    def describe(self) -> str:
        """Return the text that documents it, or else what it is."""
        return self.text()

    def text(self) -> str:
        """Return the text that documents it, or else what it is."""
        thing = self.thing if isinstance(self.thing, type | FunctionType) else type(self.thing)
        return (thing.__doc__ or "").strip() or f"{thing.__name__}, which has no docstring."

    def docs(self) -> list[str]:
        """Return the texts that may say what its options mean, the most specific last."""
        thing = self.thing
        if isinstance(thing, FunctionType):
            return [thing.__doc__ or ""]
        return class_docs(thing if isinstance(thing, type) else type(thing))

    def gaps(self) -> str:
        """Return how it treats gaps; see `Model.gaps`."""
        kind = self.thing if isinstance(self.thing, type) else type(self.thing)
        gaps = getattr(kind, "gaps", None) if issubclass(kind, Model) else "split"
        return gaps if isinstance(gaps, str) else str(self.create({}).gaps)

    def _wrapper(self) -> tuple[dict[str, tuple[Any, Any]], Callable[[Mapping[str, Any]], Model]]:
        """Return the options, and what makes a model from values of them."""
        from cryptodask.models.external import own_estimator
        from cryptodask.models.function import FunctionModel

        thing = self.thing
        if isinstance(thing, Model):
            known = field_options(type(thing), self.name)
            known = {k: (kind, getattr(thing, k)) for k, (kind, _) in known.items()}
            return known, lambda values: dataclasses.replace(thing, **self._typed(values, known))  # type: ignore[type-var]
        if isinstance(thing, type) and issubclass(thing, Model):
            _check_class(self.name, thing)
            known = field_options(thing, self.name)
            return known, lambda values: _complete(thing(**self._typed(values, known)))
        if own_estimator.is_estimator(thing):
            estimator = own_estimator.instance_of(thing)
            kind = own_estimator.OwnRegressor
            place = self.name if isinstance(self.thing, type) or ":" in self.name else ""
            return kind.options(estimator), lambda values: kind.create(estimator, values, place)
        if isinstance(thing, FunctionType):
            known = FunctionModel.options(thing)
            return known, lambda values: FunctionModel.create(thing, values)
        raise OptionError(f"{self.name}: is {_article(thing)}, and no model; {WRITE}")

    def _typed(self, values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        return {k: convert(self.name, k, v, known[k][0]) for k, v in values.items()}


def field_options(kind: type, name: str) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each field of a dataclass; a default of ... is none.

    Parameters
    ----------
    kind : type
    name : str
        For messages.

    Raises
    ------
    OptionError
        A type is written as a text that names nothing.
    """
    try:
        hints = get_type_hints(kind)
    except NameError as error:
        raise OptionError(f"{name}: the type of an option: {error}") from error
    return {f.name: (hints[f.name], _default(f)) for f in dataclasses.fields(kind) if f.init}


def check_name(what: str, name: str) -> str:
    """Return a name of a model that a table, a command and a registry can show.

    Parameters
    ----------
    what : str
        What it names, which begins the message.
    name : str

    Raises
    ------
    OptionError
        It is none.
    """
    if not NAME.fullmatch(name):
        raise OptionError(
            f"{what}: {name!r}: must be letters, digits, dots, dashes, plus signs and underlines, "
            "the first a letter or digit"
        )
    return name


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return ... if field.default_factory is dataclasses.MISSING else field.default_factory()


def _check_class(name: str, kind: type[Model]) -> None:
    """Check that options of a class can be compared and kept."""
    params = getattr(kind, "__dataclass_params__", None)
    if "__dataclass_params__" not in vars(kind) or not (params and params.frozen):
        raise OptionError(
            f"{name}: {kind.__name__} is not a frozen dataclass; write @dataclass(frozen=True) "
            "above the class"
        )


def _complete(model: Model) -> Model:
    """Return a model of a user's class, if it has all that a model must have."""
    kind = type(model).__name__
    if type(model).name is Model.name:
        raise OptionError(f'{kind}: has no name; write name = "{kind.lower()}" in the class')
    for needed in ("min_length", "forecast"):
        if getattr(type(model), needed) is getattr(Model, needed) and not (
            needed == "forecast" and type(model).learn is not Model.learn
        ):
            raise OptionError(
                f"{kind}: has no {needed}; cryptodask.models.Model shows how to write it"
            )
    check_name(f"{kind}: name", model.name)
    return model


def _article(thing: Any) -> str:
    kind = "class" if isinstance(thing, type) else type(thing).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"

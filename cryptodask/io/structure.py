"""From JSON to values of attrs classes, strictly: every error names the key.

CryptoDask wrote what is read here, with all keys, so that a missing key was lost. cattrs does the
work. Numbers and texts are not converted into each other, and keys that are unknown or missing are
errors.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, get_origin

import attrs

from cryptodask.errors import CryptoDaskError, InputError

T = TypeVar("T")

KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}

CONTAINERS: Mapping[Any, str] = {list: "a list", dict: "an object with keys"}

LONGEST = 100
"""Characters of a value that a message shows."""


@cache
def _converter() -> Any:
    """Return the converter of cattrs, with hooks that convert nothing silently."""
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, prefer_attrib_converters=True)
    for kind in KINDS:
        converter.register_structure_hook(kind, _exact)
    converter.register_structure_hook_factory(attrs.has, _checked_hook)
    # A word that must be one of several is checked by its field.
    converter.register_structure_hook_func(_is_literal, _as_it_is)
    return converter


def _checked_hook(kind: type[Any]) -> Callable[[Any, type[Any]], Any]:
    """Return the hook of cattrs that makes values of an attrs class, with plain messages."""
    from cattrs.gen import make_dict_structure_fn

    structure = make_dict_structure_fn(
        kind,
        _converter(),
        _cattrs_forbid_extra_keys=True,
        _cattrs_prefer_attrib_converters=True,
    )

    def checked(content: Any, _: type[Any]) -> Any:
        _check_keys(kind, content)
        return structure(content, kind)

    return checked


def _check_keys(kind: type[Any], content: Any) -> None:
    """See that a value is an object that has the keys of an attrs class, but for defaults."""
    if not isinstance(content, dict):
        raise InputError(f"must be an object with keys, got {_short(content)}")
    fields = {field.name: field for field in attrs.fields(kind)}
    for key in content:
        if key not in fields:
            raise InputError(f"{_short(key)}: unknown key; known: {', '.join(fields)}")
    for name, field in fields.items():
        if name not in content:
            if field.default is attrs.NOTHING:
                raise InputError(f"{name}: is missing")
            continue
        container = get_origin(field.type)
        if container in CONTAINERS and not isinstance(content[name], container):
            what = CONTAINERS[container]
            raise InputError(f"{name}: must be {what}, got {_short(content[name])}")


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _as_it_is(value: Any, _: Any) -> Any:
    return value


def _exact(value: Any, kind: type) -> Any:
    """Return a value that is of its type already."""
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"must be {KINDS[kind]}, got {_short(value)}")
    return value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def structured(kind: type[T], content: Any, where: str, *, by_hand: bool = False) -> T:
    """Make a value of an attrs class from what JSON held.

    Parameters
    ----------
    kind : type
        An attrs class.
    content : Any
        As `json.loads` returns it.
    where : str
        File, and place in it, that errors begin with.
    by_hand : bool
        Whether somebody wrote it, so that what has a default may be left out.

    Raises
    ------
    InputError
        The first thing that is wrong, by its place.
    """
    try:
        value: T = _converter().structure(content, kind)
    except Exception as error:
        place, why = next(_leaves(error, where))
        raise InputError(f"{place}: {why}") from error
    if by_hand:
        return value
    # Of what was written with all its keys, one with a default was lost, too.
    missing = [field.name for field in attrs.fields(kind) if field.name not in content]  # type: ignore[arg-type]
    if missing:
        raise InputError(f"{where}: {missing[0]}: is missing")
    return value


def _leaves(error: BaseException, place: str) -> Iterator[tuple[str, str]]:
    """Yield place and message of each error in the groups that cattrs raises."""
    from cattrs import AttributeValidationNote, IterableValidationNote

    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            names = []
            for note in getattr(inner, "__notes__", []):
                if isinstance(note, AttributeValidationNote):
                    names.append(note.name)
                elif isinstance(note, IterableValidationNote):
                    names.append(str(note.index))
            yield from _leaves(inner, ": ".join([place, *names]))
        return
    text = str(error)
    if isinstance(error, CryptoDaskError):
        last = place.rpartition(": ")[2]
        yield place, text.removeprefix(f"{last}: ")
    else:
        yield place, text or type(error).__name__

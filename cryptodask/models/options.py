"""Options of models from text: of our own models by type, of other libraries' by literal."""

import json
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from cryptodask.errors import OptionError

WORDS = {"none": None, "null": None, "true": True, "false": False}
YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def convert(model: str, option: str, value: Any, kind: Any) -> Any:
    """Convert the value of an option of ours, or of a user's, to its type.

    Parameters
    ----------
    model, option : str
        For the message.
    value : Any
        Text, or what has the type or is as good.
    kind : type
        bool, int, float, str, a tuple of ints, floats or strs, one of these or None, or a literal.
        Of another type is only what is not a text.

    Raises
    ------
    OptionError
        It can't be.
    """
    if get_origin(kind) in (Union, UnionType):
        kinds = [each for each in get_args(kind) if each is not NoneType]
        if NoneType in get_args(kind) and str(value).lower() in ("none", "null"):
            return None
        if len(kinds) == 1:
            return convert(model, option, value, kinds[0])
    if get_origin(kind) is Literal:
        return _one_of(model, option, value, get_args(kind))
    if kind not in (bool, int, float, str) and get_origin(kind) is not tuple:
        if not isinstance(value, str):
            return value
        raise OptionError(
            f"{model} {option}: is of type {kind}, which text can't give, got {value!r}; give "
            "it in Python, or let it be bool, int, float, str or a tuple of these"
        )
    try:
        if kind is bool:
            return YES_OR_NO[str(value).lower()]
        if kind in (int, float, str):
            return _as_int(value) if kind is int else kind(value)
        parts = value.split(",") if isinstance(value, str) else list(value)
        if get_args(kind)[0] is str:
            return tuple(str(part).strip() for part in parts)
        if get_args(kind)[0] is float:
            return tuple(float(part) for part in parts)
        return tuple(_as_int(part) for part in parts)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        wanted = getattr(kind, "__name__", str(kind)) if kind in (bool, int, float) else "integers"
        wanted = "numbers" if get_args(kind)[:1] == (float,) else wanted
        raise OptionError(f"{model} {option}: must be {wanted}, got {value!r}") from error


def _one_of(model: str, option: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """Return the choice that a value is, or that a text names."""
    for choice in choices:
        if str(value) == str(choice):
            return choice
    listed = ", ".join(map(str, choices))
    raise OptionError(f"{model} {option}: must be one of {listed}, got {value!r}")


def from_text(model: str, option: str, value: Any, default: Any) -> Any:
    """Convert an option that another library checks.

    Text is read as a JSON literal, ``None``, ``True`` or ``False``; anything else is a text. Where
    the default is a tuple, text with commas is one; where it is a truth, so are ``yes``, ``no``, 0
    and 1.

    Parameters
    ----------
    model, option : str
        For the message.
    value : Any
        Text or a value.
    default : Any
        The library's.

    Returns
    -------
    None, bool, int, float, str, or a tuple of these

    Raises
    ------
    OptionError
        It is anything else, which could neither be compared nor travel safely.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(default, bool) and str(value).lower() in YES_OR_NO:
        return YES_OR_NO[str(value).lower()]
    if isinstance(value, str):
        if isinstance(default, tuple) and "," in value and value[:1] not in "[(":
            value = f"[{value.strip().rstrip(',')}]"
        value = _literal(value)
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(from_text(model, option, part, None) for part in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise OptionError(
        f"{model} {option}: must be None, true or false, a number, text, or several of them, "
        f"got {value!r}"
    )


def of_family(
    name: str,
    known: Mapping[str, tuple[Any, Any]],
    ours: tuple[str, ...],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    """Convert the options of a library's model to the fields of our dataclass of it.

    Parameters
    ----------
    name : str
        Of the model, for messages.
    known : mapping
        From an option to its type and default; see `cryptodask.models.catalog.model_options`.
    ours : tuple of str
        The options that are ours; all others are the library's.
    values : mapping
        From options to values, as text or not.

    Returns
    -------
    dict
        Our options, and ``params``: names and values of the library's, in order.
    """
    converted = {k: convert(name, k, v, known[k][0]) for k, v in values.items() if k in ours}
    theirs = {k: from_text(name, k, v, known[k][1]) for k, v in values.items() if k not in ours}
    return {**converted, "params": tuple(sorted(theirs.items()))}


def _literal(text: str) -> Any:
    if text.strip().lower() in WORDS:
        return WORDS[text.strip().lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_int(value: Any) -> int:
    number = int(value)
    if not isinstance(value, str) and number != value:
        raise ValueError(value)
    return number


def class_docs(kind: type) -> list[str]:
    """Return the docstrings of a class and of those that it derives from, its own last.

    Parameters
    ----------
    kind : type
    """
    return [base.__doc__ or "" for base in reversed(kind.__mro__) if base is not object]

"""Fitted regressors of scikit-learn as arrays and plain values, without pickle.

What is kept is what a regressor has besides its parameters: arrays of numbers, numbers, words, and
lists and dictionaries of these. It is restored into a regressor that is made anew, attribute by
attribute, and only such as one of its class has that was fitted here: so what was kept decides
numbers, and never which code runs.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from cryptodask.errors import VersionError
from cryptodask.models.learned import Array
from cryptodask.models.packed import NUMBERS, Bytes, pack, unpack
from cryptodask.records import FloatArray

VALUES = "values"
"""The array that has all that is not arrays, as JSON."""

X, Y = "x", "y"
"""Arrays of a regressor that is kept as what it was fitted to."""


class NotPlainError(TypeError):
    """A value is neither an array of numbers, nor a number, nor made of such."""


def is_its_data(regressor: Any) -> bool:
    """Whether a regressor learns nothing but the examples that it is fitted to: neighbours.

    Its index is made again of them, since it is an object of compiled code.

    Parameters
    ----------
    regressor : estimator
    """
    return type(regressor).__module__.startswith("sklearn.neighbors.")


def keep(regressor: Any, x: FloatArray, y: FloatArray) -> tuple[Bytes, list[str]]:
    """Return a fitted regressor as bytes, and the attributes that can't be among them.

    Parameters
    ----------
    regressor : estimator
    x : ndarray of float64, ``(n, lags)``
    y : ndarray of float64, ``(n,)``
        What it was fitted to, no unit.

    Returns
    -------
    ndarray of uint8, ``(n_bytes,)``
    list of str
    """
    if is_its_data(regressor):
        return pack({X: x, Y: y}), []
    parameters = regressor.get_params(deep=False)
    arrays: dict[str, Array] = {}
    values: dict[str, Any] = {}
    others = []
    for name, value in sorted(vars(regressor).items()):
        if name in parameters:
            continue
        before = dict(arrays)
        try:
            values[name] = _to_json(value, arrays)
        except NotPlainError:
            arrays = before
            others.append(name)
    text = json.dumps(values, sort_keys=True).encode()
    return pack({VALUES: np.frombuffer(text, dtype=np.uint8), **arrays}), others


def restore(regressor: Any, packed: Bytes, template: Any, what: str) -> Any:
    """Return a regressor as it was when it was kept.

    Parameters
    ----------
    regressor : estimator
        Not fitted, with the same parameters; it becomes what is returned.
    packed : ndarray of uint8, ``(n_bytes,)``
        Of `keep`.
    template : estimator
        One of the same class and parameters that was fitted, to anything.
    what : str
        What it is of, for the message.

    Raises
    ------
    VersionError
        It is not such a regressor.
    """
    arrays = unpack(packed, what)
    if is_its_data(regressor):
        if sorted(arrays) != [X, Y]:
            raise _damaged(what, f"it has the arrays {', '.join(sorted(arrays))}")
        return regressor.fit(arrays[X], arrays[Y])
    try:
        values = json.loads(arrays.pop(VALUES).tobytes())
        attributes = {str(name): _of_json(value, arrays) for name, value in values.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(what, repr(error)) from error
    known = vars(template)
    parameters = regressor.get_params(deep=False)
    for name, value in attributes.items():
        if name not in known or name in parameters or name.startswith("__"):
            raise _damaged(what, f"{type(regressor).__name__} has no attribute {name!r}")
        if not _are_alike(value, known[name]):
            raise _damaged(what, f"attribute {name} is not as one of this class is")
    if "support_vectors_" in attributes:
        _check_support_vectors(attributes, known, what)
    for name, value in attributes.items():
        setattr(regressor, name, value)
    return regressor


def _damaged(what: str, why: str) -> VersionError:
    return VersionError(f"{what}: what was kept can't be used: {why}; train it again")


def _to_json(value: Any, arrays: dict[str, Array]) -> Any:
    """Return a value as JSON has it; arrays go into a dictionary, under their numbers.

    Raises
    ------
    NotPlainError
        It can't be had.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is np.ndarray or isinstance(value, np.generic):
        array = np.asarray(value)
        if array.dtype.name not in NUMBERS:
            raise NotPlainError(array.dtype.name)
        name = str(len(arrays))
        arrays[name] = array
        in_order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        return {"array": [name, in_order if kind is np.ndarray else "number"]}
    if kind in (list, tuple):
        return {kind.__name__: [_to_json(v, arrays) for v in value]}
    if kind is dict and all(type(key) is str for key in value):
        return {"dict": {key: _to_json(v, arrays) for key, v in sorted(value.items())}}
    raise NotPlainError(kind.__name__)


def _of_json(value: Any, arrays: Mapping[str, Array]) -> Any:
    """Return what `_to_json` was given."""
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "array":
        name, order = content
        array = arrays[name]
        return array[()] if order == "number" else np.asarray(array, order=order)
    if kind == "dict":
        return {str(key): _of_json(v, arrays) for key, v in content.items()}
    values = [_of_json(v, arrays) for v in content]
    return {"list": list, "tuple": tuple}[kind](values)


def _are_alike(value: Any, known: Any) -> bool:
    """Whether a value is of a kind with what a fitted regressor of the class has there."""
    if type(value) is not type(known):
        return False
    if isinstance(value, np.ndarray):
        return bool(value.dtype == known.dtype and value.ndim == known.ndim)
    return True


def _check_support_vectors(
    attributes: Mapping[str, Any], known: Mapping[str, Any], what: str
) -> None:
    """Check shapes that compiled code goes by without looking."""
    count, counted = len(attributes.get("support_", ())), len(known["support_"])
    along: dict[str, tuple[int, ...]] = {
        "support_": (count,),
        "support_vectors_": (count, known["support_vectors_"].shape[1]),
        "dual_coef_": (1, count),
        "_dual_coef_": (1, count),
    }
    for name, expected in known.items():
        if isinstance(expected, np.ndarray):
            shape = along.get(name) or expected.shape
            value = attributes.get(name)
            if not isinstance(value, np.ndarray) or value.shape != shape:
                raise _damaged(what, f"attribute {name} is not of shape {shape}")
    if attributes.get("_sparse") is not False or counted == 0:
        raise _damaged(what, "its support vectors are not dense")

"""The catalog: from a name to a model. Adding a model is one file and one line here."""

import dataclasses
import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, get_type_hints

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models.base import Model

CATALOG: Mapping[str, str] = {
    "random": "cryptodask.models.random:Random",
    "naive": "cryptodask.models.naive:Naive",
    "linear": "cryptodask.models.linear:Linear",
    "ridge": "cryptodask.models.ridge:Ridge",
    "ridge_features": "cryptodask.models.ridge_features:RidgeFeatures",
    "pooled_linear": "cryptodask.models.pooled_linear:PooledLinear",
    "lstm": "cryptodask.models.lstm:LSTM",
    "lstm_global": "cryptodask.models.lstm_global:LSTMGlobal",
}


def list_models() -> list[str]:
    """Return the names of all models."""
    return list(CATALOG)


def create_model(name: str, **options: Any) -> Model:
    """Create a model by its name.

    Parameters
    ----------
    name : str
        See `list_models`.
    **options
        The model's options; text is converted to the option's type.

    Raises
    ------
    UnknownModelError
        The catalog has no model of that name.
    OptionError
        The model has no such option, or the value is out of its range.

    Examples
    --------
    >>> create_model("lstm", epochs=3, units="32,32")
    LSTM(window=50, units=(32, 32), dropout=0.2, batch_norm=False, activation='linear', \
loss='mse', optimizer='rmsprop', learning_rate=0.001, batch_size=512, epochs=3, \
validation_split=0.05, shuffle=True)
    """
    known = model_options(name)
    values = {}
    for option, value in options.items():
        if option not in known:
            listed = ", ".join(known) or "none"
            raise OptionError(f"{name}: has no option {option!r}; its options: {listed}")
        values[option] = _convert(name, option, value, known[option][0])
    model: Model = _class_of(name)(**values)
    return model


def model_options(name: str) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each option of a model."""
    model = _class_of(name)
    hints = get_type_hints(model)
    return {f.name: (hints[f.name], f.default) for f in dataclasses.fields(model)}


def describe_model(name: str) -> str:
    """Return the first line of a model's docstring."""
    return (_class_of(name).__doc__ or "").splitlines()[0]


def model_gaps(name: str) -> str:
    """Return what a model makes of gaps; see `cryptodask.models.base.Model.gaps`."""
    return str(_class_of(name).gaps)


def _class_of(name: str) -> Any:
    if name not in CATALOG:
        near = difflib.get_close_matches(name, CATALOG, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UnknownModelError(f"{name!r}: no such model; {hint}models: {', '.join(CATALOG)}")
    module, _, attribute = CATALOG[name].partition(":")
    return getattr(import_module(module), attribute)


def _convert(model: str, option: str, value: Any, kind: Any) -> Any:
    """Convert an option's value to its type."""
    try:
        if kind is bool:
            return _as_bool(value)
        if kind in (int, float, str):
            return _as_int(value) if kind is int else kind(value)
        parts = value.split(",") if isinstance(value, str) else list(value)
        return tuple(_as_int(part) for part in parts)
    except (TypeError, ValueError, OverflowError) as error:
        wanted = getattr(kind, "__name__", str(kind)) if kind in (bool, int, float) else "integers"
        raise OptionError(f"{model} {option}: must be {wanted}, got {value!r}") from error


def _as_int(value: Any) -> int:
    number = int(value)
    if not isinstance(value, str) and number != value:
        raise ValueError(value)
    return number


def _as_bool(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return words[str(value).lower()] if str(value).lower() in words else _refuse(value)


def _refuse(value: Any) -> bool:
    raise ValueError(value)

"""The catalog: from a name to a model. Adding a model is one file and one line here."""

import dataclasses
import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, get_type_hints

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models.base import Model
from cryptodask.models.options import convert

CATALOG: Mapping[str, str] = {
    "random": "cryptodask.models.baseline.random:Random",
    "naive": "cryptodask.models.baseline.naive:Naive",
    "drift": "cryptodask.models.baseline.drift:Drift",
    "seasonal_naive": "cryptodask.models.baseline.seasonal_naive:SeasonalNaive",
    "historic_mean": "cryptodask.models.baseline.historic_mean:HistoricMean",
    "linear": "cryptodask.models.regression.linear:Linear",
    "ridge": "cryptodask.models.regression.ridge:Ridge",
    "ridge_features": "cryptodask.models.regression.ridge_features:RidgeFeatures",
    "pooled_linear": "cryptodask.models.pooled.pooled_linear:PooledLinear",
    "svr_linear": "cryptodask.models.regression.svr:SVRLinear",
    "svr_poly": "cryptodask.models.regression.svr:SVRPoly",
    "svr_rbf": "cryptodask.models.regression.svr:SVRRbf",
    "ensemble": "cryptodask.models.combine.ensemble:Ensemble",
    "auto": "cryptodask.models.combine.auto:Auto",
    "prophet": "cryptodask.models.external.prophet:Prophet",
    "lstm": "cryptodask.models.lstm.lstm:LSTM",
    "lstm_global": "cryptodask.models.lstm.lstm_global:LSTMGlobal",
}

FAMILIES: Mapping[str, str] = {
    "sklearn": "cryptodask.models.external.sklearn_family:SklearnRegressor",
    "stats": "cryptodask.models.external.stats_family:StatsModel",
    "pooled": "cryptodask.models.pooled.learner:PooledLearner",
}
"""Whole libraries of models: one is named ``PREFIX:NAME``, and has its class's options besides."""


def list_models() -> list[str]:
    """Return the names of all models but those of `list_families`."""
    return list(CATALOG)


def list_families() -> dict[str, str]:
    """Return how models of other libraries are named, and a line on each library's."""
    families = map(_import, FAMILIES.values())
    return {family.pattern: _first_line(family) for family in families}


def create_model(name: str, **options: Any) -> Model:
    """Create a model by its name.

    Parameters
    ----------
    name : str
        See `list_models` and `list_families`.
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
validation_split=0.05, shuffle=True, features='', recurrent_dropout=0.0, weight_decay=0.0, \
patience=0)
    """
    known = model_options(name)
    values = {}
    for option, value in options.items():
        if option not in known:
            listed = ", ".join(known) or "none"
            raise OptionError(f"{name}: has no option {option!r}; its options: {listed}")
        values[option] = value
    kind, inner = _find(name)
    if inner is not None:
        of_library: Model = kind.create(inner, values)
        return of_library
    model: Model = kind(**{k: convert(name, k, v, known[k][0]) for k, v in values.items()})
    return model


def model_options(name: str) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each option of a model; a default of ... is none.

    Parameters
    ----------
    name : str
        See `list_models` and `list_families`.
    """
    kind, inner = _find(name)
    if inner is not None:
        options: dict[str, tuple[Any, Any]] = kind.options(inner)
        return options
    hints = get_type_hints(kind)
    return {f.name: (hints[f.name], f.default) for f in dataclasses.fields(kind)}


def describe_model(name: str) -> str:
    """Return a line on a model: the first of its docstring.

    Parameters
    ----------
    name : str
        See `list_models` and `list_families`.
    """
    kind, inner = _find(name)
    return _first_line(kind) if inner is None else str(kind.describe(inner))


def model_gaps(name: str) -> str:
    """Return how a model treats gaps, with default options; see `Model.gaps`.

    Parameters
    ----------
    name : str
        See `list_models` and `list_families`.
    """
    kind, inner = _find(name)
    return str(kind().gaps if inner is None else kind.gaps)


def _find(name: str) -> tuple[Any, str | None]:
    """Return the class of a model, and of a library's model its name there."""
    prefix, colon, inner = name.partition(":")
    if colon and prefix in FAMILIES:
        return _import(FAMILIES[prefix]), inner
    if name not in CATALOG:
        near = difflib.get_close_matches(name, CATALOG, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        others = ", ".join(list_families())
        raise UnknownModelError(
            f"{name!r}: no such model; {hint}models: {', '.join(CATALOG)}; and {others}"
        )
    return _import(CATALOG[name]), None


def _import(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def _first_line(kind: Any) -> str:
    return (kind.__doc__ or "").splitlines()[0]

"""The catalog: from a name to a model. Adding a model is one file and one line here.

A name is one of `CATALOG`, ``PREFIX:NAME`` of `FAMILIES`, one that an installed package gives to
one of its models by an entry point, or ``MODULE:NAME`` of a user's code. The latter is imported by
`name_model` and nowhere else, since importing runs code: what was read from a file may only name
what the user has named in this process.
"""

import difflib
from collections.abc import Mapping
from typing import Any

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models import own
from cryptodask.models.base import Model
from cryptodask.models.installed import installed, load_entry
from cryptodask.models.makers import OfCatalog, OfFamily, import_place
from cryptodask.models.renamed import Renamed, rename, split_alias
from cryptodask.models.things import Thing, check_name

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
    "keras": "cryptodask.models.keras.network:KerasNetwork",
    "pooled": "cryptodask.models.pooled.learner:PooledLearner",
}
"""Whole libraries of models: one is named ``PREFIX:NAME``, and has its class's options besides."""


def list_models() -> list[str]:
    """Return the names of all models but those of `list_families`.

    Those of installed packages, named by entry points, come last.
    """
    return [*CATALOG, *installed(CATALOG)]


def list_families() -> dict[str, str]:
    """Return how models of other libraries are named, and a line on each library's."""
    families = map(import_place, FAMILIES.values())
    return {family.pattern: _first_line(family.__doc__) for family in families}


def create_model(name: Any, *, alias: str | None = None, **options: Any) -> Model:
    """Create a model by its name, or from what is one in Python.

    Parameters
    ----------
    name : Any
        See `list_models` and `list_families`; or ``MODULE:NAME``, which is imported; or
        ``ALIAS=NAME``; or a model, a class of models or of regressors, a regressor of
        scikit-learn's interface, or a function ``f(prices, horizon)``.
    alias : str, optional
        The name that results show, so that one model may run twice with different options. Random
        numbers stay those of the model.
    **options
        The model's options; text is converted to the option's type.

    Raises
    ------
    UnknownModelError
        No model has that name.
    OptionError
        The model has no such option, or the value is out of its range; or what was given is not a
        model, and the message says what to write.

    Examples
    --------
    >>> create_model("lstm", epochs=3, units="32,32")
    LSTM(window=50, units=(32, 32), dropout=0.2, batch_norm=False, activation='linear', \
loss='mse', optimizer='rmsprop', learning_rate=0.001, batch_size=512, epochs=3, \
validation_split=0.05, shuffle=True, features='', recurrent_dropout=0.0, weight_decay=0.0, \
patience=0)
    >>> create_model("ridge", alias="ridge5", lags=5).name
    'ridge5'
    """
    if not isinstance(name, str):
        return _finished(_model_of(name, options), alias)
    own_alias, name = split_alias(name)
    name_model(name)
    return build_model(name, options, alias or own_alias)


def name_model(name: str) -> None:
    """Import a user's model, since the user named it; any other name is left alone.

    Parameters
    ----------
    name : str
        That a user typed or passed; never one that was read.
    """
    place = place_of(name)
    if place is not None:
        own.find_own(place)


def is_own(name: str) -> bool:
    """Return whether a name is of a user's code, ``MODULE:NAME``, or one in ``keras:MODULE:NAME``.

    Parameters
    ----------
    name : str
    """
    return place_of(name) is not None


def was_named(name: str) -> bool:
    """Return whether a user named the code that a name is of in this process.

    Parameters
    ----------
    name : str
    """
    place = place_of(name)
    return place is not None and own.was_named(place)


def place_of(name: str) -> str | None:
    """Return the ``MODULE:NAME`` of a user's code that the name of a model is, or ends with.

    Parameters
    ----------
    name : str

    Returns
    -------
    str or None
        None of a model of ours, or of a library.
    """
    prefix, colon, inner = name.partition(":")
    if not colon or prefix not in FAMILIES:
        return name if own.is_place(name) else None
    code_of = getattr(import_place(FAMILIES[prefix]), "code_of", None)
    return None if code_of is None else code_of(inner)


def build_model(name: str, options: Mapping[str, Any], alias: str | None = None) -> Model:
    """Create a model as `create_model` does, but import no user's code that was not named before.

    Parameters
    ----------
    name : str
    options : mapping of str to Any
    alias : str, optional
    """
    return _finished(_made(name, find_maker(name), options), alias)


def check_free(model: Model) -> Model:
    """Return a model whose name no other model of the catalog has.

    Parameters
    ----------
    model : Model

    Raises
    ------
    OptionError
        It is a user's model, or an alias, with the name of a model of ours.
    """
    inner = model.model if isinstance(model, Renamed) else model
    is_own_name = model.name == inner.name and _is_ours(_thing_of(inner))
    if model.name in CATALOG and not is_own_name:
        raise OptionError(
            f"{model.name}: is a model of the catalog, so no other may have its name; give yours "
            "another, or an alias: my_model=MODULE:NAME"
        )
    return model


def name_in_catalog(model: Model) -> str:
    """Return the name by which `build_model` makes models like one; its own if none does.

    Of a user's model that is ``MODULE:NAME``, or that of an installed package.

    Parameters
    ----------
    model : Model
    """
    place = getattr(model, "place", None) if _is_ours(type(model)) else None
    if place is not None:
        return str(place) or model.name
    thing = _thing_of(model)
    if _is_ours(thing):
        return model.name
    place = f"{thing.__module__}:{thing.__qualname__}"
    for entry in installed(CATALOG).values():
        if entry.value.replace(" ", "") == place:
            return entry.name
    return place if own.note(place, thing) else model.name


def model_options(name: str) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each option of a model; a default of ... is none.

    Parameters
    ----------
    name : str
        See `list_models` and `list_families`.
    """
    options: dict[str, tuple[Any, Any]] = find_maker(name).options()
    return options


def describe_model(name: str) -> str:
    """Return a line on a model: the first of its docstring.

    Parameters
    ----------
    name : str
        See `list_models` and `list_families`.
    """
    return _first_line(find_maker(name).describe())


def model_gaps(name: str) -> str:
    """Return how a model treats gaps, with default options; see `Model.gaps`.

    Parameters
    ----------
    name : str
        See `list_models` and `list_families`.
    """
    return str(find_maker(name).gaps())


def find_maker(name: str) -> OfCatalog | OfFamily | Thing:
    """Return what makes models of a name, and knows their options and texts.

    Parameters
    ----------
    name : str
        See `create_model`; a user's model must have been named before.

    Raises
    ------
    UnknownModelError
        No model has that name.
    OptionError
        It is of a user's code, and nobody named it.
    """
    prefix, colon, inner = name.partition(":")
    if colon and prefix in FAMILIES:
        return OfFamily(import_place(FAMILIES[prefix]), inner)
    if is_own(name):
        return Thing(name, own.named(name))
    if name in CATALOG:
        return OfCatalog(name, import_place(CATALOG[name]))
    entries = installed(CATALOG)
    if name in entries:
        return Thing(name, load_entry(entries[name]))
    own.check_module(name)
    near = difflib.get_close_matches(name, [*CATALOG, *entries], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    others = ", ".join(list_families())
    listed = ", ".join([*CATALOG, *entries])
    raise UnknownModelError(
        f"{name!r}: no such model; {hint}models: {listed}; and {others}; or MODULE:NAME of your "
        "own code"
    )


def _model_of(given: Any, options: Mapping[str, Any]) -> Model:
    """Return the model of anything but a name; see `create_model`."""
    from cryptodask.models.external.own_estimator import instance_of, is_estimator, of_library

    if isinstance(given, Model):
        return _made(given.name, Thing(given.name, given), options) if options else given
    if is_estimator(given):
        library = of_library(instance_of(given))
        if library is not None:
            given_too = {**dict(getattr(library, "params", ())), **options}
            return build_model(library.name, given_too) if options else library
    name = getattr(given, "__qualname__", type(given).__name__)
    place = f"{getattr(given, '__module__', '')}:{name}"
    name = place if own.note(place, given) else name
    return _made(name, Thing(name, given), options)


def _made(name: str, maker: OfCatalog | OfFamily | Thing, options: Mapping[str, Any]) -> Model:
    """Return a model with options; refuse those that it does not have."""
    known = maker.options()
    for option in options:
        if option not in known:
            listed = ", ".join(known) or "none"
            raise OptionError(f"{name}: has no option {option!r}; its options: {listed}")
    return maker.create(options)


def _finished(model: Model, alias: str | None) -> Model:
    """Return a model under its alias, if it has one, and if nothing else has its name."""
    if alias is None or alias == model.name:
        return check_free(model)
    return check_free(rename(model, check_name("alias", alias)))


def _thing_of(model: Model) -> Any:
    """Return the function or the regressor's class that a model was made from, or its class."""
    if not _is_ours(type(model)):
        return type(model)  # whose options may have any name
    estimator = getattr(model, "estimator", None)
    if estimator is not None and not isinstance(estimator, str):
        return type(estimator)
    return getattr(model, "function", type(model))


def _is_ours(thing: Any) -> bool:
    return str(thing.__module__).partition(".")[0] == "cryptodask"


def _first_line(text: str | None) -> str:
    lines = (text or "").splitlines()
    return lines[0] if lines else ""

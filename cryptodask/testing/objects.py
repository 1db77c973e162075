"""Rules of a model as an object: frozen, hashable, sent to workers and named by the catalog."""

import json
import pickle
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any

from cryptodask.errors import UnknownModelError
from cryptodask.models.catalog import create_model, describe_model, model_options
from cryptodask.testing.trial import Trial, broken, require, require_same


def _is_frozen(trial: Trial) -> None:
    """Check that it is a frozen dataclass, equal and of one hash where its options are equal."""
    model: Any = trial.model
    kind = type(model).__name__
    require(is_dataclass(model), f"{kind} is not a dataclass; write @dataclass(frozen=True)")
    twin = replace(model)
    require(twin == model, f"{kind} with equal options is not equal: {twin!r} and {model!r}")
    require(hash(twin) == hash(model), f"{kind} with equal options has another hash")
    for name in [field.name for field in fields(model)] or ["option"]:
        value = getattr(model, name, None)
        try:
            setattr(model, name, value)
        except FrozenInstanceError:
            continue
        broken(f"{name} of {kind} can be set; write @dataclass(frozen=True)")


def _travels(trial: Trial) -> None:
    """Check that a pickled copy, as workers get it, is equal and forecasts the same bits."""
    model, panel = trial.model, trial.panel(60)
    try:
        copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - written in this very line
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        broken(
            f"it can't be pickled ({error}); define its class at the top of a module, and let its "
            "options be plain values"
        )
    require(type(copy) is type(model) and copy == model, f"a pickled copy is {copy!r}")
    values = replace(trial, model=copy).forecast(panel).values
    advice = "let a model have no state but its options"
    require_same(trial.forecast(panel).values, values, panel.coins, "of a pickled copy", advice)


def _is_made_again(trial: Trial) -> None:
    """Check that the catalog, if it has the name, makes an equal model from its options.

    Options are those that plans of runs keep: JSON.
    """
    model: Any = trial.model
    try:
        known = model_options(model.name)
    except UnknownModelError:
        return  # a user's model is made in Python
    require(describe_model(model.name), "its docstring is empty")
    options = {name: getattr(model, name) for name in known if hasattr(model, name)}
    options |= dict(getattr(model, "params", ()))  # of other libraries' models
    again = create_model(model.name, **json.loads(json.dumps(options)))
    require(again == model, f"the catalog makes {again!r} from {options}, not {model!r}")


RULES = (
    _is_frozen,
    _travels,
    _is_made_again,
)

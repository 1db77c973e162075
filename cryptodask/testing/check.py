"""Checking all rules on a model."""

from collections.abc import Collection

from cryptodask.errors import ContractError, MissingExtraError, OptionError
from cryptodask.models.base import Model
from cryptodask.testing.rules import RULES
from cryptodask.testing.trial import BrokenRuleError, Trial


def check_model(
    model: Model,
    rules: Collection[str] = tuple(RULES),
    *,
    skip: Collection[str] = (),
    horizon: int = 25,
    seed: int = 0,
    random: bool | None = None,
    max_coins: int = 5,
) -> tuple[str, ...]:
    """Check that a model obeys the rules of models.

    Each rule runs the model on seeded random walks. `check_lookahead` is a check for itself.

    Parameters
    ----------
    model : Model
        With options that make it quick: it is fitted to some hundred coins. Leave ``ahead`` of
        models of all coins out, or let it be at least `horizon`.
    rules : collection of str
        Names in `RULES`, where the docstring of each says what it demands; by default all.
    skip : collection of str
        Rules that the model is not held to. ``forecasts_hours`` is not for models that know
        weekdays, ``scales`` not for those to which the level of prices matters.
    horizon : int
        The longest horizon to try, in bars.
    seed : int
        Of panels and forecasts; another seed tries other panels.
    random : bool, optional
        Whether the forecasts depend on the seed; by default either is right.
    max_coins : int
        The most coins of a panel; fewer are quicker.

    Returns
    -------
    tuple of str
        The rules that were checked.

    Raises
    ------
    ContractError
        The model breaks a rule; the message names model, rule and values.
    OptionError
        A rule is unknown, or `horizon` is below 1.
    MissingExtraError
        The model needs a package that is not installed.
    """
    unknown = sorted({*rules, *skip} - set(RULES))
    if unknown:
        raise OptionError(f"rules: no rule is named {unknown[0]!r}; rules: {', '.join(RULES)}")
    if horizon < 1:
        raise OptionError(f"horizon: must be at least 1, got {horizon}")
    if not isinstance(model, Model):
        raise ContractError(f"{model!r}: a model must be an instance of a subclass of Model")
    trial = Trial(model, horizon, seed, random, max_coins)
    chosen = tuple(name for name in RULES if name in rules and name not in skip)
    for name in chosen:
        _check_rule(trial, name)
    return chosen


def _check_rule(trial: Trial, name: str) -> None:
    """Check one rule; what the model raises breaks it, too."""
    try:
        RULES[name](trial)
    except (MissingExtraError, MemoryError):
        raise
    except BrokenRuleError as error:
        raise ContractError(f"{_name_of(trial.model)}: rule {name}: {error}") from None
    except Exception as error:
        raise ContractError(
            f"{_name_of(trial.model)}: rule {name}: it raised {type(error).__name__}: {error}"
        ) from error


def _name_of(model: Model) -> str:
    try:
        return str(model.name)
    except NotImplementedError:
        return type(model).__name__

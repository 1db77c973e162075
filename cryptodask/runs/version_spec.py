"""What was asked for of versions of models: to train one, or to forecast from some."""

from typing import Any, ClassVar

import attrs

from cryptodask.errors import OptionError
from cryptodask.runs.fields import as_tuple, flag, option, optional, texts, whole_number
from cryptodask.runs.model_spec import ModelSpec, check_models, model_specs
from cryptodask.runs.spec import ForecastSpec, RunSpec


def check_one(_: Any, field: "attrs.Attribute[Any]", value: tuple[ModelSpec, ...]) -> None:
    """Check that there is one model; see `OptionError`."""
    check_models(_, field, value)
    if len(value) > 1:
        names = ", ".join(model.name for model in value)
        raise OptionError(f"{field.name}: a version is of one model, got {names}")


@attrs.frozen(kw_only=True)
class TrainSpec(ForecastSpec):
    """A training: the version of a model, from which forecasts are made later.

    Attributes
    ----------
    models : tuple of ModelSpec
        The model.
    horizon : int
        Bars ahead that it is trained for; another is refused later where that matters.
    intervals : bool
        Whether the version can make intervals.
    parent : int or None
        The version that it is to replace.
    """

    kind: ClassVar[str] = "train"

    models: tuple[ModelSpec, ...] = option(
        help="The model to train.", flag="--model", converter=model_specs, check=check_one
    )
    parent: int | None = option(None, flag="", decides=False, check=optional(whole_number(1)))


@attrs.frozen(kw_only=True)
class PredictSpec(RunSpec):
    """Forecasts from versions of trained models; what these were trained with can't be chosen.

    Attributes
    ----------
    versions : tuple of str
        Folders or URLs of versions.
    labels : tuple of str
        What the forecast table calls their models.
    intervals : bool
        Whether 80 and 95% intervals are made, by versions that were trained for it.
    """

    kind: ClassVar[str] = "predict"

    versions: tuple[str, ...] = option(flag="", converter=as_tuple, check=texts)
    labels: tuple[str, ...] = option(flag="", converter=as_tuple, check=texts)
    intervals: bool = option(False, flag="", check=flag)

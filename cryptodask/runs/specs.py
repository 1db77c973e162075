"""All kinds of specs, by kind, and how they are read from JSON."""

from collections.abc import Mapping
from typing import Any

from cryptodask.errors import InputError
from cryptodask.io.structure import structured
from cryptodask.runs.spec import BacktestSpec, ForecastSpec, RunSpec, SearchSpec
from cryptodask.runs.version_spec import PredictSpec, TrainSpec

SPECS: Mapping[str, type[RunSpec]] = {
    spec.kind: spec for spec in (ForecastSpec, BacktestSpec, SearchSpec, TrainSpec, PredictSpec)
}
"""By kind."""


def spec_from_json(kind: str, content: Any, where: str = "spec") -> RunSpec:
    """Make a spec from what JSON held.

    Parameters
    ----------
    kind : str
        One of `SPECS`.
    content : Any
    where : str
        What the message of an error begins with.

    Raises
    ------
    InputError
        A key is missing, unknown, or of a wrong type or value; the message names it.
    """
    if kind not in SPECS:
        raise InputError(f"{where}: kind: must be one of {', '.join(SPECS)}, got {kind!r}")
    models = content.get("models", []) if isinstance(content, dict) else []
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        # A text would be taken for one that a user typed, and might have code imported.
        raise InputError(f"{where}: models: must be a list of objects, got {str(models)[:60]!r}")
    return structured(SPECS[kind], content, where)

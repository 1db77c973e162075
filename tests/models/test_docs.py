"""The examples of models and features run, and every method of a model has a docstring."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import cryptodask
from cryptodask.models import list_models
from cryptodask.models.catalog import CATALOG, FAMILIES

ROOT = Path(cryptodask.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for folder in ("models", "features", "testing")
    for path in (ROOT / folder).rglob("*.py")
)
EXAMPLES = {"naive", "random", "drift", "seasonal_naive", "historic_mean", "linear", "ridge"}
"""The models simple enough for an example with numbers."""


@pytest.mark.parametrize("name", [*MODULES, "cryptodask.evaluate.lookahead"])
def test_the_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("place", [*CATALOG.values(), *FAMILIES.values()])
def test_every_public_method_of_a_model_has_a_docstring(place: str) -> None:
    module, _, name = place.partition(":")
    kind = getattr(importlib.import_module(module), name)
    for member, value in inspect.getmembers(kind):
        if not member.startswith("_") and (callable(value) or isinstance(value, property)):
            assert inspect.getdoc(value), member


@pytest.mark.parametrize("model", sorted(set(list_models()) - {"random"}))
def test_a_model_gives_its_formula_and_its_source(model: str) -> None:
    module, _, name = CATALOG[model].partition(":")
    kind = getattr(importlib.import_module(module), name)
    text = " ".join(base.__doc__ or "" for base in kind.__mro__[:2])  # SVRRbf: as SVRLinear
    assert re.search(r"``[^`]*[-+*/=(][^`]*``|::\n", text), "no formula"
    assert re.search(r"\b(\d{4}\)|3rd ed\.)", text), "no source"


@pytest.mark.parametrize("model", sorted(EXAMPLES))
def test_a_simple_model_has_an_example(model: str) -> None:
    assert model in list_models()
    module, _, name = CATALOG[model].partition(":")
    kind = getattr(importlib.import_module(module), name)
    assert ">>> predict_one(" in (kind.__doc__ or "")

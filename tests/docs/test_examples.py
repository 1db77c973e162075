"""The examples in docstrings run, as the site shows them; those that need prices are compiled.

Those of models, features and checks are run by `tests.models.test_docs`.
"""

import doctest
import importlib
from pathlib import Path

import pytest

import cryptodask

ROOT = Path(cryptodask.__file__).parent
ELSEWHERE = {"models", "features", "testing"}

MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] not in ELSEWHERE
    and ">>> " in path.read_text(encoding="utf-8")
)


def test_examples_are_found() -> None:
    assert {"cryptodask", "cryptodask.trading.simulation", "cryptodask.manager"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_examples_that_are_skipped_are_python(name: str) -> None:
    for test in doctest.DocTestFinder().find(importlib.import_module(name)):
        for example in test.examples:
            compile(example.source, f"{test.name}:{example.lineno}", "single")

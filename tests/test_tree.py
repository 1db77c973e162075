"""The project keeps to what the lint of words and the measures ask of it."""

from types import ModuleType
from typing import Any

import pytest

from tests.ci_script import ROOT, load_script

FEWEST = 200
"""Files that are read at least; with fewer, the scripts look at the wrong folder."""


@pytest.fixture(scope="module")
def measures() -> ModuleType:
    return load_script("measures")


@pytest.fixture(scope="module")
def tree(measures: ModuleType) -> Any:
    return measures.read_tree(ROOT)


def test_no_phrase_or_name_is_left_to_rewrite() -> None:
    problems, files = load_script("words").check(ROOT)
    assert problems == []
    assert files > FEWEST


def test_no_module_class_or_body_is_over_its_limit(measures: ModuleType, tree: Any) -> None:
    assert measures.over_limits(tree) == []
    assert len(tree.modules) > FEWEST


def test_docstrings_give_shapes_units_and_sections(measures: ModuleType, tree: Any) -> None:
    assert measures.below_shares(tree) == []
    counts = measures.measure(tree)
    assert all(counts[what]["of"] > 0 for what in measures.SHARES)


def test_the_limits_are_those_that_the_project_set_itself(measures: ModuleType) -> None:
    assert measures.LIMITS == {"module": 350, "class": 300, "body": 45}
    assert measures.SHARES == {"shapes": 0.9, "units": 0.8, "sections": 0.7}

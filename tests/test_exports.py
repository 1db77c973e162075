"""The public names: all of them, only them, and loaded no earlier than they are used."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cryptodask

HEAVY = {"pandas", "tensorflow", "keras", "dask", "dask_ml", "distributed", "bokeh", "matplotlib"}
INSIDE = pkgutil.iter_modules(cryptodask.__path__, "cryptodask.")
PACKAGES = ["cryptodask", *(module.name for module in INSIDE if module.ispkg)]


def loaded_after(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after this code."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", code]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def names_for_type_checkers(module: ModuleType) -> dict[str, str]:
    """Return what a package imports under ``if TYPE_CHECKING``, and from where."""
    tree = ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8"))
    return {
        alias.name: str(node.module)
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_importing_the_package_brings_in_nothing_heavy() -> None:
    loaded = loaded_after("import cryptodask")
    assert "cryptodask" in loaded
    assert not loaded & (HEAVY | {"numpy"})


def test_listing_the_names_brings_in_nothing_heavy() -> None:
    assert not loaded_after("import cryptodask; dir(cryptodask); cryptodask.__all__") & HEAVY


def test_the_models_bring_in_no_network_and_no_cluster() -> None:
    loaded = loaded_after("from cryptodask import create_model; create_model('lstm')")
    assert not loaded & (HEAVY - {"pandas"})


def test_the_public_names_are_a_dozen_at_most() -> None:
    assert 1 <= len(cryptodask.__all__) <= 12
    assert sorted(set(cryptodask.__all__)) == cryptodask.__all__


def test_a_star_import_gives_the_public_names_and_no_other() -> None:
    space: dict[str, object] = {}
    exec("from cryptodask import *", space)
    assert set(space) - {"__builtins__"} == set(cryptodask.__all__)


def test_public_names_have_the_homes_that_type_checkers_are_told() -> None:
    assert names_for_type_checkers(cryptodask) == cryptodask._HOME
    assert set(cryptodask._HOME) == set(cryptodask.__all__)


@pytest.mark.parametrize("name", cryptodask.__all__)
def test_a_public_name_is_what_its_home_has_and_is_documented(name: str) -> None:
    value = getattr(cryptodask, name)
    assert value is getattr(importlib.import_module(cryptodask._HOME[name]), name)
    assert name in dir(cryptodask)
    assert inspect.getdoc(value)
    assert value.__name__ == name


def test_completion_offers_the_public_names_and_no_other() -> None:
    cryptodask.list_models()
    assert dir(cryptodask) == cryptodask.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'cryptodask' has no attribute 'Forecats'"):
        cryptodask.Forecats  # noqa: B018
    with pytest.raises(ImportError):
        exec("from cryptodask import Forecats")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_that_a_package_exports_is_there(name: str) -> None:
    package = importlib.import_module(name)
    exported = getattr(package, "__all__", [])
    assert len(set(exported)) == len(exported)
    for public in exported:
        assert not public.startswith("_")
        getattr(package, public)


@pytest.mark.parametrize("name", PACKAGES[1:])
def test_every_public_name_that_a_package_imports_is_exported(name: str) -> None:
    """A package's ``__init__`` gathers names for others, so each import in it is one."""
    package = importlib.import_module(name)
    tree = ast.parse(Path(inspect.getfile(package)).read_text(encoding="utf-8"))
    gathered = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cryptodask")
        for alias in node.names
    }
    assert gathered <= set(getattr(package, "__all__", []))

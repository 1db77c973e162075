"""Tools that are not Python's, wherever they are."""

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


def unavailable(reason: str) -> NoReturn:
    """Skip a test for want of a tool, but not where there has to be one."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def find_tool(*names: str, hint: str) -> str:
    """Return the path of the first that is here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = next((f for f in (shutil.which(name, path=path) for name in names) if f), None)
    return found or unavailable(f"needs {' or '.join(names)}: {hint}")


def find_module(name: str) -> Any:
    """Return a module of the test extra."""
    try:
        return importlib.import_module(name)
    except ImportError:
        unavailable(f"needs {name}: pip install '.[test]'")

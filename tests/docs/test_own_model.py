"""The page on own models: its files and commands, in a folder outside of the repository."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cluster

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "own-model.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
ADDRESS = "tcp://127.0.0.1:8786"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_folder: Path) -> Path:
    """A folder with the page's files and two coins."""
    place = tmp_path_factory.mktemp("mine")
    for kind, text in BLOCKS:
        first, _, rest = text.partition("\n")
        if kind == "python":
            with (place / first.removeprefix("# ")).open("a", encoding="utf-8") as file:
                file.write(rest)
    (place / "prices").mkdir()
    paths = [p for p in sorted(small_folder.iterdir()) if len(p.read_text().splitlines()) > 80]
    for path in paths[-2:]:
        (place / "prices" / path.name).write_bytes(path.read_bytes())
    return place


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def command(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "cryptodask.cli", *shlex.split(line)[1:])


def lines() -> list[str]:
    shown = "".join(text for kind, text in BLOCKS if kind == "console")
    return [line.removeprefix("$ ") for line in shown.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("script", ["check.py", "script.py"])
def test_scripts_of_the_page_run(folder: Path, script: str) -> None:
    ended = run(folder, script)
    assert ended.returncode == 0, ended.stderr
    if script == "script.py":
        for name in ("pull", "half", "recent_mean", "sklearn:sklearn.linear_model.Ridge"):
            assert name in ended.stdout


@pytest.mark.slow
def test_commands_of_the_page_run_in_order(folder: Path, cluster: Cluster) -> None:
    for line in lines():
        here = line.replace(ADDRESS, cluster.address)
        if " --workers " not in here and not re.search(
            r"--scheduler|models |registry |promote", here
        ):
            here += " --workers 1"
        ended = command(folder, here)
        assert ended.returncode == 0, (line, ended.stdout, ended.stderr)
        assert "Traceback" not in ended.stderr

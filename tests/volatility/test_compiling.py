"""Compiled code that is kept: never that of another arithmetic."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cryptodask.volatility.compiling import KERNELS

PACKAGE = Path(__file__).parents[2] / "cryptodask"

SCRIPT = """
import numpy as np
from cryptodask.volatility import Parameters, Returns, VolatilityModel, loglikelihood

parameters = Parameters(VolatilityModel("garch", "normal"), np.array([[1.0, 0.0, 0.0]]))
print(loglikelihood(parameters, Returns(np.array([1.0, -1.0]), np.array([0, 2])))[0])
"""


def test_all_kernels_are_named():
    texts = {path.stem: path.read_text() for path in (PACKAGE / "volatility").glob("*.py")}
    assert {name for name, text in texts.items() if "@compiled\n" in text} | {"compiling"} == {
        *KERNELS
    }


def likelihood(folder: Path) -> float:
    env = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "kept")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, cwd=folder, capture_output=True, text=True,
        check=True, timeout=300,
    )  # fmt: skip
    return float(done.stdout)


@pytest.mark.slow
def test_arithmetic_that_was_changed_is_compiled_anew(tmp_path: Path):
    shutil.copytree(PACKAGE, tmp_path / "cryptodask", ignore=shutil.ignore_patterns("__pycache__"))
    before = likelihood(tmp_path)
    assert before == pytest.approx(-2.8378770664)
    file = tmp_path / "cryptodask" / "volatility" / "passes.py"
    text = file.read_text()
    line = "        return -0.5 * (n * (LOG_PI"
    assert line in text
    file.write_text(text.replace(line, line.replace("0.5", "1.0")))
    assert likelihood(tmp_path) == pytest.approx(2.0 * before)

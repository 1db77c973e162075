"""Compiled code that is kept: never that of another arithmetic."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cryptodask"

SCRIPT = """
import numpy as np
from cryptodask.trading import Account, Costs, Market, simulate_targets

dates = np.datetime64("2020-01-01", "s") + np.arange(3) * np.timedelta64(86_400, "s")
market = Market(("A",), dates, np.full((3, 1), 10.0), np.full((3, 1), 10.0), None)
targets = np.array([[0.5], [np.nan], [np.nan]])
outcome = simulate_targets(market, targets, Account(cash=1_000), Costs(fee=0.01))
print(outcome.fills["fee"].tolist())
"""


def fees(folder: Path) -> str:
    env = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "kept")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, cwd=folder, capture_output=True, text=True,
        check=True, timeout=300,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.slow
def test_arithmetic_that_was_changed_is_compiled_anew(tmp_path: Path):
    shutil.copytree(PACKAGE, tmp_path / "cryptodask", ignore=shutil.ignore_patterns("__pycache__"))
    assert fees(tmp_path) == "[5.0]"
    file = tmp_path / "cryptodask" / "trading" / "orders.py"
    text = file.read_text()
    line = "    return max(notional * fee, minimum_fee) if notional > 0.0 else 0.0"
    assert line in text
    file.write_text(text.replace(line, line.replace("notional * fee", "2.0 * notional * fee")))
    assert fees(tmp_path) == "[10.0]"

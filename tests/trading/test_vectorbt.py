"""Simulations give what vectorbt gives, whose numbers were kept by ``benchmarks/simulate.py``.

``vectorbt.npz`` is what vectorbt 1.2.0 made of 40 coins and 1,500 days with fees and slippage: the
equity of each 50th day, the fills of three coins, and sums of the fills of all.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

KEPT = Path(__file__).with_name("vectorbt.npz")
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "simulate.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulate_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ours(benchmark: ModuleType) -> tuple[Any, Any]:
    equity, fills = benchmark.by_cryptodask(benchmark.made_up(40, 1_500))
    return equity, benchmark.rows_of(fills)


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_equity_is_that_of_vectorbt(ours: tuple[Any, Any]) -> None:
    with np.load(KEPT) as kept:
        assert kept["equity"].shape == (30, 40)
        close(ours[0][::50], kept["equity"])


def test_fills_are_those_of_vectorbt(ours: tuple[Any, Any]) -> None:
    fills = ours[1]
    with np.load(KEPT) as kept:
        close(fills[fills[:, 0] < 3], kept["fills"])


def test_sums_of_all_fills_are_those_of_vectorbt(ours: tuple[Any, Any]) -> None:
    fills = ours[1]
    coins = fills[:, 0].astype(int)
    with np.load(KEPT) as kept:
        assert kept["n"].sum() > 9_000
        assert np.bincount(coins).tolist() == kept["n"].tolist()
        close(np.bincount(coins, fills[:, 2]), kept["quantity"])
        close(np.bincount(coins, fills[:, 2] * fills[:, 3]), kept["notional"])
        close(np.bincount(coins, fills[:, 4]), kept["fee"])

"""Runs: what was asked, the engine that does it, and the folder that keeps it.

The names load on first use: the command makes its options from `cryptodask.runs.spec`, and needs
neither pandas nor Dask to print its help.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.runs.api import backtest, forecast, tune
    from cryptodask.runs.plan import read_plan
    from cryptodask.runs.session import Session
    from cryptodask.runs.spec import BacktestSpec, ForecastSpec, SearchSpec
    from cryptodask.runs.start import run_spec

__all__ = [
    "BacktestSpec",
    "ForecastSpec",
    "SearchSpec",
    "Session",
    "backtest",
    "forecast",
    "read_plan",
    "run_spec",
    "tune",
]

_HOME = {
    "Session": "cryptodask.runs.session",
    "read_plan": "cryptodask.runs.plan",
    "run_spec": "cryptodask.runs.start",
    **dict.fromkeys(("backtest", "forecast", "tune"), "cryptodask.runs.api"),
    **dict.fromkeys(("BacktestSpec", "ForecastSpec", "SearchSpec"), "cryptodask.runs.spec"),
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask.runs' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value

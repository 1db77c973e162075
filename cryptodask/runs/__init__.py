"""Runs: what was asked, the engine that does it, and the folder that keeps it."""

from cryptodask.runs.plan import read_plan
from cryptodask.runs.session import Session
from cryptodask.runs.start import backtest, forecast, run_spec, tune

__all__ = ["Session", "backtest", "forecast", "read_plan", "run_spec", "tune"]

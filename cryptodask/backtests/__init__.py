"""Backtests over partitions by futures, in memory or as a folder that can be resumed."""

from cryptodask.backtests.result import Backtest, open_backtest
from cryptodask.backtests.run import backtest

__all__ = ["Backtest", "backtest", "open_backtest"]

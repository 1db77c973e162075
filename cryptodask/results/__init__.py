"""What runs return, in memory, in a folder or in a store."""

from cryptodask.results.backtest import Backtest, open_backtest
from cryptodask.results.forecasts import Forecasts, open_forecasts
from cryptodask.results.search import SearchResult

__all__ = [
    "Backtest",
    "Forecasts",
    "SearchResult",
    "open_backtest",
    "open_forecasts",
]

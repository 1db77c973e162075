"""The kinds of runs: what differs between a forecast, a backtest and a search."""

"""Watching forecasts: one number a day over coins, and limits that a backtest gives.

`daily` makes numbers of rows, `resampling` and `limits` find what they do while nothing changes,
`reference` keeps that in a file, and `judging` compares a day with it. None of these reads a store;
`watching` does, and acts on what they decide.
"""

"""Regressions on lags and features, fitted in batches."""

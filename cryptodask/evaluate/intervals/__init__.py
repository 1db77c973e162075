"""Prediction intervals from past errors."""

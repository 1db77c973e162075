"""Prices from exchanges."""

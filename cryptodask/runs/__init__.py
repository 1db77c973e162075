"""Runs: what was asked, how it is cut into tasks, and where it is kept."""

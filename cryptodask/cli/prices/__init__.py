"""``cryptodask prices``: bring prices into a table, and check it."""

from cryptodask.cli.prices.app import prices_app

__all__ = ["prices_app"]

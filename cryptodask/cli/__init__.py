"""The command ``cryptodask``: parse, call, print; see `cryptodask.cli.app`."""

from cryptodask.cli.app import main

__all__ = ["main"]

"""`tune`, by the name that it had before there was `cryptodask.runs`."""

from cryptodask.runs import tune

__all__ = ["tune"]

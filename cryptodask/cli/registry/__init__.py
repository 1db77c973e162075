"""``cryptodask registry``: versions of trained models, and which of them is used."""

from cryptodask.cli.registry.app import registry_app

__all__ = ["registry_app"]

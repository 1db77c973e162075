"""Versions of trained models, their aliases, and what moves them.

The names load on first use: the command needs neither pandas nor Dask to print its help.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptodask.registry.cleaning import Rules
    from cryptodask.registry.export import Exported, export_mlflow
    from cryptodask.registry.gates import Gates
    from cryptodask.registry.registry import Registry
    from cryptodask.registry.scoring import score_versions
    from cryptodask.registry.training import predict, train
    from cryptodask.results.version import Version, open_version

__all__ = [
    "Exported",
    "Gates",
    "Registry",
    "Rules",
    "Version",
    "export_mlflow",
    "open_version",
    "predict",
    "score_versions",
    "train",
]

_HOME = {
    "Exported": "cryptodask.registry.export",
    "Gates": "cryptodask.registry.gates",
    "Registry": "cryptodask.registry.registry",
    "Rules": "cryptodask.registry.cleaning",
    "Version": "cryptodask.results.version",
    "export_mlflow": "cryptodask.registry.export",
    "open_version": "cryptodask.results.version",
    "predict": "cryptodask.registry.training",
    "score_versions": "cryptodask.registry.scoring",
    "train": "cryptodask.registry.training",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'cryptodask.registry' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value

"""Models that installed packages name by entry points."""

from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from cryptodask.errors import InputError, OptionError

ENTRY_POINTS = "cryptodask.models"
"""Group of the entry points by which installed packages name models of theirs."""


def installed(taken: Collection[str]) -> dict[str, EntryPoint]:
    """Return the entry points of models of installed packages, by name.

    Parameters
    ----------
    taken : collection of str
        Names that no package may use.

    Raises
    ------
    InputError
        A package uses one of these, or two use the same.
    """
    known: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        if entry.name in taken:
            raise InputError(
                f"{entry.name}: the package {_package(entry)} names a model as the catalog does; "
                "give it another name there, or uninstall it"
            )
        if known.get(entry.name, entry).value != entry.value:
            raise InputError(
                f"{entry.name}: the packages {_package(known[entry.name])} and {_package(entry)} "
                "both name a model so; uninstall one of them"
            )
        known[entry.name] = entry
    return known


def load_entry(entry: EntryPoint) -> Any:
    """Return what an entry point names.

    Parameters
    ----------
    entry : EntryPoint

    Raises
    ------
    OptionError
        It can't be imported.
    """
    try:
        return entry.load()
    except Exception as error:  # a package's code may raise anything
        raise OptionError(
            f"{entry.name}: the package {_package(entry)} names it as {entry.value}, which can't "
            f"be imported: {type(error).__name__}: {error}"
        ) from error


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value

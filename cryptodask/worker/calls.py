"""Small calls that the cluster makes on workers, whatever they work on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptodask.io.paths import visibility_error

__all__ = [
    "Rebuild", "call_on", "has_files", "rebuilt", "same", "visibility_error", "worker_address",
]  # fmt: skip


@dataclass(frozen=True)
class Rebuild:
    """How what a worker keeps of a task is made again, by whoever is given it in its place.

    Attributes
    ----------
    function : callable
        Of a module that workers can import.
    args : tuple
        Its arguments, among which rebuilds may be.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]


def rebuilt(state: Any) -> Any:
    """Return a state, which may have to be made again first."""
    if not isinstance(state, Rebuild):
        return state
    return state.function(*map(rebuilt, state.args))


def call_on(function: Callable[..., Any], state: Any, *args: Any) -> Any:
    """Call a function on a state and on other arguments."""
    return function(rebuilt(state), *args)


def same(value: Any) -> Any:
    """Return a value, which lies on a worker then."""
    return value


def has_files(sizes: dict[str, int]) -> bool:
    """Tell whether this worker sees files, with these sizes in bytes."""
    return all(
        visibility_error(Path(path), size) is None and Path(path).is_file()
        for path, size in sizes.items()
    )


def worker_address() -> str:
    """Return the address of the worker that this runs on, or "local"."""
    from dask.distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return "local"

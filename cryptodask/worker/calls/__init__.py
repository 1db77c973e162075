"""Small calls that the cluster makes on workers, whatever they work on."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptodask.errors import CryptoDaskError, ForecastError, exit_message
from cryptodask.io.modules import digest_of
from cryptodask.io.paths import AnyPath, exists, fresh

Action = Callable[[], object]
"""Of a module that workers can import; called twice, it does no more than once."""


@dataclass(frozen=True)
class Rebuild:
    """How the state of a task is made again, by the worker that gets this in place of the state.

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
    """Return a state, made again if need be.

    Parameters
    ----------
    state : Any
        A state, or a `Rebuild` of one.
    """
    if not isinstance(state, Rebuild):
        return state
    return state.function(*map(rebuilt, state.args))


def call_on(function: Callable[..., Any], state: Any, *args: Any) -> Any:
    """Call a function on a state and on other arguments.

    Parameters
    ----------
    function : callable
    state : Any
        A state, or a `Rebuild` of one.
    *args
    """
    return function(rebuilt(state), *args)


def same(value: Any) -> Any:
    """Return a value, which lies on a worker then.

    Parameters
    ----------
    value : Any
    """
    return value


def visibility_error(path: AnyPath, size: int) -> str | None:
    """Return why this process does not see a file of this size, or None where it does.

    Parameters
    ----------
    path : Path or UPath
    size : int
        In bytes.
    """
    try:
        if not exists(path):
            return "it is not there"
        there = fresh(path).stat().st_size
    except (CryptoDaskError, OSError) as error:
        return str(error)
    return None if there == size else f"it has {there} bytes, and not {size}"


def has_files(sizes: dict[str, int]) -> bool:
    """Whether this worker sees files.

    Parameters
    ----------
    sizes : dict of str to int
        Bytes of each file, by its path.
    """
    return all(
        visibility_error(Path(path), size) is None and Path(path).is_file()
        for path, size in sizes.items()
    )


def worker_address() -> str:
    """Return the address of the worker that this runs on, or "local"."""
    worker = _worker()
    return "local" if worker is None else str(worker.address)


def worker_is_closing() -> bool:
    """Return whether the worker that this runs on is about to end."""
    worker = _worker()
    if worker is None:
        return False
    from distributed.worker import WORKER_ANY_RUNNING

    return worker.status not in WORKER_ANY_RUNNING


def _worker() -> Any:
    """Return the worker that this runs on, or None in a process that has none."""
    # A worker has imported it; importing it takes longer than what a run without one needs.
    if "distributed.worker" not in sys.modules:
        return None
    from dask.distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


def has_module(name: str, digest: str) -> str | None:
    """Return why this worker does not use a user's module as the client has it, or None.

    Parameters
    ----------
    name : str
    digest : str
        SHA-256 of the module's file.
    """
    try:
        path = str(import_module(name).__file__)
    except Exception as error:  # noqa: BLE001 - it is a user's code, which may raise anything
        return f"can't import {name}: {type(error).__name__}: {error}"
    return None if digest_of(path) == digest else f"its {name}, {path}, is another than here"


def claim_module(name: str, digest: str, client: str, dask_scheduler: Any) -> bool:
    """Note on the scheduler which file of a module a client uses.

    Parameters
    ----------
    name : str
        Of the module.
    digest : str
        SHA-256 of its file.
    client : str
        Its id.
    dask_scheduler : Scheduler

    Returns
    -------
    bool
        Whether another client, which is still connected, uses another file.
    """
    claims = dask_scheduler.extensions.setdefault("cryptodask-modules", {})
    there, clients = claims.get(name, (digest, set()))
    others = {other for other in clients if other in dask_scheduler.clients and other != client}
    if there != digest and others:
        return True
    claims[name] = digest, others | {client}
    return False


@dataclass(frozen=True)
class Sealed:
    """An argument that only the worker opens which runs the call.

    The scheduler opens the arguments of calls, and has no user's modules.

    Attributes
    ----------
    content : bytes
        As Dask pickles it.
    """

    content: bytes


def call_opened(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function on arguments; the sealed ones are opened first.

    Parameters
    ----------
    function : callable
    *args
    """
    from distributed.protocol import pickle

    # From the client, as all arguments of this worker's tasks are.
    opened = (pickle.loads(a.content) if isinstance(a, Sealed) else a for a in args)
    try:
        return function(*opened)
    except SystemExit as error:  # it would end the worker, as if that had died
        raise ForecastError(f"code of yours {exit_message(error)}") from error

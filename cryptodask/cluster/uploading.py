"""Users' modules, brought to all workers, and to those that join later, by Dask's `UploadFile`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cryptodask.cluster.broadcast import ask_workers, scheduler_errors
from cryptodask.errors import ClusterError, OptionError
from cryptodask.io.modules import (
    MAIN,
    ModuleFile,
    digest_of,
    is_installed,
    library_files,
    modules_of,
    own_files,
)
from cryptodask.worker.calls import Sealed, call_opened, claim_module, has_module

if TYPE_CHECKING:
    from dask.distributed import Client, Future

    from cryptodask.cluster.in_process import InProcess

_sent: "WeakKeyDictionary[Client | InProcess, dict[str, str]]" = WeakKeyDictionary()

INSTALL = (
    "install the package on all workers, by `pip install` or the variable EXTRA_PIP_PACKAGES of "
    "Dask's images, and restart them; or write the model in one file, which is uploaded"
)


def upload_modules(client: "Client", values: Sequence[Any]) -> None:
    """Have all workers use the modules of users and of other packages that this process uses.

    A module of one file is uploaded; installed packages, and parts of others, must be there
    already, the same as here. One module of a name is used on a scheduler at a time: whoever comes
    second with another file is refused while the first is connected.

    Parameters
    ----------
    client : Client
    values : sequence of Any
        What is made of these modules, such as models.

    Raises
    ------
    OptionError
        A file was changed after it was imported here.
    ClusterError
        Another client uses another module of the name; or a worker can't import it, or has another.
    """
    if getattr(getattr(client, "cluster", None), "processes", True) is False:
        return  # workers are threads of this process
    known = _sent.setdefault(client, {})
    modules = modules_of(values)
    if MAIN in modules:
        known[MAIN] = ""  # travels with the calls
    for file in (*own_files(modules), *library_files(modules)):
        if digest_of(file.path) != file.digest:
            raise OptionError(
                f"{file.path}: was changed after it was imported here, so that workers would run "
                "other code than this process; start Python again, or importlib.reload it"
            )
        if _is_sent(file) and known.get(file.module) != file.digest:
            _claim(client, file)
            _upload(client, file)
        _check(client, file)
        known[file.module] = file.digest


def submit_sealed(
    client: "Client | InProcess", function: Callable[..., Any], args: Sequence[Any], **how: Any
) -> "Future":
    """Submit a call whose arguments the scheduler can open, though it has no user's modules.

    All calls of a run are submitted by this: what steps of a user's model return, and send each
    other, may be of the user's classes, too.

    Parameters
    ----------
    client : Client or InProcess
    function : callable
        Of a module that workers can import.
    args : sequence of Any
        Those that are made of modules of `upload_modules` are sealed, but no future, nor what has
        futures in it.
    **how
        As ``client.submit`` has it.
    """
    sent = _sent.get(client)
    if not sent:
        return client.submit(function, *args, **how)
    from distributed.protocol import pickle

    named = sent.keys()
    sealed = [
        arg if named.isdisjoint(modules_of([arg])) else Sealed(pickle.dumps(arg)) for arg in args
    ]
    return client.submit(call_opened, function, *sealed, **how)


def _is_sent(file: ModuleFile) -> bool:
    """Whether a module is one file of a user, which is uploaded."""
    return file.is_single and not is_installed(file.path)


def _claim(client: "Client", file: ModuleFile) -> None:
    """Take the module's name on the scheduler, unless others use it for another file."""
    with scheduler_errors(client):
        taken = client.run_on_scheduler(claim_module, file.module, file.digest, client.id)
    if taken:
        raise ClusterError(
            f"{file.path}: another client of this scheduler runs another {file.module}.py, and "
            f"workers can have one; name yours otherwise, or wait until it has ended"
        )


def _upload(client: "Client", file: ModuleFile) -> None:
    from cryptodask.worker.calls.upload import UploadModule

    try:
        client.register_plugin(UploadModule(file.path), name=f"cryptodask-{file.module}")
    except Exception as error:
        raise ClusterError(
            f"{file.path}: can't be imported on the workers: {type(error).__name__}: {error}; "
            "install there what it imports, or write it into this one file"
        ) from error


def _check(client: "Client", file: ModuleFile) -> None:
    """See that all workers import the same module as this process."""
    answers = ask_workers(client, has_module, file.module, file.digest)
    faults = {worker: why for worker, why in answers.items() if why is not None}
    if faults:
        worker, why = sorted(faults.items())[0]
        advice = f"see why there, or start the workers again: {Path(file.path).name} was uploaded"
        raise ClusterError(
            f"{file.module}: worker {worker}: {why}; {advice if _is_sent(file) else INSTALL}"
        )

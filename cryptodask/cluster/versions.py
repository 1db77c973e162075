"""What client, scheduler and workers run, and which differences matter."""

from collections.abc import Mapping
from typing import Any

from dask.distributed import Client

from cryptodask.cluster.broadcast import scheduler_errors
from cryptodask.errors import ClusterError

PACKAGES = ("cryptodask", "numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
"""Whose versions decide what a forecast is, besides Python's and Dask's."""

EXACT = ("cryptodask", "dask", "distributed")
"""Packages that client and workers need in the same version: each version may change what they
send each other."""

MAJOR = ("numpy", "pandas", "pyarrow")
"""Packages that they need in the same major version, since arrays and frames travel pickled."""

Versions = Mapping[str, str | None]
"""Of one process, by package, and of ``python``; None where a package is not installed."""


def versions_of(client: Client) -> dict[str, Versions]:
    """Return the versions of ``client``, ``scheduler`` and each worker, by its address.

    Parameters
    ----------
    client : Client

    Raises
    ------
    ClusterError
        The scheduler is gone.
    """
    with scheduler_errors(client):
        replies = client.get_versions(check=False, packages=list(PACKAGES))
    workers: dict[str, Any] = replies.pop("workers")
    # A worker that left meanwhile has none.
    return {name: _flat(reply) for name, reply in (replies | workers).items() if reply}


def check_versions(client: Client) -> None:
    """See that the cluster can do this client's work.

    Parameters
    ----------
    client : Client

    Raises
    ------
    ClusterError
        A difference that matters, see `mismatches`; or the scheduler is gone.
    """
    differences = mismatches(versions_of(client))
    if differences:
        raise ClusterError(
            "versions differ: " + "; ".join(differences) + ". Install the same on all of them"
        )


def mismatches(versions: Mapping[str, Versions]) -> list[str]:
    """Return a line for each difference between the client and others that matters.

    Python has to have the same two first numbers everywhere, `EXACT` and `MAJOR` say the rest. A
    scheduler needs Python and Dask only: what clients and workers send each other, it does not
    open. Other differences change forecasts in their last bits at most.

    Parameters
    ----------
    versions : mapping
        Of ``client``, ``scheduler`` and each worker; see `versions_of`.
    """
    client = versions["client"]
    lines: dict[str, list[str]] = {}
    for name, other in versions.items():
        for package in ("python", *EXACT, *MAJOR):
            ours, theirs = client.get(package), other.get(package)
            spared = name == "scheduler" and package in ("cryptodask", *MAJOR)
            if ours is None or spared or _same(package, ours, theirs):
                continue
            line = f"{package} is {theirs or 'not installed'} there and {ours} here"
            lines.setdefault(line, []).append(name)
    return [f"{_named(names)}: {line}" for line, names in lines.items()]


def _same(package: str, ours: str, theirs: str | None) -> bool:
    if theirs is None:
        return False
    numbers = {"python": 2} | dict.fromkeys(MAJOR, 1)
    count = numbers.get(package)
    return ours.split(".")[:count] == theirs.split(".")[:count]


def _named(names: list[str]) -> str:
    """Name a few and count the rest."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _flat(reply: Mapping[str, Any]) -> Versions:
    python = ".".join(reply["host"]["python"].split(".")[:3])
    return {**reply["packages"], "python": python}

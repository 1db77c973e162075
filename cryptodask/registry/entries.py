"""What a registry knows of a version from its folder: whether it is whole, and its facts."""

from datetime import datetime
from typing import Any

import attrs
import numpy as np

from cryptodask.errors import CryptoDaskError, TableError, VersionError
from cryptodask.io.files import damage
from cryptodask.io.paths import AnyPath, each
from cryptodask.results.manifest import Manifest, read_manifest
from cryptodask.results.version_facts import KIND, read_facts, read_time

FINISHED, UNFINISHED, DAMAGED = "finished", "unfinished", "damaged"


@attrs.frozen(kw_only=True)
class Entry:
    """A version in a registry.

    Attributes
    ----------
    name : str
    number : int
    folder : Path or UPath
    aliases : tuple of str
        That point to it.
    manifest : Manifest or None
        None of one that was not finished, or is damaged.
    problem : str
        Why it can't be read; empty where it can.
    """

    name: str
    number: int
    folder: AnyPath
    aliases: tuple[str, ...] = ()
    manifest: Manifest | None = None
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"

    @property
    def status(self) -> str:
        """Whether it is finished, unfinished or damaged."""
        if self.manifest is not None:
            return FINISHED
        return DAMAGED if self.problem else UNFINISHED

    @property
    def facts(self) -> dict[str, Any]:
        """What it says of itself; empty of one that is not finished."""
        return {} if self.manifest is None else self.manifest.facts

    @property
    def trained(self) -> datetime:
        """When it was trained, in UTC; of a finished one."""
        return read_time(self.facts["trained"])

    @property
    def last(self) -> np.datetime64:
        """The last date that it was trained on; of a finished one."""
        return np.datetime64(self.facts["last"], "s")

    @property
    def size(self) -> int:
        """Bytes of the files that its manifest names."""
        if self.manifest is None:
            return 0
        return sum(record.size for record in (*self.manifest.files, *self.manifest.beside))

    def summary(self) -> dict[str, Any]:
        """Return what is known of it, as JSON can hold it."""
        content: dict[str, Any] = {
            "name": self.name,
            "version": self.number,
            "status": self.status,
            "aliases": list(self.aliases),
            "folder": str(self.folder),
        }
        if self.problem:
            content["problem"] = self.problem
        if self.manifest is not None:
            content |= {
                "horizon": self.manifest.horizon,
                "seed": self.manifest.seed,
                "intervals": self.manifest.intervals,
                "features": self.manifest.features,
                "size": self.size,
                **self.facts,
            }
        return content

    def check(self) -> Manifest:
        """Return the manifest of a version that can be used.

        Raises
        ------
        VersionError
            It is not finished, or damaged.
        """
        if self.manifest is not None:
            return self.manifest
        if self.problem:
            raise VersionError(f"{self}: {self.problem}")
        raise VersionError(
            f"{self}: its training did not end; `cryptodask resume {self.folder}` ends it"
        )

    def check_files(self) -> None:
        """See that each file is as it was written; those of this machine are read for that.

        Raises
        ------
        VersionError
            One is not; the message names it.
        """
        manifest = self.check()
        records = {self.folder / r.name: r for r in (*manifest.files, *manifest.beside)}
        reasons = each(lambda path: damage(path, records[path]), list(records))
        for path, reason in zip(records, reasons, strict=True):
            if reason is not None:
                raise VersionError(
                    f"{self}: {path.name} is damaged: {reason}; restore it from a copy, or train "
                    "another version"
                )


def read_entry(name: str, number: int, folder: AnyPath, aliases: tuple[str, ...] = ()) -> Entry:
    """Return what the folder of a version says; what can't be read is its ``problem``.

    Parameters
    ----------
    name : str
    number : int
    folder : Path or UPath
    aliases : tuple of str
        That point to it.
    """
    entry = Entry(name=name, number=number, folder=folder, aliases=aliases)
    try:
        manifest = read_manifest(folder, [KIND])
        read_facts(manifest.facts, str(folder))
    except TableError:
        return entry
    except CryptoDaskError as error:
        return attrs.evolve(entry, problem=str(error))
    return attrs.evolve(entry, manifest=manifest)

"""What a registry knows of a version from its folder: whether it is whole, and its facts."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import numpy as np

from cryptodask.errors import CryptoDaskError, TableError, VersionError
from cryptodask.io.files import damage
from cryptodask.io.paths import AnyPath, each
from cryptodask.results.manifest import MANIFEST, Manifest, read_manifest

KIND = "parameters"
"""How names of a version's files begin."""

FINISHED, UNFINISHED, DAMAGED = "finished", "unfinished", "damaged"

FACTS: Mapping[str, type] = {
    "format": int, "model": dict, "freq": str, "coins": int, "prices": str, "first": str,
    "last": str, "trained": str, "by": str, "code": str,
}  # fmt: skip
"""What each version says of itself, of what is used here, and the types."""


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
        check_facts(manifest.facts, f"{folder / MANIFEST}: facts")
    except TableError:
        return entry
    except CryptoDaskError as error:
        return attrs.evolve(entry, problem=str(error))
    return attrs.evolve(entry, manifest=manifest)


def check_facts(facts: Mapping[str, Any], where: str) -> None:
    """See that a version says of itself what is used here.

    Parameters
    ----------
    facts : mapping of str to Any
    where : str
        File and key, with which the message begins.

    Raises
    ------
    VersionError
        A key is missing, or of another type.
    """
    for key, kind in FACTS.items():
        value = facts.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise VersionError(
                f"{where}: {key}: must be of type {kind.__name__}, got {value!r}; use the release "
                "that wrote it, or train it again"
            )
    for key in ("first", "last"):
        try:
            np.datetime64(facts[key], "s")
        except ValueError as error:
            raise VersionError(f"{where}: {key}: {error}") from error
    if "name" not in facts["model"] or not isinstance(facts["model"].get("options"), dict):
        raise VersionError(f"{where}: model: has no name with options, got {facts['model']!r}")
    try:
        read_time(facts["trained"])
    except ValueError as error:
        raise VersionError(f"{where}: trained: {error}") from error


def read_time(text: str) -> datetime:
    """Return a moment that was written by ISO 8601; without a zone it is UTC.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        It is none.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

"""What is in a registry: names, versions, references to them, and their scores."""

import os
import re
from typing import TYPE_CHECKING, NamedTuple, Union

from cryptodask.charts import facts_html, table_html
from cryptodask.errors import CryptoDaskError, VersionError
from cryptodask.io.paths import AnyPath, each, exists, is_folder, names_in, resolved
from cryptodask.io.stores import store_of
from cryptodask.registry.entries import Entry, read_entry
from cryptodask.registry.layout import (
    CHAMPION,
    NAME,
    Reference,
    check_name,
    version_folder,
    versions_of,
)
from cryptodask.registry.scores import Score, read_score
from cryptodask.registry.state import RESTORE, STATE, Change, State, read_state
from cryptodask.text import shown_names

if TYPE_CHECKING:
    from upath import UPath

SCORES = "scores"
SHOWN = 20
"""Names that a notebook lists."""

_NUMBER = re.compile("[1-9][0-9]{0,8}")


class Found(NamedTuple):
    """A version that a reference names.

    Attributes
    ----------
    name : str
    number : int
    folder : Path or UPath
    """

    name: str
    number: int
    folder: AnyPath


class RegistryReader:
    """Versions of trained models, in a folder or a store, to look at.

    Parameters
    ----------
    path : str, path or UPath
        A folder, or a URL that fsspec knows, as ``s3://bucket/models``. It may be empty.

    Raises
    ------
    OptionError
        A URL is of a protocol that keeps nothing.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]", "UPath"]) -> None:
        self.path: AnyPath = resolved(store_of(path))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Return names, numbers of versions and aliases for a notebook; no version is read."""
        names = self.names()
        rows = [(name, len(self.numbers(name)), self._aliases(name)) for name in names[:SHOWN]]
        table = table_html(["name", "versions", "aliases"], rows, len(names) - SHOWN)
        return facts_html(type(self).__name__, {"files": self.path}) + table

    def _aliases(self, name: str) -> str:
        """Return the aliases of a name, or what is wrong with it."""
        try:
            aliases = self.state(name).aliases
        except CryptoDaskError as error:
            return f"damaged: {error}"
        return ", ".join(f"{alias}: {number}" for alias, number in sorted(aliases.items()))

    def names(self) -> list[str]:
        """Return the names of models that have a version, or had one."""
        if not is_folder(self.path):
            return []
        names = sorted(name for name in names_in(self.path) if NAME.fullmatch(name))
        folders = {self.path / name: name for name in names}
        there = each(lambda p: exists(p / STATE) or is_folder(p / "versions"), list(folders))
        return [name for name, is_name in zip(names, there, strict=True) if is_name]

    def state(self, name: str) -> State:
        """Return aliases, deleted versions and log of a name.

        Raises
        ------
        VersionError
            The registry has no such name, or its state is damaged or gone.
        """
        state = read_state(self.folder(name))
        if state is None and self.numbers(name):
            raise self._lost(name)
        if state is None:
            names = shown_names(self.names()) or "none"
            raise VersionError(
                f"{self.path}: has no model {name!r}; there: {names}; "
                f"`cryptodask train --registry {self.path}` adds one"
            )
        return state

    def log(self, name: str) -> list[Change]:
        """Return each change of a name, the latest last."""
        return self.state(name).log

    def versions(self, name: str) -> list[Entry]:
        """Return the versions of a name by number: finished, unfinished and damaged ones."""
        return self.entries(name, self.state(name))

    def find(self, reference: str) -> Found:
        """Return the version that a reference names.

        Parameters
        ----------
        reference : str
            ``NAME`` (its champion), ``NAME@ALIAS`` or ``NAME:NUMBER``.

        Raises
        ------
        VersionError
            There is none, it is deleted, or it is not finished; the message lists what is there.
        """
        entry = self.entry(reference)
        entry.check()
        return Found(entry.name, entry.number, entry.folder)

    def entry(self, reference: str) -> Entry:
        """Return what is known of a version, finished or not; see `find`."""
        wanted = Reference.parse(reference)
        state = self.state(wanted.name)
        number = wanted.number
        if number is None:
            number = state.aliases.get(wanted.alias or CHAMPION)
        if number is None:
            raise self._no_alias(wanted, state)
        folder = version_folder(self.path, wanted.name, number)
        if number in state.deleted:
            raise VersionError(f"{wanted}: was deleted; there: {self.listed(wanted.name, state)}")
        if not is_folder(folder):
            raise VersionError(
                f"{wanted}: {self.path} has no such version; there: "
                f"{self.listed(wanted.name, state)}"
            )
        return read_entry(wanted.name, number, folder, state.aliases_of(number))

    def score(self, entry: Entry) -> Score | None:
        """Return the score of a finished version; None where it was not scored."""
        return read_score(self.score_path(entry), entry.check().key)

    def entry_number(self, name: str, alias: str) -> int:
        """Return the number to which an alias points; see `find`."""
        state = self.state(name)
        if alias not in state.aliases:
            raise self._no_alias(Reference(name, check_name("alias", alias), None), state)
        return state.aliases[alias]

    def folder(self, name: str) -> AnyPath:
        """Return the folder of a name, which may not be there.

        Raises
        ------
        VersionError
            The name can't be a folder's.
        """
        return self.path / check_name("model", name)

    def unlock_command(self, name: str) -> str:
        """Return the command that frees the lock of a name after a process was killed."""
        return f"cryptodask registry gc {name} --registry {self.path} --unlock"

    def score_path(self, entry: Entry) -> AnyPath:
        """Return the file of a version's score."""
        return self.folder(entry.name) / SCORES / f"{entry.number}.json"

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of versions that have a folder, rising."""
        folder = versions_of(self.path, name)
        if not is_folder(folder):
            return []
        return sorted(int(file) for file in names_in(folder) if _NUMBER.fullmatch(file))

    def entries(self, name: str, state: State) -> list[Entry]:
        """Return the versions of a name that are not deleted, by number."""
        numbers = [number for number in self.numbers(name) if number not in state.deleted]
        folders = {version_folder(self.path, name, number): number for number in numbers}

        def read(folder: AnyPath) -> Entry:
            number = folders[folder]
            return read_entry(name, number, folder, state.aliases_of(number))

        return each(read, list(folders))

    def listed(self, name: str, state: State) -> str:
        """Return the versions of a name, for messages."""
        entries = self.entries(name, state)
        texts = []
        for entry in reversed(entries):
            words = [*entry.aliases, *([] if entry.manifest else [entry.status])]
            texts.append(f"{entry} ({', '.join(words)})" if words else str(entry))
        return shown_names(texts) or "no version"

    def _no_alias(self, wanted: Reference, state: State) -> VersionError:
        """Return the error of an alias that is not there, with those that are."""
        listed = self.listed(wanted.name, state)
        if wanted.alias == CHAMPION:
            return VersionError(
                f"{wanted.name}: has no champion yet; `cryptodask registry promote "
                f"{wanted.name}:NUMBER --registry {self.path}` makes a version the champion; "
                f"there: {listed}"
            )
        known = ", ".join(f"{a} (version {n})" for a, n in sorted(state.aliases.items())) or "none"
        return VersionError(f"{wanted}: has no such alias; aliases: {known}; versions: {listed}")

    def _lost(self, name: str) -> VersionError:
        """Return the error of versions without a state."""
        folder = versions_of(self.path, name)
        return VersionError(
            f"{self.folder(name) / STATE}: is missing, and versions are there: which of them is "
            f"the champion is not known; {RESTORE}, or move {folder} elsewhere"
        )

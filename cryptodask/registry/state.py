"""The state of a name in a registry: aliases, deleted versions, and a log of each change.

It is one file, replaced in one step under the name's lock. An alias and the entry of the log that
says why it moved are thus written together, and whoever reads, without a lock, gets the state
before a change or after it. Numbers of deleted versions stay in it: a version is deleted once its
number is there, whether or not its files are gone yet.
"""

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import attrs

from cryptodask.errors import InputError, PromotionError, VersionError
from cryptodask.io.files import read_json
from cryptodask.io.lock import locked
from cryptodask.io.paths import AnyPath
from cryptodask.io.sealed import unseal, write_sealed
from cryptodask.io.structure import structured
from cryptodask.registry.entries import Entry
from cryptodask.registry.gates import GateResult
from cryptodask.registry.layout import CHAMPION, PREVIOUS, check_name
from cryptodask.results.version_facts import read_time

STATE, LOCK = "state.json", "_lock"

FORMAT, VERSION = "cryptodask-registry", 1

PATIENCE = 10.0
"""Seconds to wait for another process that changes the same name."""

What = Literal["number", "promote", "rollback", "alias", "unalias", "delete", "gc"]


@attrs.frozen(kw_only=True)
class Change:
    """An entry of the log.

    Attributes
    ----------
    when : str
        In UTC, by ISO 8601.
    who : str
        As ``user@machine``.
    what : str
        ``number`` where a number was taken to train a version.
    version : int
    alias : str or None
        That was moved.
    before : int or None
        The version to which it pointed.
    reason : str
    gates : list of GateResult
        What was checked.
    """

    when: str
    who: str
    what: What
    version: int
    alias: str | None = None
    before: int | None = None
    reason: str = ""
    gates: list[GateResult] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class State:
    """The state of a name.

    Attributes
    ----------
    format : str
    version : int
        Of this format.
    taken : int
        The highest number that was given to a version; none is given twice.
    aliases : dict of str to int
    deleted : list of int
        Numbers, rising.
    log : list of Change
        The latest last.
    """

    format: str = FORMAT
    version: int = VERSION
    taken: int = 0
    aliases: dict[str, int] = attrs.field(factory=dict)
    deleted: list[int] = attrs.field(factory=list)
    log: list[Change] = attrs.field(factory=list)

    def aliases_of(self, number: int) -> tuple[str, ...]:
        """Return the aliases that point to a version, in order."""
        return tuple(sorted(name for name, to in self.aliases.items() if to == number))

    def take(self, number: int, change: Change) -> "State":
        """Return the state in which a number is given to a version."""
        return self._changed(change, taken=number)

    def move(self, change: Change) -> "State":
        """Return the state in which an alias points to the version of a change.

        Where the champion moves, the one before is ``previous`` in the same state.
        """
        assert change.alias is not None
        return self._changed(change, aliases=moved(self.aliases, change))

    def drop(self, change: Change) -> "State":
        """Return the state without the alias of a change."""
        return self._changed(change, aliases=moved(self.aliases, change))

    def delete(self, *changes: Change) -> "State":
        """Return the state in which versions are deleted."""
        numbers = sorted({*self.deleted, *(change.version for change in changes)})
        return attrs.evolve(self, deleted=numbers, log=[*self.log, *changes])

    def _changed(self, change: Change, **fields: Any) -> "State":
        return attrs.evolve(self, log=[*self.log, change], **fields)


def moved(aliases: Mapping[str, int], change: Change) -> dict[str, int]:
    """Return the aliases after a change.

    Parameters
    ----------
    aliases : mapping of str to int
        Before it.
    change : Change
        Of any kind; those that move no alias change nothing.
    """
    after = dict(aliases)
    if change.alias is None:
        return after
    if change.what == "unalias":
        after.pop(change.alias, None)
        return after
    after[change.alias] = change.version
    if change.alias == CHAMPION and change.before is not None:
        after[PREVIOUS] = change.before
    return after


def note(what: What, version: int, **fields: Any) -> Change:
    """Return an entry of the log, of now and of the user of this process.

    Parameters
    ----------
    what : str
    version : int
    **fields
        The other ones of `Change`.
    """
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Change(when=when, who=user(), what=what, version=version, **fields)


def user() -> str:
    """Return who runs this process, as ``user@machine``."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # of a user number without a name, as in containers
        name = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return f"{name}@{socket.gethostname()}"


def read_state(folder: AnyPath) -> State | None:
    """Read the state of a name; None where none was written.

    Parameters
    ----------
    folder : Path or UPath
        Of the name.

    Raises
    ------
    VersionError
        It is damaged, was changed by hand, or is of a newer release; the message names file and
        key.
    """
    path = folder / STATE
    try:
        content = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except InputError as error:
        raise VersionError(str(error)) from error
    damage = unseal(content)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        shown = repr(content.get("format") if isinstance(content, dict) else content)[:60]
        raise VersionError(f"{path}: format: is not the state of a name, but {shown}; {RESTORE}")
    if content.get("version") != VERSION:
        raise VersionError(
            f"{path}: version: {content.get('version')!r}, and this CryptoDask reads {VERSION}; "
            "use the release that wrote it"
        )
    try:
        state = structured(State, content, str(path))
        check_state(state, str(path))
    except VersionError:
        raise
    except InputError as error:
        raise VersionError(f"{error}; {RESTORE}") from error
    if damage is not None:
        raise VersionError(f"{path}: {damage}; {RESTORE}")
    return state


RESTORE = "restore it from a copy"


def check_state(state: State, where: str) -> None:
    """See that what a state says fits together.

    Parameters
    ----------
    state : State
    where : str
        File, with which the message begins.

    Raises
    ------
    VersionError
        It does not.
    """

    def refuse(key: str, why: str) -> VersionError:
        return VersionError(f"{where}: {key}: {why}; {RESTORE}")

    if state.deleted != sorted({n for n in state.deleted if 1 <= n <= state.taken}):
        raise refuse("deleted", f"must be numbers from 1 to {state.taken}, rising")
    for alias, number in state.aliases.items():
        check_name(f"{where}: aliases", alias)
        if not 1 <= number <= state.taken:
            raise refuse(f"aliases: {alias}", f"must be 1 to {state.taken}, got {number}")
        if number in state.deleted:
            raise refuse(f"aliases: {alias}", f"points to {number}, which is deleted")
    aliases: dict[str, int] = {}
    for i, change in enumerate(state.log):
        if change.what not in get_args(What):
            raise refuse(f"log: {i}: what", f"must be a change, got {change.what!r}")
        try:
            read_time(change.when)
        except ValueError as error:
            raise refuse(f"log: {i}: when", str(error)) from error
        aliases = moved(aliases, change)
    if aliases != state.aliases:
        raise refuse("aliases", "are not those to which the changes of the log lead")


def change_state(folder: AnyPath, decide: Callable[[State], State], unlock: str = "") -> State:
    """Change the state of a name in one step, under its lock.

    Parameters
    ----------
    folder : Path or UPath
        Of the name, which is there.
    decide : callable
        Returns the new state, from the one that is there; what it raises changes nothing.
    unlock : str
        See `cryptodask.io.lock.locked`.

    Returns
    -------
    State
        The new one.

    Raises
    ------
    TableError
        Another process holds the lock.
    VersionError
        See `read_state`.
    """
    with locked(folder, LOCK, patience=PATIENCE, unlock=unlock):
        before = read_state(folder) or State()
        after = decide(before)
        if after != before:
            write_sealed(attrs.asdict(after), folder / STATE)
        return after


def check_kept(state: State, entry: Entry) -> None:
    """See that a version is not deleted.

    Raises
    ------
    VersionError
        It is.
    """
    if entry.number in state.deleted:
        raise VersionError(f"{entry}: was deleted meanwhile; nothing was changed")


def check_unmoved(state: State, alias: str, seen: int | None, name: str) -> None:
    """See that an alias still points to the version that was looked at.

    Parameters
    ----------
    state : State
        As it is now.
    alias : str
    seen : int or None
        The version; None where there was no such alias.
    name : str
        Of the model.

    Raises
    ------
    PromotionError
        Another process moved it; the message says who, when and why.
    """
    current = state.aliases.get(alias)
    if current == seen:
        return
    last = next((c for c in reversed(state.log) if alias in moved({}, c) or c.alias == alias), None)
    by = f" by {last.who} at {last.when} ({last.reason or last.what})" if last else ""
    shown = ["none" if number is None else f"{name}:{number}" for number in (seen, current)]
    raise PromotionError(
        f"{name}@{alias}: was {shown[0]} and is {shown[1]} since a change{by}; nothing was "
        "changed: look at it, and do this again"
    )

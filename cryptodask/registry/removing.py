"""Deleting versions, and removing what is not needed.

A version is deleted by one write of the state; its files go after that. Where a process is killed
in between, the version is not served any more, and the next cleaning removes what is left.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from cryptodask.errors import VersionError
from cryptodask.io.lock import locked, nothing_to_unlock
from cryptodask.io.paths import is_folder, names_in, remove
from cryptodask.registry.cleaning import (
    Removal,
    Rules,
    choose_removals,
    last_written,
    remove_drafts,
    remove_folder,
)
from cryptodask.registry.entries import UNFINISHED
from cryptodask.registry.layout import version_folder
from cryptodask.registry.reading import SCORES, RegistryReader
from cryptodask.registry.state import LOCK, State, change_state, check_kept, note


def delete_version(registry: RegistryReader, reference: str, reason: str = "") -> None:
    """Delete a version; see `cryptodask.registry.Registry.delete`."""
    from cryptodask.runs.folder import LOCK as RUN_LOCK

    entry = registry.entry(reference)

    def mark(state: State) -> State:
        check_kept(state, entry)
        aliases = state.aliases_of(entry.number)
        if aliases:
            raise VersionError(
                f"{entry}: is {', '.join(aliases)}; promote another version, or remove the alias: "
                f"`cryptodask registry alias {entry.name} {aliases[0]} --remove`"
            )
        return state.delete(note("delete", entry.number, reason=reason))

    # Nobody trains it while it goes.
    with locked(entry.folder, RUN_LOCK):
        change_state(registry.folder(entry.name), mark, registry.unlock_command(entry.name))
        remove_files(registry, entry.name, [entry.number])


def collect_garbage(
    registry: RegistryReader, name: str, rules: Rules, *, dry_run: bool, unlock: bool
) -> list[Removal]:
    """Remove what is not needed; see `cryptodask.registry.Registry.gc`."""
    folder, state = registry.folder(name), registry.state(name)
    if unlock:
        _remove_lock(registry, name)
    chosen: list[Removal] = []
    with ExitStack() as held:

        def mark(current: State) -> State:
            chosen[:] = _removals(registry, name, current, rules, held)
            if dry_run:
                return current
            for part in (folder, folder / SCORES):
                remove_drafts(part)
            if not chosen:
                return current
            return current.delete(*(note("gc", r.number, reason=r.why) for r in chosen))

        if dry_run:
            mark(state)
        else:
            state = change_state(folder, mark, registry.unlock_command(name))
        leftovers = set(registry.numbers(name)) & set(state.deleted)
        if not dry_run:
            remove_files(registry, name, state.deleted)
    why = "deleted, and files were left"
    rest = sorted(leftovers - {removal.number for removal in chosen})
    return [
        *(
            Removal(name=name, number=n, why=why, folder=version_folder(registry.path, name, n))
            for n in rest
        ),
        *chosen,
    ]


def _removals(
    registry: RegistryReader, name: str, state: State, rules: Rules, held: ExitStack
) -> list[Removal]:
    """Choose what goes; of unfinished versions the locks are held, so that none is resumed."""
    entries = registry.entries(name, state)
    unfinished = [entry for entry in entries if entry.status == UNFINISHED]
    written = {entry.number: last_written(entry, state, held) for entry in unfinished}
    known = {number: when for number, when in written.items() if when is not None}
    return choose_removals(entries, state, rules, known, datetime.now(UTC))


def remove_files(registry: RegistryReader, name: str, numbers: Sequence[int]) -> None:
    """Remove folders and scores of deleted versions; some of them may be gone.

    Parameters
    ----------
    registry : RegistryReader
    name : str
    numbers : sequence of int
    """
    for number in sorted(set(registry.numbers(name)) & set(numbers)):
        remove_folder(version_folder(registry.path, name, number))
    scores = registry.folder(name) / SCORES
    if is_folder(scores):
        wanted = {f"{number}.json" for number in numbers}
        remove(scores / file for file in names_in(scores) if file in wanted)


def _remove_lock(registry: RegistryReader, name: str) -> None:
    """Remove the lock of a name in a store."""
    folder = registry.folder(name)
    if isinstance(folder, Path):
        raise VersionError(nothing_to_unlock(folder))
    remove([folder / LOCK])

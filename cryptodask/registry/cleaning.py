"""What a registry can do without: which versions go, and how their files are removed."""

import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from cryptodask.errors import OptionError, TableError
from cryptodask.io.lock import locked
from cryptodask.io.paths import AnyPath, fresh, names_in, remove, storing, sync_folder
from cryptodask.registry.entries import FINISHED, UNFINISHED, Entry
from cryptodask.registry.state import State
from cryptodask.results.manifest import MANIFEST

KEEP, UNFINISHED_DAYS = 10, 1.0
"""Newest finished versions that stay, and days after which an unfinished one may go."""


@attrs.frozen(kw_only=True)
class Removal:
    """A version that goes.

    Attributes
    ----------
    name : str
    number : int
    why : str
    folder : Path or UPath
    """

    name: str
    number: int
    why: str
    folder: AnyPath


@attrs.frozen(kw_only=True)
class Rules:
    """What may go.

    Attributes
    ----------
    keep : int
        The newest finished versions that stay in any case.
    older_than : float
        Days since their training after which finished versions beyond these may go.
    """

    keep: int = KEEP
    older_than: float = 0.0

    def __attrs_post_init__(self) -> None:
        if self.keep < 0:
            raise OptionError(f"keep: must be at least 0 versions, got {self.keep}")
        if not self.older_than >= 0:
            raise OptionError(f"older_than: must be at least 0 days, got {self.older_than}")


def choose_removals(
    entries: Sequence[Entry],
    state: State,
    rules: Rules,
    last_written: dict[int, datetime],
    now: datetime,
) -> list[Removal]:
    """Choose versions that may go; nothing is read or removed.

    Those to which an alias points stay, and damaged ones: what is wrong with them is for a person
    to see.

    Parameters
    ----------
    entries : sequence of Entry
        All versions of a name that are not deleted.
    state : State
    rules : Rules
    last_written : dict of int to datetime
        When the last file of unfinished versions was written; those that are trained just now are
        not in it.
    now : datetime
        In UTC.
    """
    finished = sorted((e for e in entries if e.status == FINISHED), key=lambda e: e.number)
    beyond = finished[: max(0, len(finished) - rules.keep)]
    chosen = [
        (entry, f"beyond the newest {rules.keep}, and no alias points to it")
        for entry in beyond
        if now - entry.trained >= timedelta(days=rules.older_than)
    ]
    chosen += [
        (entry, f"unfinished, and nothing was written since {last_written[entry.number]:%Y-%m-%d}")
        for entry in entries
        if entry.status == UNFINISHED
        and entry.number in last_written
        and now - last_written[entry.number] >= timedelta(days=UNFINISHED_DAYS)
    ]
    return [
        Removal(name=entry.name, number=entry.number, why=why, folder=entry.folder)
        for entry, why in sorted(chosen, key=lambda pair: pair[0].number)
        if not state.aliases_of(entry.number)
    ]


def last_written(entry: Entry, state: State, held: ExitStack) -> datetime | None:
    """Return when the last file of an unfinished version was written, or its number taken.

    Parameters
    ----------
    entry : Entry
    state : State
    held : ExitStack
        Gets the lock of its folder, if no process trains it.

    Returns
    -------
    datetime or None
        None of one that a process trains now.
    """
    from cryptodask.runs.folder import LOCK

    names = [name for name in names_in(entry.folder) if name != LOCK]
    try:
        held.enter_context(locked(entry.folder, LOCK))
    except TableError:
        return None
    times = [
        datetime.fromisoformat(change.when)
        for change in state.log
        if change.version == entry.number and change.what == "number"
    ]
    for name in names:
        with suppress(FileNotFoundError):  # a draft that got its name meanwhile
            seconds = fresh(entry.folder / name).stat().st_mtime
            times.append(datetime.fromtimestamp(seconds, UTC))
    return max(times, default=None)


def remove_folder(folder: AnyPath) -> None:
    """Remove a folder with all that is in it; its manifest first, so that no part looks whole.

    Parameters
    ----------
    folder : Path or UPath
        It may be gone.
    """
    remove([folder / MANIFEST])
    with storing(folder.parent):
        if isinstance(folder, Path):
            with suppress(FileNotFoundError):
                shutil.rmtree(folder)
            if folder.parent.exists():
                sync_folder(folder.parent)
            return
        with suppress(FileNotFoundError):
            fresh(folder).fs.rm(folder.path, recursive=True)


def remove_drafts(folder: AnyPath, keep: Collection[str] = ()) -> list[str]:
    """Remove what writers that were killed left of files of this machine; return the names.

    Parameters
    ----------
    folder : Path or UPath
        To which nobody writes now.
    keep : collection of str
        Names that stay.
    """
    if not isinstance(folder, Path) or not folder.is_dir():
        return []
    drafts = [name for name in names_in(folder) if name.startswith(".") and name not in keep]
    remove(folder / name for name in drafts)
    return drafts

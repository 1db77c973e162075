"""`Registry`: versions of models by name and number, and the aliases that say which is used."""

from datetime import UTC, datetime

from cryptodask.errors import PromotionError, VersionError
from cryptodask.io.lock import locked
from cryptodask.io.paths import AnyPath, make_folder
from cryptodask.registry.cleaning import Removal, Rules
from cryptodask.registry.comparing import Comparison, compare_versions
from cryptodask.registry.entries import Entry, read_entry
from cryptodask.registry.gates import FAILED, GateResult, Gates, Side, judge
from cryptodask.registry.layout import CHAMPION, PREVIOUS, check_name, version_folder
from cryptodask.registry.reading import Found, RegistryReader
from cryptodask.registry.removing import collect_garbage, delete_version
from cryptodask.registry.scores import Score, write_score
from cryptodask.registry.state import (
    LOCK,
    PATIENCE,
    Change,
    State,
    change_state,
    check_kept,
    check_unmoved,
    note,
)


class Registry(RegistryReader):
    """Versions of trained models, in a folder or a store, and their aliases.

    Parameters
    ----------
    path : str, path or UPath
        A folder, or a URL that fsspec knows, as ``s3://bucket/models``. It may be empty.

    Raises
    ------
    OptionError
        A URL is of a protocol that keeps nothing.

    Examples
    --------
    >>> registry = Registry("models")                        # doctest: +SKIP
    >>> registry.promote("lstm:7", reason="new prices")      # doctest: +SKIP
    >>> registry.find("lstm").number                         # doctest: +SKIP
    7
    """

    def take_number(self, name: str) -> AnyPath:
        """Return the folder of a new version, which no other training gets, now or later.

        Raises
        ------
        VersionError
            The name can't be a folder's, or its state is damaged.
        TableError
            Another process holds the name's lock.
        """
        folder = self.folder(check_name("model", name))
        make_folder(folder)

        def take(state: State) -> State:
            numbers = self.numbers(name)
            if numbers and not state.taken:
                raise self._lost(name)
            number = max([state.taken, *numbers, *state.deleted]) + 1
            return state.take(number, note("number", number))

        number = change_state(folder, take, self.unlock_command(name)).taken
        version = version_folder(self.path, name, number)
        make_folder(version)
        return version

    def promote(
        self,
        reference: str,
        to: str = CHAMPION,
        *,
        reason: str = "",
        gates: Gates | None = None,
        force: str | None = None,
        before: int | None = None,
    ) -> list[GateResult]:
        """Move an alias to a version, if it passes the gates.

        The champion before becomes ``previous`` in the same step.

        Parameters
        ----------
        reference : str
        to : str
            ``champion``, ``staging`` or another alias.
        reason : str
            For the log.
        gates : Gates, optional
            By default `Gates` with its defaults for the champion, and none for other aliases.
        force : str, optional
            A reason to move it although gates fail.
        before : int, optional
            The version to which the alias must point now, 0 for none; by default the one to which
            it points when this begins.

        Returns
        -------
        list of GateResult

        Raises
        ------
        VersionError
            The version is not there, not finished, damaged, or has the alias already.
        PromotionError
            A gate failed, or another process moved the alias first.
        """
        check_name("alias", to)
        if to == PREVIOUS:
            raise VersionError(f"{PREVIOUS}: is the champion before; `registry rollback` uses it")
        if force is not None and not force.strip():
            raise VersionError("force: give the reason, for the log")
        entry = self.entry(reference)
        state = self.state(entry.name)
        seen = state.aliases.get(to) if before is None else (before or None)
        check_unmoved(state, to, seen, entry.name)
        if entry.number == seen:
            raise VersionError(f"{entry}: is {entry.name}@{to} already")
        entry.check_files()
        if gates is None:
            gates = Gates() if to == CHAMPION else Gates.none()
        results = self.judge(entry, gates, seen if to == CHAMPION else state.aliases.get(CHAMPION))
        failed = [str(result) for result in results if result.outcome == FAILED]
        if failed and force is None:
            raise PromotionError(
                f"{entry}: not promoted to {to}: {'; '.join(failed)}. --force REASON promotes it "
                "all the same"
            )
        if force is not None:
            reason = "; ".join(filter(None, [reason, f"forced: {force}"]))
        change = note("promote", entry.number, alias=to, before=seen, reason=reason, gates=results)
        self._move(entry, change)
        return results

    def judge(self, entry: Entry, gates: Gates, champion: int | None) -> list[GateResult]:
        """Return what gates say of a version beside a champion; nothing is changed.

        Parameters
        ----------
        entry : Entry
            Finished.
        gates : Gates
        champion : int or None
            The number of the version to compare with; None where there is none yet.
        """
        if gates == Gates.none():
            return []
        side = None
        if champion is not None:
            folder = version_folder(self.path, entry.name, champion)
            there = read_entry(entry.name, champion, folder)
            side = Side(there, self.score(there) if there.manifest is not None else None)
        return judge(Side(entry, self.score(entry)), side, gates, datetime.now(UTC))

    def set_alias(self, reference: str, alias: str, reason: str = "") -> None:
        """Have an alias point to a version, without gates.

        Raises
        ------
        VersionError
            The version is not there, or the alias is ``champion`` or ``previous``.
        """
        if check_name("alias", alias) in (CHAMPION, PREVIOUS):
            raise VersionError(f"{alias}: is moved by `registry promote` and `registry rollback`")
        entry = self.entry(reference)
        entry.check_files()
        seen = self.state(entry.name).aliases.get(alias)
        self._move(entry, note("alias", entry.number, alias=alias, before=seen, reason=reason))

    def remove_alias(self, name: str, alias: str, reason: str = "") -> None:
        """Remove an alias; its version stays.

        Raises
        ------
        VersionError
            There is none, or it is ``champion``.
        """
        if alias == CHAMPION:
            raise VersionError(f"{alias}: is never removed; promote another version first")
        seen = self.entry_number(name, alias)

        def drop(state: State) -> State:
            check_unmoved(state, alias, seen, name)
            return state.drop(note("unalias", seen, alias=alias, before=seen, reason=reason))

        change_state(self.folder(name), drop, self.unlock_command(name))

    def rollback(self, name: str, reason: str = "") -> Found:
        """Make the previous champion the champion again, and this one the previous.

        Raises
        ------
        VersionError
            A previous one is missing, or its files are damaged.
        PromotionError
            Another process moved the champion first.
        """
        seen = self.entry_number(name, CHAMPION)
        state = self.state(name)
        if PREVIOUS not in state.aliases:
            raise VersionError(
                f"{name}: has no previous champion; `cryptodask registry promote {name}:NUMBER` "
                f"makes another version the champion: {self.listed(name, state)}"
            )
        entry = self.entry(f"{name}@{PREVIOUS}")
        entry.check_files()
        change = note("rollback", entry.number, alias=CHAMPION, before=seen, reason=reason)
        self._move(entry, change)
        return Found(entry.name, entry.number, entry.folder)

    def delete(self, reference: str, reason: str = "") -> None:
        """Delete a version; its number is never used again.

        Raises
        ------
        VersionError
            An alias points to it, or there is none.
        TableError
            A process trains it.
        """
        delete_version(self, reference, reason)

    def gc(
        self, name: str, rules: Rules | None = None, *, dry_run: bool = False, unlock: bool = False
    ) -> list[Removal]:
        """Remove what is not needed: old versions without alias, and what killed processes left.

        Parameters
        ----------
        name : str
        rules : Rules, optional
            Which versions stay.
        dry_run : bool
            Whether to remove nothing.
        unlock : bool
            Whether to remove the lock of a store's name first, whose holder was killed on another
            machine.

        Returns
        -------
        list of Removal
        """
        return collect_garbage(self, name, rules or Rules(), dry_run=dry_run, unlock=unlock)

    def compare(self, first: str, second: str) -> Comparison:
        """Return two versions side by side; see `compare_versions`."""
        return compare_versions(self, first, second)

    def keep_score(self, entry: Entry, score: Score) -> None:
        """Keep the score of a version, in the place of an earlier one."""
        path = self.score_path(entry)
        make_folder(path.parent)
        unlock = self.unlock_command(entry.name)
        with locked(self.folder(entry.name), LOCK, patience=PATIENCE, unlock=unlock):
            check_kept(self.state(entry.name), entry)
            write_score(score, path)

    def _move(self, entry: Entry, change: Change) -> None:
        """Move an alias, if it points still to the version that was seen."""

        def move(state: State) -> State:
            assert change.alias is not None
            check_unmoved(state, change.alias, change.before, entry.name)
            check_kept(state, entry)
            return state.move(change)

        change_state(self.folder(entry.name), move, self.unlock_command(entry.name))

"""The state of a name: what changes do to it, what is refused, and that it is read as written."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptodask.errors import CryptoDaskError, TableError, VersionError
from cryptodask.io.lock import locked
from cryptodask.io.sealed import digest
from cryptodask.registry import Gates, Registry, Rules
from cryptodask.registry import state as state_module
from cryptodask.registry.state import Change, State, change_state, check_state, moved, read_state
from tests.registry.build import begin_version, make_version

NAMES = st.sampled_from(["linear:1", "linear:2", "linear:3", "linear:4", "linear@staging"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("train")),
        st.tuples(st.just("begin")),
        st.tuples(st.just("promote"), NAMES),
        st.tuples(st.just("stage"), NAMES),
        st.tuples(st.just("alias"), NAMES, st.sampled_from(["canary", "last-year"])),
        st.tuples(st.just("unalias"), st.sampled_from(["canary", "staging", "previous"])),
        st.tuples(st.just("rollback")),
        st.tuples(st.just("delete"), NAMES),
        st.tuples(st.just("gc"), st.integers(0, 2)),
    ),
    max_size=12,
)


def do(registry: Registry, step: tuple[Any, ...]) -> None:
    """Do a step."""
    match step:
        case ("train",):
            make_version(registry)
        case ("begin",):
            begin_version(registry)
        case ("promote", reference):
            registry.promote(reference, gates=Gates.none())
        case ("stage", reference):
            registry.promote(reference, "staging")
        case ("alias", reference, alias):
            registry.set_alias(reference, alias)
        case ("unalias", alias):
            registry.remove_alias("linear", alias)
        case ("rollback",):
            registry.rollback("linear")
        case ("delete", reference):
            registry.delete(reference)
        case ("gc", keep):
            registry.gc("linear", Rules(keep=keep))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_any_changes_leave_a_state_that_fits_together(
    steps: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    make_version(registry)
    for step in steps:
        before = registry.state("linear")
        try:
            do(registry, step)
        except VersionError:
            assert registry.state("linear") == before
            continue
        after = registry.state("linear")
        assert after.log[: len(before.log)] == before.log
        assert after.taken >= before.taken
        assert set(before.deleted) <= set(after.deleted)
        there = {entry.number: entry for entry in registry.versions("linear")}
        assert set(after.aliases.values()) <= set(there)
        if after.aliases.get("champion") != before.aliases.get("champion"):
            assert after.aliases.get("previous") == before.aliases.get("champion") or (
                "champion" not in before.aliases
            )
            assert len(after.log) == len(before.log) + 1
            assert after.log[-1].version == after.aliases["champion"]
        for number in after.aliases.values():
            there[number].check_files()
        assert not set(after.deleted) & set(there)


def made(folder: Path) -> Registry:
    """A registry with a champion, one before it, and one more version."""
    registry = Registry(folder)
    for _ in range(3):
        make_version(registry)
    for number in (1, 2):
        registry.promote(f"linear:{number}", gates=Gates.none(), reason=f"try {number}")
    return registry


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    registry = made(tmp_path)
    state = registry.state("linear")
    assert (state.aliases, state.taken) == ({"champion": 2, "previous": 1}, 3)
    assert [(c.what, c.version, c.before, c.reason) for c in state.log[3:]] == [
        ("promote", 1, None, "try 1"),
        ("promote", 2, 1, "try 2"),
    ]
    assert all("@" in change.who for change in state.log)


def edited(path: Path, change: Any, *, seal: bool) -> None:
    """Change the content of a state by hand, with or without a new checksum."""
    content = json.loads(path.read_text())
    content.pop("checksum")
    change(content)
    path.write_text(json.dumps({"checksum": digest(content) if seal else "0" * 64, **content}))


EDITS: list[tuple[str, Any]] = [
    ("aliases: champion: must be 1 to 3, got 9", lambda c: c["aliases"].update(champion=9)),
    ("aliases: are not those to which", lambda c: c["aliases"].update(champion=3)),
    ("aliases: are not those to which", lambda c: c["log"].pop()),
    ("aliases: champion: points to 2, which is deleted", lambda c: c["deleted"].append(2)),
    ("deleted: must be numbers from 1 to 3", lambda c: c["deleted"].append(7)),
    ("aliases: '../up'", lambda c: c["aliases"].update({"../up": 1})),
    ("log: 4: when", lambda c: c["log"][4].update(when="yesterday")),
    ("log: 4: what", lambda c: c["log"][4].update(what="sudo")),
    ("taken: must be a whole number, got '3'", lambda c: c.update(taken="3")),
    ("log: is missing", lambda c: c.pop("log")),
    ("'extra': unknown key", lambda c: c.update(extra=1)),
    ("version: 2, and this CryptoDask reads 1", lambda c: c.update(version=2)),
    ("format: is not the state of a name", lambda c: c.update(format="other")),
]


@pytest.mark.parametrize(("message", "change"), EDITS, ids=[message for message, _ in EDITS])
def test_a_state_that_was_edited_is_refused_by_its_key(
    tmp_path: Path, message: str, change: Any
) -> None:
    registry = made(tmp_path)
    path = tmp_path / "linear" / "state.json"
    edited(path, change, seal=True)
    before = path.read_bytes()
    for use in (
        lambda: registry.find("linear"),
        lambda: registry.promote("linear:3", gates=Gates.none()),
        lambda: registry.rollback("linear"),
        lambda: registry.take_number("linear"),
        lambda: registry.gc("linear"),
        lambda: registry.delete("linear:3"),
    ):
        with pytest.raises(VersionError, match=message) as raised:
            use()
        assert str(path) in str(raised.value)
    assert path.read_bytes() == before


def test_a_state_whose_checksum_does_not_fit_is_refused(tmp_path: Path) -> None:
    registry = made(tmp_path)
    path = tmp_path / "linear" / "state.json"
    edited(path, lambda c: c["log"][4].update(reason="because I say so"), seal=False)
    with pytest.raises(VersionError, match=r"state\.json: checksum: does not fit"):
        registry.find("linear")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', "\xff"])
def test_a_state_that_is_torn_is_refused_by_its_file(tmp_path: Path, text: str) -> None:
    registry = made(tmp_path)
    path = tmp_path / "linear" / "state.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(VersionError, match=r"state\.json"):
        registry.find("linear")


def test_versions_without_a_state_are_not_taken_for_a_new_registry(tmp_path: Path) -> None:
    registry = made(tmp_path)
    (tmp_path / "linear" / "state.json").unlink()
    for use in (lambda: registry.find("linear"), lambda: registry.take_number("linear")):
        with pytest.raises(VersionError, match=r"state\.json: is missing, and versions are there"):
            use()


def test_a_process_that_holds_the_lock_is_waited_for_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = made(tmp_path)
    monkeypatch.setattr(state_module, "PATIENCE", 0.2)
    with locked(tmp_path / "linear", "_lock"):
        with pytest.raises(TableError, match="linear: is being written by process"):
            registry.promote("linear:3", gates=Gates.none())
        assert registry.find("linear").number == 2  # reading needs no lock
    registry.promote("linear:3", gates=Gates.none())
    assert registry.find("linear").number == 3


def test_what_raises_inside_a_change_changes_nothing(tmp_path: Path) -> None:
    made(tmp_path)
    folder = tmp_path / "linear"
    before = read_state(folder)

    def refuse(state: State) -> State:
        raise CryptoDaskError("no")

    with pytest.raises(CryptoDaskError, match="no"):
        change_state(folder, refuse)
    assert read_state(folder) == before


def test_moves_of_the_champion_are_replayed() -> None:
    def change(what: Any, version: int, alias: str | None, before: int | None) -> Change:
        return Change(
            when="2026-01-01", who="a@b", what=what, version=version, alias=alias, before=before
        )

    log = [
        change("number", 1, None, None),
        change("promote", 1, "champion", None),
        change("promote", 2, "champion", 1),
        change("rollback", 1, "champion", 2),
        change("alias", 2, "canary", None),
        change("unalias", 2, "canary", 2),
    ]
    aliases: dict[str, int] = {}
    for entry in log:
        aliases = moved(aliases, entry)
    assert aliases == {"champion": 1, "previous": 2}
    check_state(State(taken=2, aliases=aliases, log=log), "state.json")
    with pytest.raises(VersionError, match=r"state\.json: aliases: are not those"):
        check_state(attrs.evolve(State(taken=2, aliases=aliases, log=log[:-3])), "state.json")

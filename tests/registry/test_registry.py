"""What is found in a registry, what is changed, and what may be removed."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from cryptodask.errors import OptionError, PromotionError, TableError, VersionError
from cryptodask.io.lock import locked
from cryptodask.registry import Gates, Registry, Rules
from cryptodask.registry.scores import read_score
from cryptodask.registry.state import STATE, State, change_state, note
from cryptodask.results.version import open_version
from tests.registry.build import begin_version, keep_losses, make_losses, make_version

NO_GATES = Gates.none()
LOSSES = make_losses()


def folder_of(registry: Registry, number: int) -> Path:
    folder = registry.path / "linear" / "versions" / str(number)
    assert isinstance(folder, Path)
    return folder


def age(folder: Path, days: float) -> None:
    """Make all files of a folder older."""
    for path in folder.iterdir():
        moment = time.time() - days * 86_400
        os.utime(path, (moment, moment))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Three finished versions, and an unfinished one, without a champion."""
    registry = Registry(tmp_path / "models")
    for _ in range(3):
        make_version(registry)
    begin_version(registry)
    return registry


def test_a_version_is_found_by_number_alias_and_as_champion(registry: Registry) -> None:
    registry.promote("linear:2", gates=NO_GATES)
    registry.promote("linear:3", "staging")
    registry.set_alias("linear@staging", "canary")
    for reference, number in (
        ("linear", 2),
        ("linear@champion", 2),
        ("linear@staging", 3),
        ("linear@canary", 3),
        ("linear:1", 1),
    ):
        found = registry.find(reference)
        assert found == ("linear", number, folder_of(registry, number))


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("linear", ["linear: has no champion yet", "registry promote linear:NUMBER --registry",
                    "linear:4 (unfinished), linear:3 (staging), linear:2, linear:1"]),
        ("linear@canary", ["linear@canary: has no such alias; aliases: staging (version 3)"]),
        ("linear:9", ["linear:9: ", "has no such version; there: linear:4 (unfinished)"]),
        ("linear:4", ["linear:4: its training did not end; `cryptodask resume "]),
        ("lstm", ["has no model 'lstm'; there: linear; `cryptodask train --registry"]),
        ("../linear", ["model: '../linear': must be 1 to 100 letters"]),
        ("linear:x", ["model: 'linear:x' names no version"]),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_with_what_is(
    registry: Registry, reference: str, parts: list[str]
) -> None:
    registry.promote("linear:3", "staging")
    with pytest.raises(VersionError) as raised:
        registry.find(reference)
    for part in parts:
        assert part in str(raised.value)


def test_versions_are_listed_whatever_their_state(registry: Registry) -> None:
    registry.promote("linear:1", gates=NO_GATES)
    (folder_of(registry, 2) / "_manifest.json").write_text("{}")
    rows = [(e.number, e.status, e.aliases) for e in registry.versions("linear")]
    assert rows == [
        (1, "finished", ("champion",)),
        (2, "damaged", ()),
        (3, "finished", ()),
        (4, "unfinished", ()),
    ]
    assert registry.names() == ["linear"]
    assert registry.versions("linear")[0].size > 800
    with pytest.raises(VersionError, match=r"linear:2: .*_manifest\.json"):
        registry.find("linear:2")


def test_a_notebook_lists_names_and_aliases_damaged_ones_too(registry: Registry) -> None:
    registry.promote("linear:2", gates=NO_GATES)
    assert "champion: 2" in registry._repr_html_()
    assert repr(registry) == f"Registry({str(registry.path)!r})"
    version = repr(open_version(folder_of(registry, 2)))
    assert version.startswith("Version(model: linear; ")
    (registry.path / "linear" / STATE).write_text("{<script>")
    page = registry._repr_html_()
    assert "damaged: " in page
    assert "<script>" not in page


def test_a_registry_that_is_not_there_is_empty(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "none")
    assert registry.names() == []
    with pytest.raises(VersionError, match="has no model 'linear'; there: none"):
        registry.find("linear")
    assert not (tmp_path / "none").exists()


def test_a_url_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(OptionError, match="memory://"):
        Registry("memory://models")


def test_a_version_that_is_damaged_gets_no_alias(registry: Registry) -> None:
    registry.promote("linear:1", gates=NO_GATES)
    registry.promote("linear:2", gates=NO_GATES)
    path = folder_of(registry, 3) / "parameters-0.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for use in (
        lambda: registry.promote("linear:3", force="I want it"),
        lambda: registry.set_alias("linear:3", "canary"),
    ):
        with pytest.raises(VersionError, match=r"linear:3: parameters-0\.safetensors is damaged"):
            use()
    (folder_of(registry, 1) / "parameters-0.safetensors").unlink()
    with pytest.raises(VersionError, match=r"linear:1: .* is damaged: it is missing"):
        registry.rollback("linear")
    assert registry.find("linear").number == 2


def test_a_rollback_changes_champion_and_previous(registry: Registry) -> None:
    with pytest.raises(VersionError, match="has no champion yet"):
        registry.rollback("linear")
    registry.promote("linear:1", gates=NO_GATES)
    with pytest.raises(VersionError, match="linear: has no previous champion"):
        registry.rollback("linear")
    registry.promote("linear:2", gates=NO_GATES)
    assert registry.rollback("linear", "it drifts").number == 1
    assert registry.state("linear").aliases == {"champion": 1, "previous": 2}
    assert registry.rollback("linear").number == 2
    last = [(c.what, c.version, c.before, c.reason) for c in registry.log("linear")[-2:]]
    assert last == [("rollback", 1, 2, "it drifts"), ("rollback", 2, 1, "")]


def test_what_was_seen_before_must_still_be_so(registry: Registry) -> None:
    registry.promote("linear:1", gates=NO_GATES, reason="the first")
    with pytest.raises(PromotionError) as raised:
        registry.promote("linear:2", gates=NO_GATES, before=0)
    message = str(raised.value)
    assert message.startswith("linear@champion: was none and is linear:1 since a change by ")
    assert "(the first); nothing was changed" in message
    registry.promote("linear:2", gates=NO_GATES, before=1)
    with pytest.raises(VersionError, match="linear:2: is linear@champion already"):
        registry.promote("linear:2", gates=NO_GATES)


def test_champion_and_previous_are_moved_by_their_commands_only(registry: Registry) -> None:
    registry.promote("linear:1", gates=NO_GATES)
    registry.promote("linear:2", gates=NO_GATES)
    for alias in ("champion", "previous"):
        with pytest.raises(VersionError, match=f"{alias}: is moved by `registry promote`"):
            registry.set_alias("linear:3", alias)
    with pytest.raises(VersionError, match="previous: is the champion before"):
        registry.promote("linear:3", "previous", gates=NO_GATES)
    with pytest.raises(VersionError, match="champion: is never removed"):
        registry.remove_alias("linear", "champion")
    with pytest.raises(VersionError, match="has no such alias"):
        registry.remove_alias("linear", "canary")
    registry.remove_alias("linear", "previous")
    assert registry.state("linear").aliases == {"champion": 2}


def test_a_version_with_an_alias_is_not_deleted(registry: Registry) -> None:
    registry.promote("linear:1", gates=NO_GATES)
    registry.set_alias("linear:2", "canary")
    for reference, alias in (("linear", "champion"), ("linear:2", "canary")):
        with pytest.raises(VersionError, match=f"is {alias}; promote another version"):
            registry.delete(reference)
    registry.remove_alias("linear", "canary")
    registry.delete("linear:2", "not needed")
    assert not folder_of(registry, 2).exists()
    with pytest.raises(VersionError, match="linear:2: was deleted; there: linear:4"):
        registry.find("linear:2")
    assert registry.log("linear")[-1].reason == "not needed"


def test_a_version_that_is_trained_now_is_not_deleted_nor_cleaned(registry: Registry) -> None:
    later = Rules(keep=0)
    age(folder_of(registry, 4), 3)
    with locked(folder_of(registry, 4), "_lock"):
        with pytest.raises(TableError, match="is being written by process"):
            registry.delete("linear:4")
        assert 4 not in [r.number for r in registry.gc("linear", later, dry_run=True)]
    registry.delete("linear:4")
    assert registry.state("linear").deleted == [4]


def test_numbers_are_never_used_again(registry: Registry) -> None:
    registry.delete("linear:4")
    registry.delete("linear:3")
    assert registry.take_number("linear").name == "5"
    registry.delete("linear:5")
    assert registry.take_number("linear").name == "6"
    assert registry.take_number("lstm").name == "1"
    (folder_of(registry, 6).parent / "40").mkdir()
    assert registry.take_number("linear").name == "41"


def begin_earlier(registry: Registry, days: float) -> None:
    """Begin a version, and have it begun some days ago."""
    number = begin_version(registry)
    age(folder_of(registry, number), days)
    when = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")

    def back_date(state: State) -> State:
        return attrs.evolve(state, log=[*state.log[:-1], attrs.evolve(state.log[-1], when=when)])

    change_state(registry.folder("linear"), back_date)


def test_cleaning_keeps_what_is_used_and_new(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for days in (60, 50, 40, 30, 20, 10):
        make_version(registry, days_old=days)
    registry.promote("linear:1", gates=NO_GATES)
    registry.promote("linear:2", gates=NO_GATES)
    registry.set_alias("linear:4", "canary")
    begin_earlier(registry, 3)  # 7: killed three days ago
    begin_version(registry)  # 8: killed just now
    keep_losses(registry, 3, LOSSES)
    keep_losses(registry, 6, LOSSES)

    def gone(rules: Rules, *, dry_run: bool = False) -> list[int]:
        return [removal.number for removal in registry.gc("linear", rules, dry_run=dry_run)]

    before = registry.state("linear")
    assert gone(Rules(keep=1), dry_run=True) == [3, 5, 7]
    assert gone(Rules(keep=2), dry_run=True) == [3, 7]
    assert gone(Rules(keep=1, older_than=25), dry_run=True) == [3, 7]
    assert gone(Rules(), dry_run=True) == [7]
    assert registry.state("linear") == before

    (tmp_path / "linear" / ".state.json.0badcafe").write_text("half of")
    assert gone(Rules(keep=1)) == [3, 5, 7]
    names = sorted(path.name for path in (tmp_path / "linear" / "versions").iterdir())
    assert names == ["1", "2", "4", "6", "8"]
    assert sorted(path.name for path in (tmp_path / "linear" / "scores").iterdir()) == ["6.json"]
    assert sorted(p.name for p in (tmp_path / "linear").iterdir()) == [
        "scores", "state.json", "versions",
    ]  # fmt: skip
    state = registry.state("linear")
    assert state.deleted == [3, 5, 7]
    assert [(c.what, c.version) for c in state.log[-3:]] == [("gc", 3), ("gc", 5), ("gc", 7)]
    assert "unfinished, and nothing was written since" in state.log[-1].reason
    assert gone(Rules(keep=1)) == []
    assert registry.state("linear") == state
    with pytest.raises(OptionError, match="keep: must be at least 0 versions, got -1"):
        Rules(keep=-1)


def test_cleaning_finishes_what_a_killed_delete_began(registry: Registry) -> None:
    folder = folder_of(registry, 2)
    change_state(registry.folder("linear"), lambda s: s.delete(note("delete", 2)))
    assert folder.exists()
    with pytest.raises(VersionError, match="linear:2: was deleted"):
        registry.find("linear:2")
    assert [entry.number for entry in registry.versions("linear")] == [1, 3, 4]
    (folder / "_manifest.json").unlink()
    [removal] = registry.gc("linear", dry_run=True)
    assert (removal.number, removal.why) == (2, "deleted, and files were left")
    assert folder.exists()
    assert [r.number for r in registry.gc("linear")] == [2]
    assert not folder.exists()


def test_the_lock_of_a_folder_is_not_removed_by_hand(registry: Registry) -> None:
    with pytest.raises(VersionError, match="--unlock: is for URLs"):
        registry.gc("linear", unlock=True)


def test_a_score_belongs_to_its_version_and_is_refused_where_it_was_changed(
    registry: Registry,
) -> None:
    kept = keep_losses(registry, 1, LOSSES)
    assert registry.score(registry.entry("linear:1")) == kept
    assert registry.score(registry.entry("linear:2")) is None
    path = registry.folder("linear") / "scores" / "1.json"
    with pytest.raises(VersionError, match="key: is the score of another training; score the"):
        read_score(path, "another key")
    path.write_text(path.read_text().replace("0.9", "0.1"))
    with pytest.raises(VersionError, match=r"1\.json: checksum: does not fit.*registry score"):
        registry.score(registry.entry("linear:1"))
    registry.promote("linear:1", gates=NO_GATES)
    registry.promote("linear:2", gates=NO_GATES)


def test_two_versions_are_compared_side_by_side(registry: Registry) -> None:
    make_version(registry, options={"window": 7}, coins=9)
    both = registry.compare("linear:1", "linear:5")
    assert both.facts()["options"] == ({}, {"window": 7})
    assert both.facts()["coins"] == (4, 9)
    assert (both.test, both.why) == (
        None,
        "linear:1 and linear:5 not scored; `cryptodask registry score` does it",
    )
    jitter = make_losses(seed=3) / 100
    keep_losses(registry, 1, LOSSES)
    keep_losses(registry, 5, LOSSES + jitter)
    test = registry.compare("linear:5", "linear:1").test
    assert test is not None
    assert (test.origins, test.coins) == (12, 4)
    assert test.difference > 0
    assert test.p_worse < 0.05
    back = registry.compare("linear:1", "linear:5").test
    assert back is not None
    assert back.p_better == pytest.approx(test.p_worse)
    assert back.p_worse == pytest.approx(1 - test.p_worse)
    unfinished = registry.compare("linear:1", "linear:4")
    assert unfinished.facts()["status"] == ("finished", "unfinished")
    assert "linear:4 not scored" in unfinished.why

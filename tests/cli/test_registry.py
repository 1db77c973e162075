"""``cryptodask registry`` as a user runs it: what it prints, changes, and exits with."""

import json
from pathlib import Path
from typing import Any

import pytest

from cryptodask.registry import Registry
from tests.cli.command import ENV, run
from tests.registry.build import begin_version, keep_losses, make_losses, make_version
from tests.registry.changing import NO_GATES

LOSSES = make_losses()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Two versions with scores, an unfinished one, and a champion; named by the environment."""
    registry = Registry(tmp_path / "models")
    for _ in range(2):
        make_version(registry)
    begin_version(registry)
    keep_losses(registry, 1, LOSSES)
    keep_losses(registry, 2, LOSSES + 0.05 + make_losses(seed=1) / 10)
    registry.promote("linear:1", gates=NO_GATES, reason="the first")
    monkeypatch.setitem(ENV, "CRYPTODASK_REGISTRY", str(registry.path))
    return registry


def registry(*args: object, code: int = 0) -> str:
    """What a command prints, on both streams; it has to end with this code."""
    ended = run("registry", *args)
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


def as_json(*args: object) -> Any:
    """What a command prints as JSON, with nothing else on its standard output."""
    ended = run("registry", *args, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_models_and_versions_are_listed(models: Registry) -> None:
    assert "champion 1" in registry("list")
    assert as_json("list") == [{"name": "linear", "versions": 3, "aliases": {"champion": 1}}]
    table = registry("list", "linear")
    assert "linear:1" in table
    assert "unfinished" in table
    assert "0.9" in table
    rows = as_json("list", "linear")
    assert [(row["version"], row["status"]) for row in rows] == [
        (1, "finished"), (2, "finished"), (3, "unfinished"),
    ]  # fmt: skip


def test_a_version_is_shown(models: Registry) -> None:
    text = registry("show", "linear")
    for part in ("linear:1", "champion", "the first", "coverage_80", "2018-01-01"):
        assert part in text
    content = as_json("show", "linear:2")
    assert content["score"]["coverage_80"] == 0.8
    assert len(content["score"]["losses"]) == 12
    assert [change["what"] for change in content["log"]] == ["number"]


def test_two_versions_are_compared(models: Registry) -> None:
    text = registry("compare", "linear:2", "linear")
    assert "linear:2 against linear:1 on 12 origins and 4 coins of both: p = " in text
    content = as_json("compare", "linear:2", "linear")
    assert content["test"]["p_worse"] < 0.01
    assert content["facts"]["aliases"] == [[], ["champion"]]


def test_a_gate_that_fails_is_named_and_ends_with_1(models: Registry) -> None:
    text = registry("promote", "linear:2", code=1)
    assert "error: linear:2: not promoted to champion: gate skill failed: not worse than" in text
    assert "Traceback" not in text
    assert models.find("linear").number == 1
    text = registry("promote", "linear:2", "--no-gate", "skill", "--gate", "coins=0.5")
    assert "gate coins passed: at least 50% of the champion's coins" in text
    assert "gate skill" not in text
    assert "linear:2 is linear@champion now" in text
    assert models.state("linear").aliases == {"champion": 2, "previous": 1}


def test_a_promotion_is_forced_with_a_reason_and_rolled_back(models: Registry) -> None:
    content = as_json("promote", "linear:2", "--force", "a test", "--reason", "try it")
    assert [g["gate"] for g in content["gates"] if g["outcome"] == "failed"] == ["skill"]
    assert "linear:1 is linear@champion now" in registry("rollback", "linear", "--reason", "bad")
    text = registry("log", "linear")
    assert "try it; forced: a test (failed: skill)" in " ".join(text.replace("│", " ").split())
    changes = as_json("log", "linear")
    assert [(c["what"], c["version"], c["before"]) for c in changes[-2:]] == [
        ("promote", 2, 1), ("rollback", 1, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["promote", "linear:3"], 2, "linear:3: its training did not end"),
        (["promote", "linear:2", "--before", "2"], 1, "was linear:2 and is linear:1 since"),
        (["promote", "linear:2", "--gate", "skil=1"], 2, "--gate 'skil=1': write NAME=VALUE"),
        (["promote", "linear:1"], 2, "linear:1: is linear@champion already"),
        (["rollback", "linear"], 2, "linear: has no previous champion"),
        (["delete", "linear"], 2, "linear:1: is champion; promote another version"),
        (["show", "linear@canary"], 2, "no such alias; aliases: champion (version 1)"),
        (["list", "lstm"], 2, "has no model 'lstm'; there: linear"),
        (["alias", "linear:2", "champion"], 2, "is moved by `registry promote`"),
        (["gc", "--keep", "-1"], 2, "keep: must be at least 0 versions"),
        (["gc", "--unlock"], 2, "--unlock: is for URLs"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    models: Registry, words: list[str], code: int, message: str
) -> None:
    before = models.state("linear")
    text = registry(*words, code=code)
    assert message in text
    assert "Traceback" not in text
    assert models.state("linear") == before


def test_aliases_are_set_and_removed_and_versions_deleted(models: Registry) -> None:
    assert "linear:2 is linear@canary now" in registry("alias", "linear:2", "canary")
    assert "linear:2: is canary" in registry("delete", "linear:2", code=2)
    assert "linear@canary is removed" in registry("alias", "linear", "canary", "--remove")
    assert "linear:2 is deleted" in registry("delete", "linear:2", "--reason", "not needed")
    assert "linear:2: was deleted; there: linear:3 (unfinished)" in registry(
        "show", "linear:2", code=2
    )


def test_cleaning_says_what_goes_and_does_it(models: Registry) -> None:
    text = registry("gc", "--keep", 0, "--dry-run")
    assert "would remove linear:2: beyond the newest 0, and no alias points to it" in text
    assert models.state("linear").deleted == []
    assert as_json("gc", "linear", "--keep", 0) == [
        {"version": "linear:2", "why": "beyond the newest 0, and no alias points to it"}
    ]
    assert "nothing to remove" in registry("gc", "--keep", 0)
    assert models.find("linear").number == 1


def test_the_registry_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ENV, "CRYPTODASK_REGISTRY", raising=False)
    assert "--registry" in registry("list", code=2)


def test_versions_are_scored_and_then_judged_by_it(healthy: Path, tmp_path: Path) -> None:
    models = Registry(tmp_path / "models")
    for options in ({"lags": 10}, {"lags": 10}, {"lags": 2}):
        make_version(models, "ridge", model="ridge", options=options, horizon=2)
    words = ("--registry", models.path)
    models.promote("ridge:1", gates=NO_GATES)
    how = ("--origins", 9, "--warmup", 40, "--calibrate", 5, "--workers", 1, *words)
    text = registry("score", healthy, "--model", "ridge:2", "--model", "ridge", *how)
    for number in (1, 2):
        assert f"ridge:{number}: scored on 4 coins at 9 origins" in text
    first, second = (models.score(models.entry(f"ridge:{n}")) for n in (1, 2))
    assert first is not None
    assert second is not None
    assert first.losses == second.losses
    assert first.origins == second.origins
    assert 0 < (first.scores["coverage_80"] or 0) <= 1

    content = as_json("score", healthy, "--model", "ridge:3", *how)
    assert content[0]["version"] == "ridge:3"
    third = models.score(models.entry("ridge:3"))
    assert third is not None
    assert third.origins == first.origins
    assert third.losses != first.losses
    text = registry("promote", "ridge:2", *words, "--gate", "coverage=0:1")
    assert "gate skill passed" in text
    assert "p = 0.5 on 9 origins and 4 coins" in text


def test_coins_that_fail_are_named_and_end_with_3(small_folder: Path, tmp_path: Path) -> None:
    models = Registry(tmp_path / "models")
    make_version(models, "ridge", model="ridge", horizon=2)
    text = registry(
        "score", small_folder, "--model", "ridge:1", "--origins", 9, "--calibrate", 0,
        "--workers", 1, "--registry", models.path, code=3,
    )  # fmt: skip
    assert "failed: ridge: " in text
    kept = models.score(models.entry("ridge:1"))
    assert kept is not None
    assert f"ridge:1: scored on {len(kept.coins)} coins at 9 origins" in text


def test_prices_of_other_bars_are_refused(healthy: Path, tmp_path: Path) -> None:
    models = Registry(tmp_path / "models")
    make_version(models, freq="1h")
    words = ("score", healthy, "--model", "linear:1", "--registry", models.path, "--workers", 1)
    assert "linear:1: freq: trained on bars of 1h, and the prices have 1d" in registry(
        *words, code=2
    )


def test_naive_is_scored_too(healthy: Path, tmp_path: Path) -> None:
    models = Registry(tmp_path / "models")
    make_version(models, "naive", model="naive", horizon=2)
    content = as_json(
        "score", healthy, "--model", "naive:1", "--origins", 4, "--calibrate", 0, "--workers", 1,
        "--registry", models.path,
    )  # fmt: skip
    assert content[0]["relative_mae"] == 1.0
    assert content[0]["coins"] == 4

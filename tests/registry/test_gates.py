"""Each gate passing, failing and skipped, and what a promotion does with it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from cryptodask.errors import OptionError, PromotionError, VersionError
from cryptodask.registry import Gates, Registry
from cryptodask.registry.gates import GateResult, Side, judge
from tests.registry.build import NOW, keep_losses, make_losses, make_version

BASE = make_losses()
"""Losses of the champion, ``(4 coins, 12 origins)``."""

JITTER = np.random.default_rng(1).normal(0, 0.002, BASE.shape)


def judged(
    folder: Path,
    gates: Gates,
    losses: ArrayLike | None = BASE,
    coverage: float = 0.8,
    champion: ArrayLike | None = BASE,
    **facts: Any,
) -> dict[str, GateResult]:
    """What gates say of a second version beside a champion with the losses of `BASE`."""
    registry = Registry(folder)
    make_version(registry)
    number = make_version(registry, **facts)
    if champion is not None:
        keep_losses(registry, 1, champion)
    if losses is not None:
        keep_losses(registry, number, losses, coverage)
    results = registry.judge(registry.entry(f"linear:{number}"), gates, 1)
    return {result.gate: result for result in results}


@pytest.mark.parametrize(
    ("losses", "outcome"),
    [
        (BASE, "passed"),
        (BASE + JITTER, "passed"),
        (BASE + JITTER - 0.01, "passed"),
        (BASE - 0.01, "passed"),
        (BASE + JITTER + 0.01, "failed"),
        (BASE + 0.01, "failed"),
    ],
    ids=["the same", "noise", "better", "always better", "worse", "always worse"],
)
def test_skill_is_judged_against_the_champion(
    tmp_path: Path, losses: np.ndarray, outcome: str
) -> None:
    skill = judged(tmp_path, Gates(), losses)["skill"]
    assert skill.outcome == outcome
    assert "on 12 origins and 4 coins" in skill.detail
    assert "linear:2 0.9, linear:1 0.9" in skill.detail


def test_the_level_of_skill_can_be_set(tmp_path: Path) -> None:
    losses = BASE + 5 * JITTER + 0.001
    skill = judged(tmp_path, Gates(), losses)["skill"]
    p_value = float(skill.detail.split()[2])
    assert skill.outcome == "passed"
    assert 0.05 < p_value < 0.9
    registry = Registry(tmp_path)
    strict = Gates(skill=p_value + 0.05)
    assert registry.judge(registry.entry("linear:2"), strict, 1)[0].outcome == "failed"


def test_too_few_origins_in_common_fail(tmp_path: Path) -> None:
    skill = judged(tmp_path, Gates(), BASE[:, :7])["skill"]
    assert skill.outcome == "failed"
    assert "have 7 origins in common" in skill.detail
    assert "registry score SOURCE --model linear:2 --model linear:1" in skill.detail
    registry = Registry(tmp_path)
    assert registry.judge(registry.entry("linear:2"), Gates(origins=7), 1)[0].outcome == "passed"


def test_what_both_have_is_compared_and_nothing_else(tmp_path: Path) -> None:
    losses = np.vstack([BASE + JITTER, np.full((1, 12), 9.0)])  # a fifth coin, which is hopeless
    losses[0, :3] = np.nan
    skill = judged(tmp_path, Gates(), losses)["skill"]
    assert skill.outcome == "passed"
    assert "on 12 origins and 4 coins" in skill.detail


def test_a_version_without_a_score_fails_and_the_command_is_named(tmp_path: Path) -> None:
    results = judged(tmp_path, Gates(), None, champion=None)
    assert results["skill"].outcome == "failed"
    assert "linear:2 and linear:1 not scored" in results["skill"].detail
    assert results["coverage"].outcome == "failed"
    assert "registry score SOURCE --model linear:2" in results["coverage"].detail


def test_errors_of_other_horizons_are_not_compared(tmp_path: Path) -> None:
    skill = judged(tmp_path, Gates(), horizon=5)["skill"]
    assert skill.outcome == "failed"
    assert "horizon: 5 and 10" in skill.detail


@pytest.mark.parametrize(
    ("value", "gates", "outcome"),
    [
        (0.8, Gates(), "passed"),
        (0.7, Gates(), "passed"),
        (0.69, Gates(), "failed"),
        (0.95, Gates(), "failed"),
        (0.95, Gates(coverage=(0.7, 1.0)), "passed"),
        (float("nan"), Gates(), "failed"),
    ],
)
def test_coverage_is_judged_within_bounds(
    tmp_path: Path, value: float, gates: Gates, outcome: str
) -> None:
    coverage = judged(tmp_path, gates, coverage=value)["coverage"]
    assert coverage.outcome == outcome
    if value == value:
        assert f"linear:2 {100 * value:.1f}%, linear:1 80.0%" in coverage.detail


def test_coverage_of_a_version_without_intervals_is_skipped(tmp_path: Path) -> None:
    coverage = judged(tmp_path, Gates(), coverage=0.1, intervals=False)["coverage"]
    assert (coverage.outcome, coverage.detail) == ("skipped", "linear:2 has no intervals")


@pytest.mark.parametrize(
    ("facts", "losses", "gates", "outcome"),
    [
        ({"coins": 4}, BASE, Gates(), "passed"),
        ({"coins": 3}, BASE, Gates(), "failed"),
        ({"coins": 3}, BASE, Gates(coins=0.75), "passed"),
        ({"coins": 4}, BASE[:3], Gates(), "failed"),
        ({"coins": 9}, None, Gates(), "passed"),
    ],
    ids=["all", "trained on fewer", "as many as were asked for", "scored on fewer", "not scored"],
)
def test_coins_are_those_of_the_champion(
    tmp_path: Path, facts: dict[str, Any], losses: np.ndarray | None, gates: Gates, outcome: str
) -> None:
    coins = judged(tmp_path, gates, losses, **facts)["coins"]
    assert coins.outcome == outcome
    assert f"linear:2 was trained on {facts['coins']}, linear:1 on 4" in coins.detail


@pytest.mark.parametrize(
    ("facts", "gates", "training", "prices"),
    [
        ({}, Gates(), "passed", "passed"),
        ({"days_old": 29}, Gates(), "passed", "passed"),
        ({"days_old": 31}, Gates(), "failed", "passed"),
        ({"days_old": 31}, Gates(age=40), "passed", "passed"),
        ({"days_old": 31}, Gates(training_age=40), "passed", "passed"),
        ({"days_old": 31}, Gates(prices_age=40), "failed", "passed"),
        ({"days_old": 4, "last": "2017-12-28"}, Gates(age=3), "failed", "failed"),
        ({"days_old": 4, "last": "2017-12-28"}, Gates(age=3, training_age=5), "passed", "failed"),
        ({"last": "2017-12-02"}, Gates(), "passed", "passed"),
        ({"last": "2017-12-01"}, Gates(), "passed", "failed"),
        ({"last": "2017-12-01"}, Gates(prices_age=31), "passed", "passed"),
        ({"last": "2018-06-01"}, Gates(), "passed", "passed"),
    ],
)
def test_the_training_and_its_prices_have_an_age_each(
    tmp_path: Path, facts: dict[str, Any], gates: Gates, training: str, prices: str
) -> None:
    results = judged(tmp_path, gates, **facts)
    assert results["training_age"].outcome == training
    assert results["prices_age"].outcome == prices


def test_age_switches_both_ages_off_but_one_that_is_given() -> None:
    assert Gates.of(without=["age"]) == Gates(age=None, training_age=None, prices_age=None)
    gates = Gates.of(["prices_age=7"], ["age"])
    assert (gates.training_age, gates.prices_age) == (None, 7.0)
    gates = Gates.of(["age=7"], ["training_age"])
    assert (gates.training_age, gates.prices_age) == (None, 7.0)


def test_without_a_champion_what_compares_is_skipped_and_said(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    make_version(registry)
    keep_losses(registry, 1, BASE)
    results = registry.promote("linear:1")
    assert [(r.gate, r.outcome) for r in results] == [
        ("skill", "skipped"),
        ("coverage", "passed"),
        ("coins", "skipped"),
        ("training_age", "passed"),
        ("prices_age", "skipped"),
    ]
    assert results[0].detail == "there is not yet a champion"
    assert registry.find("linear").number == 1


def test_judging_reads_nothing_and_depends_on_the_moment_given(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    make_version(registry)
    side = Side(registry.entry("linear:1"))
    later = NOW + timedelta(days=31)
    gates = Gates(coverage=None)
    for moment, outcome in ((NOW, "passed"), (later, "failed")):
        results = {r.gate: r.outcome for r in judge(side, None, gates, moment)}
        skipped = dict.fromkeys(("skill", "coins", "prices_age"), "skipped")
        assert results == skipped | {"training_age": outcome}


FAILING: list[tuple[str, dict[str, Any]]] = [
    ("skill", {"losses": BASE + 0.05}),
    ("coverage", {"coverage": 0.5}),
    ("coins", {"coins": 1}),
    ("training_age", {"days_old": 100}),
    ("prices_age", {"last": "2017-06-01"}),
]


@pytest.mark.parametrize(("gate", "kind"), FAILING, ids=[gate for gate, _ in FAILING])
def test_a_gate_that_fails_keeps_the_alias_where_it_is(
    tmp_path: Path, gate: str, kind: dict[str, Any]
) -> None:
    registry = Registry(tmp_path)
    make_version(registry)
    registry.promote("linear:1", gates=Gates.none())
    keep_losses(registry, 1, BASE)
    facts = dict(kind)
    losses, coverage = facts.pop("losses", BASE), facts.pop("coverage", 0.8)
    make_version(registry, **facts)
    keep_losses(registry, 2, losses, coverage)
    before = registry.state("linear")
    with pytest.raises(PromotionError) as raised:
        registry.promote("linear:2")
    message = str(raised.value)
    assert message.startswith(f"linear:2: not promoted to champion: gate {gate} failed: ")
    assert message.count("failed") == 1
    assert "linear:2" in message.partition("failed")[2]
    assert "--force REASON" in message
    assert registry.state("linear") == before

    registry.promote("linear:2", "staging")  # which has no gates, unless they are asked for
    with pytest.raises(PromotionError, match=f"not promoted to canary: gate {gate}"):
        registry.promote("linear:2", "canary", gates=Gates())

    registry.promote("linear:2", gates=Gates.of(without=[gate]), before=1)
    registry.rollback("linear")
    registry.promote("linear:2", force="the old one is worse still")
    last = registry.log("linear")[-1]
    assert last.reason == "forced: the old one is worse still"
    assert [result.gate for result in last.gates if result.outcome == "failed"] == [gate]
    assert registry.state("linear").aliases == {"champion": 2, "previous": 1, "staging": 2}


def test_a_champion_whose_files_are_gone_can_be_replaced_by_force_alone(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for _ in range(2):
        make_version(registry)
    registry.promote("linear:1", gates=Gates.none())
    (tmp_path / "linear" / "versions" / "1" / "_manifest.json").unlink()
    with pytest.raises(VersionError, match="linear:1: its training did not end"):
        registry.find("linear")
    with pytest.raises(PromotionError, match=r"gate skill failed: .*linear:1, is not"):
        registry.promote("linear:2")
    registry.promote("linear:2", force="its disk broke")
    assert registry.find("linear").number == 2


def test_force_needs_a_reason(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    make_version(registry)
    with pytest.raises(VersionError, match="force: give the reason"):
        registry.promote("linear:1", force="  ")


@pytest.mark.parametrize(
    ("settings", "without", "message"),
    [
        (["skil=1"], [], "--gate 'skil=1': write NAME=VALUE, as coins=0.9, of skill, origins"),
        (["coins"], [], "--gate 'coins': write NAME=VALUE"),
        (["coins=many"], [], "--gate 'coins=many': coins is a number, got 'many'"),
        (["coverage=0.7"], [], "coverage is LEAST:MOST"),
        (["coverage=0.9:0.7"], [], "gate coverage: must be the least and the most share"),
        (["coins=2"], [], "gate coins: must be above 0 and at most 1, got 2"),
        (["age=nan"], [], "gate age: must be above 0, got nan"),
        (["origins=0"], [], "gate origins: must be above 0, got 0"),
        ([], ["origins"], "--no-gate 'origins': must be one of skill, coverage, coins, training"),
        (["prices_age=0"], [], "gate prices_age: must be above 0, got 0"),
        (["age=3"], ["age"], "--no-gate age: is set by --gate, too"),
    ],
)
def test_gates_that_make_no_sense_are_refused(
    settings: list[str], without: list[str], message: str
) -> None:
    with pytest.raises(OptionError) as raised:
        Gates.of(settings, without)
    assert message in str(raised.value)


def test_gates_are_read_from_texts() -> None:
    gates = Gates.of(["skill=0.1", "origins=20", "coverage=0.6:1", "age=2.5"], ["coins"])
    assert gates == Gates(skill=0.1, origins=20, coverage=(0.6, 1.0), coins=None, age=2.5)
    assert Gates.none() == Gates.of(without=["skill", "coverage", "coins", "age"])

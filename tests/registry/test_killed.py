"""A registry whose process is killed: the old state or the new one is there, and the champion."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from cryptodask.errors import PromotionError
from cryptodask.registry import Registry
from cryptodask.registry.state import State
from tests.registry.build import make_version
from tests.registry.changing import CHANGES, KEEP_NONE, NO_GATES, begin

STEPS = {
    "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree",
    "fcntl.flock", "open",
}  # fmt: skip
"""Events of this interpreter before any of which a process may be killed."""


def kill_at(step: int, change: Callable[[], object]) -> bool:
    """Make a change in a process that kills itself before a step of it; whether it was killed."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, _: tuple[Any, ...]) -> None:
            nonlocal left
            if event in STEPS:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            change()
        except BaseException:  # noqa: BLE001 - it must not go on as a second run of tests
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def check_sound(registry: Registry) -> State:
    """See that champion and previous are whole, and that no deleted version is served."""
    state = registry.state("linear")
    for alias in state.aliases:
        registry.find(f"linear@{alias}")
        registry.entry(f"linear@{alias}").check_files()
    assert not set(state.deleted) & {entry.number for entry in registry.versions("linear")}
    return state


def check_cleaned(registry: Registry) -> None:
    """See that cleaning removes what was left, and that the registry can be used after it."""
    registry.gc("linear", KEEP_NONE)
    folder = registry.path / "linear"
    state = check_sound(registry)
    numbers = {int(path.name) for path in (folder / "versions").iterdir()}
    assert not numbers & set(state.deleted)
    assert set(state.aliases.values()) <= numbers
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
    number = make_version(registry)
    assert number > max(numbers | set(state.deleted))
    registry.promote(f"linear:{number}", gates=NO_GATES)
    assert registry.find("linear").number == number


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_that_is_killed_at_any_step_was_made_or_not(tmp_path: Path, kind: str) -> None:
    begin(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "after")
    CHANGES[kind](Registry(tmp_path / "after"))
    old = Registry(tmp_path / "base").state("linear")
    new = Registry(tmp_path / "after").state("linear")
    assert new.log[: len(old.log)] == old.log
    assert len(new.log) > len(old.log)
    seen = set()
    for step in range(1, 1000):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "base", folder)
        registry = Registry(folder)
        was_killed = kill_at(step, lambda registry=registry: CHANGES[kind](registry))
        state = check_sound(registry)
        expected = {len(s.log): (s.aliases, s.deleted, s.taken) for s in (old, new)}
        assert (state.aliases, state.deleted, state.taken) == expected[len(state.log)], step
        seen.add(len(state.log))
        check_cleaned(registry)
        shutil.rmtree(folder)
        if not was_killed:
            break
    assert step > 10
    assert seen == set(expected)


def killed_at_random(folder: Path, rng: random.Random) -> None:
    """Kill a process that changes a registry at a moment, and see what it left."""
    command = [sys.executable, "-m", "tests.registry.changing", str(folder)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(rng.uniform(0, 0.5))
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL
    whole = [line.split() for line in lines if line.endswith("\n")]
    kind, before, after = whole[-1]
    registry = Registry(folder)
    state = check_sound(registry)
    assert len(state.log) in (int(before), int(after)), kind


@pytest.mark.parametrize(
    "rounds", [6, pytest.param(50, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_process_that_is_killed_at_random_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, rounds: int
) -> None:
    registry = begin(tmp_path)
    rng = random.Random(rounds)
    for _ in range(rounds):
        killed_at_random(tmp_path, rng)
    check_cleaned(registry)


def train(prices: Path, models: Path) -> "subprocess.Popen[bytes]":
    """Begin to train a version, in a process group that can be killed with its workers."""
    words = ["train", str(prices), "--model", "linear", "--registry", str(models), "--workers", "1"]
    command = [sys.executable, "-m", "cryptodask.cli", *words]
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        command, cwd=root, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.parametrize(
    "rounds", [2, pytest.param(20, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_training_that_is_killed_at_random_leaves_the_champion(
    small_folder: Path, tmp_path: Path, rounds: int
) -> None:
    registry, rng = Registry(tmp_path), random.Random(rounds)
    began = time.monotonic()
    output, _ = train(small_folder, tmp_path).communicate(timeout=300)
    lasted = time.monotonic() - began
    assert registry.versions("linear")[0].status == "finished", output.decode()
    registry.promote("linear:1", gates=NO_GATES)
    for _ in range(rounds):
        before = registry.state("linear")
        with train(small_folder, tmp_path) as process:
            time.sleep(rng.uniform(0.2, 1) * lasted)
            os.killpg(process.pid, signal.SIGKILL)
        state = check_sound(registry)
        assert state.aliases == {"champion": 1}
        assert state.taken - before.taken in (0, 1)
        for entry in registry.versions("linear"):
            assert entry.status in ("finished", "unfinished")
            if entry.status == "finished":
                entry.check_files()
    statuses = {entry.number: entry.status for entry in registry.versions("linear")}
    output, _ = train(small_folder, tmp_path).communicate(timeout=300)
    finished = {e.number for e in registry.versions("linear") if e.status == "finished"}
    [ended] = finished - {number for number, status in statuses.items() if status == "finished"}
    assert statuses.get(ended) in (None, "unfinished"), output.decode()  # it is continued, or new
    check_cleaned(registry)


def promote_at_once(folder: Path, first: int, barrier: Any, results: Any, rounds: int) -> None:
    """Promote a version a round, when the other process does, too."""
    registry = Registry(folder)
    for round_ in range(rounds):
        seen = registry.state("linear").aliases.get("champion", 0)
        barrier.wait(60)
        number = 2 * round_ + first
        try:
            registry.promote(f"linear:{number}", gates=NO_GATES, before=seen)
            results.put((round_, number, ""))
        except PromotionError as error:
            results.put((round_, number, str(error)))
        barrier.wait(60)


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    rounds = 15
    registry = Registry(tmp_path)
    for _ in range(2 * rounds):
        make_version(registry)
    context = get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=promote_at_once, args=(tmp_path, first, barrier, results, rounds))
        for first in (1, 2)
    ]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=120) for _ in range(2 * rounds)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    promotions = [c for c in registry.log("linear") if c.what == "promote"]
    assert len(promotions) == rounds
    for round_, change in enumerate(promotions):
        of_round = {number: error for r, number, error in outcomes if r == round_}
        winner, loser = change.version, next(n for n in of_round if n != change.version)
        assert of_round[winner] == ""
        assert of_round[loser].startswith("linear@champion: was ")
        assert f"is linear:{winner} since a change by {change.who}" in of_round[loser]
    assert registry.find("linear").number == promotions[-1].version

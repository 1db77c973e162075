"""A registry in a store: the same changes, and locks of processes that ended or run elsewhere."""

import json
import signal
import subprocess
import sys
import threading

import pytest
from upath import UPath

from cryptodask.errors import CryptoDaskError, PromotionError, TableError, VersionError
from cryptodask.io.paths import exists
from cryptodask.registry import Registry, Rules
from cryptodask.registry import state as state_module
from tests.registry.build import begin_version, keep_losses, make_losses, make_version
from tests.registry.changing import NO_GATES

HOLDING = """
import sys, time
from upath import UPath
from cryptodask.io.lock import locked
with locked(UPath(sys.argv[1]), "_lock"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def registry(store: UPath, request: pytest.FixtureRequest) -> Registry:
    """Two versions and an unfinished one, in a store."""
    registry = Registry(f"{store}{request.node.name}")
    for _ in range(2):
        make_version(registry)
    begin_version(registry)
    return registry


def test_a_registry_in_a_store_does_what_one_in_a_folder_does(registry: Registry) -> None:
    registry.promote("linear:1", gates=NO_GATES, reason="the first")
    keep_losses(registry, 1, make_losses())
    keep_losses(registry, 2, make_losses())
    assert [r.outcome for r in registry.promote("linear:2")] == ["passed"] * 5
    assert registry.rollback("linear").number == 1
    assert registry.names() == ["linear"]
    assert [(e.number, e.status, e.aliases) for e in registry.versions("linear")] == [
        (1, "finished", ("champion",)),
        (2, "finished", ("previous",)),
        (3, "unfinished", ()),
    ]
    registry.remove_alias("linear", "previous")
    registry.delete("linear:3")
    assert [r.number for r in registry.gc("linear", Rules(keep=0))] == [2]
    folder = registry.path / "linear"
    assert not exists(folder / "versions" / "2")
    assert not exists(folder / "versions" / "3")
    assert not exists(folder / "scores" / "2.json")
    assert registry.take_number("linear").name == "4"
    with pytest.raises(VersionError, match="linear:2: was deleted; there: linear:1"):
        registry.find("linear:2")
    assert str(registry.find("linear").folder) == str(folder / "versions" / "1")


def test_of_two_promotions_at_once_in_a_store_one_wins(registry: Registry) -> None:
    barrier, errors = threading.Barrier(2), []

    def promote(number: int) -> None:
        barrier.wait(60)
        try:
            registry.promote(f"linear:{number}", gates=NO_GATES, before=0)
        except CryptoDaskError as error:
            errors.append((number, error))

    threads = [threading.Thread(target=promote, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    [(loser, error)] = errors
    winner = registry.find("linear").number
    assert {winner, loser} == {1, 2}
    assert isinstance(error, PromotionError)
    assert f"was none and is linear:{winner} since a change by" in str(error)
    assert [c.version for c in registry.log("linear") if c.what == "promote"] == [winner]


def test_changes_that_do_not_contradict_wait_for_each_other(registry: Registry) -> None:
    def name_it(number: int) -> None:
        for i in range(8):
            registry.set_alias(f"linear:{number}", f"alias-{number}-{i}")

    threads = [threading.Thread(target=name_it, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    expected = {f"alias-{number}-{i}": number for number in (1, 2) for i in range(8)}
    assert registry.state("linear").aliases == expected


def test_the_lock_of_a_killed_process_is_taken_over(registry: Registry) -> None:
    folder = registry.path / "linear"
    command = [sys.executable, "-c", HOLDING, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert exists(folder / "_lock")
    registry.promote("linear:1", gates=NO_GATES)
    assert not exists(folder / "_lock")


def test_the_lock_of_another_machine_is_named_and_removed_by_hand(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "PATIENCE", 0.2)
    folder = registry.path / "linear"
    lock = {"holder": "process 1 on elsewhere", "machine": "elsewhere", "pid": 1, "started": 0.0}
    (folder / "_lock").write_text(json.dumps(lock))
    with pytest.raises(TableError) as raised:
        registry.promote("linear:1", gates=NO_GATES)
    message = str(raised.value)
    assert "linear: is being written by process 1 on elsewhere" in message
    assert f"`cryptodask registry gc linear --registry {registry.path} --unlock`" in message
    registry.gc("linear", unlock=True)
    registry.promote("linear:1", gates=NO_GATES)

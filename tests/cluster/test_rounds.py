"""Rounds: every partition in each, any order, and what is lost is made again."""

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from operator import add
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import Client, Worker

from cryptodask.cluster.retry import TaskCall, TaskId
from cryptodask.cluster.rounds import hold_tasks, run_rounds
from cryptodask.cluster.worker_state import WorkerState
from tests.cluster.tasks import part_of
from tests.conftest import Cluster


def make(numbers: list[int], wait: float = 0.0) -> np.ndarray:
    """Return the numbers, as something that is made once."""
    time.sleep(wait)
    return np.array(numbers)


def weigh(prepared: np.ndarray, message: int, number: int, wait: float = 0.0) -> int:
    """Return the numbers' sum, times message and round."""
    time.sleep(wait)
    return int(prepared.sum()) * message * (number + 1)


def refuse(prepared: np.ndarray, message: int, number: int) -> int:
    """Raise in the second round, of the partition that holds a 3."""
    if number == 1 and 3 in prepared:
        raise ValueError("three")
    return 1


def prepare(client: Client, parts: list[list[int]], wait: object = 0.0) -> WorkerState:
    """Hold parts of so many numbers, of which a task can be split."""

    def part(task: TaskId) -> list[int]:
        return part_of(parts[task.job], task)

    work = TaskCall(
        make, lambda task: (part(task), wait), lambda _: "make", lambda _: 1.0,
        lambda task: len(part(task)),
    )  # fmt: skip
    return WorkerState(client, work, [TaskId(i) for i in range(len(parts))])


def rounds(client: Client, parts: list[list[int]], function=weigh, **more) -> tuple:
    """Run three rounds of a state of two numbers, one of which travels."""
    holding = prepare(client, parts)
    hold_tasks(holding, more.get("on_lost", lambda _: None))
    return run_rounds(
        client,
        holding,
        function,
        lambda: (1, 0),
        3,
        combine=add,
        advance=lambda state, total: (state[0] + total % 7, state[1] + total),
        message=lambda state: state[0],
        **more,
    )


def plainly(numbers: list[int]) -> tuple[int, int]:
    state = (1, 0)
    for number in range(3):
        total = sum(numbers) * state[0] * (number + 1)
        state = (state[0] + total % 7, state[1] + total)
    return state


@pytest.mark.parametrize(
    "parts", [[[1, 2, 3, 4, 5]], [[5, 1], [2, 4, 3]], [[1], [2], [3], [4], [5]]], ids=len
)
def test_equals_the_plain_loop_for_any_partitioning(client: Client, parts: list[list[int]]):
    done: list[int] = []
    assert rounds(client, parts, on_round=done.append) == plainly([1, 2, 3, 4, 5])
    assert done == [0, 1, 2]


def test_calls_run_where_the_partitions_lie(client: Client):
    holding = prepare(client, [[i] for i in range(6)], wait=0.2)
    hold_tasks(holding)
    run_rounds(
        client, holding, partial(weigh, wait=0.05), lambda: 1, 4, combine=add,
        advance=lambda state, _: state, message=lambda state: state,
    )  # fmt: skip
    holders = client.who_has([holding._futures[task] for task in holding.tasks])
    assert len({worker for workers in holders.values() for worker in workers}) == 2
    assert sum(map(len, holders.values())) < 12  # not everything everywhere


def test_what_a_call_raises_is_raised_and_nothing_goes_on(client: Client):
    done: list[int] = []
    with pytest.raises(ValueError, match="three"):
        rounds(client, [[1], [2, 3], [4]], function=refuse, on_round=done.append)
    assert done == [0]
    assert rounds(client, [[1], [2, 3]]) == plainly([1, 2, 3])


def test_what_preparing_raises_is_raised(client: Client):
    with pytest.raises(TypeError):
        hold_tasks(prepare(client, [[1], [2]], wait="long"))


@pytest.mark.slow
def test_a_worker_killed_in_a_round_costs_nothing_but_time(own_cluster: Cluster):
    for _ in range(2):
        own_cluster.add_worker("--no-nanny")
    with Client(own_cluster.address) as client:
        client.wait_for_workers(2)
        parts = [[i] for i in range(8)]

        def kill_one(number: int) -> None:
            if number == 0:
                own_cluster.workers[0].send_signal(signal.SIGKILL)

        state = rounds(client, parts, function=partial(weigh, wait=0.2), on_round=kill_one)
        own_cluster.workers[0].wait(10)
    assert state == plainly(list(range(8)))


@dataclass
class Deadly:
    """A message that kills the worker which reads it first."""

    marker: Path
    number: int

    def __reduce__(self):
        return _die_once, (self.marker, self.number)


def _die_once(marker: Path, number: int) -> Deadly:
    if Worker._instances and not marker.exists():  # the scheduler reads it, too
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Deadly(marker, number)


def weigh_deadly(prepared: np.ndarray, message: Deadly, number: int) -> int:
    """Do what `weigh` does."""
    return weigh(prepared, message.number, number)


@pytest.mark.slow
def test_a_worker_that_dies_with_the_message_of_a_round_costs_no_coin(
    own_cluster_of_one_try: Cluster, tmp_path: Path
):
    own_cluster = own_cluster_of_one_try
    for _ in range(2):
        own_cluster.add_worker("--no-nanny")
    lost: list[object] = []
    with Client(own_cluster.address) as client:
        client.wait_for_workers(2)
        holding = prepare(client, [[i] for i in range(4)])
        hold_tasks(holding)
        state = run_rounds(
            client, holding, weigh_deadly, lambda: 1, 3, combine=add, on_lost=lost.append,
            advance=lambda state, total: state + total % 7,
            message=lambda state: Deadly(tmp_path / "died", state),
        )  # fmt: skip
    assert (tmp_path / "died").exists()
    assert not lost
    expected = 1
    for number in range(3):
        expected += sum(range(4)) * expected * (number + 1) % 7
    assert state == expected

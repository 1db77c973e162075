"""What workers hold: made again where it is lost, and without the numbers that workers die of."""

import os
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from operator import add

import pytest
from dask.distributed import Client

from cryptodask.cluster.retry import TaskCall, TaskId, TaskOutcome
from cryptodask.cluster.rounds import hold_tasks, run_rounds
from cryptodask.cluster.worker_state import WorkerState
from cryptodask.errors import WorkerDiedError
from tests.cluster.tasks import part_of
from tests.conftest import running

PARTS = [[1, 2], [3]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Two workers that are started again where they die."""
    # Which gives up soon on what workers died of.
    preload = "--preload", "cryptodask.dashboard"
    with (
        running(tmp_path_factory.mktemp("dying"), *preload, workers=2) as cluster,
        Client(cluster.address) as client,
    ):
        client.wait_for_workers(2)
        yield client


def numbers_of(task: TaskId) -> list[int]:
    return part_of(PARTS[task.job], task)


def make(numbers: list[int], fatal: int | None = None) -> list[int]:
    if fatal in numbers:
        os.abort()
    return numbers


def weigh(held: list[int], times: int, number: int = 0, fatal: tuple[int, int] = (0, 0)) -> int:
    """Return a sum; the worker dies in one round of one number."""
    if fatal[0] == number and fatal[1] in held:
        os.abort()
    return times * sum(held)


class Watched:
    """Tasks that are held, and those that were split or lost."""

    def __init__(self, client: Client, fatal: int | None = None) -> None:
        self.splits: list[TaskId] = []
        self.lost: list[int] = []
        work = TaskCall(
            make, lambda task: (numbers_of(task), fatal), lambda _: "make", lambda _: 1.0,
            lambda task: len(numbers_of(task)), self.splits.append,
        )  # fmt: skip
        self.holding = WorkerState(client, work, [TaskId(i) for i in range(len(PARTS))])

    def lose(self, outcome: TaskOutcome) -> None:
        """Take a task that was given up."""
        assert isinstance(outcome.error, WorkerDiedError)
        self.lost += numbers_of(outcome.task)

    def weigh(self, holding: WorkerState | None = None, **options: object) -> int:
        """Return a sum over all that is held."""
        total = 0
        state = holding or self.holding
        with closing(state.map(partial(weigh, **options), lambda _: (2,), "weigh")) as outcomes:
            for outcome in outcomes:
                if outcome.error is None:
                    total += outcome.result
                else:
                    self.lose(outcome)
        return total


@pytest.mark.slow
def test_a_number_that_workers_die_of_when_it_is_made_is_left_out(client: Client) -> None:
    watched = Watched(client, fatal=2)
    hold_tasks(watched.holding, watched.lose)
    assert watched.lost == [2]
    assert watched.splits == [TaskId(0)]
    assert sorted(n for task in watched.holding.tasks for n in numbers_of(task)) == [1, 3]
    assert watched.weigh() == 2 * (1 + 3)


@pytest.mark.slow
def test_one_that_they_die_of_in_a_pass_is_left_out_of_those_that_follow(client: Client) -> None:
    watched = Watched(client)
    hold_tasks(watched.holding, watched.lose)
    assert watched.weigh(fatal=(0, 3)) == 2 * (1 + 2)
    assert watched.lost == [3]
    assert watched.weigh() == 2 * (1 + 2)
    assert watched.lost == [3]


@pytest.mark.slow
def test_what_is_made_of_what_is_held_is_split_as_that_is(client: Client) -> None:
    watched = Watched(client)
    hold_tasks(watched.holding, watched.lose)
    made = watched.holding.derive(make, 1)
    hold_tasks(made, watched.lose)
    assert watched.lost == [1]
    assert watched.weigh(made) == 2 * (2 + 3)
    assert watched.weigh() == 2 * (1 + 2 + 3)  # which nobody died of
    assert set(made.tasks) == {*watched.holding.tasks} - {TaskId(0, "0")}


@pytest.mark.slow
def test_rounds_begin_again_without_what_workers_die_of(client: Client) -> None:
    watched = Watched(client)
    hold_tasks(watched.holding, watched.lose)
    ended: list[int] = []
    state = run_rounds(
        client, watched.holding, partial(weigh, fatal=(2, 3)), lambda: 1, 4, combine=add,
        advance=lambda state, total: state + total, message=lambda state: state,
        on_round=ended.append, on_lost=watched.lose,
    )  # fmt: skip
    assert watched.lost == [3]
    assert state == (1 + 1 + 2) ** 4
    assert ended == [0, 1, 0, 1, 2, 3]

"""Futures: costly ones first, every ending told, nothing raised for the others."""

import time
from pathlib import Path

import pytest
from dask.distributed import Client, wait

from cryptodask.cluster import cancel, collect, ordered_map, paths_visible, submit
from tests.conftest import Cluster


@pytest.fixture
def client(cluster: Cluster):
    with Client(cluster.address) as client:
        client.wait_for_workers(2)
        yield client


def when(_: int) -> float:
    """Return when this ran, after taking a little time."""
    time.sleep(0.05)
    return time.time()


def half(a: int) -> float:
    """Return ``a / 2``."""
    return a / 2


def divide(a: int, b: int) -> float:
    """Return ``a / b``."""
    return a / b


def test_outcomes_carry_results_and_errors(client: Client):
    futures = submit(client, divide, [(6, 3), (1, 0), (8, 2)], [1, 1, 1], ["d"] * 3, "r1")
    outcomes = {o.index: o for o in collect(futures)}
    assert outcomes[0].result == 2
    assert outcomes[2].result == 4
    assert isinstance(outcomes[1].error, ZeroDivisionError)


def test_results_may_stay_on_the_workers(client: Client):
    futures = submit(client, divide, [(6, 3), (1, 0)], [1, 1], ["d", "d"], "r2")
    outcomes = {o.index: o for o in collect(futures, results=False)}
    assert outcomes[0].result is None
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, ZeroDivisionError)
    assert futures[0].result() == 2


def test_what_was_collected_is_forgotten_and_the_rest_can_be_cancelled(client: Client):
    calls = [(0,)] * 40
    futures = submit(client, when, calls, [1.0] * 40, ["w"] * 40, "r4")
    for _, outcome in zip(range(5), collect(futures), strict=False):
        assert outcome.error is None
    deadline = time.monotonic() + 30
    while len(client.futures) > 35:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    cancel(client, futures)
    while client.run_on_scheduler(tasks_of, "w-r4"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
        del futures[:]  # what had ended and was not collected


def tasks_of(name: str, dask_scheduler=None) -> int:
    """Return how many tasks of a name the scheduler knows."""
    return sum(str(key).startswith(f"('{name}") for key in dask_scheduler.tasks)


def test_a_map_keeps_the_order_and_holds_few_results(client: Client):
    taken = []
    for result in ordered_map(client, half, list(range(30))):
        assert len(client.futures) <= 2 * 2 + 1
        taken.append(result)
    assert taken == [i / 2 for i in range(30)]
    with pytest.raises(TypeError):
        list(ordered_map(client, half, [1, "x"]))


def test_the_costly_run_first(client: Client):
    costs = [1, 5, 3, 9, 2, 8, 4, 7, 6, 0]
    futures = submit(client, when, [(i,) for i in range(10)], costs, ["w"] * 10, "r3")
    wait(futures)
    started = client.gather(futures)
    by_cost = sorted(range(10), key=lambda i: -costs[i])
    half = [started[i] for i in by_cost[:5]], [started[i] for i in by_cost[5:]]
    # Two workers start the first two before all priorities are known; the halves still differ.
    assert sum(half[0]) / 5 < sum(half[1]) / 5


def test_the_dashboard_groups_futures_by_name(client: Client):
    futures = submit(client, divide, [(1, 1), (2, 1)], [1, 1], ["naive", "lstm"], "r4")
    assert [f.key for f in futures] == [("naive-r4", 0), ("lstm-r4", 1)]


def test_paths_are_visible_only_where_a_worker_sees_the_same_file(client: Client, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("1\n")
    assert paths_visible(client, [str(path)])
    # Workers look at a file that has another size there than it had for the client.
    assert not all(client.run(_sees, {str(path): 5}).values())


def _sees(sizes: dict[str, int]) -> bool:
    from cryptodask.cluster.run import _has_files

    return _has_files(sizes)

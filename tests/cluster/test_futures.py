"""Futures: costly ones first, every ending told, nothing raised for the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dask.distributed import Client, wait

from cryptodask import CryptoLoader, CryptoManager
from cryptodask.cluster import (
    cancel,
    collect,
    ordered_map,
    paths_visible,
    submit,
    tell_workers,
    warm_up,
)
from cryptodask.cluster.broadcast import ask_workers, workers_of
from cryptodask.cluster.versions import versions_of
from cryptodask.errors import ClusterError
from tests.chaos.poison import Poison
from tests.conftest import Cluster


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


def test_a_result_that_is_lost_with_its_worker_is_made_again(own_cluster: Cluster) -> None:
    worker = own_cluster.add_worker("--no-nanny")
    with Client(own_cluster.address) as client:
        futures = submit(client, half, [(6,)], [1.0], ["h"], "r5")
        wait(futures)
        worker.kill()
        deadline = time.monotonic() + 60
        while futures[0].status != "lost":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with ThreadPoolExecutor(1) as pool:
            collected = pool.submit(list, collect(futures))
            time.sleep(0.5)  # so that it looks at a future that is lost
            own_cluster.add_worker("--no-nanny")
            [outcome] = collected.result(60)
    assert (outcome.result, outcome.error) == (3.0, None)


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
    from cryptodask.worker.calls import has_files

    return has_files(sizes)


def told_in(folder: Path) -> int:
    """Say that this was called, wait until all may answer, and return the process."""
    (folder / f"called-{os.getpid()}").touch()
    deadline = time.monotonic() + 60
    while not (folder / "answer").exists():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)
    return os.getpid()


def until(holds: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_all_are_asked_and_one_that_dies_meanwhile_has_no_answer(
    own_cluster: Cluster, tmp_path: Path
):
    dying, other = (own_cluster.add_worker("--no-nanny") for _ in range(2))
    with Client(own_cluster.address) as client, ThreadPoolExecutor() as pool:
        client.wait_for_workers(2)
        asked = pool.submit(ask_workers, client, told_in, tmp_path)
        until(lambda: len(list(tmp_path.glob("called-*"))) == 2)
        dying.kill()
        (tmp_path / "answer").touch()
        assert list(asked.result(60).values()) == [other.pid]
        with pytest.raises(ZeroDivisionError):
            ask_workers(client, divide, 1, 0)


BROADCASTS: dict[str, Callable[[Client], Any]] = {
    "paths": lambda client: paths_visible(client, [__file__]),
    "versions": versions_of,
    "warm-up": lambda client: warm_up(client, {str(time.time()): time.time}),
    "tell": lambda client: tell_workers(client, time.time),
}


@contextmanager
def stopped(process: "Any") -> Iterator[None]:
    """Have a process answer nothing in this block, at whose end it is killed."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.kill()


@pytest.mark.slow
def test_what_goes_to_all_workers_meets_one_that_dies(own_cluster: Cluster):
    own_cluster.add_worker("--no-nanny")
    results: dict[str, Any] = {}
    with Client(own_cluster.address) as client, ThreadPoolExecutor() as pool:
        for name, broadcast in BROADCASTS.items():
            dying = own_cluster.add_worker("--no-nanny")
            until(lambda: len(workers_of(client)) == 2)
            with stopped(dying):
                asked: Future[Any] = pool.submit(broadcast, client)
                time.sleep(0.5)
                assert not asked.done()  # it waits for the one that answers nothing
                if name == "tell":  # but not for ever
                    asked.result(60)
            results[name] = asked.result(60)
            until(lambda: len(workers_of(client)) == 1)
    assert results["paths"] is True
    assert set(results["versions"]) > {"client", "scheduler"}
    assert len(results["versions"]) == 3
    assert results["warm-up"] is results["tell"] is None


ASKS = BROADCASTS | {"map": lambda client: list(ordered_map(client, half, [1, 2]))}


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKS)
def test_what_goes_to_all_workers_meets_a_scheduler_that_dies(own_cluster: Cluster, name: str):
    worker = own_cluster.add_worker("--no-nanny")
    with (
        Client(own_cluster.address, timeout=3) as client,
        ThreadPoolExecutor() as pool,
    ):
        client.wait_for_workers(1)
        with stopped(worker):
            asked: Future[Any] = pool.submit(ASKS[name], client)
            time.sleep(0.5)
            own_cluster.scheduler.kill()
            if name in ("paths", "versions", "map"):
                with pytest.raises(ClusterError, match="connection to the scheduler was lost"):
                    asked.result(60)
            else:  # nothing depends on it
                assert asked.result(60) is None


NOBODY = "no worker left; waiting for one: dask worker"


@pytest.mark.slow
def test_a_run_whose_only_worker_died_says_so_and_ends_with_the_next_one(
    own_cluster: Cluster, client: Client, small_folder: Path, caplog: pytest.LogCaptureFixture
):
    models = ["linear", Poison(seconds=0.1)]
    loader = CryptoLoader(small_folder, 6)
    expected = CryptoManager(loader, client).forecast(models, 3, progress=False)
    own_cluster.add_worker("--no-nanny")

    def die(_: int) -> None:
        own_cluster.workers[0].kill()

    with Client(own_cluster.address) as own, ThreadPoolExecutor() as pool:
        own.wait_for_workers(1)
        run = CryptoManager(loader, own).forecast
        asked = pool.submit(run, models, 3, progress=False, on_done=die)
        until(lambda: f"{NOBODY} {own_cluster.address} --nthreads 1" in caplog.messages)
        assert not asked.done()
        own_cluster.add_worker("--no-nanny")
        done = asked.result(120)
    assert caplog.text.count(NOBODY) == 1
    pd.testing.assert_frame_equal(done.get_df(), expected.get_df(), check_exact=True)
    pd.testing.assert_frame_equal(done.failures, expected.failures)


@pytest.mark.slow
def test_a_command_whose_scheduler_never_had_a_worker_says_so_and_waits(
    own_cluster: Cluster, client: Client, small_folder: Path, tmp_path: Path
):
    manager = CryptoManager(small_folder, client)
    expected = manager.forecast(["linear"], 3, progress=False).get_df()
    out, told = tmp_path / "forecasts.parquet", tmp_path / "told"
    words = [sys.executable, "-m", "cryptodask.cli", "forecast", small_folder, "--horizon", "3",
             "--model", "linear",
             "--scheduler", own_cluster.address, "--workers", "0:1", "--out", out]  # fmt: skip
    env = os.environ | {"COLUMNS": "200"}
    with told.open("wb") as file:
        command = subprocess.Popen([*map(str, words)], stderr=file, stdout=file, env=env)
    try:
        until(lambda: f"{NOBODY} {own_cluster.address}" in told.read_text())
        assert command.poll() is None
        own_cluster.add_worker("--no-nanny")
        assert command.wait(120) == 3, told.read_text()  # the constant coin fails, as ever
    finally:
        command.kill()
    written = pd.read_parquet(out).astype(expected.dtypes.to_dict())
    pd.testing.assert_frame_equal(written, expected, check_exact=True)

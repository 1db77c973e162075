"""Plans: every item once, tasks that get smaller, and workers that end together."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.cluster.plan import (
    FINEST,
    GIVE,
    MOST_GUESSED,
    PATIENCE,
    SHARE,
    SHORTEST,
    cut_into_jobs,
    workers_to_plan_for,
)

costs = st.lists(st.floats(0.0, 1e3), max_size=200)
places = st.sets(st.integers(1, 199)).map(sorted)


@given(costs, st.integers(1, 50), places)
def test_every_item_is_in_one_job_and_no_job_is_empty(
    seconds: list[float], workers: int, file_boundaries: list[int]
) -> None:
    jobs = cut_into_jobs(seconds, workers, [i for i in file_boundaries if i < len(seconds)])
    assert [i for start, stop in jobs for i in range(start, stop)] == list(range(len(seconds)))
    assert all(start < stop for start, stop in jobs)


@given(costs, st.integers(1, 50), places)
def test_no_job_is_longer_than_its_share_with_what_it_gives_and_one_item(
    seconds: list[float], workers: int, file_boundaries: list[int]
) -> None:
    least = max(sum(seconds) / workers / FINEST, SHORTEST)
    for start, stop in cut_into_jobs(
        seconds, workers, [i for i in file_boundaries if i < len(seconds)]
    ):
        share = max(sum(seconds[start:]) / workers / SHARE, least)
        assert sum(seconds[start:stop]) <= share * (1 + GIVE) * (1 + 1e-9) + max(seconds)


def test_jobs_end_at_boundaries_where_they_are_long_beside_what_is_between() -> None:
    file_boundaries = np.arange(7, 20_000, 50)
    jobs = cut_into_jobs(np.full(20_000, 0.1), 4, file_boundaries)
    assert min(b - a for a, b in jobs[:-1]) > 100
    assert {b for _, b in jobs[:-1]} <= set(file_boundaries.tolist())
    # A boundary that is too far away changes nothing.
    assert cut_into_jobs(np.full(20_000, 0.1), 4, [20]) == cut_into_jobs(np.full(20_000, 0.1), 4)


def simulate(tasks: list[float], speeds: list[float]) -> list[float]:
    """Return when each worker ends, that takes the longest task left whenever it is free."""
    free = [(0.0, i) for i in range(len(speeds))]
    heapq.heapify(free)
    ends = [0.0] * len(speeds)
    for task in sorted(tasks, reverse=True):
        now, i = heapq.heappop(free)
        ends[i] = now + task / speeds[i]
        heapq.heappush(free, (ends[i], i))
    return ends


@pytest.mark.parametrize(
    "speeds",
    [[1.0] * 2, [1.0] * 3, [1.0] * 8, [1.0] * 40, [1.0, 0.5], [1.0, 1.0, 0.7, 0.4]],
    ids=["2", "3", "8", "40", "one of half the speed", "four of different speed"],
)
@pytest.mark.parametrize("between", [None, 3, 100, 1_000])
@pytest.mark.parametrize("seed", range(3))
def test_the_last_worker_ends_within_a_tenth_of_the_first(
    speeds: list[float], between: int | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    seconds = rng.lognormal(0.0, 1.0, 20_000)  # coins of very different length
    file_boundaries = [] if between is None else np.arange(between, 20_000, between)
    jobs = cut_into_jobs(seconds, len(speeds), file_boundaries)
    ends = simulate([float(seconds[a:b].sum()) for a, b in jobs], speeds)
    assert max(ends) <= 1.1 * min(ends)
    assert len(jobs) <= 20 * len(speeds)


@settings(deadline=None)
@given(st.integers(1, 100), st.integers(0, 5))
def test_the_number_of_tasks_follows_workers_and_not_items(workers: int, scale: int) -> None:
    few = cut_into_jobs(np.full(10_000, 1.0), workers)
    many = cut_into_jobs(np.full(10_000 * 2**scale, 1.0), workers)
    assert len(many) <= len(few) + 1
    assert len(many) <= 3 * workers * (1 + np.log(FINEST))


def test_little_work_is_one_task() -> None:
    assert cut_into_jobs([0.0001] * 100, 8) == [(0, 100)]
    assert cut_into_jobs([], 8) == []


def test_long_work_is_cut_for_workers_that_may_join() -> None:
    assert workers_to_plan_for(1.0, 2) == 2
    assert workers_to_plan_for(10 * PATIENCE, 2) == 10
    assert workers_to_plan_for(1e9, 2) == MOST_GUESSED
    assert workers_to_plan_for(1e9, 1_000) == 1_000
    assert workers_to_plan_for(0.0, 0) == 1

"""Which tasks are run again, split or given up: decided without a cluster."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cryptodask.cluster.retry import ALONE, NextStep, QuarantineQueue, TaskId
from tests.cluster.tasks import part_of


def coins_of(task: TaskId, sizes: list[int]) -> range:
    """Return the coins of a task; halves are as even as can be."""
    start = sum(sizes[: task.job])
    return part_of(range(start, start + sizes[task.job]), task)


@given(st.data())
def test_exactly_the_coins_at_fault_are_given_up_whatever_kills_besides(data: st.DataObject):
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    count = sum(sizes)
    poison = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
    # Kills from outside: of no task so often in a row that it looks guilty.
    strays = data.draw(st.lists(st.booleans(), max_size=30))
    suspects = QuarantineQueue(lambda task: len(coins_of(task, sizes)))
    done: Counter[int] = Counter()
    guilty: list[int] = []
    stray: Counter[TaskId] = Counter()
    for i in range(len(sizes)):
        suspects.add(TaskId(i))
    deaths = 0
    while suspects.waiting:
        task = suspects.waiting.popleft()
        coins = coins_of(task, sizes)
        killed = bool(strays and strays.pop()) and stray[task] < ALONE - 1
        if not (killed or poison & set(coins)):
            done.update(coins)
            continue
        stray[task] += killed
        deaths += 1
        step = suspects.after_death(task)
        assert (step is NextStep.SPLIT) == (len(coins) > 1)
        if step is NextStep.GIVE_UP:
            guilty += coins
    assert set(guilty) == poison
    assert len(guilty) == len(poison)
    assert done == Counter(set(range(count)) - poison)
    assert deaths <= len(poison) * (ALONE + 4) + 30


def test_halves_are_known_by_their_way_from_the_whole():
    whole = TaskId(12)
    assert str(whole) == "00012"
    assert [str(half) for half in whole.halves] == ["00012.0", "00012.1"]
    assert [str(half) for half in whole.halves[1].halves] == ["00012.10", "00012.11"]
    assert sorted([*whole.halves[1].halves, whole.halves[0], TaskId(3)])[0] == TaskId(3)

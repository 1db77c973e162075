"""Results that no memory holds are refused with their size, and tasks make no more than fits."""

import numpy as np
import pandas as pd
import pytest
from distributed.system import MEMORY_LIMIT

from cryptodask.errors import OptionError
from cryptodask.runs import forecast
from cryptodask.runs.size import MOST_ROWS, ROW_BYTES, fit_tasks
from cryptodask.runs.workload import Task

MOST = 1_000_000  # bars ahead


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """One coin more than a forecast of that many bars can hold."""
    n = MEMORY_LIMIT // (MOST * ROW_BYTES) + 1
    days = pd.date_range("2024-01-01", periods=40)
    return pd.DataFrame(
        {
            "coin": np.repeat([f"C{i:05d}" for i in range(n)], len(days)),
            "date": np.tile(days, n),
            "close": 1.0 + np.arange(n * len(days)) % 7,
        }
    )


def test_a_result_that_no_memory_holds_is_refused_with_its_size(many: pd.DataFrame) -> None:
    n = many["coin"].nunique()
    rows = f"{n * MOST:,} rows"
    message = rf"horizon: 1,000,000 bars of {n:,} coins by 1 model are {rows}, .* --out FOLDER"
    with pytest.raises(OptionError, match=message):
        forecast(many, "naive", horizon=MOST, intervals=False)


def test_tasks_make_no_more_rows_than_a_worker_holds() -> None:
    tasks = [Task(0, ((0, 40), (40, 100))), Task(1, ((0, 3),))]
    assert fit_tasks(tasks, 10) == tasks
    cut = fit_tasks(tasks, MOST)
    assert {len(task) * MOST <= MOST_ROWS for task in cut} == {True}
    for task in tasks:
        mine = [i for c in cut if c.model == task.model for a, b in c.spans for i in range(a, b)]
        assert mine == list(range(len(task)))
    assert [len(task) for task in fit_tasks(tasks, 10 * MOST_ROWS)] == [1] * 103

"""How large a result is: what memory can't hold is refused, and tasks are cut to what it can."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from cryptodask.errors import OptionError
from cryptodask.runs.kind import Kind
from cryptodask.runs.workload import Task
from cryptodask.text import counted

ROW_BYTES = 64
"""The least that a row of forecasts takes in memory: eight columns, names as codes."""

ANY_MEMORY = 64_000_000
"""Bytes that every machine has, so that nobody asks how many there are."""

MOST_ROWS = 10_000_000
"""Rows of forecasts that a task makes, unless one coin has more: 2 GB while they are joined."""


def check_size(kind: Kind[Any, Any], *, comes_back: bool) -> None:
    """Refuse a run whose result this machine can't hold in memory.

    Parameters
    ----------
    kind : Kind
    comes_back : bool
        Whether its rows come to this process; else workers keep or write them.

    Raises
    ------
    OptionError
        Its rows take more than the memory of this machine.
    """
    rows = kind.rows_per_coin * len(kind.coins) * len(kind.models)
    if rows * ROW_BYTES < ANY_MEMORY:
        return
    from distributed.system import MEMORY_LIMIT  # of the container, where there is one

    if comes_back and rows * ROW_BYTES > MEMORY_LIMIT:
        bars = counted(kind.spec.horizon, "bar")
        dates = kind.rows_per_coin // kind.spec.horizon
        of_dates = f", as of {counted(dates, 'date')}," if dates > 1 else ""
        raise OptionError(
            f"horizon: {bars} of {counted(len(kind.coins), 'coin')} by "
            f"{counted(len(kind.models), 'model')}{of_dates} are {rows:,} rows, which take "
            f"{rows * ROW_BYTES / 1e9:,.0f} GB, and this machine has {MEMORY_LIMIT / 1e9:,.0f} GB; "
            "ask for less, or have workers write them, with --out FOLDER"
        )


def fit_tasks(tasks: Iterable[Task], rows_per_coin: int) -> list[Task]:
    """Cut tasks in halves until each makes no more rows than a worker holds.

    Parameters
    ----------
    tasks : iterable of Task
    rows_per_coin : int
        Of a model's forecasts.
    """
    return list(chain.from_iterable(_fitting(task, rows_per_coin) for task in tasks))


def _fitting(task: Task, rows_per_coin: int) -> list[Task]:
    if len(task) < 2 or len(task) * rows_per_coin <= MOST_ROWS:
        return [task]
    return fit_tasks(task.halves, rows_per_coin)

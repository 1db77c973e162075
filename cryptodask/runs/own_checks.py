"""Columns of a user's own that features name, looked at by workers before a run."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite
from typing import Any

from cryptodask.cluster import TaskCall, run_tasks
from cryptodask.cluster.retry import is_coin_at_fault
from cryptodask.features.own import OwnColumn, OwnKind, own_columns
from cryptodask.models import Model, create_model
from cryptodask.prices.own import unknown_fact
from cryptodask.runs.session import Session
from cryptodask.runs.workload import Workload, plan_tasks
from cryptodask.worker.read import fact_texts, known_later

Texts = dict[str, set[str]]
"""By the name of a fact, the texts that coins have."""


def check_facts(session: Session, coins: Sequence[str], models: Iterable[Model]) -> None:
    """Refuse features of a fact that no coin of the prices has: of a wrong text all would be 0.

    Workers read the coins of the run for that, and the others only where those have it not.

    Parameters
    ----------
    session : Session
    coins : sequence of str
        Of the run.
    models : iterable of Model

    Raises
    ------
    OptionError
        The message has the texts that there are.
    """
    wanted = _wanted(models, "static")
    if not wanted:
        return
    texts: Texts = {column.name: set() for column in wanted}
    chosen = set(coins)
    for group in (coins, [coin for coin in session.loader.source.coins if coin not in chosen]):
        missing = [column for column in wanted if not _is_there(column, texts[column.name])]
        for name, some in _texts_of(session, group, {c.name for c in missing}).items():
            texts[name] |= some
    for column in wanted:
        if not _is_there(column, texts[column.name]):
            raise unknown_fact(column.name, column.value or "", sorted(texts[column.name]))


def report_unknown_ahead(session: Session, coins: Sequence[str], models: Sequence[Model]) -> None:
    """Report columns that count as known ahead, and that no coin has after its last close.

    A backtest forecasts by them all the same, as of days on which they may not have been known.

    Parameters
    ----------
    session : Session
    coins : sequence of str
        Of the run.
    models : sequence of Model
    """
    names = sorted({column.name for column in _wanted(models, "ahead")})
    if not names or not coins:
        return
    known: set[str] = set()
    for some in _asked(session, coins, known_later, names):
        known |= some
    for name in sorted({*names} - known):
        logging.getLogger(__name__).warning(
            "ahead:%s: no coin has a value after its last close, so that nothing could be forecast "
            "by it today; if it is not known ahead, these scores come from the future, and "
            "'column:%s' is what was known",
            name, name,
        )  # fmt: skip


def _wanted(models: Iterable[Model], kind: OwnKind) -> list[OwnColumn]:
    """Return the columns of a kind that features of some models name."""
    columns = own_columns(sorted({name for model in models for name in model.columns}))
    return [column for column in columns if column.kind == kind]


def _is_there(column: OwnColumn, texts: set[str]) -> bool:
    """Return whether a coin has the text of a feature, or a number where it takes one."""
    return column.value in texts if column.value is not None else any(map(_is_number, texts))


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _texts_of(session: Session, coins: Sequence[str], names: set[str]) -> Texts:
    """Return the texts of some facts that coins have."""
    texts: Texts = {name: set() for name in names}
    if coins and names:
        for by_name in _asked(session, coins, fact_texts, sorted(names)):
            for name, some in by_name.items():
                texts[name] |= some
    return texts


def _asked(
    session: Session, coins: Sequence[str], function: Callable[..., Any], names: Sequence[str]
) -> Iterator[Any]:
    """Yield what workers find of columns, of some coins at a time."""
    source, naive = session.loader.source, [create_model("naive")]
    tasks = plan_tasks(source, coins, naive, session.threads(), session.loader.n_partitions)
    workload = Workload(source, coins, naive, tasks, session.localised)
    work = TaskCall(
        function, lambda task: (workload.job(task), names), lambda _: "own-columns",
        workload.cost, workload.size,
    )  # fmt: skip
    for outcome in run_tasks(session.executor, work, workload.task_ids()):
        # A coin that kills workers is named where it is to be forecast.
        if outcome.error is not None and not is_coin_at_fault(outcome.error):
            raise outcome.error
        if outcome.result is not None:
            yield outcome.result

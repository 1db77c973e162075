"""Facts of coins that features name, looked for before a run: of a wrong text all would be 0."""

from collections.abc import Iterable, Sequence
from math import isfinite

from cryptodask.cluster import TaskCall, run_tasks
from cryptodask.cluster.retry import is_coin_at_fault
from cryptodask.features.own import OwnColumn, own_columns
from cryptodask.models import Model, create_model
from cryptodask.prices.own import unknown_fact
from cryptodask.runs.session import Session
from cryptodask.runs.workload import Workload, plan_tasks
from cryptodask.worker.read import fact_texts

Texts = dict[str, set[str]]
"""By the name of a fact, the texts that coins have."""


def check_facts(session: Session, coins: Sequence[str], models: Iterable[Model]) -> None:
    """Refuse features of a fact that no coin of the prices has.

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
    columns = own_columns(sorted({name for model in models for name in model.columns}))
    wanted = [column for column in columns if column.kind == "static"]
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


def _is_there(column: OwnColumn, texts: set[str]) -> bool:
    """Return whether a coin has the text of a feature, or a number where it takes one."""
    return column.value in texts if column.value is not None else any(map(_is_number, texts))


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _texts_of(session: Session, coins: Sequence[str], names: set[str]) -> Texts:
    """Return the texts of some facts that coins have, as workers read them."""
    if not coins or not names:
        return {}
    source, naive = session.loader.source, [create_model("naive")]
    tasks = plan_tasks(source, coins, naive, session.threads(), session.loader.n_partitions)
    workload = Workload(source, coins, naive, tasks, session.localised)
    work = TaskCall(
        fact_texts, lambda task: (workload.job(task), sorted(names)), lambda _: "facts",
        workload.cost, workload.size,
    )  # fmt: skip
    texts: Texts = {name: set() for name in names}
    for outcome in run_tasks(session.executor, work, workload.task_ids()):
        # A coin that kills workers is named where it is to be forecast.
        if outcome.error is not None and not is_coin_at_fault(outcome.error):
            raise outcome.error
        for name, some in (outcome.result or {}).items():
            texts[name] |= some
    return texts

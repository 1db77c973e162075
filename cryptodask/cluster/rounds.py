"""Rounds over tasks: all contribute, contributions are combined, and the client's state advances.

Workers hold what a task needs in every round, made once. A round sends one message to the workers,
calls a function on what is held of each task, and combines contributions on the client, in the
order in which they come.

Everything that a worker holds can be made again: what was prepared of its tasks, and the message.
So a worker that dies in a round costs time only. A coin that kills workers again and again is left
out, and the rounds begin again without it: the state is then that of the other coins alone,
whatever the round in which it happened.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import reduce
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptodask.cluster.retry import TaskOutcome, is_coin_at_fault
from cryptodask.cluster.uploading import submit_sealed
from cryptodask.cluster.worker_state import WorkerState
from cryptodask.worker.calls import same

if TYPE_CHECKING:
    from dask.distributed import Client


def run_rounds(
    client: "Client",
    worker_state: WorkerState,
    function: Callable[[Any, Any, int], Any],
    begin: Callable[[], Any],
    rounds: int,
    *,
    combine: Callable[[Any, Any], Any],
    advance: Callable[[Any, Any], Any],
    message: Callable[[Any], Any],
    name: str = "round",
    on_round: Callable[[int], None] = lambda _: None,
    on_lost: Callable[[TaskOutcome], None] = lambda _: None,
) -> Any:
    """Advance a state, round by round, by what all tasks contribute.

    Parameters
    ----------
    client : Client
    worker_state : WorkerState
        What each task needs in every round, of at least one task.
    function : callable
        Of what is held, the message, and the number of the round; it returns a contribution, which
        should be small. Of a module that workers can import, and pure: it may be called twice.
    begin : callable
        Returns the state before the first round. The state stays here.
    rounds : int
        Number of rounds.
    combine : callable
        Of two contributions: their sum, or another that stands for both. Associative and
        commutative, to the last bit where the result must not depend on the cluster.
    advance : callable
        Of a state and the combined contributions of a round: the next state.
    message : callable
        Of a state: the part of it that the function needs.
    name : str
        The dashboard groups the calls under it.
    on_round : callable
        Called with the number of each round that has ended.
    on_lost : callable
        Called with the outcome of each single coin that is left out, since workers died of it.

    Returns
    -------
    Any
        The state after the last round.

    Raises
    ------
    Exception
        What a call, or the making of a state, raised; or the error of the last coin. A round
        without one of its tasks would give another state, so nothing else is left out.
    """
    state, number = begin(), 0
    while number < rounds:
        outcomes = _contributions(client, worker_state, function, message(state), number, name)
        with closing(outcomes):
            total, lost = _combined(outcomes, combine)
        for outcome in lost:
            on_lost(outcome)
        if not lost:
            state = advance(state, total)
            on_round(number)
            number += 1
        elif worker_state.tasks:
            state, number = begin(), 0
        else:
            assert lost[-1].error is not None
            raise lost[-1].error
    return state


def hold_tasks(
    worker_state: WorkerState, on_lost: Callable[[TaskOutcome], None] = lambda _: None
) -> None:
    """Have workers hold what rounds need; a coin that they die of is left out.

    Parameters
    ----------
    worker_state : WorkerState
    on_lost : callable
        Called with the outcome of each single coin that is left out.

    Raises
    ------
    Exception
        What the making of a state raised; or the error of the last coin.
    """
    with closing(worker_state.hold()) as outcomes:
        for outcome in outcomes:
            if outcome.error is None:
                continue
            if not is_coin_at_fault(outcome.error):
                raise outcome.error
            on_lost(outcome)
            if not worker_state.tasks:
                raise outcome.error


def _contributions(
    client: "Client",
    worker_state: WorkerState,
    function: Callable[[Any, Any, int], Any],
    message: Any,
    number: int,
    name: str,
) -> Generator[TaskOutcome]:
    """Call a function on the state of each task, with a message that is sent to workers once.

    Workers may die of, or with, the one that all share; so a task that runs alone gets its own.
    """
    key = f"{name}-message-{uuid4().hex[:8]}", number
    sent = submit_sealed(client, same, [message], key=key, pure=False)
    return worker_state.map(
        function,
        lambda _: (sent, number),
        f"{name}-{number}",
        alone=lambda _: (message, number),
    )


def _combined(
    outcomes: Iterable[TaskOutcome], combine: Callable[[Any, Any], Any]
) -> tuple[Any, list[TaskOutcome]]:
    """Combine contributions as they come, so that the client holds two at a time.

    Returns
    -------
    Any
        The combined contributions of all tasks but those in the list.
    list of TaskOutcome
        Of single coins that workers died of.
    """
    totals: list[Any] = []
    lost: list[TaskOutcome] = []
    for outcome in outcomes:
        if outcome.error is None:
            totals = [reduce(combine, totals, outcome.result)]
        elif is_coin_at_fault(outcome.error):
            lost.append(outcome)
        else:
            raise outcome.error
    return (totals[0] if totals else None), lost

"""Rounds over pieces: all contribute, contributions are combined, and the state goes on.

What a piece needs in every round lies on a worker, made once. A round sends one message to the
workers, calls a function on each piece where it lies, and combines what comes back on the client,
in the order in which it comes.

Everything that a worker holds can be made again: what was prepared of its pieces, and the message
from the task that carries it. So a worker that dies in a round costs time only. A coin of which
workers die again and again is left out, and the rounds begin again without it: the state is then
that of the other coins alone, whatever the round in which it happened.
"""

from collections.abc import Callable
from contextlib import closing
from functools import reduce
from typing import Any
from uuid import uuid4

from dask.distributed import Client, Future

from cryptodask.cluster.retry import Ended, is_fatal
from cryptodask.cluster.worker_state import WorkerState
from cryptodask.worker.calls import same


def run_rounds(
    client: Client,
    holding: WorkerState,
    function: Callable[[Any, Any, int], Any],
    begin: Callable[[], Any],
    rounds: int,
    *,
    combine: Callable[[Any, Any], Any],
    advance: Callable[[Any, Any], Any],
    message: Callable[[Any], Any],
    name: str = "round",
    on_round: Callable[[int], None] = lambda _: None,
    on_lost: Callable[[Ended], None] = lambda _: None,
) -> Any:
    """Advance a state, round by round, by what all pieces contribute.

    Parameters
    ----------
    client : Client
    holding : WorkerState
        What each piece needs in every round, of at least one.
    function : callable
        Of what was prepared, the message, and the number of the round; what it returns should be
        small. Of a module that workers can import, and pure: a call may be made twice.
    begin : callable
        Gives the state before the first round. It stays here.
    rounds : int
        How many.
    combine : callable
        Of two contributions: one. Associative and commutative, to the last bit where the result
        must not depend on the cluster.
    advance : callable
        Of a state and the combined contributions of a round: the next state.
    message : callable
        Of a state: the part of it that the function needs.
    name : str
        Under which the dashboard groups the calls.
    on_round : callable
        Told the number of each round that has ended.
    on_lost : callable
        Told each single coin that is left out, since workers died of it.

    Returns
    -------
    Any
        The state after the last round.

    Raises
    ------
    Exception
        What a call, or the preparing of a piece, raised; or what became of the last coin. A round
        without one of its pieces would give another state, so nothing else is left out.
    """
    state, number = begin(), 0
    while number < rounds:
        told = client.submit(
            same, message(state), key=(f"{name}-message-{uuid4().hex[:8]}", number), pure=False
        )
        total, lost = _round(holding, function, told, number, f"{name}-{number}", combine)
        for one in lost:
            on_lost(one)
        if not lost:
            state = advance(state, total)
            on_round(number)
            number += 1
        elif holding.pieces:
            state, number = begin(), 0
        else:
            assert lost[-1].error is not None
            raise lost[-1].error
    return state


def hold_all(holding: WorkerState, on_lost: Callable[[Ended], None] = lambda _: None) -> None:
    """Make what rounds need; a coin that workers die of is left out.

    Raises
    ------
    Exception
        What the preparing of a piece raised; or what became of the last coin.
    """
    with closing(holding.make()) as endings:
        for one in endings:
            if one.error is None:
                continue
            if not is_fatal(one.error):
                raise one.error
            on_lost(one)
            if not holding.pieces:
                raise one.error


def _round(
    holding: WorkerState,
    function: Callable[[Any, Any, int], Any],
    told: Future,
    number: int,
    name: str,
    combine: Callable[[Any, Any], Any],
) -> tuple[Any, list[Ended]]:
    """Combine contributions as they come, so that the client holds two at a time.

    Returns
    -------
    Any
        What all pieces contributed, but for those of the list.
    list of Ended
        Single coins that workers died of.
    """
    totals: list[Any] = []
    lost: list[Ended] = []
    with closing(holding.each(function, lambda _: (told, number), name)) as endings:
        for one in endings:
            if one.error is None:
                totals = [reduce(combine, totals, one.result)]
            elif is_fatal(one.error):
                lost.append(one)
            else:
                raise one.error
    return (totals[0] if totals else None), lost

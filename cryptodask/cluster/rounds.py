"""Rounds over partitions: all contribute, contributions are combined, and the state goes on.

What a partition needs in every round lies on a worker as a future, made once. A round sends one
message to the workers, calls a function on each partition where it lies, and combines what comes
back on the client, in the order in which it comes.

Everything that a worker holds can be made again: what was prepared from its partition, and the
message from the task that carries it. So a worker that dies in a round costs time only: Dask
makes again elsewhere what it held, and calls again what it was calling.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from dask.distributed import Client, Future

from cryptodask.cluster.run import cancel, collect


def run_rounds(
    client: Client,
    prepared: Sequence[Future],
    function: Callable[[Any, Any, int], Any],
    state: Any,
    rounds: int,
    *,
    combine: Callable[[Any, Any], Any],
    advance: Callable[[Any, Any], Any],
    message: Callable[[Any], Any],
    name: str = "round",
    on_round: Callable[[int], None] | None = None,
) -> Any:
    """Advance a state, round by round, by what all partitions contribute.

    Parameters
    ----------
    client : Client
    prepared : sequence of Future
        What each partition needs in every round; at least one. Ask for them with ``submit``.
    function : callable
        Of what was prepared, the message, and the number of the round; what it returns should be
        small. Of a module that workers can import, and pure: a call may be made twice.
    state : Any
        Before the first round. It stays here.
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
    on_round : callable, optional
        Told the number of each round that has ended.

    Returns
    -------
    Any
        The state after the last round.

    Raises
    ------
    Exception
        What a call, or the preparing of a partition, raised. A round without one of its
        partitions would give another state, so nothing is left out.
    """
    for outcome in collect(prepared, results=False):
        if outcome.error is not None:
            raise outcome.error
    run = uuid4().hex[:8]
    for number in range(rounds):
        told = client.submit(
            _same, message(state), key=(f"{name}-message-{run}", number), pure=False
        )
        futures = _call_all(client, prepared, function, told, number, f"{name}-{run}")
        try:
            total = _combined(futures, combine)
        except BaseException:
            cancel(client, [*futures, told])
            raise
        state = advance(state, total)
        if on_round is not None:
            on_round(number)
    return state


def _call_all(
    client: Client,
    prepared: Sequence[Future],
    function: Callable[[Any, Any, int], Any],
    told: Future,
    number: int,
    name: str,
) -> list[Future]:
    """Call the function on every partition, where it lies if a worker that holds it is free.

    Without a hint Dask might take the message for the larger of the two, and bring all partitions
    to the worker that happens to hold it.
    """
    holders = client.who_has(list(prepared))
    return [
        client.submit(
            function,
            partition,
            told,
            number,
            key=(f"{name}-{number}", i),
            workers=list(holders.get(partition.key, ())) or None,
            allow_other_workers=bool(holders.get(partition.key)),
            pure=False,
        )
        for i, partition in enumerate(prepared)
    ]


def _combined(futures: Sequence[Future], combine: Callable[[Any, Any], Any]) -> Any:
    """Combine contributions as they come, so that the client holds two at a time."""
    total: Any = None
    for count, outcome in enumerate(collect(futures)):
        if outcome.error is not None:
            raise outcome.error
        total = outcome.result if count == 0 else combine(total, outcome.result)
    return total


def _same(value: Any) -> Any:
    return value

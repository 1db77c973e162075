"""What workers hold of each piece while the client joins what all of them come to.

A pass over the pieces calls a function on each where it lies. A worker that dies costs what it
held, which Dask makes again elsewhere. A piece that workers die of is run alone, and then all that
is needed is made by that one call, so that nobody else's work dies with it; what is split or given
up stays so in later passes. See `cryptodask.cluster.retry`.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from dask.distributed import Client, Future

from cryptodask.cluster.futures import asking
from cryptodask.cluster.retry import Ended, TaskId, Work, run_pieces, submit_pieces
from cryptodask.worker.calls import Rebuild, call_on, same


class WorkerState:
    """What workers hold of each of some pieces.

    Parameters
    ----------
    client : Client
    work : Work
        Which makes what is held.
    pieces : sequence of TaskId

    Attributes
    ----------
    pieces : list of TaskId
        That are left: without those that failed, and with halves of those that were split.
    """

    def __init__(self, client: Client, work: Work, pieces: Sequence[TaskId]) -> None:
        self._client, self._work = client, work
        self._futures: dict[TaskId, Any] = {}
        self.pieces = list(pieces)

    def make(self) -> Generator[Ended]:
        """Make what is to be held, and yield how each piece ended, without a result."""
        work = replace(self._work, on_split=self._split)
        return self._pass(work, results=False, hold=True)

    def each(
        self,
        function: Callable[..., Any],
        args: Callable[[TaskId], tuple[Any, ...]],
        name: str,
        *,
        results: bool = True,
    ) -> Generator[Ended]:
        """Call a function on what is held of each piece, where it lies, and yield how each ended.

        Parameters
        ----------
        function : callable
            Of what is held, and of more arguments. Of a module that workers can import.
        args : callable
            Of a piece: those arguments.
        name : str
            Under which the dashboard groups the calls.
        results : bool
            Whether results are brought here.

        Raises
        ------
        ClusterError
            The scheduler is gone.
        """
        work = self._calling(function, args)
        work = replace(work, name=lambda _: name, near=self._holders())
        return self._pass(work, results=results, hold=False)

    def then(self, function: Callable[..., Any], *args: Any) -> "WorkerState":
        """Have workers hold what a function makes of what they hold, beside it."""
        return WorkerState(self._client, self._calling(function, lambda _: args), self.pieces)

    def put(self, piece: TaskId, value: Any) -> None:
        """Add a task whose state is a small value that is known here, such as a path."""
        self._futures[piece] = value
        self.pieces.append(piece)

    def drop(self, piece: TaskId) -> None:
        """Leave a piece out of what comes."""
        self._futures.pop(piece, None)
        if piece in self.pieces:
            self.pieces.remove(piece)

    def _calling(
        self, function: Callable[..., Any], args: Callable[[TaskId], tuple[Any, ...]]
    ) -> Work:
        """Return the work of calling a function on what is held, or made again, of each piece."""
        self._fill()
        return replace(
            self._work,
            function=call_on,
            call=lambda piece: (function, self._held(piece), *args(piece)),
            alone=lambda piece: (function, self._recipe(piece), *args(piece)),
            on_split=self._split,
        )

    def _pass(self, work: Work, *, results: bool, hold: bool) -> Generator[Ended]:
        pieces = tuple(self.pieces)
        with closing(run_pieces(self._client, work, pieces, results=results)) as endings:
            for one in endings:
                if one.error is not None:
                    self.drop(one.piece)
                elif hold:
                    self._futures[one.piece] = one.future
                yield one

    def _fill(self) -> None:
        """Have workers hold again what is left of pieces that were run alone, which was well."""
        missing = [piece for piece in self.pieces if piece not in self._futures]
        made_again = submit_pieces(self._client, self._work, missing)
        self._futures |= zip(missing, made_again, strict=True)

    def _held(self, piece: TaskId) -> "Future | Rebuild":
        return self._futures.get(piece) or self._recipe(piece)

    def _recipe(self, piece: TaskId) -> Rebuild:
        """Return how it is made on a worker that does this piece alone, which holds nothing."""
        state = self._futures.get(piece)
        if state is not None and not isinstance(state, Future):
            return Rebuild(same, (state,))
        self._futures.pop(piece, None)
        return Rebuild(self._work.function, (self._work.alone or self._work.call)(piece))

    def _split(self, piece: TaskId) -> None:
        self._work.on_split(piece)
        place = self.pieces.index(piece)
        self._futures.pop(piece, None)
        self.pieces[place : place + 1] = piece.halves

    def _holders(self) -> Callable[[TaskId], Sequence[str]]:
        """Return what tells which workers hold a piece.

        Without such a hint Dask might take another argument for the larger one, and bring what is
        held to the worker that happens to have that.
        """
        with asking(self._client):
            found = self._client.who_has(
                [f for piece in self.pieces if isinstance(f := self._futures[piece], Future)]
            )

        def of(piece: TaskId) -> Sequence[str]:
            future = self._futures.get(piece)
            return () if not isinstance(future, Future) else tuple(found.get(future.key, ()))

        return of

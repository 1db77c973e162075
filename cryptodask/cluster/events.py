"""What a run reports to the scheduler, for its pages and for ``Client.get_events``.

Messages are sent on the client's event loop while the run is in progress. They carry totals and
not differences, so that a message which is lost, late or sent twice changes nothing. Forecasts
travel only where a page listens, and only those of the first coins. A message that can't be sent
ends no run.
"""

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from cryptodask.io.paths import AnyPath, path_of, resolved
from cryptodask.records import CoinFailure

if TYPE_CHECKING:
    import pandas as pd
    from dask.distributed import Client

TOPIC = "cryptodask"
"""Of the events."""

LISTENS = "cryptodask-pages"
"""Key of the scheduler's metadata that is there where a page listens."""

TOGETHER = 0.2
"""Seconds in which jobs that ended share one message."""

PATIENCE = 5.0
"""Seconds to wait for an answer of the scheduler, at the start and at the end of a run."""

MOST_FAILURES, MOST_TEXT = 50, 300
"""Failures that are sent by name, the others as a number; and characters of a message's text."""

MOST_PAIRS, MOST_ROWS = 500, 20_000
"""Coins times models, and rows, of a run's forecasts that are sent, at most."""

_UNSENT = (OSError, TimeoutError, ValueError, RuntimeError, asyncio.CancelledError)
"""What is raised where a scheduler is gone, does not answer, or was left."""

RUNNING, ENDED, FAILED, STOPPED = "running", "ended", "failed", "stopped"


class RunLog:
    """Reports one run to the scheduler: that it began, which jobs ended, and how it ended.

    A ``with`` block reports the beginning, and the end if something is raised; `end` reports it
    otherwise.

    Parameters
    ----------
    client : Client or None
        None of a run that has nothing to do.
    kind : {"forecast", "backtest"}
    models : sequence of str
    coins : sequence of str
        In order; the forecasts of the first ones are sent.
    horizon : int
        In bars.
    source, out : path, optional
        Where prices are read, and the folder that workers write to.
    """

    def __init__(
        self,
        client: "Client | None",
        kind: str,
        models: Sequence[str],
        coins: Sequence[str],
        horizon: int,
        source: str | Path | None = None,
        out: str | AnyPath | None = None,
    ) -> None:
        self._client, self._listens = client, False
        self._planned = dict.fromkeys(models, len(coins))
        each = max(1, len(models))
        most = max(1, min(MOST_PAIRS // each, MOST_ROWS // (each * horizon)))
        self._shown = frozenset(() if out else coins[:most])
        self._facts = {
            "run": uuid4().hex[:12],
            "kind": kind,
            "horizon": horizon,
            "source": "" if source is None else str(Path(source).resolve()),
            "out": "" if out is None else str(resolved(path_of(out))),
        }
        self._lock = threading.Lock()
        # Of each model: coins ended, coins failed, rows read, and seconds by stage.
        self._totals: dict[str, list[Any]] = {model: [0, 0, 0, {}] for model in models}
        self._failures: list[list[str]] = []
        self._tables: list[bytes] = []
        self._sending = False
        self._over = False

    def __enter__(self) -> Self:
        self._listens = bool(self._ask(_listens))
        self._wake()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            state = FAILED if isinstance(error, Exception) else STOPPED
            self._finish({"state": state, "error": f"{type(error).__name__}: {error}"[:MOST_TEXT]})

    def failed(self, failures: Iterable[CoinFailure]) -> None:
        """Count coins that failed before any job.

        Parameters
        ----------
        failures : iterable of CoinFailure
        """
        for failure in failures:
            self.ended(failure.model, [failure.coin], [failure])

    def ended(
        self,
        model: str,
        coins: Sequence[str],
        failures: Sequence[CoinFailure] = (),
        *,
        rows: int = 0,
        seconds: Mapping[str, float] | None = None,
        table: "pd.DataFrame | None" = None,
        counted: bool = False,
    ) -> None:
        """Count the coins of a job that ended.

        Parameters
        ----------
        model : str
        coins : sequence of str
            All of the job, those that failed among them.
        failures : sequence of CoinFailure
        rows : int
            That were read.
        seconds : mapping, optional
            By stage.
        table : DataFrame, optional
            The forecasts that it made.
        counted : bool
            Whether its coins have been counted before, as of an earlier pass over them.
        """
        if self._client is None:
            return
        packed = self._pack(table, coins)
        with self._lock:
            totals = self._totals[model]
            totals[0] += 0 if counted else len(coins)
            totals[1] += len({failure.coin for failure in failures})
            totals[2] += int(rows)
            for stage, spent in (seconds or {}).items():
                totals[3][stage] = totals[3].get(stage, 0.0) + float(spent)
            for failure in failures[: MOST_FAILURES - len(self._failures)]:
                texts = failure.coin, failure.model, failure.exception, failure.message
                self._failures.append([text[:MOST_TEXT] for text in texts])
            self._tables += packed
        self._wake()

    def end(
        self, forecasts: "pd.DataFrame | None" = None, scores: "pd.DataFrame | None" = None
    ) -> None:
        """Report that the run ended.

        Parameters
        ----------
        forecasts : DataFrame, optional
            All of them, to take the place of those that jobs made.
        scores : DataFrame, optional
            Of a backtest, one row for each model.
        """
        if self._client is None:
            return
        ending: dict[str, Any] = {"state": ENDED}
        packed = self._pack(forecasts, tuple(self._shown))
        if packed:
            ending["whole"] = packed[0]
        if scores is not None:
            ending["scores"] = [_plain(row) for row in scores.to_dict("records")]
        self._finish(ending)

    @property
    def listens(self) -> bool:
        """Whether a page would show what is sent."""
        return self._listens

    def _pack(self, table: "pd.DataFrame | None", coins: Sequence[str]) -> list[bytes]:
        """Return the rows of the coins that are shown as Arrow's stream, in a list, or nothing."""
        if not self._listens or table is None or self._shown.isdisjoint(coins):
            return []
        rows = table[table["coin"].isin(self._shown)]
        return [] if rows.empty else [to_stream(rows)]

    def _message(self) -> dict[str, Any]:
        """Return all that is known now, and the forecasts that have not been sent."""
        with self._lock:
            tables, self._tables = self._tables, []
            totals = {
                model: [*numbers[:3], dict(numbers[3])] for model, numbers in self._totals.items()
            }
            failures = list(self._failures)
        assert self._client is not None
        message = self._facts | {"client": self._client.id, "models": self._planned}
        message |= {"state": RUNNING, "totals": totals, "failures": failures}
        return message | ({"tables": tables} if tables else {})

    def _wake(self) -> None:
        """Have what is new sent, soon and together."""
        if self._client is None:
            return
        with self._lock:
            if self._sending or self._over:
                return
            self._sending = True
        self._client.loop.add_callback(self._send)

    async def _send(self) -> None:
        await asyncio.sleep(TOGETHER)
        with self._lock:
            self._sending = False
            if self._over:
                return
        if self._client is not None:
            try:
                await _log(self._client, self._message())
            except _UNSENT:
                self._client = None  # the run continues without messages

    def _finish(self, ending: dict[str, Any]) -> None:
        """Send the last message, and wait for the answer, so that the client may be closed then."""
        if self._client is None:
            return
        with self._lock:
            if self._over:
                return
            self._over = True
        message = self._message() | ending
        self._ask(_log, message)

    def _ask(self, call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Return what the scheduler answers; None where it does not, and then ask nothing more."""
        if self._client is None:
            return None
        try:
            return self._client.sync(call, self._client, *args, callback_timeout=PATIENCE)
        except _UNSENT:
            self._client = None
            return None


async def _log(client: "Client", message: dict[str, Any]) -> None:
    if client.scheduler is None:
        raise OSError("the client was closed")
    await client.scheduler.log_event(topic=TOPIC, msg=message)


async def _listens(client: "Client") -> Any:
    return await client.scheduler.get_metadata(keys=[LISTENS], default=False)


def to_stream(table: "pd.DataFrame") -> bytes:
    """Return a table as bytes of Arrow's stream.

    Parameters
    ----------
    table : DataFrame
    """
    import pyarrow as pa

    packed = pa.Table.from_pandas(table, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, packed.schema) as stream:
        stream.write_table(packed)
    stream_bytes: bytes = sink.getvalue().to_pybytes()
    return stream_bytes


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of a table as what can be sent: texts and numbers, None for NaN."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, str):
            plain[str(name)] = value[:MOST_TEXT]
        else:
            number = float(value)
            plain[str(name)] = number if math.isfinite(number) else None
    return plain

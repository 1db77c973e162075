"""A message of a run, checked: it comes from any client, so it may be anything."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptodask.cluster.events import ENDED, FAILED, MOST_TEXT, RUNNING, STOPPED

MOST_MODELS = 100
"""Models of a run, and labels of metrics; others are counted together."""

MOST_BYTES = 16_000_000
"""Bytes of a run's forecasts."""

MOST_STAGES, MOST_PATH = 20, 4_096
"""Stages of a model, and characters of a path."""

RUN_STATES = (RUNNING, ENDED, FAILED, STOPPED)
RUN_KINDS = FORECAST, BACKTEST = "forecast", "backtest"

Totals = tuple[int, int, int, int, dict[str, float]]
"""Of a model: coins, coins that ended, coins that failed, rows read, and seconds by stage."""


@dataclass(frozen=True, slots=True)
class RunMessage:
    """What a message says of a run.

    Attributes
    ----------
    run, client : str
        Identifiers.
    kind : {"forecast", "backtest"}
    state : {"running", "ended", "failed", "stopped"}
    error : str
        What ended the run, if it failed.
    horizon : int
        In bars.
    source, out : str
        Paths or URLs as the client has them, or "".
    models : dict of str to Totals
    failures : list
        ``((coin, model), (exception, message))`` of the first ones.
    tables : list of bytes
        Forecasts of some coins, as streams of Arrow.
    forecasts : bytes
        All forecasts, in the place of those of earlier messages, or b"".
    scores : list of dict
        Of a backtest, a row a model.
    """

    run: str
    client: str
    kind: str
    state: str
    error: str
    horizon: int
    source: str
    out: str
    models: dict[str, Totals]
    failures: list[tuple[tuple[str, str], tuple[str, str]]]
    tables: list[bytes]
    forecasts: bytes
    scores: list[dict[str, Any]]

    @classmethod
    def read(cls, message: Any) -> "RunMessage":
        """Return a message that was checked; its forecasts are taken out of the original.

        Parameters
        ----------
        message : object
            See `cryptodask.cluster.events`.

        Raises
        ------
        KeyError, TypeError, ValueError, AttributeError, OverflowError
            It is not a message of a run.
        """
        tables, forecasts = message.pop("tables", []), message.pop("whole", b"")
        kind, state = message["kind"], message["state"]
        if kind not in RUN_KINDS or state not in RUN_STATES:
            raise ValueError(kind, state)
        names = "run", "client", "source", "out"
        run, client, source, out = (str(message[name])[:MOST_PATH] for name in names)
        if not all(isinstance(table, bytes) for table in (*tables, forecasts)):
            raise TypeError(tables)
        return cls(
            run=run,
            client=client,
            kind=kind,
            state=state,
            error=_text(message.get("error", "")),
            horizon=int(message["horizon"]),
            source=source,
            out=out,
            models=dict(_totals(message["models"], message["totals"])),
            failures=[
                ((_text(coin), _text(model)), (_text(exception), _text(why)))
                for coin, model, exception, why in message["failures"]
            ],
            tables=list(tables),
            forecasts=forecasts if len(forecasts) <= MOST_BYTES else b"",
            scores=[dict(row) for row in message.get("scores", [])[:MOST_MODELS]],
        )


def _totals(models: Mapping[str, int], totals: Mapping[str, Any]) -> Iterator[tuple[str, Totals]]:
    for model, coins in list(models.items())[:MOST_MODELS]:
        ended, failed, rows, seconds = totals.get(model, (0, 0, 0, {}))
        ended, failed = max(0, int(ended)), max(0, int(failed))
        stages = list(seconds.items())[:MOST_STAGES]
        spent = {_text(stage): max(0.0, float(number)) for stage, number in stages}
        if not all(map(math.isfinite, spent.values())):
            raise ValueError(spent)
        yield _text(model), (int(coins), ended, min(failed, ended), max(0, int(rows)), spent)


def _text(value: Any) -> str:
    return str(value)[:MOST_TEXT]

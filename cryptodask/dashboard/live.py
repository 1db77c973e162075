"""What the scheduler knows of runs: messages in, state out; nothing here reads, draws or waits.

Messages come from any client, in any order, and more than once (`cryptodask.cluster.events`). Each
carries totals, and a total is the largest that was told, so that order and repetition change
nothing. Everything that is kept is bounded, and what does not look like a message is left.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptodask.cluster.events import (
    ENDED,
    FAILED,
    MOST_FAILURES,
    MOST_TEXT,
    RUNNING,
    STOPPED,
)

MOST_RUNS = 20
"""Runs that are kept, the latest."""

MOST_POINTS = 240
"""Points of a run's throughput over time."""

MOST_MODELS = 100
"""Models of a run, and labels of metrics; others are counted together."""

MOST_BYTES = 16_000_000
"""Of a run's forecasts."""

OTHERS = "(others)"
STATES = (RUNNING, ENDED, FAILED, STOPPED)
KINDS = FORECAST, BACKTEST = "forecast", "backtest"


@dataclass(slots=True)
class Progress:
    """How far one model of a run is.

    Attributes
    ----------
    coins : int
        To do in all.
    ended, failed : int
        Coins of jobs that ended, and those of them without a forecast.
    rows : int
        That were read.
    seconds : dict of str to float
        Of all workers, by stage.
    """

    coins: int = 0
    ended: int = 0
    failed: int = 0
    rows: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Coins with a forecast."""
        return self.ended - self.failed

    @property
    def left(self) -> int:
        """Coins to go."""
        return max(0, self.coins - self.ended)


@dataclass(slots=True)
class Run:
    """One run; times are in seconds since 1970, by the scheduler's clock.

    Attributes
    ----------
    id, client : str
    kind : {"forecast", "backtest"}
    began, heard : float
        First and last message.
    state : {"running", "ended", "failed", "stopped"}
    error : str
        What ended one that failed.
    horizon : int
    source, out : str
        Paths or URLs as the client has them, or "".
    models : dict of str to Progress
    failures : dict
        (coin, model) -> (exception, message), of the first ones.
    points : list of (time, coins)
        Coins times models that had ended by then.
    tables : list of bytes
        Forecasts of some coins, as streams of Arrow.
    scores : list of dict
        Of a backtest, a row a model.
    is_whole : bool
        Whether these are all that will be told.
    version, shelved : int
        Go up with every change; the latter only with those of forecasts, scores and failures.
    """

    id: str
    began: float
    heard: float = 0.0
    client: str = ""
    kind: str = KINDS[0]
    state: str = RUNNING
    error: str = ""
    horizon: int = 0
    source: str = ""
    out: str = ""
    models: dict[str, Progress] = field(default_factory=dict)
    failures: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    points: list[tuple[float, int]] = field(default_factory=list)
    tables: list[bytes] = field(default_factory=list)
    is_whole: bool = False
    scores: list[dict[str, Any]] = field(default_factory=list)
    version: int = 0
    shelved: int = 0

    def total(self, what: str) -> int:
        """Add up a number of all models, as ``done``."""
        return sum(getattr(progress, what) for progress in self.models.values())

    def seconds_left(self, model: str | None = None) -> float | None:
        """Return how long it will take at the mean speed so far; None where that is not known.

        Of a run, models count by the seconds of work that a coin of theirs took, where that was
        told of each of them.
        """
        if self.state != RUNNING:
            return None
        chosen = list(self.models.values()) if model is None else [self.models[model]]
        if not any(p.left for p in chosen):
            return 0.0
        dear = all(p.ended and p.seconds for p in chosen)
        each = [sum(p.seconds.values()) / p.ended if dear else 1.0 for p in chosen]
        done = sum(p.ended * cost for p, cost in zip(chosen, each, strict=True))
        left = sum(p.left * cost for p, cost in zip(chosen, each, strict=True))
        spent = self.heard - self.began
        return left * spent / done if done and spent > 0 else None


class Live:
    """The runs that a scheduler has heard of, the latest of them, and counts of all."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.version = 0
        self.started: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self._labels: set[str] = set()
        self._forgotten: deque[str] = deque(maxlen=1_000)

    def take(self, message: Any, now: float) -> bool:
        """Take a message; tell whether it was one, of a run that is not forgotten.

        Large parts of it are taken out, so that whoever keeps messages does not keep those.
        """
        try:
            told = _Told.read(message)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return False
        if told.run in self._forgotten:
            return False
        run = self.runs.get(told.run)
        if run is None:
            run = self.runs[told.run] = Run(told.run, now, kind=told.kind)
            self.started[run.kind] += 1
            self._forget()
        run.client, run.horizon, run.source, run.out = (
            told.client, told.horizon, told.source, told.out,
        )  # fmt: skip
        self._count(run, told)
        for (coin, model), why in told.failures:
            if len(run.failures) < MOST_FAILURES and (coin, model) not in run.failures:
                run.failures[coin, model] = why
                run.shelved += 1
        self._keep(run, told)
        run.heard = max(run.heard, now)
        self._add_point(run)
        if told.state != RUNNING:
            run.error = run.error or told.error
            self._close(run, told.state)
        self._changed(run)
        return True

    def client_gone(self, client: str) -> None:
        """Mark the runs of a client that is gone as stopped, unless they had ended."""
        for run in self.runs.values():
            if run.client == client and run.state == RUNNING:
                self._close(run, STOPPED)
                self._changed(run)

    def latest(self) -> Iterator[Run]:
        """Yield runs, the latest first."""
        return reversed(self.runs.values())

    def _changed(self, run: Run) -> None:
        run.version += 1
        self.version += 1

    def _close(self, run: Run, state: str) -> None:
        """End a run once; one that was thought to have stopped may tell better."""
        if run.state == RUNNING:
            self.ended[run.kind, state] += 1
            run.state = state
            run.shelved += 1  # a folder can be read when its run has ended
        elif run.state == STOPPED:
            run.state = state

    def _forget(self) -> None:
        """Forget the oldest run over the limit, of those that ended if there is one."""
        if len(self.runs) <= MOST_RUNS:
            return
        others = list(self.runs.values())[:-1]
        oldest = next((run for run in others if run.state != RUNNING), others[0])
        del self.runs[oldest.id]
        self._forgotten.append(oldest.id)

    def _count(self, run: Run, told: "_Told") -> None:
        """Raise the totals of a run, and by as much the counts of all."""
        for model, (coins, ended, failed, rows, seconds) in told.models.items():
            if model not in run.models and len(run.models) >= MOST_MODELS:
                continue
            own = run.models.setdefault(model, Progress())
            label, done = self._label(model), own.done
            own.coins, own.rows = max(own.coins, coins), max(own.rows, rows)
            more = max(0, failed - own.failed)
            own.ended, own.failed = max(own.ended, ended), own.failed + more
            self.failed[label] += more
            self.done[label] += max(0, own.done - done)
            for stage, spent in seconds.items():
                before = own.seconds.get(stage, 0.0)
                own.seconds[stage] = max(before, spent)
                self.seconds[label, stage] += own.seconds[stage] - before

    def _label(self, model: str) -> str:
        """Return the label of a model in metrics: names are anybody's, and must not be endless."""
        if model in self._labels or len(self._labels) < MOST_MODELS:
            self._labels.add(model)
            return model
        return OTHERS

    def _keep(self, run: Run, told: "_Told") -> None:
        """Keep forecasts and scores."""
        before = len(run.tables), run.is_whole, run.scores
        if told.whole and not run.is_whole:
            run.tables, run.is_whole = [told.whole], True
        elif not run.is_whole:
            new = [table for table in told.tables if table not in run.tables]
            if sum(map(len, [*run.tables, *new])) <= MOST_BYTES:
                run.tables += new
        run.scores = told.scores or run.scores
        run.shelved += before != (len(run.tables), run.is_whole, run.scores)

    def _add_point(self, run: Run) -> None:
        coins = run.total("ended")
        if run.points and run.points[-1][1] == coins:
            return
        if len(run.points) >= MOST_POINTS:
            del run.points[1:-1:2]
        run.points.append((run.heard, coins))


@dataclass(frozen=True, slots=True)
class _Told:
    """A message that was looked through."""

    run: str
    client: str
    kind: str
    state: str
    error: str
    horizon: int
    source: str
    out: str
    models: dict[str, tuple[int, int, int, int, dict[str, float]]]
    failures: list[tuple[tuple[str, str], tuple[str, str]]]
    tables: list[bytes]
    whole: bytes
    scores: list[dict[str, Any]]

    @classmethod
    def read(cls, message: Any) -> "_Told":
        """Read a message, and take forecasts out of it; raise where it is none."""
        tables, whole = message.pop("tables", []), message.pop("whole", b"")
        kind, state = message["kind"], message["state"]
        if kind not in KINDS or state not in STATES:
            raise ValueError(kind, state)
        texts = [str(message[name])[:4096] for name in ("run", "client", "source", "out")]
        if not all(isinstance(table, bytes) for table in (*tables, whole)):
            raise TypeError(tables)
        return cls(
            run=texts[0],
            client=texts[1],
            kind=kind,
            state=state,
            error=_text(message.get("error", "")),
            horizon=int(message["horizon"]),
            source=texts[2],
            out=texts[3],
            models=dict(_progress(message["models"], message["totals"])),
            failures=[
                ((_text(coin), _text(model)), (_text(exception), _text(why)))
                for coin, model, exception, why in message["failures"]
            ],
            tables=list(tables),
            whole=whole if len(whole) <= MOST_BYTES else b"",
            scores=[dict(row) for row in message.get("scores", [])[:MOST_MODELS]],
        )


def _progress(
    models: Mapping[str, int], totals: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[int, int, int, int, dict[str, float]]]]:
    for model, coins in list(models.items())[:MOST_MODELS]:
        ended, failed, rows, seconds = totals.get(model, (0, 0, 0, {}))
        ended, failed = max(0, int(ended)), max(0, int(failed))
        spent = {_text(stage): max(0.0, float(s)) for stage, s in list(seconds.items())[:20]}
        if not all(map(math.isfinite, spent.values())):
            raise ValueError(spent)
        yield _text(model), (int(coins), ended, min(failed, ended), max(0, int(rows)), spent)


def _text(value: Any) -> str:
    return str(value)[:MOST_TEXT]

"""What the scheduler knows of runs: messages in, state out; nothing here reads, draws or waits.

Messages come from any client, in any order, and more than once (`cryptodask.cluster.events`). Each
carries totals, and the largest total counts, so that order and repetition change nothing.
Everything that is kept is bounded.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptodask.cluster.events import MOST_FAILURES, RUNNING, STOPPED
from cryptodask.dashboard.run_message import FORECAST, MOST_BYTES, MOST_MODELS, RunMessage

MOST_RUNS = 20
"""Runs that are kept, the latest."""

MOST_POINTS = 240
"""Points of a run's throughput over time."""

OTHERS = "(others)"
"""Label in metrics of all models beyond `MOST_MODELS`."""


@dataclass(slots=True)
class Progress:
    """How far a model of a run is.

    Attributes
    ----------
    coins : int
        In all.
    ended, failed : int
        Coins of tasks that ended, and the number of these without a forecast.
    rows : int
        Rows read.
    seconds : dict of str to float
        Seconds of all workers, by stage.
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
    """A run; times are in seconds since 1970, by the scheduler's clock.

    Attributes
    ----------
    id, client : str
    kind : {"forecast", "backtest"}
    began, heard : float
        First and last message.
    state : {"running", "ended", "failed", "stopped"}
    error : str
        What ended the run, if it failed.
    horizon : int
    source, out : str
        Paths or URLs as the client has them, or "".
    models : dict of str to Progress
    failures : dict
        ``(coin, model)`` to ``(exception, message)``, of the first ones.
    points : list of (time, coins)
        Time, and coins times models that had ended by then.
    tables : list of bytes
        Forecasts of some coins, as streams of Arrow.
    scores : list of dict
        Of a backtest, a row a model.
    is_complete : bool
        Whether no more forecasts will come.
    version, content_version : int
        Go up with every change, and with every change of forecasts, scores and failures.
    """

    id: str
    began: float
    heard: float = 0.0
    client: str = ""
    kind: str = FORECAST
    state: str = RUNNING
    error: str = ""
    horizon: int = 0
    source: str = ""
    out: str = ""
    models: dict[str, Progress] = field(default_factory=dict)
    failures: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    points: list[tuple[float, int]] = field(default_factory=list)
    tables: list[bytes] = field(default_factory=list)
    is_complete: bool = False
    scores: list[dict[str, Any]] = field(default_factory=list)
    version: int = 0
    content_version: int = 0

    def total(self, what: str) -> int:
        """Return the sum of a number over models.

        Parameters
        ----------
        what : str
            An attribute of `Progress`, as ``done``.
        """
        return sum(getattr(progress, what) for progress in self.models.values())

    def seconds_left(self, model: str | None = None) -> float | None:
        """Return the seconds to the end at the mean speed so far, or None if that is not known.

        Models count by the seconds of work that one of their coins took, where that is known of
        each of them.

        Parameters
        ----------
        model : str, optional
            By default all of the run.
        """
        if self.state != RUNNING:
            return None
        chosen = list(self.models.values()) if model is None else [self.models[model]]
        if not any(p.left for p in chosen):
            return 0.0
        is_timed = all(p.ended and p.seconds for p in chosen)
        costs = [sum(p.seconds.values()) / p.ended if is_timed else 1.0 for p in chosen]
        done = sum(p.ended * cost for p, cost in zip(chosen, costs, strict=True))
        left = sum(p.left * cost for p, cost in zip(chosen, costs, strict=True))
        spent = self.heard - self.began
        return left * spent / done if done and spent > 0 else None


class Live:
    """The latest runs that a scheduler has heard of, and counts of all.

    Attributes
    ----------
    runs : dict of str to Run
        By identifier, the latest last.
    version : int
        Goes up with every change.
    started : Counter
        Runs by kind.
    ended : Counter
        Runs by kind and state.
    done, failed : Counter
        Coins by model.
    seconds : dict
        Seconds of workers, by model and stage.
    """

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
        """Take a message; return whether it was one, of a run that is not forgotten.

        Large parts of it are taken out, so that whoever keeps messages does not keep those.

        Parameters
        ----------
        message : object
            Comes from any client, so it may be anything.
        now : float
            In seconds since 1970.
        """
        try:
            news = RunMessage.read(message)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return False
        if news.run in self._forgotten:
            return False
        run = self.runs.get(news.run)
        if run is None:
            run = self.runs[news.run] = Run(news.run, now, kind=news.kind)
            self.started[run.kind] += 1
            self._forget()
        run.client, run.horizon = news.client, news.horizon
        run.source, run.out = news.source, news.out
        self._count(run, news)
        for (coin, model), why in news.failures:
            if len(run.failures) < MOST_FAILURES and (coin, model) not in run.failures:
                run.failures[coin, model] = why
                run.content_version += 1
        self._keep(run, news)
        run.heard = max(run.heard, now)
        self._add_point(run)
        if news.state != RUNNING:
            run.error = run.error or news.error
            self._close(run, news.state)
        self._changed(run)
        return True

    def client_gone(self, client: str) -> None:
        """Mark the runs of a client that is gone as stopped, unless they had ended.

        Parameters
        ----------
        client : str
            Its identifier.
        """
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
        """End a run once; a last message may still say how one that seemed stopped did end."""
        if run.state == RUNNING:
            self.ended[run.kind, state] += 1
            run.state = state
            run.content_version += 1  # a folder can be read when its run has ended
        elif run.state == STOPPED:
            run.state = state

    def _forget(self) -> None:
        """Forget the oldest run over the limit, one that ended if there is any."""
        if len(self.runs) <= MOST_RUNS:
            return
        others = list(self.runs.values())[:-1]
        oldest = next((run for run in others if run.state != RUNNING), others[0])
        del self.runs[oldest.id]
        self._forgotten.append(oldest.id)

    def _count(self, run: Run, news: RunMessage) -> None:
        """Raise the totals of a run, and by as much the counts of all."""
        for model, (coins, ended, failed, rows, seconds) in news.models.items():
            if model not in run.models and len(run.models) >= MOST_MODELS:
                continue
            progress = run.models.setdefault(model, Progress())
            label, done = self._label(model), progress.done
            progress.coins = max(progress.coins, coins)
            progress.rows = max(progress.rows, rows)
            more = max(0, failed - progress.failed)
            progress.ended, progress.failed = max(progress.ended, ended), progress.failed + more
            self.failed[label] += more
            self.done[label] += max(0, progress.done - done)
            for stage, spent in seconds.items():
                before = progress.seconds.get(stage, 0.0)
                progress.seconds[stage] = max(before, spent)
                self.seconds[label, stage] += progress.seconds[stage] - before

    def _label(self, model: str) -> str:
        """Return the label of a model in metrics; clients name models, so labels are bounded."""
        if model in self._labels or len(self._labels) < MOST_MODELS:
            self._labels.add(model)
            return model
        return OTHERS

    def _keep(self, run: Run, news: RunMessage) -> None:
        """Keep forecasts and scores."""
        before = len(run.tables), run.is_complete, run.scores
        if news.forecasts and not run.is_complete:
            run.tables, run.is_complete = [news.forecasts], True
        elif not run.is_complete:
            new = [table for table in news.tables if table not in run.tables]
            if sum(map(len, [*run.tables, *new])) <= MOST_BYTES:
                run.tables += new
        run.scores = news.scores or run.scores
        run.content_version += before != (len(run.tables), run.is_complete, run.scores)

    def _add_point(self, run: Run) -> None:
        coins = run.total("ended")
        if run.points and run.points[-1][1] == coins:
            return
        if len(run.points) >= MOST_POINTS:
            del run.points[1:-1:2]
        run.points.append((run.heard, coins))

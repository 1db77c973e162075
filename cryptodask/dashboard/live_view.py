"""From the runs that a scheduler has heard of to columns of tables and curves: no drawing here."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from cryptodask.dashboard.live import Run
from cryptodask.records import FloatArray

RUNS = (
    "id", "began", "kind", "state", "models", "coins", "done", "failed", "left", "share",
    "rate", "time_left", "took", "horizon", "source", "out",
)  # fmt: skip
MODELS = ("model", "coins", "done", "failed", "left", "share", "time_left", "rows", "seconds")
FAILURES = ("coin", "model", "exception", "message")

Columns = dict[str, Any]


def runs_table(runs: Sequence[Run]) -> Columns:
    """Return a row a run, in the order given."""
    return _columns(RUNS, [_run_row(run) for run in runs])


def details(run: Run | None) -> dict[str, Columns]:
    """Return what is shown of one run, by name, as lists."""
    rates = {name: values.tolist() for name, values in throughput(run).items()}
    return {
        "summary": {"text": [summary_of(run)]},
        "models": models_table(run),
        "failures": failures_table(run.failures if run else {}),
        "throughput": rates,
    }


def models_table(run: Run | None) -> Columns:
    """Return a row a model of a run."""
    if run is None:
        return _columns(MODELS, [])
    rows = [
        {
            "model": model,
            "coins": own.coins,
            "done": own.done,
            "failed": own.failed,
            "left": own.left,
            "share": _share(own.ended, own.coins),
            "time_left": shown_seconds(run.seconds_left(model)),
            "rows": own.rows,
            "seconds": round(sum(own.seconds.values()), 2),
        }
        for model, own in run.models.items()
    ]
    return _columns(MODELS, rows)


def failures_table(failures: dict[tuple[str, str], tuple[str, str]]) -> Columns:
    """Return a row a coin and model without a forecast."""
    rows = [
        {"coin": coin, "model": model, "exception": exception, "message": message}
        for (coin, model), (exception, message) in failures.items()
    ]
    return _columns(FAILURES, rows)


def throughput(run: Run | None) -> Columns:
    """Return coins (times models) a second between points, as steps over seconds of the run."""
    nothing = {"seconds": np.zeros(1), "rate": np.zeros(1)}
    if run is None or not run.points:
        return nothing
    times: FloatArray = np.array([run.began, *(time for time, _ in run.points), run.heard])
    coins: FloatArray = np.array([0, *(n for _, n in run.points), run.points[-1][1]], dtype=float)
    keep = np.append(True, np.diff(times) > 0)
    times, coins = times[keep], coins[keep]
    if len(times) < 2:
        return nothing
    rates = np.diff(coins) / np.diff(times)
    return {
        "seconds": np.repeat(times - run.began, 2)[1:-1].round(3),
        "rate": np.repeat(rates, 2).round(3),
    }


def label_of(run: Run) -> str:
    """Return a line by which a run is chosen."""
    models = ", ".join(run.models)
    models = models if len(models) <= 60 else f"{models[:59]}…"
    return f"{_clock(run.began)} · {run.kind} · {models} · {run.state}"


def summary_of(run: Run | None) -> str:
    """Return what a heading says of a run."""
    if run is None:
        return "No run has told of itself since this scheduler started."
    parts = [label_of(run), f"{run.horizon:,} bars ahead"]
    if run.source:
        parts.append(f"prices of {run.source}")
    if run.out:
        parts.append(f"written to {run.out}")
    if run.error:
        parts.append(run.error)
    return " · ".join(parts)


def shown_seconds(seconds: float | None) -> str:
    """Write a duration as 45 s, 3:20 min or 2:05 h; a dash for one that is not known."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def _run_row(run: Run) -> dict[str, Any]:
    took = run.heard - run.began
    ended, coins = run.total("ended"), run.total("coins")
    return {
        "id": run.id,
        "began": _clock(run.began),
        "kind": run.kind,
        "state": run.state,
        "models": ", ".join(run.models),
        "coins": coins,
        "done": run.total("done"),
        "failed": run.total("failed"),
        "left": run.total("left"),
        "share": _share(ended, coins),
        "rate": round(ended / took, 1) if took > 0 else 0.0,
        "time_left": shown_seconds(run.seconds_left()),
        "took": shown_seconds(took),
        "horizon": run.horizon,
        "source": run.source,
        "out": run.out,
    }


def _columns(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> Columns:
    return {name: [row[name] for row in rows] for name in names}


def _share(ended: int, coins: int) -> float:
    return round(min(1.0, ended / coins), 4) if coins else 1.0


def _clock(moment: float) -> str:
    """Return a moment in the scheduler's own time zone, as its logs have it."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")

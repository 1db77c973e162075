"""The columns of tables and curves, from the runs that a scheduler knows: no drawing here."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from cryptodask.cluster.events import RUNNING
from cryptodask.dashboard.live import Run
from cryptodask.dashboard.tables import Columns
from cryptodask.records import FloatArray
from cryptodask.text import counted

RUN_COLUMNS = (
    "id", "began", "kind", "state", "models", "coins", "done", "failed", "left", "share",
    "rate", "time_left", "took", "horizon", "source", "out",
)  # fmt: skip
MODEL_COLUMNS = (
    "model",
    "coins",
    "done",
    "failed",
    "left",
    "share",
    "time_left",
    "rows",
    "seconds",
)
FAILURE_COLUMNS = ("coin", "model", "exception", "message")


def runs_table(runs: Sequence[Run]) -> Columns:
    """Return a row a run, in the order given.

    Parameters
    ----------
    runs : sequence of Run

    Returns
    -------
    dict of str to list
        `RUN_COLUMNS`.
    """
    return _columns(RUN_COLUMNS, [_run_row(run) for run in runs])


def details(run: Run | None) -> dict[str, Columns]:
    """Return what the page shows of a run, by name, as lists.

    Parameters
    ----------
    run : Run or None
        None where there is not any.
    """
    rates = {name: values.tolist() for name, values in throughput(run).items()}
    return {
        "summary": {"text": [summary_of(run)]},
        "models": models_table(run),
        "failures": failures_table(run.failures if run else {}),
        "throughput": rates,
    }


def models_table(run: Run | None) -> Columns:
    """Return a row a model of a run.

    Parameters
    ----------
    run : Run or None

    Returns
    -------
    dict of str to list
        `MODEL_COLUMNS`.
    """
    if run is None:
        return _columns(MODEL_COLUMNS, [])
    rows = [
        {
            "model": model,
            "coins": progress.coins,
            "done": progress.done,
            "failed": progress.failed,
            "left": progress.left,
            "share": _share(progress.ended, progress.coins),
            "time_left": shown_seconds(run.seconds_left(model)),
            "rows": progress.rows,
            "seconds": round(sum(progress.seconds.values()), 2),
        }
        for model, progress in run.models.items()
    ]
    return _columns(MODEL_COLUMNS, rows)


def failures_table(failures: dict[tuple[str, str], tuple[str, str]]) -> Columns:
    """Return a row a coin and model without a forecast.

    Parameters
    ----------
    failures : dict
        ``(coin, model)`` to ``(exception, message)``.

    Returns
    -------
    dict of str to list
        `FAILURE_COLUMNS`.
    """
    rows = [
        {"coin": coin, "model": model, "exception": exception, "message": message}
        for (coin, model), (exception, message) in failures.items()
    ]
    return _columns(FAILURE_COLUMNS, rows)


def throughput(run: Run | None) -> Columns:
    """Return coins (times models) a second between points, as steps over seconds of the run.

    Parameters
    ----------
    run : Run or None

    Returns
    -------
    dict of str to ndarray of float64
        ``seconds`` since the run started, and ``rate``, each ``(n_points,)``.
    """
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
    """Return the line by which a viewer chooses a run.

    Parameters
    ----------
    run : Run
    """
    return f"{_what(run)} · {run.state}"


def _what(run: Run) -> str:
    """Return when a run began, its kind and its models."""
    models = ", ".join(run.models)
    models = models if len(models) <= 60 else f"{models[:59]}…"
    return f"{_clock(run.began)} · {run.kind} · {models}"


def progress_of(run: Run) -> str:
    """Return which run is in progress, how far, and when that was, as one line; "" of others.

    Parameters
    ----------
    run : Run
    """
    if run.state != RUNNING:
        return ""
    ended, coins = run.total("ended"), run.total("coins")
    return f"{_what(run)} · running, {ended:,} of {coins:,} yet, as of {_clock(run.heard)}"


def summary_of(run: Run | None) -> str:
    """Return the heading of a run, as one line.

    Parameters
    ----------
    run : Run or None
    """
    if run is None:
        return "No run since this scheduler started."
    parts = [progress_of(run) or label_of(run), f"{counted(run.horizon, 'bar')} ahead"]
    if run.source:
        parts.append(f"prices from {run.source}")
    if run.out:
        parts.append(f"written to {run.out}")
    if run.error:
        parts.append(run.error)
    return " · ".join(parts)


def shown_seconds(seconds: float | None) -> str:
    """Return a duration as 45 s, 3:20 min or 2:05 h; a dash for one that is not known.

    Parameters
    ----------
    seconds : float or None
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60}:{rounded % 60:02d} min"
    return f"{rounded // 3600}:{rounded % 3600 // 60:02d} h"


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
    """Return a moment in the scheduler's time zone, as in its logs."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")

"""The folder that workers write forecasts to, while a run is under way and after it."""

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.bands import Known
from cryptodask.cluster.retry import TaskId
from cryptodask.evaluate.intervals.error_counts import PoolSummary
from cryptodask.io.parquet import read_frame
from cryptodask.io.paths import AnyPath, each, names_in, path_of, read_text, resolved
from cryptodask.prices.clean.findings import empty_findings, join_findings
from cryptodask.records import CoinFailure, FloatArray
from cryptodask.results.forecasts import (
    FAILURES,
    LOST,
    MANIFEST,
    TASKS,
    ForecastFolder,
    failure_table,
    forecast_schema,
    read_manifest,
    write_frames,
    write_json,
    write_part,
)
from cryptodask.runs.folder import RunFolder
from cryptodask.timing import STAGES
from cryptodask.work import JobResult, told_in

COLUMNS = ("model", "coins", "bounded", "rows", "worker", "began", "ended", *STAGES)


_POOLS = "_pools.json"


class ForecastRun(RunFolder):
    """The folder of a forecast that is under way."""

    def give_up(self, piece: TaskId, failure: CoinFailure, *, intervals: bool) -> None:
        """Write of a coin that it has no forecast, so that no run which goes on tries it."""
        name = self.name(piece)
        write_part(self.path, told_in(name)[0], failure_table([failure]))
        with write_frames(self.path, name, forecast_schema(intervals)):
            pass

    def read_pools(self) -> Known | None:
        """Return what errors of past forecasts came to, if all of them were counted."""
        try:
            told = json.loads(read_text(self.path / _POOLS))
        except FileNotFoundError:
            return None
        typical: dict[str, dict[int, PoolSummary]] = {model: {} for model in told["models"]}
        found: dict[str, dict[int, FloatArray]] = {model: {} for model in told["models"]}
        for model, cohort, cutoffs, *arrays in told["typical"]:
            dates = np.array(cutoffs, dtype="datetime64[s]")
            typical[model][cohort] = PoolSummary(dates, *map(_array, arrays))
        for model, cohort, array in told["quantiles"]:
            found[model][cohort] = _array(array)
        return typical, found

    def write_pools(self, known: Known) -> None:
        """Write that; JSON keeps every bit of a number."""
        told: dict[str, list[Any]] = {"models": list(known[0]), "typical": [], "quantiles": []}
        for model, all_of in known[0].items():
            for cohort, one in all_of.items():
                arrays = [_listed(array) for array in (one.moves, one.cap, one.mean)]
                told["typical"].append([model, cohort, one.cutoffs.astype(str).tolist(), *arrays])
        for model, found in known[1].items():
            told["quantiles"] += [[model, cohort, _listed(one)] for cohort, one in found.items()]
        write_json(self.path, _POOLS, told)

    def close(
        self,
        pieces: Sequence[TaskId],
        models: Sequence[str],
        failures: Sequence[CoinFailure],
        facts: dict[str, Any],
    ) -> None:
        """Write what failed and how it went, and the manifest, which makes the table whole.

        Parameters
        ----------
        pieces : sequence of TaskId
            All there are, of which some may have no file, since they failed as a whole.
        models : sequence of str
            The model of each.
        failures : sequence of CoinFailure
            Those that are in no file.
        facts : dict
            What the manifest tells besides.
        """
        there = set(names_in(self.path))
        done = {self.name(p): model for p, model in zip(pieces, models, strict=True)}
        done = {name: model for name, model in done.items() if name in there}
        beside = [told_in(name) for name in done]
        failed = each(read_frame, [self.path / f for f, _, _ in beside])
        lost = each(read_frame, [self.path / f for _, f, _ in beside if f in there])
        ran = {task: model for (_, _, task), model in zip(beside, done.values(), strict=True)}
        ran = {task: model for task, model in ran.items() if task in there}
        tasks_of = each(_read_task, [self.path / task for task in ran])
        rows = [{"model": m, **told} for m, told in zip(ran.values(), tasks_of, strict=True)]
        tasks = task_table(rows)
        whole = pd.concat([failure_table(failures), *failed], ignore_index=True).astype("str")
        whole = whole.sort_values(["coin", "model"], kind="stable", ignore_index=True)
        write_part(self.path, FAILURES, whole)
        write_part(self.path, LOST, join_findings(lost).drop_duplicates(ignore_index=True))
        write_part(self.path, TASKS, tasks)
        count = int(tasks["coins"].sum()) * int(self.facts["horizon"])
        write_json(self.path, MANIFEST, {**facts, "rows": count, "files": list(done)})
        self.clear(("_failures-", "_lost-", "_task-", "_split-", "_pools"))


def _read_task(path: AnyPath) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(read_text(path))
    return told | {stage: told["seconds"].get(stage, 0.0) for stage in STAGES}


def _listed(array: FloatArray) -> list[Any]:
    return [array.shape, array.ravel().tolist()]


def _array(listed: list[Any]) -> FloatArray:
    shape, values = listed
    return np.array(values, dtype=np.float64).reshape(shape)


def task_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return what each task did as a table; see `Forecasts.tasks`."""
    return pd.DataFrame(rows, columns=list(COLUMNS))


def task_row(model: str, done: JobResult) -> dict[str, Any]:
    """Return what one task did."""
    told = {name: getattr(done, name) for name in COLUMNS if hasattr(done, name)}
    return {"model": model} | told | {name: done.seconds.get(name, 0.0) for name in STAGES}


def open_forecasts(path: str | os.PathLike[str] | AnyPath) -> ForecastFolder:
    """Open forecasts that were written to a folder, or to a URL that fsspec knows.

    Raises
    ------
    TableError
        There are none, or the run did not end.
    """
    folder = resolved(path_of(path))
    told = read_manifest(folder)
    failures, lost, tasks = each(read_frame, [folder / name for name in (FAILURES, LOST, TASKS)])
    return ForecastFolder(
        folder,
        int(told["rows"]),
        failures.astype("str"),
        lost.astype(empty_findings().dtypes.to_dict()),
        tasks,
        dict(told.get("features", {})),
    )

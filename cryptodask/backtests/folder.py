"""The folder of a backtest: its plan first, then files as they are done, the manifest last."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cryptodask.backtests.result import LOST, file_of
from cryptodask.backtests.task import Task
from cryptodask.errors import InputError
from cryptodask.models import Model
from cryptodask.records import DateArray
from cryptodask.results import MANIFEST, write_part

PLAN = "_plan.json"

_VERSION = 1


class BacktestFolder:
    """The folder of a backtest: its plan first, then files as they are done, the manifest last."""

    def __init__(self, path: Path, facts: dict[str, Any], overwrite: bool) -> None:
        self.path, self.facts = path.resolve(), facts
        if not path.exists():
            path.mkdir(parents=True)
            return
        ours = path.is_dir() and all(_is_own(file.name) for file in path.iterdir())
        if not ours:
            raise InputError(
                f"{path}: is there already and holds something other than a backtest; name another"
            )
        told = self._read_plan()
        if told is not None and told["facts"] != facts and not overwrite:
            other = [key for key in facts if told["facts"].get(key) != facts[key]]
            raise InputError(
                f"{path}: holds a backtest of other {', '.join(other)}; name another folder, or "
                "overwrite it (--overwrite)"
            )
        if told is None or told["facts"] != facts:
            for file in (path / MANIFEST, *path.iterdir()):
                file.unlink(missing_ok=True)

    def plan(self, make: Callable[[], list[Task]], models: Sequence[Model]) -> list[Task]:
        """Return the tasks that were planned before, or plan them now.

        However many workers there are now, they are those of the run that began, of which files
        may be there.
        """
        told = self._read_plan()
        if told is None:
            tasks = make()
            rows = [[models.index(task.model), task.runs] for task in tasks]
            self._write(PLAN, {"version": _VERSION, "facts": self.facts, "tasks": rows})
            return tasks
        return [
            Task(models[number], tuple((int(a), int(b)) for a, b in runs))
            for number, runs in told["tasks"]
        ]

    def has(self, number: int) -> bool:
        """Tell whether a task was done."""
        return (self.path / file_of(number)).exists()

    @property
    def is_whole(self) -> bool:
        """Tell whether all tasks are done and the manifest is there."""
        told = self._read_plan()
        done = told is not None and all(self.has(i) for i in range(len(told["tasks"])))
        return done and (self.path / MANIFEST).exists()

    def tables(self) -> list[Path]:
        """Return the files that are there."""
        told = self._read_plan()
        count = len(told["tasks"]) if told else 0
        return [self.path / file_of(i) for i in range(count) if self.has(i)]

    def close(self, failures: pd.DataFrame, models: Sequence[str], origins: DateArray) -> None:
        """Write what failed without a file, and the manifest, which makes the backtest whole."""
        write_part(self.path, LOST, failures)
        for file in list(self.path.iterdir()):  # drafts of workers that were killed
            if file.name.startswith(".backtest-") or file.name.startswith("._failures-"):
                file.unlink(missing_ok=True)
        self._write(
            MANIFEST,
            {
                "models": list(models),
                "horizon": self.facts["horizon"],
                "features": self.facts["features"],
                "origins": origins.astype(str).tolist(),
                "files": [file.name for file in self.tables()],
            },
        )

    def _read_plan(self) -> dict[str, Any] | None:
        try:
            told = json.loads((self.path / PLAN).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        known = isinstance(told, dict) and told.get("version") == _VERSION
        return told if known else None

    def _write(self, name: str, told: dict[str, Any]) -> None:
        draft = self.path / f".{name}"
        draft.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        draft.replace(self.path / name)


def _is_own(name: str) -> bool:
    """Tell whether a file of this name is one that a backtest writes into its folder."""
    plain = name.lstrip(".")
    starts = (MANIFEST, PLAN, "_failures", "backtest-", "forecasts-probe")
    return "/" not in name and (plain.startswith(starts) or name.lstrip(".").startswith(starts))

"""How a run begins and ends for others: its messages to pages, and its folder made whole."""

from typing import Any

from cryptodask.cluster import RunLog
from cryptodask.io.parquet import write_frame
from cryptodask.models.base import fingerprints
from cryptodask.results.jobs import lost_table, task_table
from cryptodask.results.manifest import FAILURES, LOST, TASKS, Manifest
from cryptodask.runs.folder import RunFolder
from cryptodask.runs.kind import Kind, Outcome


def run_log(kind: Kind[Any, Any], folder: RunFolder | None) -> RunLog:
    """Return what sends messages of a run to the scheduler."""
    coins = sorted({*kind.coins, *(failure.coin for failure in kind.without)})
    return RunLog(
        kind.session.pages if kind.coins else None,
        kind.event,
        [model.name for model in kind.models],
        coins,
        kind.spec.horizon,
        kind.session.loader.path,
        None if folder is None else folder.path,
    )


def close_folder(folder: RunFolder, kind: Kind[Any, Any], outcome: Outcome) -> Manifest:
    """Write what failed, what was lost and what jobs did, and the manifest, which is returned."""
    jobs = outcome.jobs
    beside = {
        FAILURES: kind.failure_table(outcome.failures),
        LOST: lost_table(done for _, done in jobs),
        TASKS: task_table((model.name, done) for model, done in jobs if done.worker),
    }
    records = [write_frame(table, folder.path / name) for name, table in beside.items()]
    records += kind.write_beside(folder.path, outcome)
    manifest = Manifest(
        key=folder.key,
        kind=kind.tables,
        models=[model.name for model in kind.models],
        horizon=kind.spec.horizon,
        seed=kind.spec.seed,
        features=fingerprints(kind.models),
        intervals=kind.intervals,
        rows=kind.rows(int(beside[TASKS]["coins"].sum())),
        files=[done.file for _, done in jobs if done.file is not None],
        beside=records,
        **kind.manifest_facts(),
    )
    folder.close(manifest)
    return manifest

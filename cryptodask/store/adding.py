"""Storing a run from its folder, file by file, in one transaction."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, Table, func, insert, select, update

from cryptodask.errors import InputError, StoreError
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.io.paths import AnyPath, path_of, resolved
from cryptodask.results import Backtest, Forecasts, open_backtest, open_forecasts
from cryptodask.results.manifest import Manifest, read_manifest
from cryptodask.runs.plan import Plan, read_plan
from cryptodask.runs.spec import to_json
from cryptodask.runs.version_spec import PredictSpec
from cryptodask.store.bulk import VALUES, insert_forecasts
from cryptodask.store.connect import writing
from cryptodask.store.frames import frame_of
from cryptodask.store.schema import FAILURES, FORECASTS, RUNS, SCORES, VERSIONS, iso
from cryptodask.text import shown_date

KEYS = ["model", "coin", "cutoff", "step"]

AT_ONCE = 10_000
"""Coins that one query names: databases limit the parameters of a query."""


@dataclass(frozen=True)
class StoredRun:
    """A run in the store.

    Attributes
    ----------
    run : int
        Its number, ``id`` of the table ``runs``.
    rows : int
        Forecasts, of a backtest 0.
    new : bool
        Whether it was not there before.
    """

    run: int
    rows: int
    new: bool


def insert_new(connection: Connection, table: Table) -> Any:
    """Return an insert that leaves rows alone whose key is there.

    Parameters
    ----------
    connection : Connection
    table : Table
    """
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def now() -> str:
    """Return this moment in UTC."""
    return iso(datetime.now(UTC).replace(tzinfo=None))


Without = frozenset[tuple[str, str]]
Result = Forecasts | Backtest


def add_run(engine: Engine, folder: str, without: Without = frozenset()) -> StoredRun:
    """Store the result of a run: all of it, or nothing if that fails.

    Parameters
    ----------
    engine : Engine
    folder : str
        Folder or URL of a forecast, a prediction or a backtest.
    without : set of (str, str)
        Coins and models whose forecasts are left out.

    Raises
    ------
    TableError
        The folder holds no result that is whole.
    InputError
        It is of something else.
    StoreError
        The run is stored with other numbers.
    """
    path = resolved(path_of(folder))
    manifest = read_manifest(path)
    try:
        plan = read_plan(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: has a result and no plan, by which a store knows it") from error
    if plan.key != manifest.key:
        raise InputError(f"{path}: its manifest is of another run than its plan; run it again")
    is_backtest = manifest.kind == "backtest"
    result = open_backtest(path, manifest) if is_backtest else open_forecasts(path, manifest)
    with writing(engine) as connection:
        row = _row(plan, manifest, path)
        query = insert_new(connection, RUNS).values(row).returning(RUNS.c.id)
        run = connection.execute(query).scalar()
        if run is None:
            run = connection.execute(select(RUNS.c.id).where(RUNS.c.key == plan.key)).scalar_one()
            return StoredRun(run, _compare(connection, run, path, result, without), new=False)
        rows = _insert(connection, run, result, plan, without)
        return StoredRun(run, rows, new=True)


def _row(plan: Plan, manifest: Manifest, path: AnyPath) -> dict[str, Any]:
    return {
        "key": plan.key,
        "kind": plan.kind,
        "spec": None if plan.spec is None else json.dumps(to_json(plan.spec)),
        "prices": plan.facts["prices"],
        "models": json.dumps(list(manifest.models)),
        "horizon": manifest.horizon,
        "intervals": manifest.intervals,
        "rows": manifest.rows if manifest.kind == "forecasts" else 0,
        "folder": str(path),
        "stored": now(),
    }


def _insert(connection: Connection, run: int, result: Result, plan: Plan, without: Without) -> int:
    """Insert a result; return the number of forecasts."""
    if len(result.failures):
        connection.execute(insert(FAILURES), records(result.failures, run))
    if isinstance(plan.spec, PredictSpec):
        used = zip(plan.spec.labels, plan.spec.versions, strict=True)
        versions = [{"run": run, "label": label, "path": path} for label, path in used]
        connection.execute(insert(VERSIONS), versions)
    if isinstance(result, Backtest):
        _insert_scores(connection, run, result)
        return 0
    first, last, rows = pd.NaT, pd.NaT, 0
    for part in _parts(result, without):
        insert_forecasts(connection, run, part)
        rows += len(part)
        first = min([part["cutoff"].min(), first], key=lambda d: (pd.isna(d), d))
        last = max([part["cutoff"].max(), last], key=lambda d: (not pd.isna(d), d))
    known: dict[str, Any] = {"rows": rows}
    if rows:
        known |= {"first_cutoff": first.to_datetime64(), "last_cutoff": last.to_datetime64()}
    connection.execute(update(RUNS).where(RUNS.c.id == run).values(known))
    return rows


def _insert_scores(connection: Connection, run: int, backtest: Backtest) -> None:
    connection.execute(insert(SCORES), records(_scores(backtest), run))
    cutoffs = {"first_cutoff": backtest.origins.min(), "last_cutoff": backtest.origins.max()}
    connection.execute(update(RUNS).where(RUNS.c.id == run).values(cutoffs))


def records(frame: pd.DataFrame, run: int) -> list[dict[str, Any]]:
    """Return the rows of a dataframe as inserts take them, NaN and NaT as None.

    Parameters
    ----------
    frame : DataFrame
    run : int
        Of the table ``runs``: a column more.
    """
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{"run": run} | {str(name): value for name, value in row.items()} for row in rows]


def _scores(backtest: Backtest) -> pd.DataFrame:
    """Return the scores of a backtest's models, a row each: ``model, score, value``."""
    return backtest.scores().melt(id_vars="model", var_name="score").astype({"value": "float64"})


def _parts(forecasts: Forecasts, without: Without) -> Iterator[pd.DataFrame]:
    """Yield forecasts file by file, without some."""
    for part in forecasts.parts():
        if without:
            named = zip(part["coin"], part["model"], strict=True)
            part = part[[key not in without for key in named]]
        if len(part):
            yield part


def _compare(
    connection: Connection, run: int, path: AnyPath, result: Result, without: Without
) -> int:
    """See that a run that is stored has the numbers of a folder; return that of its forecasts."""
    if isinstance(result, Backtest):
        stored = frame_of(connection, select(SCORES).where(SCORES.c.run == run))
        _refuse_other(_scores(result), stored, ["model", "score"], ("value",), run, path)
        return 0
    compared = 0
    for part in _parts(result, without):
        for start in range(0, part["coin"].nunique(), AT_ONCE):
            coins = part["coin"].unique()[start : start + AT_ONCE]
            rows = part[part["coin"].isin(coins)]
            _compare_rows(connection, run, path, rows)
        compared += len(part)
    of_run = select(func.count()).select_from(FORECASTS).where(FORECASTS.c.run == run)
    there = connection.execute(of_run).scalar_one()
    if there != compared:
        raise StoreError(
            f"{path}: has {compared:,} forecasts, and run {run}, which has the same key, is stored "
            f"with {there:,}"
        )
    return compared


def _compare_rows(connection: Connection, run: int, path: AnyPath, rows: pd.DataFrame) -> None:
    query = select(FORECASTS).where(
        FORECASTS.c.run == run,
        FORECASTS.c.model.in_(rows["model"].unique().tolist()),
        FORECASTS.c.coin.in_(rows["coin"].unique().tolist()),
    )
    rows = rows.reindex(columns=[*KEYS, "forecast", *BOUNDS])
    _refuse_other(rows, frame_of(connection, query), KEYS, VALUES, run, path)


def _refuse_other(
    rows: pd.DataFrame,
    stored: pd.DataFrame,
    keys: Sequence[str],
    values: Sequence[str],
    run: int,
    path: AnyPath,
) -> None:
    """See that rows are stored with the same numbers.

    Raises
    ------
    StoreError
        One is not; the message shows both numbers.
    """
    both = rows.merge(stored, on=list(keys), how="left", suffixes=("", "_stored"))
    for name in values:
        here, there = both[name], both[f"{name}_stored"]
        differs = (here != there) & ~(here.isna() & there.isna())
        if differs.any():
            row = both[differs].iloc[0]
            where = ", ".join(f"{key} {shown(row[key])}" for key in keys)
            numbers = [float(row[column]) for column in (name, f"{name}_stored")]
            raise StoreError(
                f"{path}: {where}: {name}: is {numbers[0]} in the folder, and {numbers[1]} in run "
                f"{run} of the store, which has the same key; nothing was changed"
            )


def shown(value: Any) -> str:
    """Return a value as messages show it.

    Parameters
    ----------
    value : Any
    """
    return shown_date(value) if isinstance(value, pd.Timestamp) else str(value)

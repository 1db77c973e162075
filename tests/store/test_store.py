"""The store on SQLite and PostgreSQL: what goes in comes out, and nothing is stored twice."""

import random
import shutil
import time
from collections.abc import Callable
from multiprocessing import get_context
from operator import methodcaller
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

from cryptodask.errors import (
    InputError,
    OptionError,
    StoreError,
    TableError,
    UnknownCoinError,
    UnknownModelError,
)
from cryptodask.io.parquet import write_frame
from cryptodask.io.paths import path_of
from cryptodask.results import open_backtest, open_forecasts
from cryptodask.results.manifest import read_manifest, write_manifest
from cryptodask.store import Alert, Judgement, Request, open_store
from cryptodask.store.bulk import insert_forecasts
from cryptodask.store.connect import SCRIPTS, connect, writing
from cryptodask.store.monitoring import MONITOR
from cryptodask.store.schema import METADATA
from cryptodask.store.store import Store
from tests.store.conftest import killed_at

KEYS = ["coin", "model", "cutoff", "step"]


def test_a_run_comes_back_as_it_was(place: str, run_folder: Path) -> None:
    result = open_forecasts(run_folder)
    with open_store(place) as store:
        stored = store.add(run_folder)
        assert (stored.rows, stored.new) == (len(result), True)
        back = store.forecasts()
        wanted = result.get_df().sort_values(KEYS, ignore_index=True)
        pd.testing.assert_frame_equal(back.drop(columns="run")[wanted.columns], wanted)
        assert (back["run"] == stored.run).all()
        failures = store.failures(stored.run).drop(columns=["run", "cutoff"])
        pd.testing.assert_frame_equal(failures, result.failures)
        run = store.runs().iloc[0]
        assert run["key"] == read_manifest(path_of(run_folder)).key
        assert run["last_cutoff"] == wanted["cutoff"].max()


def test_a_run_that_is_stored_again_changes_nothing(place: str, run_folder: Path) -> None:
    with open_store(place) as store:
        first = store.add(run_folder)
        before = store.forecasts(), store.failures(), store.runs()
        again = store.add(run_folder)
        assert (again.run, again.rows, again.new) == (first.run, first.rows, False)
        for old, new in zip(
            before, (store.forecasts(), store.failures(), store.runs()), strict=True
        ):
            pd.testing.assert_frame_equal(old, new)


def changed(folder: Path, into: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Copy a run, with other rows in its first file, and a manifest that fits them."""
    shutil.copytree(folder, into)
    manifest = read_manifest(path_of(into))
    first, *others = manifest.files
    rows = change(pd.read_parquet(into / first.name))
    record = write_frame(rows, path_of(into / first.name))
    gone = len(pd.read_parquet(folder / first.name)) - len(rows)
    fitting = attrs.evolve(manifest, files=[record, *others], rows=manifest.rows - gone)
    write_manifest(path_of(into), fitting)
    return into


@pytest.mark.parametrize("column", ["forecast", "upper_95"])
def test_other_numbers_under_the_key_of_a_run_are_refused_with_both(
    place: str, run_folder: Path, tmp_path: Path, column: str
) -> None:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[1, column] = 123.5
        return rows

    other = changed(run_folder, tmp_path / "other", change)
    with open_store(place) as store:
        store.add(run_folder)
        before = store.forecasts()
        with pytest.raises(StoreError, match=rf"step 2: {column}: is .*123\.5.* and .* in run 1"):
            store.add(other)
        pd.testing.assert_frame_equal(store.forecasts(), before)


def test_fewer_rows_under_the_key_of_a_run_are_refused(
    place: str, run_folder: Path, tmp_path: Path
) -> None:
    other = changed(run_folder, tmp_path / "other", lambda rows: rows.iloc[4:])
    with open_store(place) as store:
        store.add(run_folder)
        with pytest.raises(StoreError, match="forecasts, and run 1, which has the same key"):
            store.add(other)


def test_a_row_that_was_changed_in_the_database_is_found(place: str, run_folder: Path) -> None:
    with open_store(place) as store:
        store.add(run_folder)
        with writing(store._engine) as connection:
            connection.execute(text("UPDATE forecasts SET forecast = 7 WHERE step = 3"))
        with pytest.raises(StoreError, match=r"step 3: forecast: is .* and 7\.0 in run 1"):
            store.add(run_folder)


def test_scores_of_a_backtest_are_stored(place: str, backtest_folder: Path) -> None:
    wanted = open_backtest(backtest_folder).scores().set_index("model")
    with open_store(place) as store:
        run = store.add(backtest_folder)
        scores = store.scores(run.run).pivot_table("value", "model", "score", dropna=False)
        for model in wanted.index:
            for score in ("mase", "relative_mae"):
                assert scores.loc[model, score] == wanted.loc[model, score]
        assert not store.add(backtest_folder).new
        assert len(store.forecasts()) == 0


def test_the_latest_forecast_as_of_a_date(place: str, run_folder: Path, tmp_path: Path) -> None:
    """Two runs, the later of fewer coins: a coin that it lacks keeps its older forecast."""

    def later(rows: pd.DataFrame) -> pd.DataFrame:
        rows["cutoff"] += pd.Timedelta(days=1)
        rows["date"] += pd.Timedelta(days=1)
        return rows

    with open_store(place) as store:
        store.add(run_folder)
        first = store.forecasts(model="naive")
        coin, other = first["coin"].unique()[:2]
        cutoff = first["cutoff"].max()
        new = first[first["coin"] == coin].assign(run=0)
        with writing(store._engine) as connection:
            insert_forecasts(connection, 99, later(new))
        latest = store.latest([coin, other], "naive")
        assert latest.groupby("coin")["run"].unique().map(list).to_dict() == {
            coin: [99],
            other: [1],
        }
        assert (latest.groupby("coin")["step"].count() == 4).all()
        before = store.forecasts([coin, other], "naive", as_of=cutoff)
        assert set(before["run"]) == {1}
        assert len(store.forecasts(coin, "naive")) == 8
        assert store.forecasts(run=99)["cutoff"].eq(cutoff + pd.Timedelta(days=1)).all()
        with pytest.raises(UnknownCoinError, match="coin Nowhere: no such forecast"):
            store.latest([coin, "Nowhere"])
        with pytest.raises(UnknownModelError, match="model nobody: no such forecast"):
            store.latest(model="nobody")
        for text in ("2026-06-31", "NaT", "", "06/07/2026", "1e9"):
            with pytest.raises(OptionError, match="as_of"):
                store.forecasts(as_of=text)


def test_what_is_no_result_is_refused(place: str, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = shutil.copytree(run_folder, tmp_path / "planless")
    (other / "_plan.json").unlink()
    with open_store(place) as store:
        with pytest.raises(TableError, match="holds no result that is whole"):
            store.add(tmp_path / "empty")
        with pytest.raises(InputError, match="no plan"):
            store.add(other)
        assert store.runs().empty


def test_a_damaged_file_stores_nothing(place: str, run_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run_folder, tmp_path / "other")
    last = other / read_manifest(path_of(other)).files[-1].name
    last.write_bytes(last.read_bytes()[:-3])
    with open_store(place) as store:
        with pytest.raises(InputError, match=last.name):
            store.add(other)
        assert store.runs().empty
        assert store.forecasts().empty


# What comes day by day.


def closes(values: dict[str, float], date: str = "2026-01-01") -> pd.DataFrame:
    return pd.DataFrame(
        {"coin": list(values), "date": pd.Timestamp(date), "close": list(values.values())}
    ).astype({"date": "datetime64[s]"})


def test_closes_are_stored_once_and_corrections_beside_them(place: str) -> None:
    with open_store(place) as store:
        assert store.add_actuals(closes({"A": 1.0, "B": 2.0}), "2026-01-02") == 2
        assert store.add_actuals(closes({"A": 1.0, "B": 2.0}), "2026-01-03") == 0
        assert store.add_actuals(closes({"A": 1.5, "C": 3.0}), "2026-01-04T05:00:00") == 2
        assert store.actuals()["close"].tolist() == [1.5, 2.0, 3.0]
        assert store.actuals("A", as_of="2026-01-03")["close"].tolist() == [1.0]
        assert store.actuals(since="2026-01-02").empty


def test_a_correction_counts_though_the_clock_was_set_back(place: str) -> None:
    with open_store(place) as store:
        store.add_actuals(closes({"A": 1.0}), "2999-01-01T10:00:00")
        assert store.add_actuals(closes({"A": 1.5, "B": 2.0})) == 2
        assert store.actuals()["close"].tolist() == [1.5, 2.0]
        # Twice in a second.
        assert store.add_actuals(closes({"A": 1.75, "B": 2.5})) == 2
        assert store.actuals()["close"].tolist() == [1.75, 2.5]
        assert store.add_actuals(closes({"A": 1.75, "B": 2.5})) == 0


def test_judgements_requests_and_alerts_are_stored_once(place: str) -> None:
    judgement = Judgement(
        run_key="k", rule="rise", coin="A", model="ridge", action="request", seen={"return": 0.1}
    )
    request = Request(judgement=judgement, cutoff="2026-01-01", side="buy", weight=0.1)
    alert = Alert(key="2026-01-01 freshness", kind="freshness", subject="2026-01-01", message="!")
    with open_store(place) as store:
        for first in (True, False):
            assert store.add_judgements([judgement]) == first
            assert store.add_requests([request]) == first
            assert store.add_alerts([alert]) == first
        with pytest.raises(StoreError, match=r"is buy 0\.2, and was buy 0\.1"):
            store.add_requests([attrs.evolve(request, weight=0.2)])
        # A later day without new prices, whose run is another.
        repeated = attrs.evolve(request, judgement=attrs.evolve(judgement, run_key="k2"))
        assert store.add_requests([repeated]) == 0
        assert store.requests()["judgement"].tolist() == [1]
        following = attrs.evolve(request, cutoff="2026-01-02T00:00:00")
        assert store.add_requests([following]) == 1
        assert store.add_requests([attrs.evolve(request, cutoff="2026-01-02")]) == 0
        assert store.judgements()["seen"].tolist() == ['{"return": 0.1}'] * 2
        assert store.alerts()["value"].isna().all()
        other = Judgement(run_key="k", rule="rise", coin="A", model="ridge", action="skip", seen={})
        with pytest.raises(StoreError, match="is skip, and was request"):
            store.add_judgements([other])


# Tables, and who makes them.


def test_the_migrations_make_the_tables_of_the_schema(place: str) -> None:
    assert MONITOR.metadata is METADATA
    engine = connect(place)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def upgraded(place: str, revision: str) -> None:
    """Make the tables of an older version."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = connect(place)
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


def test_tables_of_the_version_before_are_upgraded_with_their_rows(
    place: str, run_folder: Path
) -> None:
    with open_store(place) as store:
        store.add(run_folder)
        before = store.forecasts()
    upgraded(place, "0001")
    with open_store(place) as store:
        pd.testing.assert_frame_equal(store.forecasts(), before)
        assert store.add_actuals(closes({"A": 1.0})) == 1


def test_tables_of_a_newer_version_are_refused(place: str) -> None:
    engine = connect(place)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="are of version 9999"):
        open_store(place)


def test_a_place_that_can_not_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        open_store(tmp_path / "missing" / "store.db")
    (tmp_path / "empty.db").touch()
    for name in ("store.db", "empty.db"):
        with pytest.raises(StoreError, match="no store there"):
            open_store(tmp_path / name, make=False)
    with pytest.raises(InputError, match="not a URL"):
        open_store("postgresql://me@127.0.0.1:abc/test")
    (tmp_path / "text.db").write_text("no database, by far" * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_store(tmp_path / "text.db")
    with pytest.raises(InputError, match="mysql: no database that is known here"):
        open_store("mysql://root@127.0.0.1/test")
    with pytest.raises(StoreError, match=r"postgresql://me:\*\*\*@127.0.0.1:1/x: .*refused"):
        open_store("postgresql://me:hidden" + "@127.0.0.1:1/x")


# Several processes, and processes that are killed.


def store_it(place: str, folder: str) -> None:
    with open_store(place) as store:
        store.add(folder)


def test_four_processes_that_store_at_once_store_once(
    place: str, run_folder: Path, backtest_folder: Path
) -> None:
    """The first of them makes the tables, while the others wait."""
    context = get_context("spawn")
    folders = [run_folder, backtest_folder] * 2
    processes = [context.Process(target=store_it, args=(place, str(f))) for f in folders]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    with open_store(place) as store:
        assert len(store.runs()) == 2
        assert len(store.forecasts()) == len(open_forecasts(run_folder))


def empty(store: Store) -> None:
    """Remove all runs of a store."""
    with writing(store._engine) as connection:
        for table in ("failures", "scores", "versions", "forecasts", "runs"):
            connection.execute(text(f"DELETE FROM {table}"))


def test_a_process_that_is_killed_leaves_all_or_nothing(place: str, run_folder: Path) -> None:
    with open_store(place) as store:
        rows = len(open_forecasts(run_folder))
    add = methodcaller("add", run_folder)
    begun = time.monotonic()
    assert not killed_at(place, add, 1_000)
    whole = time.monotonic() - begun  # seconds that it takes, on a machine as busy as this one
    with open_store(place) as store:
        empty(store)
    rng = random.Random(0)
    moments = [*range(1, 26), *(-rng.uniform(0.001, whole) for _ in range(25))]
    killed = 0
    for moment in moments:
        killed += killed_at(place, add, moment)
        with open_store(place) as store:
            runs, forecasts = store.runs(), store.forecasts()
            assert (len(runs), len(forecasts)) in ((0, 0), (1, rows))
            if len(runs):
                store.add(run_folder)  # equal to the folder, or an error
                empty(store)
    assert killed >= 10
    with open_store(place) as store:
        assert store.add(run_folder).rows == rows


def test_hourly_moments_are_kept_to_the_second(place: str) -> None:
    hours = pd.date_range("2026-01-01", periods=2, freq="h", unit="s")
    rows = pd.DataFrame(
        {"coin": '=A,"b"\\', "model": "naïve", "cutoff": hours, "date": hours + pd.Timedelta("1h")}
    ).assign(step=1, forecast=[1e-300, np.pi], lower_80=[np.nan, 2.0])
    with open_store(place) as store:
        with writing(store._engine) as connection:
            insert_forecasts(connection, 1, rows)
        back = store.forecasts()
        assert back["cutoff"].tolist() == list(hours)
        assert back["forecast"].tolist() == [1e-300, np.pi]
        assert back["coin"].unique().tolist() == ['=A,"b"\\']
        assert back["lower_80"].isna().tolist() == [True, False]
        latest = store.latest()
        assert latest["cutoff"].tolist() == [hours[1]]

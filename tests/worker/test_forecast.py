"""Jobs: planned by cost, done in parts that fit into memory, and counted stage by stage."""

import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask import CryptoLoader, PriceTable, create_model, import_prices
from cryptodask.errors import TableError
from cryptodask.io.files import record_of
from cryptodask.models import Model
from cryptodask.prices import partition
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.partition import Source
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.synthetic import coin_name
from cryptodask.prices.table.storage import writing
from cryptodask.results.forecasts import read_part
from cryptodask.results.jobs import TaskFiles, read_done
from cryptodask.runs.workload import Workload, plan_tasks, share
from cryptodask.worker.forecast import forecast_job
from cryptodask.worker.job import Job, embed_prices, join_jobs
from cryptodask.worker.read import read_panel
from tests.conftest import write_folder

CUT = RowFilter.of(None, None, None)


def plan_jobs(
    source: Source, coins: Sequence[str], model: Model, workers: int, n: int | None
) -> list[Job]:
    """Plan the work of one model, and return its jobs."""
    tasks = plan_tasks(source, coins, [model], workers, n)
    workload = Workload(source, coins, [model], tasks, list)
    return [workload.job(task) for task in workload.task_ids()]


def files_in(folder: Path, task: str = "00000") -> TaskFiles:
    return TaskFiles(folder / f"forecasts-{task}.parquet", folder / f"_done-{task}.json", "key")


@pytest.mark.parametrize("kind", ["folder", "table"])
@pytest.mark.parametrize("n", [None, 1, 5])
def test_every_coin_is_in_one_job(
    small_folder: Path, tmp_path: Path, kind: str, n: int | None
) -> None:
    source = CryptoLoader(small_folder).source
    if kind == "table":
        source = import_prices(small_folder, tmp_path / "table", partitions=3)
    coins = source.coins[1:]
    for model in (create_model("naive"), create_model("lstm")):
        jobs = plan_jobs(source, coins, model, 4, n)
        assert [coin for job in jobs for coin in job.coins] == coins
        assert n is None or len(jobs) == n
        assert all(job.seconds > 0 for job in jobs)


def test_a_costly_model_is_cut_finer_than_a_cheap_one(small_folder: Path) -> None:
    source = CryptoLoader(small_folder).source
    cheap, dear = (
        len(plan_jobs(source, source.coins, create_model(name), 2, None))
        for name in ("naive", "lstm")
    )
    assert cheap == 1 < dear


def test_a_long_job_is_read_in_parts_and_gives_the_same(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = import_prices(small_folder, tmp_path / "table")
    model = create_model("linear")
    [whole] = plan_jobs(table, table.coins, model, 1, 1)
    assert len(whole.partitions) == 1
    monkeypatch.setattr(partition, "ROWS_PER_PARTITION", 400)
    [cut] = plan_jobs(table, table.coins, model, 1, 1)
    assert len(cut.partitions) > 3
    assert max(part.rows for part in cut.partitions) < 800
    one, other = (forecast_job(job, CUT, model, 5, 0) for job in (whole, cut))
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
    assert (one.rows, one.coins, one.failures) == (other.rows, other.coins, other.failures)


class Counting(dict[str, Any]):
    """A dictionary that counts how often it is asked."""

    asked = 0

    def __getitem__(self, key: str) -> Any:
        self.asked += 1
        return super().__getitem__(key)


COINS, DAYS, INSIDE = 200_000, 1_000, 250


@pytest.fixture(scope="module")
def large_table(tmp_path_factory: pytest.TempPathFactory) -> PriceTable:
    """A table of very many coins, of which there is the index and no part."""
    path = tmp_path_factory.mktemp("large") / "table"
    part = np.arange(COINS) // INSIDE
    index = pd.DataFrame({"coin": [f"C{i:06d}" for i in range(COINS)], "rows": DAYS, "part": part})
    days = {name: np.datetime64("2017-09-22", "s") for name in ("first", "last")}
    with writing(path) as writer:
        facts = {
            "freq": "1d",
            "policies": {},
            "parts": [f"part-00000000-{i:05d}.parquet" for i in range(part[-1] + 1)],
            "deltas": [],
            "index": writer.write("index", index.assign(**days, reason="")),
            "findings": writer.write("findings", empty_findings()),
        }
        writer.publish(facts, keep_old=False)
    return PriceTable(path)


@pytest.mark.parametrize("model", ["naive", "lstm"])
def test_planning_looks_up_each_coin_a_few_times_however_many_jobs_there_are(
    large_table: PriceTable, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    places = Counting(large_table._place)
    monkeypatch.setattr(large_table, "_place", places)
    jobs = plan_jobs(large_table, large_table.coins, create_model(model), 100, None)
    assert len(jobs) > 500
    assert sum(len(part.coins) for job in jobs for part in job.partitions) == COINS
    assert places.asked <= 3 * COINS


def test_a_folder_is_asked_for_all_jobs_at_once(
    small_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = CryptoLoader(small_folder).source
    files = Counting(source._files)
    monkeypatch.setattr(source, "_files", files)
    assert len(plan_jobs(source, source.coins, create_model("naive"), 4, 6)) == 6
    assert files.asked == len(source.coins)


def opened(jobs: Sequence[Job]) -> Counter[str]:
    """Count how often each file is opened."""
    return Counter(path for job in jobs for part in job.partitions for path in part.paths)


def test_parts_of_a_table_are_opened_once_or_where_a_job_ends_inside_twice(
    large_table: PriceTable,
) -> None:
    coins, parts = large_table.coins, len(large_table.manifest["parts"])
    naive = create_model("naive")
    jobs = plan_jobs(large_table, coins, naive, 2, None)
    assert len(jobs) > 10
    assert set(opened(jobs).values()) == {1}
    assert len(opened(jobs)) == parts
    even = opened(plan_jobs(large_table, coins, naive, 2, 7))
    assert set(even.values()) == {1, 2}
    assert even.total() <= parts + 6
    # The last jobs of very many workers are smaller than a part.
    assert opened(plan_jobs(large_table, coins, naive, 40, None)).total() < 1.1 * parts


def test_a_job_in_parts_writes_what_it_would_return(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = import_prices(small_folder, tmp_path / "table", partitions=5)
    monkeypatch.setattr(partition, "ROWS_PER_PARTITION", 400)
    model = create_model("linear")
    [job] = plan_jobs(table, table.coins, model, 1, 1)
    assert len(job.partitions) > 3
    here = forecast_job(job, CUT, model, 5, 0)
    assert len(here.failures) == 1
    contents = []
    for task in ("00000", "00001"):
        files = files_in(tmp_path, task)
        there = forecast_job(job, CUT, model, 5, 0, files)
        assert (there.coins, there.rows) == (here.coins, here.rows) == (11, len(table))
        assert there.failures == here.failures
        assert there.file == record_of(files.table)
        written = read_part(tmp_path, there.file)
        pd.testing.assert_frame_equal(written, here.table, check_exact=True)
        contents.append(files.table.read_bytes())
        done = read_done(files)
        assert done is not None
        assert (done.coins, done.rows, done.failures) == (11, len(table), here.failures)
    assert contents[0] == contents[1]


def test_a_job_whose_last_part_is_damaged_leaves_no_file(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = import_prices(small_folder, tmp_path / "table", partitions=5)
    monkeypatch.setattr(partition, "ROWS_PER_PARTITION", 400)
    model = create_model("naive")
    [job] = plan_jobs(table, table.coins, model, 1, 1)
    Path(job.partitions[-1].paths[-1]).write_bytes(b"PAR1 and no more")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(TableError, match="can't be read"):
        forecast_job(job, CUT, model, 5, 0, files_in(out))
    assert list(out.iterdir()) == []


def test_a_shipped_job_gives_what_its_files_give(small_folder: Path) -> None:
    source = CryptoLoader(small_folder).source
    model = create_model("random")
    [job] = plan_jobs(source, source.coins, model, 1, 1)
    one, other = (
        forecast_job(j, CUT, model, 5, 3)
        for j in (job, pickle.loads(pickle.dumps(embed_prices(job))))
    )
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)


def test_seconds_are_told_by_stage_and_a_file_is_written_where_asked(
    small_folder: Path, tmp_path: Path
) -> None:
    source = CryptoLoader(small_folder).source
    model = create_model("naive")
    [job] = plan_jobs(source, source.coins, model, 1, 1)
    here = forecast_job(job, CUT, model, 5, 0)
    assert set(here.seconds) == {"read", "fit"}
    there = forecast_job(job, CUT, model, 5, 0, files_in(tmp_path))
    assert set(there.seconds) == {"read", "fit", "write"}
    assert there.table is None
    written = pd.read_parquet(tmp_path / "forecasts-00000.parquet")
    assert np.array_equal(written["forecast"], here.table["forecast"])
    assert sum(there.seconds.values()) <= there.ended - there.began


@pytest.mark.slow
def test_what_is_sent_of_ten_thousand_files_is_small(tmp_path: Path) -> None:
    for i in range(10_000):
        (tmp_path / f"{coin_name(i)}.csv").write_text("Date,Close\n2017-09-22,1.5\n")
    source = CryptoLoader(tmp_path).source
    jobs: list[Job] = plan_jobs(source, source.coins, create_model("lstm"), 40, None)
    assert sum(len(pickle.dumps((job, CUT, create_model("lstm"), 10, 0))) for job in jobs) < 1e6


def test_jobs_are_shared_out_among_few_groups_of_similar_cost() -> None:
    costs = [7, 5, 4, 3, 2, 2, 1]
    groups = share(costs, 3)
    assert sorted(i for group in groups for i in group) == list(range(7))
    assert sorted(sum(costs[i] for i in group) for group in groups) == [7, 8, 9]
    assert len(share(costs[:2], 3)) == 2
    assert share([], 3) == []
    whole = join_jobs([Job((name,), 2.0, 5.0) for name in "ab"])
    assert (whole.partitions, whole.seconds, whole.timeout) == (("a", "b"), 4.0, 5.0)


@pytest.mark.parametrize("to_table", [True, False])
def test_a_panel_has_the_columns_that_are_asked_for(
    small_folder: Path, small_prices: pd.DataFrame, tmp_path: Path, *, to_table: bool
) -> None:
    source = import_prices(small_folder, tmp_path / "table").path if to_table else small_folder
    loader = CryptoLoader(source)
    [job] = plan_jobs(loader.source, loader.get_crypto_names(), create_model("naive"), 1, 1)
    for cut in (RowFilter.of(None, None, None), RowFilter.of(9, None, None)):
        panel, _, rows = read_panel(job.partitions[0], cut, columns=("volume", "market_cap"))
        plain, _, plain_rows = read_panel(job.partitions[0], cut)
        assert plain.extra == {}
        assert rows == plain_rows
        assert np.array_equal(panel.values, plain.values)
        wanted = small_prices.set_index(["coin", "date"]).sort_index()
        if cut.max_points:
            wanted = wanted.groupby("coin").tail(9)
        for name in ("volume", "market_cap"):
            np.testing.assert_allclose(panel.extra[name], wanted[name], rtol=1e-12)


def test_columns_of_a_table_that_grew_are_those_of_its_rows(
    small_prices: pd.DataFrame, tmp_path: Path
) -> None:
    early = small_prices["date"] < small_prices["date"].max() - pd.Timedelta(days=9)
    folder = write_folder(tmp_path / "prices", small_prices[early])
    table = import_prices(folder, tmp_path / "table")
    table.append(small_prices)
    grown = PriceTable(table.path)
    [job] = plan_jobs(grown, list(grown.index["coin"]), create_model("naive"), 1, 1)
    panel, _, _ = read_panel(job.partitions[0], CUT, columns=("volume",))
    wanted = small_prices.sort_values(["coin", "date"])
    assert len(panel.values) == len(wanted)
    np.testing.assert_allclose(panel.extra["volume"], wanted["volume"], rtol=1e-12)


@pytest.mark.parametrize("name", ["naive", "random", "linear", "ridge"])
def test_however_the_rows_of_a_table_are_read_the_forecasts_are_the_same(
    small_folder: Path, tmp_path: Path, name: str
) -> None:
    model = create_model(name)
    table = import_prices(small_folder, tmp_path / "table", partitions=3)
    rows = table.partitions(table.coins, 1)[0].read()
    table.append(rows[::7].assign(close=rows["close"] * 1.5))
    late = rows.groupby("coin").tail(1)
    table.append(late.assign(date=late["date"] + pd.Timedelta(days=1)))
    jobs = plan_jobs(table, table.coins, model, 2, 4)
    assert any(part.deltas for job in jobs for part in job.partitions)
    for job in jobs:
        one, other, out = (
            forecast_job(*call)
            for call in (
                (job, CUT, model, 5, 3),
                (embed_prices(job), CUT, model, 5, 3),
                (job, CUT, model, 5, 3, files_in(tmp_path)),
            )
        )
        pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
        assert one.failures == other.failures == out.failures
        assert one.coins == other.coins == out.coins
        written = read_part(tmp_path, out.file)
        pd.testing.assert_frame_equal(one.table, written, check_exact=True)

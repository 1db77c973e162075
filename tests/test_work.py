"""Jobs: planned by cost, done in parts that fit into memory, and counted stage by stage."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask import CryptoLoader, create_model, import_prices
from cryptodask.prices import sources
from cryptodask.prices.loader import Cut
from cryptodask.prices.synthetic import coin_name
from cryptodask.work import Job, merge_jobs, plan_jobs, run_job, ship

CUT = Cut.of(None, None, None)


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
    assert len(whole.parts) == 1
    monkeypatch.setattr(sources, "ROWS_PER_PARTITION", 400)
    [cut] = plan_jobs(table, table.coins, model, 1, 1)
    assert len(cut.parts) > 3
    assert max(part.rows for part in cut.parts) < 800
    one, other = (run_job(job, CUT, model, 5, 0) for job in (whole, cut))
    pd.testing.assert_frame_equal(one.forecasts, other.forecasts, check_exact=True)
    assert (one.rows, one.coins, one.failures) == (other.rows, other.coins, other.failures)


def test_a_shipped_job_gives_what_its_files_give(small_folder: Path) -> None:
    source = CryptoLoader(small_folder).source
    model = create_model("random")
    [job] = plan_jobs(source, source.coins, model, 1, 1)
    one, other = (
        run_job(j, CUT, model, 5, 3) for j in (job, pickle.loads(pickle.dumps(ship(job))))
    )
    pd.testing.assert_frame_equal(one.forecasts, other.forecasts, check_exact=True)


def test_seconds_are_told_by_stage_and_a_file_is_written_where_asked(
    small_folder: Path, tmp_path: Path
) -> None:
    source = CryptoLoader(small_folder).source
    model = create_model("naive")
    [job] = plan_jobs(source, source.coins, model, 1, 1)
    here = run_job(job, CUT, model, 5, 0)
    assert set(here.seconds) == {"read", "fit"}
    there = run_job(job, CUT, model, 5, 0, (tmp_path, "forecasts-00000.parquet"))
    assert set(there.seconds) == {"read", "fit", "write"}
    assert there.forecasts.empty
    written = pd.read_parquet(tmp_path / "forecasts-00000.parquet")
    assert np.array_equal(written["forecast"], here.forecasts["forecast"])
    assert sum(there.seconds.values()) <= there.ended - there.began


@pytest.mark.slow
def test_what_is_sent_of_ten_thousand_files_is_small(tmp_path: Path) -> None:
    for i in range(10_000):
        (tmp_path / f"{coin_name(i)}.csv").write_text("Date,Close\n2017-09-22,1.5\n")
    source = CryptoLoader(tmp_path).source
    jobs: list[Job] = plan_jobs(source, source.coins, create_model("lstm"), 40, None)
    assert sum(len(pickle.dumps((job, CUT, create_model("lstm"), 10, 0))) for job in jobs) < 1e6


def test_merged_jobs_are_few_and_of_similar_cost() -> None:
    jobs = [
        Job((name,), seconds)
        for name, seconds in zip("abcdefg", [7, 5, 4, 3, 2, 2, 1], strict=True)
    ]
    merged = merge_jobs(jobs, 3)
    assert sorted(part for job in merged for part in job.parts) == list("abcdefg")
    assert sorted(job.seconds for job in merged) == [7, 8, 9]
    assert len(merge_jobs(jobs[:2], 3)) == 2
    assert merge_jobs([], 3) == []

"""The record of a job: read back as written, and none where it or its table is torn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask.io.parquet import write_frame
from cryptodask.prices.clean.findings import file_finding, join_findings
from cryptodask.records import CoinFailure
from cryptodask.results.jobs import JobDone, TaskFiles, read_done, write_done


def files_in(folder: Path, key: str = "key") -> TaskFiles:
    return TaskFiles(folder / "forecasts-00000.parquet", folder / "_done-00000.json", key)


@pytest.fixture
def done(tmp_path: Path) -> JobDone:
    """What a job did, whose table and record are in a folder."""
    record = write_frame(pd.DataFrame({"x": [1.5, 2.5]}), tmp_path / "forecasts-00000.parquet")
    failures = (
        CoinFailure("A", "naive", "TooShortError", "1 row"),
        CoinFailure("B", "naive", "ForecastError", "NaN", np.datetime64("2026-01-02", "s")),
    )
    of_a_file = file_finding("unreadable_file", "C", "C.csv", "cut off")
    of_a_row = of_a_file.assign(coin="D", line=7, date=pd.Timestamp("2026-01-02 05:00"))
    lost = join_findings([of_a_file, of_a_row.astype(of_a_file.dtypes)])
    job = JobDone(None, record, failures, lost, 3, 2, 90, "tcp://w", {"fit": 0.5}, 1.0, 2.0)
    write_done(files_in(tmp_path), job)
    return job


def test_it_is_read_back(tmp_path: Path, done: JobDone) -> None:
    again = read_done(files_in(tmp_path))
    assert again is not None
    pd.testing.assert_frame_equal(again.lost, done.lost)
    for name in ("file", "failures", "coins", "bounded", "rows", "worker", "seconds", "began"):
        assert getattr(again, name) == getattr(done, name), name


@pytest.mark.parametrize("name", ["_done-00000.json", "forecasts-00000.parquet"])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "zeros", "flipped"])
def test_what_is_torn_is_not_done(tmp_path: Path, done: JobDone, name: str, damage: str) -> None:
    assert read_done(files_in(tmp_path)) is not None
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 0x80]) + content[middle + 1 :]
        torn = {"empty": b"", "cut": content[:middle], "zeros": bytes(len(content))}
        path.write_bytes(torn.get(damage, flipped))
    assert read_done(files_in(tmp_path)) is None


@pytest.mark.usefixtures("done")
def test_the_record_of_another_task_is_not_of_this_one(tmp_path: Path) -> None:
    assert read_done(files_in(tmp_path, "other")) is None


def test_what_another_worker_did_meanwhile_stays(tmp_path: Path, done: JobDone) -> None:
    record = (tmp_path / "_done-00000.json").read_bytes()
    there = write_done(files_in(tmp_path), replace(done, worker="tcp://late", began=5.0))
    assert there.worker == done.worker
    assert (tmp_path / "_done-00000.json").read_bytes() == record

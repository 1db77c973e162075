"""Forecasts as a folder: whole or refused, and never in the place of something else."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cryptodask.errors import CryptoDaskError
from cryptodask.io.files import record_of
from cryptodask.io.parquet import write_frame, write_frames
from cryptodask.results.forecasts import (
    empty_forecasts,
    forecast_schema,
    read_part,
    sort_forecasts,
)
from cryptodask.results.manifest import MANIFEST, read_manifest


def frame(*rows: tuple[str, str, int, float]) -> pd.DataFrame:
    """Forecasts of coin, model, step and price."""
    day = pd.Timestamp("2017-09-23")
    cells = [(c, m, day, day + pd.Timedelta(days=s), s, price) for c, m, s, price in rows]
    made = pd.DataFrame(cells, columns=list(empty_forecasts().columns))
    return made.astype(empty_forecasts().dtypes.to_dict())


NAME = "forecasts-00000.parquet"
ONE = frame(("A", "naive", 1, 1.0), ("A", "naive", 2, 1.0))


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write_frame(ONE, tmp_path / NAME)
    write_frame(ONE, tmp_path / NAME)  # a task that ran twice
    pd.testing.assert_frame_equal(read_part(tmp_path, record_of(tmp_path / NAME)), ONE)
    assert len(pd.read_parquet(tmp_path)) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "holds no result that is whole"),
        ("{", "_manifest.json"),
        (json.dumps({"files": ["forecasts-00000.parquet"]}), "an earlier CryptoDask wrote"),
        (json.dumps({"version": 2}), "_manifest.json: key: is missing"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(CryptoDaskError, match=why):
        read_manifest(tmp_path)


def test_forecasts_are_sorted_by_coin_then_model_as_asked_then_step() -> None:
    other = frame(("A", "linear", 1, 2.0), ("0", "naive", 1, 3.0))
    joined = sort_forecasts([ONE, other], ["linear", "naive"])
    keys = list(joined[["coin", "model", "step"]].itertuples(index=False, name=None))
    assert keys == [("0", "naive", 1), ("A", "linear", 1), ("A", "naive", 1), ("A", "naive", 2)]
    assert joined.dtypes.to_dict() == empty_forecasts().dtypes.to_dict()


TWO = frame(("B", "naive", 1, 2.0), ("B", "naive", 2, 2.5))


def read_file(path: Path) -> pd.DataFrame:
    return read_part(path.parent, record_of(path))


def write_groups(folder: Path, *frames: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    with write_frames(folder / NAME, forecast_schema()) as write:
        for each in frames:
            write(each)
    return folder / NAME


def test_a_file_of_groups_is_that_of_the_whole_and_the_same_when_done_twice(tmp_path: Path) -> None:
    groups = write_groups(tmp_path / "one", ONE, ONE[:0], TWO)
    write_frame(pd.concat([ONE, TWO], ignore_index=True), tmp_path / NAME)
    pd.testing.assert_frame_equal(
        read_part(groups.parent, record_of(groups)), read_part(tmp_path, record_of(tmp_path / NAME))
    )
    assert pq.read_schema(groups).equals(pq.read_schema(tmp_path / NAME), check_metadata=True)
    assert pq.ParquetFile(groups).num_row_groups == 2
    assert groups.read_bytes() == write_groups(tmp_path / "two", ONE, ONE[:0], TWO).read_bytes()


def test_a_file_without_a_forecast_is_a_table_of_no_rows(tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(read_file(write_groups(tmp_path / "none")), empty_forecasts())


def test_what_fails_half_way_leaves_no_file_and_the_one_before_it(tmp_path: Path) -> None:
    write_frame(ONE, tmp_path / NAME)
    with pytest.raises(KeyError):
        write_groups(tmp_path, TWO, TWO.drop(columns="step"))
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    pd.testing.assert_frame_equal(read_part(tmp_path, record_of(tmp_path / NAME)), ONE)


def write_and_die(folder: Path) -> None:
    with write_frames(folder / NAME, forecast_schema()) as write:
        write(ONE)
        os.kill(os.getpid(), signal.SIGKILL)


def test_who_is_killed_half_way_leaves_a_draft_and_no_file(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    [draft] = tmp_path.iterdir()
    assert draft.name.startswith(f".{NAME}.")
